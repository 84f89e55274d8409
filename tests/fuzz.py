"""Mutated media through the real pipeline: every file must get its row, in time and within the memory of its worker.

`python -m tests.fuzz --files 1000` (`make fuzz`) mutates real and generated seeds of ten containers, gives them to
`reelscope run` folder by folder, follows its workers from outside, and prints what came of each mutation. The same seed
gives the same mutations. Files that crash or hang a worker, or fail for a reason without a name, are kept. Linux only:
workers, and the files that they have open, are found in /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import av
import pandas as pd
import psutil

from flows.watch import held_mb
from tasks import errors
from tests.conftest import ROOT, SAMPLES, Home
from tests.hostile import moving, tone
from tests.kills import MARK, polling, processes
from tests.mutations import MUTATIONS, mutated, spliced

MEDIA = ROOT.parent / "shared" / "media"
FOLDER_FILES = 250  # of one run
VIDEO_S = 60.0
WORKER_MB = 1500
LATE_S = 10.0  # that noticing it, and the end of a worker, may take on a busy machine
RUN_S = 60.0  # and a run without its videos
LOOK_S = 0.1
KEPT = {"WorkerDied", "VideoTimeout", "MemoryExceeded"}
NAMED = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
SPLICE = "splice"
#: Generated seeds: name, video codec, audio codec and its rate, options of the container.
GENERATED: tuple[tuple[str, str, str | None, int, dict[str, str]], ...] = (
    ("h264.mp4", "libx264", "aac", 16_000, {}),
    ("fragments.mp4", "libx264", "aac", 16_000, {"movflags": "frag_keyframe+empty_moov"}),
    ("mjpeg.mov", "mjpeg", "pcm_s16le", 16_000, {}),
    ("h264.mkv", "libx264", "ac3", 48_000, {}),
    ("hevc.mkv", "libx265", None, 0, {}),
    ("vp8.webm", "libvpx", "libopus", 48_000, {}),
    ("vp9.webm", "libvpx-vp9", None, 0, {}),
    ("mpeg4.avi", "mpeg4", "libmp3lame", 44_100, {}),
    ("flv1.flv", "flv", "libmp3lame", 44_100, {}),
    ("h264.ts", "libx264", "mp2", 44_100, {}),
    ("mpeg1.mpg", "mpeg1video", "mp2", 44_100, {}),
    ("vp8.ogv", "libvpx", "libopus", 48_000, {}),
    ("wmv2.wmv", "wmv2", "libmp3lame", 44_100, {}),
    ("mpeg4.3gp", "mpeg4", "aac", 16_000, {}),
)
SECONDS = 1.5


def make_seeds(folder: Path) -> list[Path]:
    """Generated ones, and the first seconds of real ones, their packets as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, video, audio, rate, options in GENERATED:
        generate(folder / name, video, audio, rate, options)
    real = [*SAMPLES.glob("*.webm"), *SAMPLES.glob("n*.mp4"), MEDIA / "psd_delayed_start.mp4", MEDIA / "echo.webm"]
    real += [MEDIA / "dj_video3.mp4", MEDIA / "psd_goldeneye-vfr-drop3.mp4"]
    for path in real:
        if path.exists():
            shorten(path, folder / path.name)
    return sorted(folder.iterdir())


def generate(path: Path, video: str, audio: str | None, rate: int, options: dict[str, str]) -> None:
    muxer = {".ogv": "ogg", ".wmv": "asf"}.get(path.suffix)
    with av.open(str(path), "w", format=muxer, container_options=options) as container:
        pictures = container.add_stream(video, rate=25)
        assert isinstance(pictures, av.VideoStream)
        pictures.width, pictures.height = 160, 120
        pictures.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
        pictures.codec_context.thread_count = 1
        if video == "libx265":
            pictures.options = {"x265-params": "log-level=none:pools=none"}
        sound = container.add_stream(audio, rate=rate, layout="mono") if audio else None
        for image in moving(int(25 * SECONDS)):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(pictures.encode(None))
        if isinstance(sound, av.AudioStream):
            frame = av.AudioFrame.from_ndarray(tone(SECONDS, rate)[None], format="s16", layout="mono")
            frame.sample_rate = rate
            container.mux([*sound.encode(frame), *sound.encode(None)])


def shorten(path: Path, target: Path) -> None:
    with av.open(str(path)) as source, av.open(str(target), "w") as container:
        chosen = [*source.streams.video[:1], *source.streams.audio[:1]]
        streams = {stream.index: container.add_stream_from_template(stream) for stream in chosen}
        for packet in source.demux(chosen):
            if packet.dts is None or packet.dts * packet.time_base > SECONDS + 1:
                continue
            packet.stream = streams[packet.stream.index]
            container.mux(packet)


@dataclass
class Look:
    """What is seen of the workers from outside while a run lasts."""

    folder: Path
    mark: str
    most_mb: float = 0.0
    heaviest: str = ""
    longest_s: float = 0.0
    slowest: str = ""
    _since: dict[tuple[int, str], float] = field(default_factory=dict)

    def look(self) -> None:
        now, there = time.monotonic(), set()
        for process in processes(self.mark):
            if process.kind != "worker":
                continue
            try:
                held = held_mb(psutil.Process(process.pid))
            except psutil.NoSuchProcess:
                continue
            opened = process.opened(self.folder)
            if held > self.most_mb:
                self.most_mb, self.heaviest = held, ", ".join(opened)
            there |= {(process.pid, name) for name in opened}
        self._since = {key: self._since.get(key, now) for key in there}
        for (_, name), since in self._since.items():
            if now - since > self.longest_s:
                self.longest_s, self.slowest = now - since, name


@dataclass
class Fuzz:
    """Mutated files of several seeds, and what came of them. faults: what must not be."""

    home: Home
    folder: Path
    seed: int
    options: Sequence[str] = ("--speech", "none")
    tell: Callable[[str], None] = lambda line: None
    outcomes: dict[str, str] = field(default_factory=dict)  # by the file's name
    faults: list[str] = field(default_factory=list)
    offending: list[Path] = field(default_factory=list)
    most_mb: float = 0.0
    longest_s: float = 0.0
    runs: int = 0

    def make(self, files: int) -> list[Path]:
        """The mutated files, in folders for one run each; a name says the seed, the mutation and its number."""
        seeds = make_seeds(self.folder / "seeds")
        kinds = [*MUTATIONS, SPLICE]
        made = []
        for number in range(files):
            chance = random.Random(f"{self.seed}-{number}")
            path, kind = seeds[number % len(seeds)], kinds[number % len(kinds)]
            content = path.read_bytes()
            if kind == SPLICE:
                content = spliced(content, chance.choice(seeds).read_bytes(), chance)
            else:
                content = mutated(content, path.suffix, kind, chance)
            folder = self.folder / f"videos-{number // FOLDER_FILES}"
            folder.mkdir(exist_ok=True)
            made.append(folder / f"{number:05}-{kind}-{path.stem}{path.suffix}")
            made[-1].write_bytes(content)
        return made

    def do(self, files: int) -> None:
        made = self.make(files)
        for folder in sorted({path.parent for path in made}):
            self.run(folder, [path for path in made if path.parent == folder])

    def run(self, folder: Path, files: Sequence[Path]) -> None:
        """One run over a folder; it must end well and give each file a row."""
        out, began_s = self.folder / f"out-{self.runs}", time.monotonic()
        self.runs += 1
        mark = f"{folder}-{os.getpid()}"
        limits = (f"limits.video_s={VIDEO_S}", f"limits.worker_mb={WORKER_MB}", f"cache.dir={self.folder / 'cache'}")
        command = [sys.executable, "-m", "flows", "run", str(folder), "--out", str(out), "--json", *self.options]
        command += [word for limit in limits for word in ("--set", limit)]
        look = Look(folder.resolve(), mark)
        with (self.folder / "stdout").open("w+") as stdout, (self.folder / "stderr").open("w+") as stderr:
            environment = self.home.environment | {MARK: mark}
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stdout, stderr=stderr)
            with polling(look.look, LOOK_S):
                try:
                    process.wait(RUN_S + VIDEO_S * len(files))
                except subprocess.TimeoutExpired:
                    self.faults.append(f"{folder.name}: the run hangs")
                    process.kill()
                    process.wait()
            stdout.seek(0)
            stderr.seek(0)
            said, complained = stdout.read(), stderr.read()
        if process.returncode or "Traceback" in complained:
            self.faults.append(f"{folder.name}: the run ended with {process.returncode}: {complained[-2000:]}")
        told = json.loads(said)["videos"] if not process.returncode else 0
        self.note(out, files)
        self.most_mb, self.longest_s = max(self.most_mb, look.most_mb), max(self.longest_s, look.longest_s)
        if look.most_mb > WORKER_MB:
            self.faults.append(f"{look.heaviest}: its worker held {look.most_mb:.0f} MB")
        if look.longest_s > VIDEO_S + LATE_S:
            self.faults.append(f"{look.slowest}: open for {look.longest_s:.1f} s")
        took_s = time.monotonic() - began_s
        self.tell(
            f"{folder.name}: {told} videos in {took_s:.0f} s, {look.most_mb:.0f} MB at most ({look.heaviest}), "
            f"{look.longest_s:.1f} s the longest ({look.slowest})"
        )

    def note(self, out: Path, files: Sequence[Path]) -> None:
        """What came of each file; which are to be kept."""
        videos, failures = (
            pd.read_parquet(out / name) if any((out / name).glob("*.parquet")) else pd.DataFrame({"uri": []})
            for name in ("videos", "failures")
        )
        status = dict(zip(videos["uri"], videos.get("status", ()), strict=True))
        failed = {row["uri"]: row for row in failures.to_dict("records")}
        for path in files:
            failure, found = failed.get(str(path)), status.get(str(path))
            if failure is None and found not in ("complete", "partial"):
                self.faults.append(f"{path.name}: no row ({found})")
                self.offending.append(path)
                continue
            said = str(failure["error_type"]) if failure else ""
            self.outcomes[path.name] = f"{found or 'failed'} {said}".strip()
            if failure and said not in NAMED:
                self.faults.append(f"{path.name}: fails with {said}: {failure['message']}")
            if said in KEPT or (failure and said not in NAMED):
                self.offending.append(path)

    def table(self) -> str:
        """Mutation by outcome."""
        counted = Counter((name.split("-")[1], outcome) for name, outcome in self.outcomes.items())
        columns = sorted({outcome for _, outcome in counted})
        rows = {kind: [counted[kind, column] for column in columns] for kind in (*MUTATIONS, SPLICE)}
        rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return str(frame.to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, default=Path("fuzzed"), help="folder for the files that offend")
    parser.add_argument("options", nargs="*", help="of `reelscope run`, after --", default=["--speech", "none"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.folder.mkdir()
        fuzz = Fuzz(home, Path(folder) / "fuzz", chosen.seed, chosen.options, tell=partial(print, flush=True))
        fuzz.folder.mkdir()
        fuzz.do(chosen.files)
        for path in fuzz.offending:
            chosen.keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, chosen.keep)
    print(f"\nseed {chosen.seed}, {len(fuzz.outcomes)} files with a row, {fuzz.runs} runs\n\n{fuzz.table()}\n")
    print(f"a worker held {fuzz.most_mb:.0f} MB at most ({WORKER_MB} are allowed)")
    print(f"a file was open for {fuzz.longest_s:.1f} s at most ({VIDEO_S:.0f} s are allowed)")
    print(f"kept in {chosen.keep}: {len(fuzz.offending)}" if fuzz.offending else "none to keep")
    print("\n".join(f"FAULT {fault}" for fault in fuzz.faults) or "no fault")
    sys.exit(1 if fuzz.faults else 0)


if __name__ == "__main__":
    main()
