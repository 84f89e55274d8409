"""Classification: each video's niche, from its text alone. No media file is opened."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.batches import Batch, batches
from flows.hooks import HOOKS
from flows.seeing import Following, summarise
from flows.session import current, session
from tasks.settings import Settings


@flow(
    name="classification",
    flow_run_name="classification · {source}",
    task_runner=ThreadPoolTaskRunner(max_workers=4),  # type: ignore[arg-type]
    **HOOKS,
)
def classification(
    source: str,
    out: str,
    settings: Settings | None = None,
    limit: Annotated[int, Field(ge=1)] | None = None,
    prune: bool = False,
) -> Any:
    """Find the niche of every video of `source` whose text is new or changed; no media file is opened.

    Args:
        source: A folder, a single file, a manifest (.csv, .jsonl or .parquet) or a URL of videos.
        out: Folder or URL of the tables and the report.
        settings: What differs from the defaults; left out, the defaults and what the worker's environment says.
        limit: Only the first so many videos of the source; left out, all of them.
        prune: On, videos that came from this source and are no longer in it leave every table; not with a limit.
    """
    with session("classify", source, out, settings, limit, prune) as run:
        run.ledger.note_catalog()
        todo = [video.video_id for video in run.niches.wanting]
        following = Following(run, "classification", len(todo))
        batched = list(batches(todo, run.settings.classification.batch_size))
        for batch, classified in zip(batched, [classify_batch.submit(batch) for batch in batched], strict=True):
            classified.result()
            following.advance(len(batch.video_ids))
        run.niches.publish()
        if run.command == "classify":
            run.niches.publish_alone(run.run_id)
            run.ledger.note_niches()
        run.results.counts.classified = len(run.niches.rows)
        return summarise(run, "classification")


@task(name="classify", task_run_name="classify · {batch}")
def classify_batch(batch: Batch) -> None:
    """Find the niches of a batch; its text is made into vectors at once."""
    run = current()
    videos = [run.niches.by_id[video_id] for video_id in batch.video_ids]
    for video, niche in zip(videos, run.niches.classify(videos), strict=True):
        run.niches.note(video, niche)
    run.progress.advance("classification", len(videos))
