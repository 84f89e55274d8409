"""Pools of worker processes: one for the CPU, one per device for OCR and speech.

A worker that dies or takes too long costs the video that it held; the pool replaces the worker and goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from multiprocessing.connection import wait
from multiprocessing.sharedctypes import RawArray
from typing import Any

from pebble import ProcessExpired, ProcessPool

from tasks.catalog import failure
from tasks.errors import VideoTimeout, WorkerDied
from tasks.records import StageOutcome

SLOTS = 256  # videos whose progress can be followed at once
TRIES = 2  # a worker may be lost to what another process did to the machine's memory

Work = Callable[[Any, Callable[[float], None]], list[StageOutcome]]

_shares: Any = None  # in a worker: the progress of all videos at work, shared with the parent


class WorkerPool:
    """Processes that are started once and keep their models. `submit` gives the same future for the same job."""

    def __init__(self, name: str, workers: int, timeout_s: float) -> None:
        self.name = name
        self.workers = workers
        self.timeout_s = timeout_s
        self._shares = RawArray("d", SLOTS)
        self._free = list(range(SLOTS))
        self._jobs: dict[Any, Future[list[StageOutcome]]] = {}
        self._lock = threading.Lock()
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=_begin,
            initargs=(self._shares,),
            context=multiprocessing.get_context("spawn"),
        )

    def submit(self, work: Work, job: Any) -> Future[list[StageOutcome]]:
        """Queue a job (with video_id and uri); its outcomes, failures among them, come from the future."""
        with self._lock:
            known = self._jobs.get((work, job))
            if known is not None:
                return known
            outcome: Future[list[StageOutcome]] = Future()
            self._jobs[work, job] = outcome
        self._try(work, job, outcome, TRIES)
        return outcome

    def forget(self, work: Work, job: Any) -> None:
        """Let go of a job's outcome once it was used."""
        with self._lock:
            self._jobs.pop((work, job), None)

    def in_progress(self) -> float:
        """The sum of the shares of the videos at work, for progress bars."""
        return float(sum(self._shares))

    def stop(self) -> None:
        """End the processes now, whatever they do."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _try(self, work: Work, job: Any, outcome: Future[list[StageOutcome]], tries: int) -> None:
        with self._lock:
            slot = self._free.pop() if self._free else SLOTS - 1
        running = self._pool.schedule(_run, args=(work, job, slot), timeout=self.timeout_s)

        def done(future: Future[Any]) -> None:
            self._shares[slot] = 0.0
            with self._lock:
                if slot not in self._free:
                    self._free.append(slot)
            try:
                outcome.set_result(future.result())
            except ProcessExpired as error:
                if tries > 1:
                    self._try(work, job, outcome, tries - 1)
                else:
                    code = f"exit code {error.exitcode}"
                    outcome.set_result([_lost(job, WorkerDied(f"{job.uri}: the worker process died ({code})"))])
            except TimeoutError:
                outcome.set_result([_lost(job, VideoTimeout(f"{job.uri}: not done after {self.timeout_s:.0f} s"))])
            except BaseException as error:  # cancelled, or a fault of ours: whoever waits must learn of it
                outcome.set_exception(error)

        running.add_done_callback(done)


def _lost(job: Any, error: Exception) -> StageOutcome:
    return StageOutcome(
        stage="decode", result=None, failure=failure(job.video_id, job.uri, "decode", error), wall_s=0.0, cpu_s=0.0
    )


def _begin(shares: Any) -> None:
    """In a worker: one thread for each library, no interest in Ctrl-C, and the end when the parent ends."""
    global _shares
    _shares = shares
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    import cv2

    import tasks.extraction.video  # noqa: F401  imported now, while nobody waits for it

    cv2.setNumThreads(1)


def _run(work: Work, job: Any, slot: int) -> list[StageOutcome]:
    def progress(share: float) -> None:
        _shares[slot] = share

    return work(job, progress)
