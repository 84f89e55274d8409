"""How the planner and the tables bear many videos: real scan, plan, batches, cache and tables; recorded media work.

    python -m benchmarks.scheduling [--videos 1000,10000,100000] [--nights 365 --a-night 20] [--pictures]

Every size runs in a process of its own over as many small files with sidecars. In place of worker processes, which would
decode, read and hear for days, stands one that gives at once what the samples gave when they were really extracted; when
each would have been done on so many workers is kept on a simulated clock. Nothing else is replaced but Prefect's engine,
which calls the tasks: they are called one after another here.

With --nights, an OUT is left that so many nightly runs have written, and plan, an empty run and analyze are measured on it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil

from benchmarks.corpus import home
from benchmarks.standin import ROOT, Outcomes, Recorded, recordings, write_source
from flows.backend import Backend
from flows.batches import batches
from flows.classification import classify_batch
from flows.extraction import extract_batch, publish_batch
from flows.session import Session, use
from tasks.analysis import summary
from tasks.settings import load_settings

SIZES = (1000, 10_000, 100_000)


@dataclass
class Steps:
    """What the steps of a run took: wall and CPU seconds, and the memory of the process after each."""

    wall_s: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    mb: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        self.wall_s[name] = self.wall_s.get(name, 0.0) + time.perf_counter() - wall_s
        self.cpu_s[name] = self.cpu_s.get(name, 0.0) + time.process_time() - cpu_s
        self.mb[name] = psutil.Process().memory_info().rss / 2**20


def carry_out(run: Session, stand_in: Recorded, steps: Steps, analyse: bool) -> list[float]:
    """A run of the pipeline's own steps; gives the seconds that each tenth of the publishing took."""
    run.backend = cast(Backend, stand_in)
    tenths: list[float] = []
    with use(run):
        with steps.step("scan"):
            _ = run.catalog
        with steps.step("open"):
            _ = run.results
        with steps.step("plan"):
            _ = run.plan
        with steps.step("forecast"):
            run.ledger.note_plan()
        with steps.step("classify"):
            wanting = [video.video_id for video in run.niches.wanting]
            for batch in batches(wanting, run.settings.classification.batch_size):
                classify_batch.fn(batch)
            run.niches.publish()
        todo = [planned.video.video_id for planned in run.plan.todo]
        every = max(1, -(-len(todo) // run.settings.pools.batch_size) // 10)
        for batch in batches(todo, run.settings.pools.batch_size):
            with steps.step("keep"):
                extract_batch.fn(batch)
            with steps.step("publish"):
                publish_batch.fn(batch)
            if batch.number % every == 0:
                tenths.append(steps.wall_s["publish"] - sum(tenths))
        if not analyse:
            return tenths
        with steps.step("analyse"):
            summary.analyse(run.tables, run.before, run.settings.analysis, run.run_id, run.completeness())
        with steps.step("report"):
            run.ledger.record("completed")
            summary.report(run.tables)
    return tenths


def simulate(folder: Path, recorded: Sequence[Outcomes], videos: int, workers: int, analyse: bool) -> dict[str, Any]:
    """All videos in one run, then the next night's run, which has nothing new to do."""
    settings = load_settings(overrides={"cache.dir": str(folder / "cache"), "pools.workers": str(workers)})
    source, out = write_source(folder / "videos", 0, videos), str(folder / "out")
    stand_in, steps = Recorded(recorded, workers), Steps()
    steps.mb["start"] = psutil.Process().memory_info().rss / 2**20
    tenths = carry_out(Session("run", str(source), out, settings), stand_in, steps, analyse)
    second = Session("run", str(source), out, settings)
    second.backend = cast(Backend, Recorded(recorded, workers))
    with steps.step("again: scan"):
        _ = second.catalog
    with steps.step("again: open"):
        _ = second.results
    with steps.step("again: plan"):
        _ = second.plan
    with steps.step("again: nothing to do?"):
        second.nothing_to_do()
    return {
        "videos": videos,
        "workers": workers,
        "submitted": stand_in.submitted,
        "left_todo": len(second.plan.todo),
        "simulated_wall_s": stand_in.wall_s,
        "tenths_s": tenths,
        "tables_mb": sum(path.stat().st_size for path in (folder / "out").glob("*/*.parquet")) / 2**20,
        "wall_s": steps.wall_s,
        "cpu_s": steps.cpu_s,
        "mb": steps.mb,
    }


def year(folder: Path, recorded: Sequence[Outcomes], nights: int, a_night: int) -> dict[str, Any]:
    """As many nightly runs, each with new videos; then the commands that a user types in the morning."""
    settings = load_settings(overrides={"cache.dir": str(folder / "cache")})
    steps = Steps()
    for night in range(nights):
        source = write_source(folder / "videos" / f"night-{night:03d}", night * a_night, a_night)
        run = Session("extract", str(source), str(folder / "out"), settings)
        run.backend = cast(Backend, Recorded(recorded, settings.workers))
        with use(run), steps.step("nights"):
            run.ledger.note_plan()
            for batch in batches([planned.video.video_id for planned in run.plan.todo], settings.pools.batch_size):
                extract_batch.fn(batch)
                publish_batch.fn(batch)
    found: dict[str, Any] = {"nights": nights, "videos": nights * a_night, "a_night_s": steps.wall_s["nights"] / nights}
    whole, options = str(folder / "videos"), ["--set", f"cache.dir={folder / 'cache'}"]
    out = ["--out", str(folder / "out")]
    for name, arguments in (
        ("plan", ["plan", whole, *out]),
        ("first run", ["run", whole, *out]),
        ("empty run", ["run", whole, *out]),
        ("empty run again", ["run", whole, *out]),
        ("analyze", ["analyze", str(folder / "out")]),
    ):
        began_s = time.perf_counter()
        command = [sys.executable, "-m", "flows", *arguments, *options, "--json"]
        ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
        figures = json.loads(ran.stdout)
        found[name] = {"s": time.perf_counter() - began_s, "todo": figures.get("todo", figures.get("done"))}
    return found


def show(found: Sequence[dict[str, Any]]) -> str:
    """A table in Markdown: a line a step; wall and (CPU) seconds for 1,000 videos, and MB of memory after it."""
    names = list(dict.fromkeys(name for item in found for name in item["wall_s"]))
    lines = ["| step | " + " | ".join(f"{item['videos']:,} videos" for item in found) + " |"]
    lines.append("|---|" + "---:|" * len(found))
    for name in names:
        cells = [
            f"{item['wall_s'][name] * 1000 / item['videos']:.2f} ({item['cpu_s'][name] * 1000 / item['videos']:.2f}), "
            f"{item['mb'][name]:.0f} MB"
            if name in item["wall_s"]
            else ""
            for item in found
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    more = {
        "publish, first tenth": lambda item: f"{item['tenths_s'][0] * 10_000 / item['videos']:.2f} s",
        "publish, last tenth": lambda item: f"{item['tenths_s'][-1] * 10_000 / item['videos']:.2f} s",
        "orchestration in all": lambda item: f"{sum(s for n, s in item['wall_s'].items() if 'again' not in n):.0f} s",
        "media work, simulated wall": lambda item: f"{item['simulated_wall_s']:.0f} s on {item['workers']}",
        "tables": lambda item: f"{item['tables_mb']:.1f} MB",
    }
    lines += [f"| {name} | " + " | ".join(cell(item) for item in found) + " |" for name, cell in more.items()]
    return "\n".join(lines)


def run_scheduling(
    sizes: Sequence[int], workers: int, pictures: bool, analyse: bool, folder: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Each size in a process of its own, so that its memory is its own."""
    recordings(home() / "scheduling", pictures)  # once, before anything is measured
    measured = []
    for size in sizes:
        say(f"{size:,} videos")
        more = ["--pictures"] * pictures + ["--no-analysis"] * (not analyse)
        command = [sys.executable, "-m", "benchmarks.scheduling", "--child", "--videos", str(size), *more]
        command += ["--workers", str(workers), "--folder", str(folder)]
        measured.append(json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout))
    return {"sizes": measured, "pictures": pictures}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scheduling", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--videos", default=",".join(map(str, SIZES)), help="sizes, with commas between them")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="of the simulated clock")
    parser.add_argument("--pictures", action="store_true", help="write the samples' pictures for every video")
    parser.add_argument("--no-analysis", action="store_true", help="without clusters and report")
    parser.add_argument("--nights", type=int, default=0, help="in place of that: an OUT of so many nights")
    parser.add_argument("--a-night", type=int, default=20, help="videos")
    parser.add_argument("--folder", type=Path, default=home() / "scheduling" / "work", help="removed before each size")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(word) for word in options.videos.split(",")]
    if options.child or options.nights:
        shutil.rmtree(options.folder, ignore_errors=True)
        options.folder.mkdir(parents=True)
        recorded = recordings(home() / "scheduling", options.pictures)
        found = (
            year(options.folder, recorded, options.nights, options.a_night)
            if options.nights
            else simulate(options.folder, recorded, sizes[0], options.workers, not options.no_analysis)
        )
        print(json.dumps(found))
        return
    whole = run_scheduling(
        sizes,
        options.workers,
        options.pictures,
        not options.no_analysis,
        options.folder,
        lambda words: print(words, file=sys.stderr),
    )
    print(show(whole["sizes"]))


if __name__ == "__main__":
    main()
