"""A soak: hundreds of files through one worker process, whose memory and open files are read from outside.

`python -m benchmarks.soak --files 520` extracts short clips of ten containers, every tenth of them mutated, and prints
what the worker holds after every 50. `--ocr easyocr` reads with EasyOCR and toy weights. Linux only.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from flows.pools import WorkerPool
from flows.watch import held_mb
from tasks.extraction.ocr import OcrChoice
from tasks.extraction.speech import SpeechChoice
from tasks.extraction.video import Job, Progress, extract
from tasks.records import StageOutcome
from tasks.settings import Settings, load_settings
from tests.fuzz import make_seeds
from tests.mutations import MUTATIONS, mutated

EVERY = 50  # files between two readings
MUTATED = 10  # each so many-th file is damaged


@dataclass(frozen=True)
class Reading:
    """What the worker holds. held_mb: as `limits.worker_mb` counts it; rss_mb: with the files that it maps."""

    files: int
    held_mb: float
    rss_mb: float
    descriptors: int
    threads: int
    seconds: float

    def __str__(self) -> str:
        memory = f"{self.held_mb:8.1f} {self.rss_mb:8.1f}"
        return f"{self.files:5} {memory} {self.descriptors:6} {self.threads:8} {self.seconds:8.0f}"


HEADINGS = f"{'files':>5} {'held MB':>8} {'RSS MB':>8} {'files':>6} {'threads':>8} {'s':>8}"


def who(job: Job, progress: Progress) -> list[StageOutcome]:
    """The worker's process id."""
    return [StageOutcome(stage="decode", result={"pid": os.getpid()}, failure=None, wall_s=0.0, cpu_s=0.0)]


def videos(seeds: list[Path], folder: Path, files: int, seed: int) -> Iterator[Path]:
    """One at a time: the next is written over the last of its kind."""
    for number in range(files):
        path, chance = seeds[number % len(seeds)], random.Random(f"{seed}-{number}")
        content = path.read_bytes()
        if number % MUTATED == MUTATED - 1:
            content = mutated(content, path.suffix, chance.choice([*MUTATIONS]), chance)
        target = folder / path.name
        target.write_bytes(content)
        yield target


def soak(
    files: int,
    settings: Settings,
    ocr: OcrChoice,
    folder: Path,
    every: int = EVERY,
    tell: Callable[[Reading], None] = lambda _: None,
) -> tuple[list[Reading], Counter[str]]:
    """The readings of one worker, and what failed. Raises RuntimeError where the worker was replaced."""
    speech = SpeechChoice("none", "none", "cpu", None)
    pool = WorkerPool("soak", 1, settings.limits.video_s, settings.limits.worker_mb)
    readings, failed, began_s = [], Counter[str](), time.monotonic()
    (folder / "videos").mkdir()
    try:
        made = videos(make_seeds(folder / "seeds"), folder / "videos", files, seed=7)
        pids = set()
        for number, path in enumerate(made, 1):
            job = Job(f"{number}", str(path), str(path), frozenset({"decode", "text"}), settings, ocr, speech)
            outcomes = pool.submit(extract, job, "decode").result()
            failed.update(f"{outcome.stage}: {outcome.failure.error_type}" for outcome in outcomes if outcome.failure)
            pool.forget(extract, job)
            if number % every == 0 or number in (1, files):
                (told,) = pool.submit(who, job, "decode").result()
                pool.forget(who, job)
                assert told.result
                process = psutil.Process(told.result["pid"])
                pids.add(process.pid)
                memory = held_mb(process), process.memory_info().rss / 2**20
                seconds = time.monotonic() - began_s
                readings.append(Reading(number, *memory, process.num_fds(), process.num_threads(), seconds))
                tell(readings[-1])
    finally:
        pool.stop()
    if len(pids) > 1:
        raise RuntimeError(f"the worker was replaced: {pids}")
    return readings, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=520)
    parser.add_argument("--ocr", choices=["rapidocr", "easyocr"], default="rapidocr")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        folder, weights = Path(base), None
        if chosen.ocr == "easyocr":
            from tests.toys import easy

            toys = easy.make(folder / "easy")
            sys.path.insert(0, str(toys.overlay))  # which the worker takes over
            weights = str(toys.folder)
        settings = load_settings(overrides={"text.weights_dir": weights, "limits.video_s": "120"})
        print(HEADINGS)
        ocr = OcrChoice(chosen.ocr, "soak", "cpu", None)
        readings, failed = soak(chosen.files, settings, ocr, folder, tell=lambda reading: print(reading, flush=True))
    first, last = readings[min(1, len(readings) - 1)], readings[-1]
    print(
        f"\nfailures, one in {MUTATED} being damaged: {', '.join(f'{n} {what}' for what, n in failed.items()) or 'none'}"
    )
    print(f"from file {first.files} to {last.files}: {last.held_mb - first.held_mb:+.1f} MB", end=", ")
    print(f"{last.descriptors - first.descriptors:+} open files, {last.threads - first.threads:+} threads")


if __name__ == "__main__":
    main()
