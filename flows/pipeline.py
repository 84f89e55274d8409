"""The pipeline: from a source of videos to niches, templates, clusters, tables and a report."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.analysis import analysis
from flows.background import in_background
from flows.classification import classification
from flows.extraction import extraction
from flows.hooks import HOOKS
from flows.seeing import summarise
from flows.session import session
from tasks.settings import Settings


@flow(name="pipeline", flow_run_name="pipeline · {source}", **HOOKS)
def pipeline(
    source: str,
    out: str,
    settings: Settings | None = None,
    limit: Annotated[int, Field(ge=1)] | None = None,
    prune: bool = False,
) -> Any:
    """Classify and extract every video of `source` that is new or changed, and analyse what is there meanwhile.

    A run in which videos failed ends as PartiallyCompleted.

    Args:
        source: A folder, a single file, a manifest (.csv, .jsonl or .parquet) or a URL of videos.
        out: Folder or URL of the tables and the report.
        settings: What differs from the defaults; left out, the defaults and what the worker's environment says.
        limit: Only the first so many videos of the source; left out, all of them.
        prune: On, videos that came from this source and are no longer in it leave every table; not with a limit.

    Returns:
        The run's summary.
    """
    with session("run", source, out, settings, limit, prune) as run:
        classification(source, out, settings, limit, prune)
        with in_background(extraction, source, out, settings, limit, prune, stop=run.close) as extracting:
            while run.wait_for_templates(extracting):
                analysis(out, settings, final=False)
        analysis(out, settings, final=True)
        return summarise(run, "pipeline")
