"""The memory of worker processes, followed from outside: one that takes too much is killed before the machine suffers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import psutil

LOOK_S = 0.2


def held_mb(process: psutil.Process) -> float:
    """The memory in MB that would be free without the process: what is resident, less what it maps from files.

    One line of /proc, in 20 us; it lacks what was swapped out. PSS and USS share out common pages more fairly, but for
    them the kernel walks all pages: milliseconds for each GB, in which the process can get no memory.
    """
    info = process.memory_info()
    return float(info.rss - getattr(info, "shared", 0)) / 2**20  # `shared` is Linux's


class MemoryWatch:
    """A thread that looks at the processes at work and kills those that hold more than `limit_mb`.

    at_work: the processes by what they are known as. over: told of one that is to be killed, with its MB; says whether
    it is still at that work.
    """

    def __init__(
        self, limit_mb: float, at_work: Callable[[], Mapping[int, int]], over: Callable[[int, int, float], bool]
    ) -> None:
        self._limit_mb, self._at_work, self._over = limit_mb, at_work, over
        self._known: dict[int, psutil.Process] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="memory", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_S):
            at_work = self._at_work()
            self._known = {pid: self._known[pid] for pid in at_work.values() if pid in self._known}
            for slot, pid in at_work.items():
                try:
                    self._look(slot, pid)
                except psutil.NoSuchProcess:  # it has ended by itself
                    continue

    def _look(self, slot: int, pid: int) -> None:
        if pid not in self._known:
            self._known[pid] = psutil.Process(pid)
        found_mb = held_mb(self._known[pid])
        if found_mb > self._limit_mb and self._over(slot, pid, found_mb):
            self._known[pid].kill()
