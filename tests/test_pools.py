"""Worker pools: what a dying, idle, late or stopped worker does to the jobs and to the pool."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from flows.pools import WorkerPool
from tasks.errors import PoolStopped
from tasks.records import StageOutcome


@dataclass(frozen=True)
class Small:
    """A job that says in its name what it does to its worker."""

    video_id: str
    uri: str = "u"


def act(job: Small, progress: Callable[[float], None]) -> list[StageOutcome]:
    progress(0.5)
    if job.video_id.startswith("kill"):
        os.abort()
    if job.video_id.startswith("sleep"):
        time.sleep(600)
    return [StageOutcome(stage="text", result={"pid": os.getpid()}, failure=None, wall_s=0.0, cpu_s=0.0)]


@pytest.fixture()
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool("test", 2, timeout_s=6.0)
    yield made
    made.stop()


def worker_pids() -> list[int]:
    """Workers are forked from a server below this process."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
    servers = {pid for pid, parent, args in rows if parent == str(os.getpid()) and "multiprocessing.forkserver" in args}
    return [int(pid) for pid, parent, _ in rows if parent in servers]


def test_the_same_job_is_done_once(pool: WorkerPool) -> None:
    first = pool.submit(act, Small("a"), "text")
    assert pool.submit(act, Small("a"), "text") is first
    assert first.result(timeout=60)[0].result
    pool.forget(act, Small("a"))
    assert pool.submit(act, Small("a"), "text") is not first


def test_a_worker_that_dies_or_is_late_costs_its_job_alone(pool: WorkerPool) -> None:
    names = ["kill-1", "a", "sleep-1", "b", "kill-2", "c"]
    futures = {name: pool.submit(act, Small(name), "text") for name in names}
    outcomes = {name: future.result(timeout=120)[0] for name, future in futures.items()}
    errors = {name: outcome.failure.error_type if outcome.failure else None for name, outcome in outcomes.items()}
    assert errors == {
        "kill-1": "WorkerDied",
        "a": None,
        "sleep-1": "VideoTimeout",
        "b": None,
        "kill-2": "WorkerDied",
        "c": None,
    }
    assert {outcome.stage for outcome in outcomes.values()} == {"text"}
    assert pool.in_progress() == 0.0


def test_workers_that_die_while_idle_are_replaced(pool: WorkerPool) -> None:
    assert pool.submit(act, Small("a"), "text").result(timeout=60)
    for _ in range(2):
        for pid in worker_pids():
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        name = f"after {time.monotonic()}"
        assert pool.submit(act, Small(name), "text").result(timeout=60)[0].result


def test_workers_that_die_while_they_start_are_replaced(pool: WorkerPool) -> None:
    futures = [pool.submit(act, Small(f"v{number}"), "text") for number in range(4)]
    deadline = time.monotonic() + 30
    while not worker_pids() and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in worker_pids():
        os.kill(pid, signal.SIGKILL)
    assert all(future.result(timeout=90)[0].result for future in futures)


def test_who_waits_when_the_pool_is_stopped_is_told(pool: WorkerPool) -> None:
    futures = [pool.submit(act, Small(f"sleep-{number}"), "text") for number in range(6)]
    pool.stop()
    for future in futures:
        with pytest.raises(PoolStopped):
            future.result(timeout=5)
    with pytest.raises(PoolStopped):
        pool.submit(act, Small("late"), "text").result(timeout=5)
