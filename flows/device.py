"""The device: text and speech of many videos take turns on it, and none of them waits while it is free."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from flows.pools import WorkerPool
from tasks.errors import PoolStopped
from tasks.extraction import group
from tasks.extraction.video import Job
from tasks.records import StageOutcome

WORK: dict[str, Callable[..., list[StageOutcome]]] = {"text": group.read, "speech": group.hear}


@dataclass(frozen=True)
class Turn:
    """What a slot did from when to when, and how many videos waited for each stage as it began."""

    slot: int
    stage: str
    videos: int
    started_at: datetime
    took_s: float
    waiting: dict[str, int]

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.took_s)


@dataclass(frozen=True)
class _Waiting:
    job: Job
    outcome: Future[StageOutcome]


class Device:
    """One slot per device, each with a process that keeps its models.

    The stage that more videos wait for has the next turn, with up to `videos` of them. A slot is held through a file,
    by one turn of one run on this machine at a time. locks: folder of these files; None where who gave the slots sees to it,
    and a process sees its own device alone.
    """

    def __init__(self, pools: Sequence[WorkerPool], videos: int, locks: Path | None) -> None:
        self.pools = pools
        self.turns: list[Turn] = []
        self._videos, self._locks = videos, locks
        self._waiting: dict[str, list[_Waiting]] = {stage: [] for stage in WORK}
        self._changed = threading.Condition()
        self._stopped = False
        for slot in range(len(pools)):
            threading.Thread(target=self._serve, args=(slot,), name=f"device-{slot}", daemon=True).start()

    def submit(self, stage: str, job: Job) -> Future[StageOutcome]:
        """Queue one stage of a spooled video."""
        waiting = _Waiting(job, Future())
        with self._changed:
            if self._stopped:
                waiting.outcome.set_exception(PoolStopped("the device was let go"))
            else:
                self._waiting[stage].append(waiting)
                self._changed.notify()
        return waiting.outcome

    def waiting(self) -> dict[str, int]:
        """How many videos wait for each stage."""
        return {stage: len(queue) for stage, queue in self._waiting.items()}

    def busy_s(self) -> float:
        """Seconds of all turns."""
        return sum(turn.took_s for turn in self.turns)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for pool in self.pools:
            pool.stop()

    def _serve(self, slot: int) -> None:
        lock = FileLock(str(self._locks / f"device-{slot}.lock")) if self._locks else nullcontext()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or any(self._waiting.values()))
            with lock:
                turn = self._take()
                if turn is None:
                    if self._stopped:
                        return
                    continue  # another slot was faster
                stage, chosen, waiting = turn
                started_at, began_s = datetime.now(UTC), time.monotonic()
                self._work(slot, stage, chosen)
                took_s = time.monotonic() - began_s
                self.turns.append(Turn(slot, stage, len(chosen), started_at, took_s, waiting))

    def _take(self) -> tuple[str, list[_Waiting], dict[str, int]] | None:
        """The stage that has the next turn, its videos, and how many waited; None where none does, or none shall."""
        with self._changed:
            waiting = self.waiting()
            if self._stopped:
                for queue in self._waiting.values():
                    for left in queue:
                        left.outcome.set_exception(PoolStopped("the device was let go"))
                    queue.clear()
            if not any(self._waiting.values()):
                return None
            last = self.turns[-1].stage if self.turns else None
            stage = max(waiting, key=lambda stage: (waiting[stage], stage != last))
            queue = self._waiting[stage]
            chosen = queue[: self._videos]
            del queue[: self._videos]
            return stage, chosen, waiting

    def _work(self, slot: int, stage: str, chosen: Sequence[_Waiting]) -> None:
        """One turn. Where it cost the worker, each video has a turn alone, and only the one that is to blame fails."""
        pool = self.pools[slot]
        work: Any = WORK[stage]
        jobs = group.Group(tuple(self._placed(waiting.job, slot) for waiting in chosen))
        try:
            outcomes = pool.submit(work, jobs, stage, len(chosen)).result()
        except BaseException as error:  # the pool was stopped, or a fault of ours: whoever waits must learn of it
            for waiting in chosen:
                waiting.outcome.set_exception(error)
            return
        finally:
            pool.forget(work, jobs)
        if len(outcomes) != len(chosen):
            for waiting in chosen:
                self._work(slot, stage, [waiting])
            return
        for waiting, outcome in zip(chosen, outcomes, strict=True):
            waiting.outcome.set_result(outcome)

    def _placed(self, job: Job, slot: int) -> Job:
        """The job with the models on the slot's device."""
        place = f"cuda:{slot}"
        if self._locks and len(self.pools) > 1 and job.ocr.device == "cuda":
            job = replace(job, ocr=replace(job.ocr, device=place))
        if self._locks and len(self.pools) > 1 and job.speech.device == "cuda":
            job = replace(job, speech=replace(job.speech, device=place))
        return job
