"""Runs that are killed at random moments and started again: what is kept, and whether anything is computed twice.

`python -m tests.kills --kills 20` kills runs over data/samples with SIGKILL, the run itself, one of its workers or its
embedded server, and prints what was killed when and what was kept. A chain is an OUT and a cache of its own, whose runs
are killed and started again until one comes to its end; then its tables must equal those of a run that nobody disturbed.
Linux only: processes, and the videos that they have open, are found in /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as parquet

from tasks.cache import ENTRY
from tasks.keys import EXTRACTION_STAGES, StageInputs
from tasks.schemas import TABLES
from tests.conftest import ROOT, SAMPLES, Home

KINDS = ("run", "worker", "server")
RUN_S = 300.0  # a run that takes longer hangs
GONE_S = 30.0  # a process that is there so long after its run is an orphan; imports are ended by nothing
LATEST = 2 * len(EXTRACTION_STAGES)  # entries before the last, since two workers end together
MARK = "KILLS_OF_RUNS"  # in the environment of a run and of every process below it
#: What tells of a run, and not of its videos.
OF_THE_RUN = {"run_id", "seconds", "first_seen_run", "last_seen_run", "failed_at"}


@dataclass(frozen=True)
class Process:
    pid: int
    kind: str  # run, worker, server, or other: what forks the workers, what tracks their semaphores

    def opened(self, folder: Path) -> set[str]:
        """Names of the files of a folder that it has open."""
        names = set()
        for descriptor in _listed(Path(f"/proc/{self.pid}/fd")):
            try:
                path = descriptor.readlink()
            except OSError:  # closed meanwhile
                continue
            if path.parent == folder:
                names.add(path.name)
        return names


def processes(mark: str) -> list[Process]:
    """Every process whose environment has the mark."""
    told: dict[int, tuple[int, str]] = {}
    for folder in _listed(Path("/proc")):
        try:
            if folder.name.isdecimal() and f"{MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                told[int(folder.name)] = parent, command
        except OSError:  # it has ended, or is another user's
            continue
    forks = {pid for pid, (_, command) in told.items() if "multiprocessing.forkserver" in command}

    def kind(pid: int) -> str:
        parent, command = told[pid]
        if pid in forks:
            return "worker" if parent in forks else "other"
        if "flows.embedded" in command:
            return "server"
        # a child that is about to become another program still looks like the run
        return "run" if parent not in told and "-m flows run" in command else "other"

    return [Process(pid, kind(pid)) for pid in told]


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # the process has ended
        return []


@dataclass
class Reader:
    """Reads the tables as others do, whenever a run has changed something: what is not whole is a fault."""

    out: Path
    faults: list[str] = field(default_factory=list)
    reads: int = 0
    _seen: set[str] = field(default_factory=set)
    _stamps: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        there = {name: self.out / name for name in TABLES if any((self.out / name).glob("*.parquet"))}
        stamps = {name: folder.stat().st_mtime_ns for name, folder in there.items()}
        if stamps == self._stamps:
            return
        self._stamps = stamps
        self.faults += [f"{name} is gone" for name in self._seen - set(there)]
        self._seen |= set(there)
        # `videos` first: a video's rows elsewhere must be there before its row here
        tables = {name: self._read(name) for name in sorted(there, key=lambda name: name != "videos")}
        self.reads += 1
        self.faults += faults_of({name: table for name, table in tables.items() if table is not None})

    def _read(self, name: str) -> pd.DataFrame | None:
        try:
            table = pd.read_parquet(self.out / name)
        except Exception as error:  # whatever a reader meets is what this looks for
            self.faults.append(f"{name} cannot be read: {error!r}")
            return None
        if list(table.columns) != TABLES[name].names:
            self.faults.append(f"{name} has the columns {list(table.columns)}")
        return table


def faults_of(tables: dict[str, pd.DataFrame]) -> list[str]:
    """What no reader may ever see. `videos` was read before the others."""
    faults = []
    for name, key in (("videos", ["video_id"]), ("templates", ["video_id"]), ("shots", ["video_id", "shot"])):
        if name in tables and tables[name].duplicated(key).any():
            faults.append(f"{name} has rows twice")
    if "videos" in tables:
        videos = tables["videos"]
        whole = set(videos.loc[videos["status"].isin(["complete", "partial"]), "video_id"])
        for name in ("templates", "shots"):
            lost = whole - set(tables[name]["video_id"]) if name in tables else whole
            faults += [f"{video_id} is in videos and not in {name}" for video_id in sorted(lost)]
    return faults


@dataclass(frozen=True)
class Work:
    """What there is to compute: file name -> the cache entries of its stages, as STAGE-DIGEST, and its content hash."""

    entries: dict[str, set[str]]
    contents: dict[str, str]

    @staticmethod
    def of(out: Path) -> Work:
        """As the tables of a finished run have it."""
        videos = pd.read_parquet(out / "videos").to_dict("records")
        names = [Path(video["uri"]).name for video in videos]
        inputs = [json.loads(video["inputs"]) for video in videos]
        keys = [{StageInputs(**told[stage]).key(stage) for stage in EXTRACTION_STAGES} for told in inputs]
        hashes = [video["content_hash"] for video in videos]
        return Work(dict(zip(names, keys, strict=True)), dict(zip(names, hashes, strict=True)))

    @property
    def keys(self) -> set[str]:
        return set().union(*self.entries.values())


@dataclass
class Computations:
    """The log of what a chain computed: each writing of a cache entry, and each opening of a video by a worker."""

    cache: Path
    source: Path
    mark: str
    work: Work
    faults: list[str] = field(default_factory=list)
    written: dict[str, set[tuple[int, int]]] = field(default_factory=dict)  # key -> inode and mtime_ns of each writing
    opened: dict[str, set[int]] = field(default_factory=dict)  # file name -> workers that had it open

    def look(self) -> None:
        finished = self.finished()
        for process in processes(self.mark):
            for name in process.opened(self.source) if process.kind == "worker" else ():
                workers = self.opened.setdefault(name, set())
                if process.pid not in workers and self.work.entries[name] <= finished:
                    self.faults.append(f"{name} was opened by a worker when all its stages were finished")
                workers.add(process.pid)

    def finished(self) -> set[str]:
        """Keys of the entries that are there; notes those that are new or were written again."""
        found = set()
        for path in self.cache.glob("results/*/*/*"):
            if (entry := ENTRY.fullmatch("/".join(path.parts[-3:]))) and not entry["unfinished"]:
                key, status = f"{entry['stage']}-{path.name}", path.stat()
                found.add(key)
                self.written.setdefault(key, set()).add((status.st_ino, status.st_mtime_ns))
        return found

    def close(self) -> None:
        """At the end of a chain: everything was computed, and once."""
        names = {key: name for name, keys in self.work.entries.items() for key in keys}
        for key in sorted(self.work.keys - self.finished()):
            self.faults.append(f"{key} of {names[key]} is not in the cache")
        for key, writings in self.written.items():
            if key not in names:
                self.faults.append(f"{key} is an entry that the undisturbed run has not")
            elif len(writings) > 1:
                self.faults.append(f"{key} of {names[key]} was computed {len(writings)} times")


@contextmanager
def polling(look: Callable[[], None], every_s: float) -> Iterator[None]:
    """Look again and again beside the block, and once more after it."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def poll() -> None:
        try:
            while not stop.wait(every_s):
                look()
        except BaseException as error:  # raised again below
            errors.append(error)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]
    look()


@dataclass
class Kill:
    """One SIGKILL. entries, videos: what was in the cache and in `videos` just after it."""

    chain: int
    run: int
    kind: str
    at_s: float  # since the run's start
    held: str  # videos that the process, or the processes below it, had open
    entries: int
    videos: int
    landed: bool  # while there was still something to compute or to publish
    then: str = ""


@dataclass
class Harness:
    """Kills runs over `source`, with the options of the command."""

    home: Home
    source: Path
    folder: Path
    options: Sequence[str] = ()
    seed: int = 0
    tell: Callable[[str], None] = lambda _: None
    kills: list[Kill] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)  # content hash, stage, times computed; a line each
    reads: int = 0
    chains: int = 0
    gone_s: float = 0.0  # the longest time that processes outlived their run
    left: list[str] = field(default_factory=list)  # unfinished files that stayed in an OUT; readers pass over them

    def __post_init__(self) -> None:
        self.source = self.source.resolve()
        self.random = random.Random(self.seed)
        self.mark = f"{self.folder.name}-{os.getpid()}"
        began_s = time.monotonic()
        code, figures, said = self.end(self.start("undisturbed"), "undisturbed")
        assert code == 0, said
        self.took_s = time.monotonic() - began_s
        self.videos = int(figures["videos"])
        self.work = Work.of(self.folder / "undisturbed" / "out")

    def do(self, kinds: Sequence[str]) -> None:
        """Chains of runs until so many kills of these kinds have landed."""
        left = deque(kinds)
        while left and self.chains < 4 * len(kinds):
            self.chains += 1
            self.chain(left)
        self.faults += [f"a kill of kind {kind} has not landed" for kind in left]

    def chain(self, kinds: deque[str]) -> None:
        """Kill and start again until a run comes to its end; kinds that have landed are taken from the front."""
        name = f"chain-{self.chains}"
        out, cache = self.folder / name / "out", self.folder / name / "cache"
        reader, log = Reader(out), Computations(cache, self.source, self.mark, self.work)
        ended_before = False
        with polling(reader.look, 0.01), polling(log.look, 0.05):
            for number in range(1, 4 * (len(kinds) + 2)):
                kills = len(self.kills)
                process = self.start(name)
                self.disturb(process, kinds, number, log, out)
                code, figures, said = self.end(process, name)
                for kill in self.kills[kills:]:
                    ended = f"the run ended with {code}{f', {said}' if said else ''}"
                    kill.then = "killed" if code == -signal.SIGKILL else ended
                    self.tell(line(self, kill))
                if code == 0 and not figures["failed"]:
                    break
                # a video lost its worker twice: the next run finds the clusters of a finished one, and keeps them
                ended_before |= code == 0
                if len(self.kills) == kills:
                    self.faults.append(f"{name}, run {number}: nobody killed it, and it ended with {code}: {said}")
            code, figures, said = self.end(self.start(name), name)
            if code or figures["reused"] != self.videos or figures["stage_seconds"]:
                self.faults.append(f"{name}: a run after all computed something: {figures}")
        log.close()
        of_history = {"change"} if ended_before else set()
        different = differences(out, self.folder / "undisturbed" / "out", OF_THE_RUN | of_history)
        self.faults += [f"{name}: {fault}" for fault in (*reader.faults, *log.faults, *different)]
        self.reads += reader.reads
        self.left += [str(path.relative_to(self.folder)) for path in out.rglob("*.tmp")]
        for video, keys in self.work.entries.items():
            opened = len(log.opened.get(video, ()))
            for key in sorted(keys):
                times = len(log.written.get(key, ()))
                content = f"{self.work.contents[video][:12]} {key.partition('-')[0]:6}"
                self.log.append(f"{name} {content} finished {times} times, begun by {opened} workers  {video}")

    def disturb(
        self, process: subprocess.Popen[bytes], kinds: deque[str], number: int, log: Computations, out: Path
    ) -> None:
        """Kill what is to be killed, at random moments, until the run is dead or has ended."""
        began_s = time.monotonic()
        while kinds:
            # at a random point of what is left to compute, and not always just when something was finished
            finished, last = len(log.finished()), len(self.work.keys) - LATEST
            if finished == len(self.work.keys) and published(out) == self.videos:
                return
            if finished > last and self.random.random() < 0.5:  # the next chain has more to lose
                return
            point = self.random.randint(finished, max(last, finished))
            later_s = self.random.uniform(0, self.took_s / 8)
            victims: list[Process] = []
            found: list[Process] = []
            reached_s: float | None = None
            while not victims or reached_s is None or time.monotonic() < reached_s + later_s:
                if process.poll() is not None:
                    return
                time.sleep(0.02)
                if reached_s is None and len(log.finished()) >= point:
                    reached_s = time.monotonic()
                if reached_s is not None:
                    found = processes(self.mark)
                    victims = [victim for victim in found if victim.kind == kinds[0]]
            victim = self.random.choice(victims)
            holding = [victim] if kinds[0] == "worker" else found
            held = sorted(set().union(*(each.opened(self.source) for each in holding if each.kind == "worker")))
            os.kill(victim.pid, signal.SIGKILL)
            at_s = time.monotonic() - began_s
            if victim.pid == process.pid:
                process.wait()
            entries, videos = len(log.finished()), published(out)
            landed = entries < len(self.work.keys) or videos < self.videos
            kill = Kill(self.chains, number, kinds[0], at_s, ", ".join(held), entries, videos, landed)
            self.kills.append(kill)
            if landed:
                kinds.popleft()
            if victim.pid == process.pid:
                return

    def start(self, name: str) -> subprocess.Popen[bytes]:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "flows", "run", str(self.source), "--out", str(folder / "out"), "--json"]
        command += ["--set", f"cache.dir={folder / 'cache'}", *self.options]
        environment = self.home.environment | {MARK: self.mark}
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stdout, stderr=stderr)

    def end(self, process: subprocess.Popen[bytes], name: str) -> tuple[int, dict[str, Any], str]:
        """Wait for a run and for the processes below it: its exit code, figures and last word on stderr."""
        try:
            process.wait(RUN_S)
        except subprocess.TimeoutExpired:
            self.faults.append(f"{name}: a run hangs")
            process.kill()
            process.wait()
        ended_s = time.monotonic()
        while (left := processes(self.mark)) and time.monotonic() < ended_s + GONE_S:
            time.sleep(0.05)
        self.gone_s = max(self.gone_s, time.monotonic() - ended_s)
        for orphan in left:
            self.faults.append(f"{name}: a process of the kind {orphan.kind} outlives its run")
            os.kill(orphan.pid, signal.SIGKILL)
        stdout = (self.folder / name / "stdout").read_text()
        stderr = (self.folder / name / "stderr").read_text().strip().splitlines()
        figures = json.loads(stdout) if process.returncode == 0 else {}
        return process.returncode, figures, stderr[-1] if stderr and process.returncode > 0 else ""


def published(out: Path) -> int:
    """How many videos have their row."""
    parts = (out / "videos").glob("*.parquet")
    return sum(parquet.read_metadata(part).num_rows for part in parts)


def differences(out: Path, undisturbed: Path, beside: set[str]) -> list[str]:
    """What two OUTs of the same videos do not share, some columns left out; rows may lie in another order."""
    different = []
    for name in TABLES.keys() - {"runs"}:
        here, there = _rows(out, name), _rows(undisturbed, name)
        if len(here) != len(there):
            different.append(f"{name} has {len(here)} rows in place of {len(there)}")
        pairs = list(zip(here, there, strict=False))
        unequal = {column for left, right in pairs for column in left if left[column] != right[column]}
        different += [f"{name}.{column} is different" for column in sorted(unequal - beside)]
    if _pictures(out) != _pictures(undisturbed):
        different.append("the pictures are different")
    return different


def _rows(out: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(out / name).to_pylist()
    key = TABLES[name].names[0]
    return sorted(rows, key=lambda row: str(row[key]))  # a video's rows keep their order


def _pictures(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "pictures").rglob("*.jpg")}


HEADINGS = f"{'chain':>5} {'run':>3} {'killed':7} {'at s':>5} {'entries':>8} {'videos':>6}  then"


def line(harness: Harness, kill: Kill) -> str:
    entries, videos = f"{kill.entries}/{len(harness.work.keys)}", f"{kill.videos}/{harness.videos}"
    held = f" (in hand: {kill.held})" if kill.held else ""
    late = "" if kill.landed else " (too late, repeated)"
    told = f"{kill.chain:>5} {kill.run:>3} {kill.kind:7} {kill.at_s:>5.1f} {entries:>8} {videos:>6}"
    return f"{told}  {kill.then}{held}{late}"


def show(harness: Harness) -> None:
    """What came of all; the kills themselves were told as they came."""
    landed = sum(kill.landed for kill in harness.kills)
    print("\n" + "\n".join(harness.log))
    print(f"\n{landed} kills landed, {len(harness.kills) - landed} came too late and were repeated")
    print(f"{harness.reads} readings of the tables; no process outlived its run by more than {harness.gone_s:.1f} s")
    print(f"unfinished files left in OUT: {', '.join(harness.left) or 'none'}")
    print("\n".join(f"FAULT {fault}" for fault in harness.faults) or "no fault")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--source", type=Path, default=SAMPLES)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("options", nargs="*", help="of `reelscope run`, after --", default=["--speech", "none"])
    chosen = parser.parse_args()
    kinds = [KINDS[number % len(KINDS)] for number in range(chosen.kills)]
    random.Random(chosen.seed).shuffle(kinds)
    print(f"seed {chosen.seed}, {' '.join(chosen.options)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.folder.mkdir()
        runs = Path(folder) / "runs"
        harness = Harness(home, chosen.source, runs, chosen.options, seed=chosen.seed, tell=partial(print, flush=True))
        print(f"undisturbed: {harness.took_s:.1f} s, {harness.videos} videos\n\n{HEADINGS}", flush=True)
        harness.do(kinds)
        show(harness)
    sys.exit(1 if harness.faults else 0)


if __name__ == "__main__":
    main()
