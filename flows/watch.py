"""Worker processes, followed from outside: one that takes too much memory is killed before the machine suffers, and one
that is gone is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import psutil

LOOK_S = 0.05  # a decoder takes a gigabyte in half a second
GONE_S = 2.0  # in which pebble notices an end by itself, and knows the exit code


def held_mb(process: psutil.Process) -> float:
    """The memory in MB that would be free without the process: what is resident, less what it maps from files.

    One line of /proc, in 20 us; it lacks what was swapped out. PSS and USS share out common pages more fairly, but for
    them the kernel walks all pages: 12 ms for each GB, in which the process can get no memory.
    """
    info = process.memory_info()
    return float(info.rss - getattr(info, "shared", 0)) / 2**20  # `shared` is Linux's


class Watch:
    """A thread that looks at the processes at work, kills those that hold more than `limit_mb`, and tells of lost ones.

    at_work: the processes by what they are known as. over: told of one that is to be killed, with its MB; says whether
    it is still at that work. gone: told of one that ended GONE_S ago, while it is still taken to be at work.
    """

    def __init__(
        self,
        limit_mb: float,
        at_work: Callable[[], Mapping[int, int]],
        over: Callable[[int, int, float], bool],
        gone: Callable[[int, int], None],
    ) -> None:
        self._limit_mb, self._at_work, self._over, self._gone = limit_mb, at_work, over, gone
        self._known: dict[int, psutil.Process] = {}
        self._missed: dict[int, float] = {}  # when a process was first not there
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watch", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_S):
            at_work = self._at_work()
            self._known = {pid: self._known[pid] for pid in at_work.values() if pid in self._known}
            self._missed = {pid: self._missed[pid] for pid in at_work.values() if pid in self._missed}
            for slot, pid in at_work.items():
                try:
                    self._look(slot, pid)
                except psutil.NoSuchProcess:
                    if time.monotonic() - self._missed.setdefault(pid, time.monotonic()) >= GONE_S:
                        self._gone(slot, pid)

    def _look(self, slot: int, pid: int) -> None:
        if pid not in self._known:
            self._known[pid] = psutil.Process(pid)
        found_mb = held_mb(self._known[pid])
        if found_mb > self._limit_mb and self._over(slot, pid, found_mb):
            self._known[pid].kill()
