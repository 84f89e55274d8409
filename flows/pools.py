"""Pools of worker processes: one for the CPU, and one of a single process per device for OCR and speech.

A worker that dies or takes too long costs the video that it held; the pool replaces the worker and goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.sharedctypes import RawArray
from typing import Any

from pebble import ProcessExpired, ProcessPool
from threadpoolctl import threadpool_limits

from flows.forking import SINGLE, forking, prepare_forking
from tasks.catalog import failure
from tasks.errors import PoolStopped, ReelscopeError, VideoTimeout, WorkerDied
from tasks.records import StageOutcome

SLOTS = 256  # videos whose progress can be followed at once
BROKEN_POOLS = 5  # pools that may break before it is no accident
TRIES = 2  # a worker may be lost to what another process did to the machine's memory

Work = Callable[[Any, Callable[[float], None]], list[StageOutcome]]

_shares: Any = None  # in a worker: the progress of all videos at work, shared with the parent


@dataclass
class _Order:
    """One job on its way: what is to be called, for whom, and how often it may still be tried."""

    work: Work
    job: Any
    stage: str
    outcome: Future[list[StageOutcome]]
    timeout_s: float
    tries: int
    pool: ProcessPool | None = None  # where it was queued last


class WorkerPool:
    """Processes that are started once and keep their models. `submit` gives the same future for the same job."""

    def __init__(self, name: str, workers: int, timeout_s: float) -> None:
        self.name = name
        self.workers = workers
        self.timeout_s = timeout_s
        self._shares = RawArray("d", SLOTS)
        self._free = list(range(SLOTS))
        self._orders: dict[Any, _Order] = {}
        self._lock = threading.RLock()
        self._stopped = False
        self._broken = 0
        self._pool = self._new_pool()

    def submit(self, work: Work, job: Any, stage: str, videos: int = 1) -> Future[list[StageOutcome]]:
        """Queue a job (with video_id and uri); its outcomes, failures among them, come from the future.

        stage: what is said to have failed when the worker is lost. videos: how many the job is about; where there are
        several, it has their time together, and is not tried again: they can be tried one by one.
        """
        with self._lock:
            known = self._orders.get((work, job))
            if known is not None:
                return known.outcome
            tries = TRIES if videos == 1 else 1
            order = self._orders[work, job] = _Order(work, job, stage, Future(), self.timeout_s * videos, tries)
            self._queue(order)
            return order.outcome

    def forget(self, work: Work, job: Any) -> None:
        """Let go of a job's outcome once it was used."""
        with self._lock:
            self._orders.pop((work, job), None)

    def waiting(self) -> int:
        """How many jobs wait for a process."""
        with self._lock:
            unsettled = sum(not order.outcome.done() for order in self._orders.values())
        return max(0, unsettled - self.workers)

    def in_progress(self) -> float:
        """The sum of the shares of the videos at work, for progress bars."""
        return float(sum(self._shares))

    def stop(self) -> None:
        """End the processes now, whatever they do; who still waits for an outcome is told."""
        with self._lock:
            self._stopped = True
            waiting = [order for order in self._orders.values() if not order.outcome.done()]
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        for order in waiting:
            self._settle(order, error=PoolStopped(f"the {self.name} pool was stopped"))

    def _new_pool(self) -> ProcessPool:
        prepare_forking()
        return ProcessPool(max_workers=self.workers, initializer=_begin, initargs=(self._shares,), context=forking())

    def _queue(self, order: _Order) -> None:
        """Hand an order to the processes; with the lock held."""
        if self._stopped:
            self._settle(order, error=PoolStopped(f"the {self.name} pool was stopped"))
            return
        slot = self._free.pop() if self._free else SLOTS - 1
        pool = order.pool = self._pool
        try:
            running = pool.schedule(_run, args=(order.work, order.job, slot), timeout=order.timeout_s)
        except RuntimeError:  # the pool broke since it was last used
            self._replace(pool)
            return
        running.add_done_callback(lambda future: self._done(order, pool, slot, future))

    def _done(self, order: _Order, pool: ProcessPool, slot: int, future: Future[Any]) -> None:
        self._shares[slot] = 0.0
        with self._lock:
            if slot not in self._free:
                self._free.append(slot)
            if order.pool is not pool or order.outcome.done():  # it was queued anew meanwhile
                return
            try:
                self._settle(order, future.result())
            except ProcessExpired as error:
                order.tries -= 1
                if order.tries:
                    self._queue(order)
                else:
                    died = WorkerDied(f"{order.job.uri}: the worker process died (exit code {error.exitcode})")
                    self._settle(order, [_lost(order, died)])
            except TimeoutError:
                late = VideoTimeout(f"{order.job.uri}: not done after {order.timeout_s:.0f} s")
                self._settle(order, [_lost(order, late)])
            except BrokenProcessPool:
                self._replace(pool)
            except BaseException as error:  # cancelled, or a fault of ours: whoever waits must learn of it
                self._settle(order, error=error)

    def _replace(self, broken: ProcessPool) -> None:
        """A worker died while it held no video, which ends the pool: go on with a new one, and what it had queued."""
        if self._stopped or broken is not self._pool:
            return
        self._broken += 1
        waiting = [order for order in self._orders.values() if order.pool is broken and not order.outcome.done()]
        if self._broken > BROKEN_POOLS:
            error = ReelscopeError(
                f"the worker processes of the {self.name} pool end as soon as they start",
                "Is there memory enough? `reelscope doctor` checks the installation; fewer --workers need less.",
            )
            for order in waiting:
                self._settle(order, error=error)
            return
        self._pool = self._new_pool()
        threading.Thread(target=broken.stop, daemon=True).start()
        for order in waiting:
            self._queue(order)

    def _settle(
        self, order: _Order, outcomes: list[StageOutcome] | None = None, error: BaseException | None = None
    ) -> None:
        with self._lock:
            if order.outcome.done():
                return
            if error is not None:
                order.outcome.set_exception(error)
            else:
                order.outcome.set_result(outcomes or [])


def _lost(order: _Order, error: Exception) -> StageOutcome:
    lost = failure(order.job.video_id, order.job.uri, order.stage, error)
    return StageOutcome(stage=order.stage, result=None, failure=lost, wall_s=0.0, cpu_s=0.0)


def _begin(shares: Any) -> None:
    """In a worker: one thread for each library, no interest in Ctrl-C, and the end when the parent ends."""
    global _shares
    _shares = shares
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(SINGLE)
    threadpool_limits(1)  # numpy is here already, and has not read them
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
