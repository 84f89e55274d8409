"""A command observed from outside: wall and CPU seconds, peak memory, and when a worker first opened a video."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
POLL_S = 0.02  # until a video is open
MEMORY_S = 0.5  # between two readings of memory, which cost some milliseconds a process


@dataclass
class Seen:
    """What a command took.

    peak_mb: most memory (PSS: shared pages are shared out) of the command and all processes below it, at one moment.
    first_open_s: from the start until a process below the command held a file of the watched folder open.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    first_open_s: float | None
    stdout: str

    def figures(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "stdout"}


def watch(command: Sequence[object], environment: Mapping[str, str] | None = None, opens: Path | None = None) -> Seen:
    """Run a command to its end. Raises RuntimeError, with the end of what it said, where it fails."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        began_s = time.perf_counter()
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment, stdout=stdout, stderr=stderr)
        watcher = _Watcher(process.pid, began_s, opens)
        watcher.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            watcher.ended.set()
            watcher.join()
        wall_s = time.perf_counter() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(0)
        if process.returncode:
            raise RuntimeError(f"{command[0]} ... ended with {process.returncode}:\n{stderr.read()[-2000:]}")
        # what a process used counts for its parent only if the parent waits for it
        cpu_s = max(used.ru_utime + used.ru_stime, sum(watcher.cpu_s.values()))
        return Seen(wall_s, cpu_s, watcher.peak_mb, watcher.first_open_s, stdout.read())


class _Watcher(threading.Thread):
    def __init__(self, pid: int, began_s: float, opens: Path | None) -> None:
        super().__init__(daemon=True)
        self.pid, self.began_s = pid, began_s
        self.opens = str(opens.resolve()) + os.sep if opens else None
        self.ended = threading.Event()
        self.peak_mb = 0.0
        self.first_open_s: float | None = None
        self.cpu_s: dict[int, float] = {}

    def run(self) -> None:
        measured_s = 0.0
        while not self.ended.is_set():
            pids = tree(self.pid, self.cpu_s)
            if self.opens and self.first_open_s is None and any(self._reads(pid) for pid in pids[1:]):
                self.first_open_s = time.perf_counter() - self.began_s
            if time.perf_counter() - measured_s >= MEMORY_S:
                measured_s = time.perf_counter()
                self.peak_mb = max(self.peak_mb, sum(map(memory_mb, pids)))
            self.ended.wait(POLL_S if self.opens and self.first_open_s is None else MEMORY_S / 2)

    def _reads(self, pid: int) -> bool:
        """Does the process hold a file of the folder open?"""
        with contextlib.suppress(OSError):
            for handle in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(handle.path).startswith(self.opens or ""):  # noqa: PTH115  for a link that dangles
                        return True
        return False


def tree(root: int, cpu_s: dict[int, float]) -> list[int]:
    """A process and all below it; `cpu_s` is told what each has used so far."""
    parents: dict[int, int] = {}
    ticks = os.sysconf("SC_CLK_TCK")
    used: dict[int, float] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
                used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / ticks
    below = [root]
    for pid in below:
        below += [child for child, parent in parents.items() if parent == pid]
    cpu_s.update({pid: used[pid] for pid in below if pid in used})
    return below


def memory_mb(pid: int) -> float:
    """Proportional set size; 0 for a process that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def environment(home: Path) -> dict[str, str]:
    """As on a machine of one's own: caches, settings and Prefect's database lie in `home`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "REELSCOPE_"))}
    own = {"HOME": home, "XDG_CACHE_HOME": home / "cache", "PREFECT_HOME": home / "prefect"}
    return (
        kept | {name: str(path) for name, path in own.items()} | {"PREFECT_PROFILES_PATH": str(home / "profiles.toml")}
    )
