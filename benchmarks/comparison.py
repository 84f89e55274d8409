"""Section `corpus`: cold runs of reelscope and parts of the sequential design in alternation, over the whole batch."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import judging
from benchmarks.watch import Seen, environment, watch

Say = Callable[[str], None]
ENGINES = ("--speech", "pocketsphinx", "--ocr", "rapidocr")


def reelscope(source: Path, out: Path, cache: Path, home: Path, *options: str) -> Seen:
    """One `reelscope run`, observed."""
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "flows", "run", source, "--out", out, "--json", *ENGINES, *options]
    return watch([*command, "--set", f"cache.dir={cache}"], environment(home), opens=source)


def sequential(videos: list[Path], home: Path) -> tuple[Seen, list[dict[str, Any]]]:
    """The sequential design over some videos, observed, and what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.jsonl"
        seen = watch([sys.executable, "-m", "benchmarks.sequential", *videos, "--out", out], environment(home))
        return seen, judging.read_lines(out)


def compare(source: Path, home: Path, rounds: int, share: int, turn: int, say: Say) -> dict[str, Any]:
    """Each round is a cold run of reelscope, the same run again, and a part of the sequential design's videos.

    share: the sequential design is measured on one in so many videos (it keeps nothing from one to the next) and its
        seconds are multiplied; `turn` says which, so that runs in turn measure them all.
    """
    truth = judging.truth_of(source)
    # from large to small, dealt out, so that the parts are alike
    names = sorted(truth, key=lambda name: -(source / name).stat().st_size)
    measured = names[turn % share :: share]
    judged = {name: truth[name] for name in measured}
    factor = len(names) / len(measured)
    cold: list[dict[str, Any]] = []
    again: list[float] = []
    parts: list[Seen] = []
    rows: list[dict[str, Any]] = []
    quality: judging.Figures = {}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            out, cache = Path(folder) / "out", Path(folder) / "cache"
            say(f"round {number + 1} of {rounds}: reelscope, cold")
            seen = reelscope(source, out, cache, home)
            summary = json.loads(seen.stdout)
            if summary["failed"]:
                raise RuntimeError(f"reelscope failed on {summary['failed']} videos: {summary['failures']}")
            cold.append(seen.figures() | {"stage_cpu_s": summary["stage_seconds"]})
            quality = judging.judge_tables(out, judged)
            say(f"round {number + 1} of {rounds}: reelscope again")
            again.append(reelscope(source, out, cache, home).wall_s)
        mine = [source / name for name in measured[number::rounds]]
        say(f"round {number + 1} of {rounds}: the sequential design, {len(mine)} videos")
        part, read = sequential(mine, home)
        parts.append(part)
        rows += read
    stages: defaultdict[str, dict[str, float]] = defaultdict(lambda: {"wall_s": 0.0, "cpu_s": 0.0})
    for row in rows:
        for stage, seconds in row["seconds"].items():
            for kind, spent in seconds.items():
                stages[stage][kind] += spent * factor
    return {
        "videos": len(names),
        "video_s": sum(facts["duration_s"] for facts in truth.values()),
        "cold": cold,
        "again_wall_s": again,
        "sequential": {
            "measured": len(measured),
            "wall_s": sum(part.wall_s for part in parts) * factor,
            "cpu_s": sum(part.cpu_s for part in parts) * factor,
            "peak_mb": max(part.peak_mb for part in parts),
            "stages": stages,
        },
        "quality": {"reelscope": quality, "sequential": judging.judge_rows(judging.sequential_rows(rows), truth)},
    }


def long_video(clip: Path, home: Path, minutes: tuple[int, ...], say: Say) -> dict[str, Any]:
    """Section `long`: peak memory of a run over a 1080p clip that is repeated for so many minutes, without speech."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=home) as folder:
        for length in minutes:
            source = Path(folder) / f"{length}-minutes"
            source.mkdir()
            looped = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", clip, "-t", str(60 * length), "-c", "copy"]
            watch([*looped, source / "long.mp4"], dict(os.environ))
            say(f"a video of {length} min")
            base = Path(folder) / "run"
            seen = reelscope(source, base / "out", base / "cache", home, "--speech", "none")
            found[str(length)] = seen.figures() | {"size_mb": (source / "long.mp4").stat().st_size / 1e6}
            shutil.rmtree(base)
    return found
