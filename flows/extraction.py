"""Extraction: how each video is built. Batches of videos over the CPU pool, and over the GPU pool where there is one."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import as_completed
from contextlib import ExitStack
from typing import Any

from filelock import FileLock
from prefect import flow, task
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows.batches import Batch, batches
from flows.pools import Work
from flows.seeing import Following, summarise
from flows.session import Session, current, session
from tasks.extraction import video as work
from tasks.settings import Settings

WINDOW = 2  # batches in flight beside those that may be decoded ahead: one that ends, one that begins


@flow(name="extraction", flow_run_name="extraction · {source}", task_runner=ThreadPoolTaskRunner(max_workers=256))  # type: ignore[arg-type]
def extraction(source: str, out: str, settings: Settings | None = None, limit: int | None = None) -> Any:
    """Extract every video of `source` that is new or changed, and put its rows into the tables under `out`."""
    with session("extract", source, out, settings, limit) as run:
        run.note_plan()
        todo = [planned.video.video_id for planned in run.plan.todo]
        following = Following(run, "extraction", len(todo))
        window: deque[tuple[Batch, list[PrefectFuture[Any]]]] = deque()
        with ExitStack() as runners:
            device: Any = runners.enter_context(ThreadPoolTaskRunner(max_workers=1)) if run.gpu else None
            for batch in batches(todo, run.settings.pools.batch_size):
                extracted: list[PrefectFuture[Any]] = [extract_batch.submit(batch)]
                if device:
                    read = device.submit(read_batch, {"batch": batch}, wait_for=extracted)
                    heard = device.submit(hear_batch, {"batch": batch}, wait_for=extracted)
                    extracted = [*extracted, read, heard]
                published = publish_batch.submit(batch, wait_for=extracted)  # type: ignore[call-overload]
                window.append((batch, [*extracted, published]))
                if len(window) >= WINDOW + run.settings.pools.ahead:
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
        run.results.keep(futures[future], future.result())
        run.progress.advance("extraction", 1)


@task(name="read", task_run_name="read · {batch}")
def read_batch(batch: Batch) -> None:
    """Read the on-screen text of a decoded batch, on the device."""
    on_device(current(), batch, "text", work.read)


@task(name="hear", task_run_name="hear · {batch}")
def hear_batch(batch: Batch) -> None:
    """Transcribe the speech of a decoded batch, on the device."""
    on_device(current(), batch, "speech", work.hear)


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


def on_device(run: Session, batch: Batch, stage: str, function: Work) -> None:
    """Run one model stage of a batch on the device, which one flow run at a time may hold on this machine."""
    assert run.gpu is not None
    waiting = [
        planned
        for planned in run.planned(batch)
        if stage in run.results.missing(planned) and (run.spool_of(planned) / "index.json").exists()
    ]
    with FileLock(str(run.folder / "device-0.lock")):
        began_s = time.perf_counter()
        futures = {run.gpu.submit(function, run.job(planned), stage): planned for planned in waiting}
        for future in as_completed(futures):
            run.results.keep(futures[future], future.result())
        run.results.counts.device_s += time.perf_counter() - began_s
