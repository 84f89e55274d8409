"""Signs of life: which of the runs that `runs` calls running are at work, and which were killed.

Each run keeps a file in OUT/.runs and writes it anew while it lasts; what is old against our own file was left by a run
that is gone. Both were timed by one clock, that of the disk or store. A process of this machine is looked for as well.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from tasks.storage import Storage

FOLDER, SUFFIX = ".runs", ".alive"
SILENT_S = 120.0  # a run gives a sign every 10 s; a machine that sleeps for longer is taken for gone until it wakes


class Signs:
    """The sign of one run, and those of others into the same OUT. Raises StorageError."""

    def __init__(self, storage: Storage, run_id: str) -> None:
        self._storage, self._run_id = storage, run_id

    def give(self) -> None:
        told = {"host": socket.gethostname(), "pid": os.getpid()}
        self._storage.write(_name(self._run_id), json.dumps(told).encode())

    def take_back(self, run_id: str | None = None) -> None:
        """Our own, or that of a run that is gone."""
        self._storage.remove(_name(run_id or self._run_id))

    def gone(self, run_ids: set[str]) -> set[str]:
        """Those of the runs that are no longer at work."""
        self.give()
        times_s = self._storage.modified_s(FOLDER, SUFFIX)
        now_s = times_s.get(f"{self._run_id}{SUFFIX}")
        return {run_id for run_id in run_ids - {self._run_id} if self._is_gone(run_id, times_s, now_s)}

    def _is_gone(self, run_id: str, times_s: dict[str, float], now_s: float | None) -> bool:
        given_s = times_s.get(f"{run_id}{SUFFIX}")
        if given_s is None or now_s is None:
            return given_s is None
        return now_s - given_s > SILENT_S or self._has_ended(run_id)

    def _has_ended(self, run_id: str) -> bool:
        """Whether its process was of this machine and is no longer there; False where nothing tells."""
        try:
            told = json.loads(self._storage.read(_name(run_id)))
            here = told["host"] == socket.gethostname() and Path("/proc").is_dir()
            return here and not Path("/proc", str(int(told["pid"]))).exists()
        except (ValueError, KeyError, TypeError, FileNotFoundError):  # not a sign of ours; or it has just ended
            return False


def _name(run_id: str) -> str:
    return f"{FOLDER}/{run_id}{SUFFIX}"
