"""Pools of worker processes: one for the CPU, and one of a single process per device for OCR and speech.

A worker that dies, takes too long or holds too much memory costs the video that it held; the pool replaces the worker
and goes on.
"""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.sharedctypes import RawArray
from typing import Any

import psutil
from pebble import ProcessExpired, ProcessPool
from threadpoolctl import threadpool_limits

from flows.forking import SINGLE, forking, prepare_forking
from flows.watch import Watch, held_mb
from tasks.errors import DeviceLost, MemoryExceeded, PoolStopped, ReelscopeError, VideoTimeout, WorkerDied
from tasks.records import StageOutcome
from tasks.sources.catalog import failure

SLOTS = 512  # jobs that are with the processes or next in turn for them; others wait here
ENDING_S = 0.3  # for a process that has closed its files to be gone
BROKEN_POOLS = 5  # pools that may break before it is no accident
TRIES = 2  # a worker may be lost to what another process did to the machine's memory
LOST_ERRORS = {"AcceleratorError"}  # torch's, of a device whose state is lost: the process cannot use it any more

Work = Callable[[Any, Callable[[float], None]], list[StageOutcome]]


class _Slot(ctypes.Structure):
    """What a worker shares with the parent of the job that it is at."""

    _fields_ = [
        ("share", ctypes.c_double),
        ("pid", ctypes.c_int64),  # 0 while none is at it
        ("began_mb", ctypes.c_double),
        ("device_lost", ctypes.c_bool),
    ]


_slots: Any = None  # in a worker: those of all jobs


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
    running: Future[Any] | None = None
    found_mb: float | None = None  # what its worker held when it was killed for it
    gone: bool = False  # its worker's end was noticed by us alone


class WorkerPool:
    """Processes that keep their models. `submit` gives the same future for the same job.

    jobs: after which a process is replaced by a new one, for decoders and models leak; 0 is never.
    """

    def __init__(self, name: str, workers: int, timeout_s: float, memory_mb: float = math.inf, jobs: int = 0) -> None:
        self.name = name
        self.workers = workers
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self.jobs = jobs
        self._slots = RawArray(_Slot, SLOTS)
        self._free = list(range(SLOTS))
        self._placed: dict[int, _Order] = {}  # by slot
        self._next: deque[_Order] = deque()  # those that have none yet
        self._orders: dict[Any, _Order] = {}
        self._lock = threading.RLock()
        self._stopped = False
        self._broken = 0
        self._pool = self._new_pool()
        self._watch = Watch(memory_mb, self._at_work, self._over, self._gone)

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
        return float(sum(self._slots[slot].share for slot in list(self._placed)))

    def stop(self) -> None:
        """End the processes now, whatever they do; who still waits for an outcome is told."""
        with self._lock:
            self._stopped = True
            waiting = [order for order in self._orders.values() if not order.outcome.done()]
        self._watch.end()
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        for order in waiting:
            settle(order.outcome, error=PoolStopped(f"the {self.name} pool was stopped"))

    def _new_pool(self) -> ProcessPool:
        prepare_forking()
        return ProcessPool(self.workers, self.jobs, initializer=_begin, initargs=(self._slots,), context=forking())

    def _queue(self, order: _Order) -> None:
        """Hand an order to the processes; with the lock held."""
        if order.outcome.done():
            return
        if self._stopped:
            settle(order.outcome, error=PoolStopped(f"the {self.name} pool was stopped"))
            return
        if not self._free:
            self._next.append(order)
            return
        slot = self._free.pop()
        pool = order.pool = self._pool
        try:
            running = pool.schedule(_run, args=(order.work, order.job, slot), timeout=order.timeout_s)
        except RuntimeError:  # the pool broke since it was last used
            self._free.append(slot)
            self._replace(pool)
            return
        self._placed[slot], order.running = order, running
        running.add_done_callback(lambda future: self._done(order, pool, slot, future))

    def _done(self, order: _Order, pool: ProcessPool, slot: int, future: Future[Any]) -> None:
        with self._lock:
            seen = _Slot.from_buffer_copy(self._slots[slot])
            self._slots[slot] = _Slot()
            del self._placed[slot]
            self._free.append(slot)
            if order.pool is pool and not order.outcome.done():  # else it was queued anew meanwhile
                self._conclude(order, pool, seen, future)
            while self._next and self._free:
                self._queue(self._next.popleft())

    def _conclude(self, order: _Order, pool: ProcessPool, seen: _Slot, future: Future[Any]) -> None:
        """What an order comes to once a process is done with it, or is no more."""
        try:
            settle(order.outcome, future.result())
            self._broken = 0
        except ProcessExpired as error:
            self._died(order, seen, error.exitcode)
        except TimeoutError:
            late = VideoTimeout(f"{order.job.uri}: not done after {order.timeout_s:.0f} s")
            settle(order.outcome, [lost(order.job, order.stage, late)])
        except BrokenProcessPool:
            if seen.pid and _ended(seen.pid):  # it was this one's end that broke the pool
                self._died(order, seen, None)
            self._replace(pool)
        except BaseException as error:  # cancelled, or a fault of ours: whoever waits must learn of it
            if isinstance(error, CancelledError) and order.gone:
                self._died(order, seen, None)
            else:
                settle(order.outcome, error=error)

    def _died(self, order: _Order, seen: _Slot, exit_code: int | None) -> None:
        """The process that held an order is no more: once more in another, or its failure."""
        order.tries -= 1
        found_mb, order.found_mb, order.gone = order.found_mb, None, False
        # a worker that was full of what others had left says little about its last video
        guilty = found_mb is not None and seen.began_mb < self.memory_mb / 2
        if order.tries and not guilty:
            self._queue(order)
            return
        uri = order.job.uri
        error: ReelscopeError
        if found_mb is not None:
            error = MemoryExceeded(
                f"{uri}: the worker process held {found_mb:.0f} MB; {self.memory_mb:.0f} are allowed"
            )
        elif seen.device_lost:
            error = DeviceLost(f"{uri}: the device failed, and again in a new process")
        else:
            error = WorkerDied(
                f"{uri}: the worker process died" + ("" if exit_code is None else f" (exit code {exit_code})")
            )
        settle(order.outcome, [lost(order.job, order.stage, error)])

    def _at_work(self) -> dict[int, int]:
        """The process of each job that one is at, by slot."""
        with self._lock:
            return {slot: self._slots[slot].pid for slot in self._placed if self._slots[slot].pid}

    def _over(self, slot: int, pid: int, found_mb: float) -> bool:
        """Note that a job's process is killed for its memory; False where it is not at that job any more."""
        with self._lock:
            order = self._placed.get(slot)
            if order is None or self._slots[slot].pid != pid:
                return False
            order.found_mb = found_mb
            return True

    def _gone(self, slot: int, pid: int) -> None:
        """A process ended so soon after it had begun that pebble took it for an idle one, and still waits for it."""
        with self._lock:
            order = self._placed.get(slot)
            if order is None or order.running is None or self._slots[slot].pid != pid:
                return
            order.gone = True
            order.running.cancel()

    def _replace(self, broken: ProcessPool) -> None:
        """A worker died while it held no video, which ends the pool: go on with a new one, and what it had queued."""
        if self._stopped or broken is not self._pool:
            return
        self._broken += 1
        waiting = [order for order in self._orders.values() if not order.outcome.done()]
        if self._broken > BROKEN_POOLS:
            error = ReelscopeError(
                f"the worker processes of the {self.name} pool end as soon as they start",
                "Is there memory enough? `reelscope doctor` checks the installation; fewer --workers need less.",
            )
            for order in waiting:
                settle(order.outcome, error=error)
            return
        self._pool = self._new_pool()
        threading.Thread(target=broken.stop, daemon=True).start()
        seen_of = {id(order): _Slot.from_buffer_copy(self._slots[slot]) for slot, order in self._placed.items()}
        for order in waiting:
            if order.pool is broken:
                seen = seen_of.get(id(order))
                if seen and seen.pid and _ended(seen.pid):  # it was this one's end, though another was told first
                    self._died(order, seen, None)
                else:
                    self._queue(order)


def settle(
    outcome: Future[list[StageOutcome]], outcomes: list[StageOutcome] | None = None, error: BaseException | None = None
) -> None:
    """Give a job its outcomes, or an error; what has come first stays."""
    with suppress(InvalidStateError):
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(outcomes or [])


def _ended(pid: int) -> bool:
    """Is the process no more? One whose end was just seen may be there for some milliseconds yet."""
    deadline_s = time.monotonic() + ENDING_S
    while time.monotonic() < deadline_s:
        try:
            if psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def lost(job: Any, stage: str, error: Exception) -> StageOutcome:
    """What is said of a job whose worker was lost."""
    told = failure(job.video_id, job.uri, stage, error)
    return StageOutcome(stage=stage, result=None, failure=told, wall_s=0.0, cpu_s=0.0)


def _begin(slots: Any) -> None:
    """In a worker: one thread for each library, no interest in Ctrl-C, and the end when the parent ends."""
    global _slots
    _slots = slots
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
        _slots[slot].share = share

    _slots[slot].began_mb = held_mb(psutil.Process())
    _slots[slot].pid = os.getpid()
    try:
        outcomes = work(job, progress)
        if any(outcome.failure and outcome.failure.error_type in LOST_ERRORS for outcome in outcomes):
            _slots[slot].device_lost = True
            os._exit(1)  # what it was at is tried in a new process
        return outcomes
    finally:
        _slots[slot].pid = 0
