"""Extraction: how each video is built. Batches of videos over the CPU pool, and over the GPU pool where there is one."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, as_completed
from typing import Annotated, Any

from prefect import flow, task
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from flows.batches import Batch, batches
from flows.hooks import HOOKS
from flows.plan import Planned
from flows.seeing import Following, summarise
from flows.session import Session, current, session
from tasks.records import StageOutcome
from tasks.settings import Settings

WINDOW = 2  # batches in flight beside those that may be decoded ahead: one that ends, one that begins


@flow(
    name="extraction",
    flow_run_name="extraction · {source}",
    task_runner=ThreadPoolTaskRunner(max_workers=256),  # type: ignore[arg-type]
    **HOOKS,
)
def extraction(
    source: str,
    out: str,
    settings: Settings | None = None,
    limit: Annotated[int, Field(ge=1)] | None = None,
    prune: bool = False,
) -> Any:
    """Extract every video of `source` that is new or changed, and put its rows into the tables under `out`.

    Args:
        source: A folder, a single file, a manifest (.csv, .jsonl or .parquet) or a URL of videos.
        out: Folder or URL of the tables and the report.
        settings: What differs from the defaults; left out, the defaults and what the worker's environment says.
        limit: Only the first so many videos of the source; left out, all of them.
        prune: On, videos that came from this source and are no longer in it leave every table; not with a limit.
    """
    with session("extract", source, out, settings, limit, prune) as run:
        run.ledger.note_plan()
        todo = [planned.video.video_id for planned in run.plan.todo]
        following = Following(run, "extraction", len(todo))
        window: deque[tuple[Batch, list[PrefectFuture[Any]]]] = deque()
        stages = [extract_batch]
        if run.backend.device:
            stages += [read_batch, hear_batch]
            for stage in ("text", "speech"):
                run.progress.begin(stage, len(todo))
        in_flight = WINDOW + run.settings.pools.ahead + run.settings.workers // run.settings.pools.batch_size
        for batch in batches(todo, run.settings.pools.batch_size):
            extracted: list[PrefectFuture[Any]] = [stage.submit(batch) for stage in stages]
            published = publish_batch.submit(batch, wait_for=extracted)  # type: ignore[call-overload]
            window.append((batch, [*extracted, published]))
            if len(window) >= in_flight:
                settle(window, following)
        while window:
            settle(window, following)
        return summarise(run, "extraction")


@task(name="extract", task_run_name="extract · {batch}")
def extract_batch(batch: Batch) -> None:
    """Decode a batch in the CPU pool; without a GPU pool, its text and speech are read there as well."""
    run = current()
    futures = {run.begin(planned): planned for planned in run.planned(batch) if run.results.missing(planned)}
    run.progress.advance("extraction", len(batch.video_ids) - len(futures))
    for future in as_completed(futures):
        run.keep(futures[future], future.result())
        run.progress.advance("extraction", 1)


@task(name="read", task_run_name="read · {batch}")
def read_batch(batch: Batch) -> None:
    """Read the on-screen text of a batch on the device, each video as soon as it is decoded."""
    on_device(current(), batch, "text")


@task(name="hear", task_run_name="hear · {batch}")
def hear_batch(batch: Batch) -> None:
    """Transcribe the speech of a batch on the device, each video as soon as it is decoded."""
    on_device(current(), batch, "speech")


@task(name="publish", task_run_name="publish · {batch}")
def publish_batch(batch: Batch) -> None:
    """Make templates of a batch and put its rows into the tables."""
    run = current()
    run.publish(batch)


def settle(window: deque[tuple[Batch, list[PrefectFuture[Any]]]], following: Following) -> None:
    """Wait for the oldest batch in flight; the first error of its tasks, if there is one, is the flow's."""
    batch, futures = window.popleft()
    for future in futures:
        future.result()
    following.advance(len(batch.video_ids))


def on_device(run: Session, batch: Batch, stage: str) -> None:
    """Queue one model stage of a batch's videos as decoding is done with them, and keep what it gives."""
    assert run.backend.device is not None
    wanting = [planned for planned in run.planned(batch) if stage in run.results.missing(planned)]
    run.progress.advance(stage, len(batch.video_ids) - len(wanting))
    decoding = {run.begin(planned): planned for planned in wanting}
    queued: dict[Future[StageOutcome], Planned] = {}
    for decoded in as_completed(decoding):
        planned = decoding[decoded]
        if stage not in run.results.missing(planned):  # another run has done it meanwhile
            run.progress.advance(stage, 1)
        elif not any(outcome.failure and outcome.result is None for outcome in decoded.result()):
            queued[run.backend.device.submit(stage, run.job(planned))] = planned
        else:  # it could not be decoded
            run.progress.advance(stage, 1)
    for outcome in as_completed(queued):
        run.keep(queued[outcome], [outcome.result()])
        run.progress.advance(stage, 1)
