"""Worker pools: what a dying, idle, late or stopped worker does to the jobs and to the pool."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pebble.pool.process import PoolManager

from flows.pools import SLOTS, WorkerPool
from flows.watch import LOOK_S
from tasks.errors import PoolStopped
from tasks.records import Failure, StageOutcome
from tests.deadly import eat, touched

LIMIT_MB = 600
WORDS = {"message": "CUDA error: device lost", "advice": "a"}
_left: list[bytearray] = []  # in a worker: what a video leaves


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
    if job.video_id.startswith("eat"):
        eat()
    if job.video_id.startswith("leave"):
        _left.append(touched(LIMIT_MB * 3 // 5))
    if job.video_id.startswith("take"):
        _left.append(touched(LIMIT_MB * 3 // 5))
        time.sleep(4 * LOOK_S)
    if job.video_id.startswith("lose") and not Path(job.uri).exists():
        lost = Failure(video_id=job.video_id, uri=job.uri, stage="text", error_type="AcceleratorError", **WORDS)
        if job.video_id == "lose once":
            Path(job.uri).touch()
        return [StageOutcome(stage="text", result=None, failure=lost, wall_s=0.0, cpu_s=0.0)]
    return [StageOutcome(stage="text", result={"pid": os.getpid()}, failure=None, wall_s=0.0, cpu_s=0.0)]


@pytest.fixture()
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool("test", 2, timeout_s=8.0, memory_mb=LIMIT_MB)
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


def error_of(outcome: StageOutcome) -> str | None:
    return outcome.failure.error_type if outcome.failure else None


def test_a_worker_that_eats_memory_costs_its_job_alone(pool: WorkerPool) -> None:
    futures = {name: pool.submit(act, Small(name), "decode") for name in ("a", "eat", "b", "c", "eat more", "d")}
    outcomes = {name: future.result(timeout=120)[0] for name, future in futures.items()}
    assert [name for name, outcome in outcomes.items() if outcome.failure] == ["eat", "eat more"]
    failure = outcomes["eat"].failure
    assert failure is not None
    assert (failure.error_type, failure.stage) == ("MemoryExceeded", "decode")
    assert f"{LIMIT_MB} are allowed" in failure.message
    assert "limits.worker_mb" in failure.advice


def test_what_others_left_in_a_worker_is_not_the_last_ones_fault() -> None:
    """The same work is too much in a worker that is full, and fine in a new one."""
    pool = WorkerPool("test", 1, timeout_s=60.0, memory_mb=LIMIT_MB)
    try:
        outcomes = [pool.submit(act, Small(name), "text").result(timeout=60)[0] for name in ("leave", "take")]
        assert [error_of(outcome) for outcome in outcomes] == [None, None]
        assert outcomes[0].result != outcomes[1].result
    finally:
        pool.stop()


def test_a_worker_is_replaced_after_its_jobs() -> None:
    """What decoders and models leak does not add up over a night."""
    pool = WorkerPool("test", 2, timeout_s=60.0, memory_mb=LIMIT_MB, jobs=3)
    try:
        futures = [pool.submit(act, Small(f"v{number}"), "text") for number in range(20)]
        pids = [outcome.result["pid"] for future in futures for outcome in future.result(timeout=60) if outcome.result]
    finally:
        pool.stop()
    assert len(pids) == 20
    assert max(Counter(pids).values()) == 3
    assert len(set(pids)) >= 7


def test_a_pool_that_is_stopped_leaves_no_thread(pool: WorkerPool) -> None:
    futures = [pool.submit(act, Small(name), "text") for name in ("a", "eat", "sleep")]
    futures[0].result(timeout=60)
    pool.stop()
    pool.stop()
    assert "watch" not in {thread.name for thread in threading.enumerate()}


def test_a_process_whose_device_is_lost_is_replaced(pool: WorkerPool, tmp_path: Path) -> None:
    """What it was at is tried once more in a new process: many a device is back then."""
    again = pool.submit(act, Small("lose once", str(tmp_path / "there")), "text").result(timeout=60)[0]
    assert error_of(again) is None
    never = pool.submit(act, Small("lose", str(tmp_path / "nowhere")), "text").result(timeout=60)[0]
    assert error_of(never) == "DeviceLost"


def test_more_jobs_than_can_be_followed_at_once(pool: WorkerPool) -> None:
    names = [f"v{number}" for number in range(SLOTS + 40)]
    names[SLOTS + 20] = "eat"  # waits for its turn, and is followed all the same
    futures = [pool.submit(act, Small(name), "text") for name in names]
    errors = [error_of(future.result(timeout=120)[0]) for future in futures]
    assert {name: error for name, error in zip(names, errors, strict=True) if error} == {"eat": "MemoryExceeded"}


def test_a_worker_that_dies_before_it_is_known_to_have_begun(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """pebble may see the end of a process before it reads that it had begun; it would then wait for the time limit."""
    real = PoolManager.process_next_message

    def late(self: PoolManager, timeout: float) -> None:
        time.sleep(0.5)
        real(self, timeout)

    monkeypatch.setattr(PoolManager, "process_next_message", late)
    names = ["kill-1", "a", "kill-2", "b"]
    outcomes = {name: pool.submit(act, Small(name), "text") for name in names}
    errors = {name: error_of(future.result(timeout=60)[0]) for name, future in outcomes.items()}
    assert errors == {"kill-1": "WorkerDied", "a": None, "kill-2": "WorkerDied", "b": None}


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
