"""The pipeline: from a source of videos to niches, templates, clusters, tables and a report."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.analysis import analysis
from flows.background import in_background
from flows.classification import classification
from flows.extraction import extraction
from flows.seeing import summarise
from flows.session import session
from tasks.settings import Settings


@flow(name="pipeline", flow_run_name="pipeline · {source}")
def pipeline(source: str, out: str, settings: Settings | None = None, limit: int | None = None) -> Any:
    """Classify and extract every video of `source` that is new or changed, and analyse what is there meanwhile.

    source: a folder, a file, a manifest or a URL. out: the folder of the tables and the report. settings: None for the
    defaults and what the environment says.
    Returns the run's summary; a run in which videos failed ends as PartiallyCompleted.
    """
    with session("run", source, out, settings, limit) as run:
        classification(source, out, settings, limit)
        with in_background(extraction, source, out, settings, limit, stop=run.close) as extracting:
            while run.wait_for_templates(extracting):
                analysis(out, settings, final=False)
        analysis(out, settings, final=True)
        return summarise(run, "pipeline")
