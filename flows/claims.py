"""Claims: which run computes a video, so that two runs over the same videos do not compute one twice.

A claim is a lock on one byte of one file, which the system takes back when the process that holds it ends, however it
ends. (A lock file each would need a file descriptor for every video in hand.)
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tasks.storage import private_folder

POLL_S = 0.3  # how often a claim that another run has is asked for again
OFFSETS = 1 << 62  # bytes that can be locked; the file itself stays empty


class Claims:
    """The claims of one run, below a folder that the runs of this machine share. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._shared = _opened(private_folder(folder) / "claims.lock")
        self._mine: set[int] = set()
        self._waiting: dict[str, Callable[[], None]] = {}
        self._waiter: threading.Thread | None = None

    def take(self, key: str) -> bool:
        """Claim a video by the hash (hex) of its content and settings; False while it is claimed, by whomever."""
        offset = int(key[:16], 16) % OFFSETS
        with self._shared.guard:
            if offset in self._shared.held:  # the system would grant a process its own lock again
                return False
            try:
                fcntl.lockf(self._shared.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
            except BlockingIOError:
                return False
            self._shared.held.add(offset)
            self._mine.add(offset)
            return True

    def when_free(self, key: str, taken: Callable[[], None]) -> None:
        """Take the claim as soon as nobody has it, and call `taken` then, from a thread of its own."""
        with self._shared.guard:
            self._waiting[key] = taken
            if self._waiter is None:
                self._waiter = threading.Thread(target=self._wait, name="claims", daemon=True)
                self._waiter.start()

    def _wait(self) -> None:
        while True:
            for key, taken in tuple(self._waiting.items()):
                if self.take(key):
                    self._waiting.pop(key, None)
                    taken()
            with self._shared.guard:
                if not self._waiting:
                    self._waiter = None
                    return
            time.sleep(POLL_S)

    def release(self, key: str) -> None:
        """Let others have it; what is not claimed by this run stays as it is."""
        self._release(int(key[:16], 16) % OFFSETS)

    def release_all(self) -> None:
        """The end: nothing is waited for any more, and everything let go."""
        self._waiting.clear()
        for offset in tuple(self._mine):
            self._release(offset)

    def _release(self, offset: int) -> None:
        with self._shared.guard:
            if offset in self._mine:
                fcntl.lockf(self._shared.descriptor, fcntl.LOCK_UN, 1, offset)
                self._mine.discard(offset)
                self._shared.held.discard(offset)


class _Shared:
    """One open file for a process: closing a second one would give all of its locks back."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.held: set[int] = set()
        self.guard = threading.Lock()


@cache
def _opened(path: Path) -> _Shared:
    return _Shared(path)
