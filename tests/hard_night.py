"""A hard night: a run over many videos, a tenth of them hostile, whose disk fills up, whose workers are killed, and whose
source changes underneath; and the run after it.

`python -m tests.hard_night --videos 500` makes the videos, and prints what the two runs left. OUT and the cache lie on a
small tmpfs of its own, which only root may mount. What finished must be kept and not be computed again, what failed must
be said, and the second run must complete it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.cache import ENTRY
from tasks.schemas import TABLES
from tests.clips import write_clip
from tests.conftest import ROOT, Home
from tests.kills import MARK, Reader, polling, processes

DISK_MB = 256
WAIT_S = 3600.0
OPTIONS = ("--speech", "none", "--workers", "2", "--set", "text.detector_px=320", "--set", "limits.video_s=60")
HOSTILE = (
    "cut",
    "flipped",
    "empty",
    "words",
    "playlist",
    "pipe",
    "device",
    "link out",
    "dangling",
    "folder",
    "sidecar",
)


def clip(path: Path, seed: int) -> Path:
    """A clip of half a second, unlike any other: two shots of coarse noise."""
    noise = np.random.default_rng(seed)
    shots = [np.kron(noise.integers(0, 256, (6, 8, 3), np.uint8), np.ones((16, 16, 1), np.uint8)) for _ in range(2)]
    return write_clip(path, [shots[number // 6] for number in range(12)], options={"preset": "ultrafast"})


def hostile(path: Path, kind: str, seed: int) -> None:
    """A file that costs its own row and nothing else."""
    if kind in ("cut", "flipped", "sidecar"):
        content = bytearray(clip(path, seed).read_bytes())
        if kind == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif kind == "flipped":
            for at in random.Random(seed).sample(range(len(content)), len(content) // 20):
                content[at] ^= 1 << seed % 8
            path.write_bytes(content)
        else:
            path.with_suffix(".info.json").write_bytes(b'{"title": ' + b"[" * 100_000)
    elif kind == "empty":
        path.touch()
    elif kind == "words":
        path.write_text(f"\x1b[31m{seed} <script>alert(1)</script>\n" * 40)
    elif kind == "playlist":
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,{seed}\nfile:///etc/passwd\n")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "link out": sys.executable, "dangling": "nowhere.mp4"}[kind])


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of this size. Raises PermissionError for who may not mount one."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        raise PermissionError(mounted.stderr.decode().strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class Night:
    """What one run left. entries: by path, with what changes whenever one is written."""

    code: int
    took_s: float
    said: str
    figures: dict[str, Any]
    entries: dict[str, tuple[int, int]]
    videos: pd.DataFrame
    failures: pd.DataFrame
    runs: pd.DataFrame


@dataclass
class HardNight:
    """Two nights over `number` videos. Call `play`, then look at `nights` and `faults`."""

    folder: Path
    number: int
    seed: int = 0
    command: str = "run"
    nights: list[Night] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    killed: int = 0
    reads: int = 0
    removed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.source, self.disk = self.folder / "videos", self.folder / "disk"
        self.out, self.cache = self.disk / "out", self.disk / "cache"
        self.home = Home(self.folder / "home")
        self.mark = f"hard-night-{os.getpid()}"

    def make(self) -> None:
        self.source.mkdir(parents=True)
        self.home.folder.mkdir()
        for number in range(self.number):
            if number % 10 == 3:
                kind = HOSTILE[number // 10 % len(HOSTILE)]
                self.kinds[kind] += 1
                hostile(self.source / f"bad-{number:04d}-{kind.replace(' ', '-')}.mp4", kind, number)
            else:
                clip(self.source / f"v{number:04d}.mp4", number)

    def play(self, megabytes: int = DISK_MB) -> None:
        self.make()
        with small_disk(self.disk, megabytes):
            reader = Reader(self.out)
            with polling(reader.look, 0.5):
                self.nights.append(self.night(self.disturb))
                self.fill(False)
                self.nights.append(self.night(None))
            self.faults += reader.faults
            self.reads = reader.reads
        self.judge()

    def night(self, disturb: Any) -> Night:
        command = [sys.executable, "-m", "flows", self.command, str(self.source), "--out", str(self.out), "--json"]
        command += ["--set", f"cache.dir={self.cache}", *OPTIONS]
        began_s = time.monotonic()
        with (self.folder / "stdout").open("wb") as stdout, (self.folder / "stderr").open("wb") as stderr:
            environment = self.home.environment | {MARK: self.mark}
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stdout, stderr=stderr)
            if disturb:
                threading.Thread(target=disturb, args=(process,), daemon=True).start()
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                self.faults.append("a run hangs")
        said = (self.folder / "stderr").read_text()
        figures = json.loads((self.folder / "stdout").read_text() or "{}") if process.returncode == 0 else {}
        # Prefect prints one where its server does not answer in time
        if "Traceback" in said and re.search(r'File ".*/(flows|tasks)/', said):
            self.faults.append("a traceback: " + said[said.index("Traceback") :][:2000])
        tables = {name: pd.read_parquet(self.out / name) for name in TABLES}
        took_s = time.monotonic() - began_s
        last = [line for line in said.strip().splitlines() if line.startswith("reelscope:")][-1:]
        told = (tables[name] for name in ("videos", "failures", "runs"))
        return Night(process.returncode, took_s, "".join(last), figures, self.entries(), *told)

    def entries(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in self.cache.glob("results/*/*/*"):
            if (entry := ENTRY.fullmatch("/".join(path.parts[-3:]))) and not entry["unfinished"]:
                status = path.stat()
                found["/".join(path.parts[-3:])] = status.st_ino, status.st_mtime_ns
        return found

    def disturb(self, process: subprocess.Popen[bytes]) -> None:
        """At a sixth of the videos a worker is killed, at two sixths the source changes, ... and then the disk is full."""
        sound = self.number - self.number // 10
        steps = [(1, self.kill), (2, self.change), (3, self.kill), (4, lambda: self.fill(True))]
        for step, act in steps:
            while len(list(self.cache.glob("results/decode/*/*"))) < sound * step // 6:
                if process.poll() is not None:
                    return
                time.sleep(0.1)
            act()

    def kill(self) -> None:
        workers = [each for each in processes(self.mark) if each.kind == "worker"]
        if workers:
            os.kill(self.random.choice(workers).pid, signal.SIGKILL)
            self.killed += 1

    def change(self) -> None:
        """Files go, come, and are replaced by others of the same name; also those that a worker has in hand."""
        names = sorted(path.name for path in self.source.glob("v*.mp4"))
        chosen = self.random.sample(names, 3 * max(1, self.number // 50))
        self.removed, self.replaced = chosen[::3], chosen[1::3]
        for name in self.removed:
            (self.source / name).unlink()
        for number, name in enumerate(self.replaced):
            temporary = self.source / f".{name}"
            clip(temporary.with_suffix(".mp4"), 1_000_000 + number).replace(self.source / name)
        for number in range(len(self.removed)):
            name = f"new-{number}.mp4"
            self.added.append(name)
            clip(self.source / name, 2_000_000 + number)

    def fill(self, full: bool) -> None:
        ballast = self.disk / "ballast"
        if not full:
            ballast.unlink(missing_ok=True)
            return
        with suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def judge(self) -> None:
        first, second = self.nights
        if first.code != 1 or "No space left" not in first.said:
            self.faults.append(f"the first night ended with {first.code}: {first.said}")
        if second.code != 0:
            self.faults.append(f"the second night ended with {second.code}: {second.said}")
        lost = first.entries.keys() - second.entries.keys()
        again = {
            name for name in first.entries.keys() & second.entries.keys() if first.entries[name] != second.entries[name]
        }
        self.faults += [f"{len(lost)} entries are lost"] if lost else []
        self.faults += [f"{len(again)} entries were computed again"] if again else []
        if gone := set(first.videos["video_id"]) - set(second.videos["video_id"]):
            self.faults.append(f"{len(gone)} videos have lost their rows")
        told = {Path(uri).name for uri in [*second.videos["uri"], *second.failures["uri"]]}
        there = {path.name for path in self.source.iterdir() if path.suffix == ".mp4"}
        self.faults += [f"{name} has no row at all" for name in sorted(there - told)]
        good = {path.name for path in self.source.iterdir() if path.name.startswith(("v", "new"))}
        whole = second.videos.loc[second.videos["status"] == "complete", "uri"]
        self.faults += [f"{name} is not complete" for name in sorted(good - {Path(uri).name for uri in whole})]
        bad = {name for name in there if name.startswith("bad-") and "flipped" not in name}
        silent = bad - {Path(uri).name for uri in second.failures["uri"]}
        self.faults += [f"{name} has no failure" for name in sorted(silent)]
        unadvised = second.failures.loc[second.failures["advice"].str.len() == 0, "uri"]
        self.faults += [f"{uri} has no advice" for uri in unadvised]


def show(night: HardNight) -> None:
    first, second = night.nights
    print(f"{night.number} videos, {sum(night.kinds.values())} of them hostile: {dict(night.kinds)}")
    print(
        f"{night.killed} workers killed; {len(night.removed)} files removed, {len(night.added)} added, "
        f"{len(night.replaced)} replaced; {night.reads} readings of the tables"
    )
    print(f"{'':9}{'exit':>5}{'s':>7}{'entries':>9}{'complete':>10}{'failed':>8}{'failures':>10}  said")
    for name, one in (("night 1", first), ("night 2", second)):
        status = Counter(one.videos["status"])
        numbers = f"{len(one.entries):>9}{status['complete']:>10}{status['failed']:>8}{len(one.failures):>10}"
        print(f"{name:9}{one.code:>5}{one.took_s:>7.0f}{numbers}  {one.said}")
    kept = sum(first.entries[name] == stamp for name, stamp in second.entries.items() if name in first.entries)
    print(f"of the {len(first.entries)} results of night 1, night 2 used {kept} as they were")
    print(
        f"second night: {second.figures.get('done')} done, {second.figures.get('reused')} reused, {second.figures.get('failed')} failed"
    )
    print(
        "failures: "
        + ", ".join(f"{kind} {number}" for kind, number in Counter(second.failures["error_type"]).most_common())
    )
    print(f"runs: {list(second.runs['outcome'])}")
    print("\n".join(f"FAULT {fault}" for fault in night.faults) or "no fault")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--disk-mb", type=int, default=DISK_MB)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        night = HardNight(Path(folder) / "night", chosen.videos, chosen.seed)
        night.play(chosen.disk_mb)
        show(night)
    sys.exit(1 if night.faults else 0)


if __name__ == "__main__":
    main()
