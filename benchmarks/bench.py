"""`make bench`: reelscope against the design that it replaces, what each part brings, and every figure that is promised.

    python -m benchmarks.bench [--only corpus,parts,figures,models] [--long] [--rounds N] [--home FOLDER]

Each section's results are kept beside the corpus; benchmarks/RESULTS.md shows its last two runs. Needs ffmpeg and espeak-ng.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from benchmarks import results
from benchmarks.comparison import compare, long_video
from benchmarks.corpus import corpus, home, quick
from benchmarks.figures import run_figures
from benchmarks.models import run_models
from benchmarks.parts import run_parts
from benchmarks.scheduling import SIZES, run_scheduling

LONG_CLIP = "mountain-1080.mp4"
MINUTES = (1, 60)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--only",
        default="corpus,parts,figures,models",
        help="sections, with commas between them; none: only write the page",
    )
    parser.add_argument("--long", action="store_true", help="also the 60-minute video")
    parser.add_argument("--rounds", type=int, default=2, help="of the sections corpus and parts")
    parser.add_argument(
        "--share", type=int, default=1, help="measure the sequential design on one in so many videos, others each run"
    )
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--home", type=Path, default=home(), help="folder of the corpus and of the results")
    parser.add_argument(
        "--small",
        action="store_true",
        help="the tenth of the corpus in place of all of it: to try the benchmark itself",
    )
    options = parser.parse_args()
    sections = [name for name in options.only.split(",") if name and name != "none"] + ["long"] * options.long
    unknown = set(sections) - set(results.SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(results.SECTIONS)}")
    if shutil.which("ffmpeg") is None:
        parser.error("ffmpeg is needed: apt-get install ffmpeg")
    console = Console(stderr=True)
    built = corpus(options.home)
    tenth = quick(built)
    whole = tenth if options.small else built
    user = options.home / "user"  # a used home, once something has run in it
    user.mkdir(exist_ok=True)
    kept = options.home / ("results-small" if options.small else "results")
    for section in dict.fromkeys(sections):
        began_s = time.perf_counter()

        def say(words: str, section: str = section, began_s: float = began_s) -> None:
            console.print(f"[{time.perf_counter() - began_s:6.0f} s] {section}: {words}", markup=False, highlight=False)

        with console.status(section):
            if section == "corpus":
                turn = results.runs_of(kept, section)
                found = compare(whole, user, options.rounds, options.share, turn, say)
            elif section == "parts":
                found = run_parts(tenth, options.rounds, options.workers, say)
            elif section == "figures":
                found = run_figures(whole, tenth, user, options.workers, say)
            elif section == "scheduling":
                found = run_scheduling(
                    SIZES[:1] if options.small else SIZES, options.workers, False, False, options.home / "many", say
                )
            elif section == "models":
                found = run_models(options.home / "models", say)
            else:
                found = long_video(whole / LONG_CLIP, user, MINUTES, say)
        results.store(kept, section, found)
        say("done")
    page = results.render(results.load(kept))
    if options.small:
        sys.stdout.write(page)
    else:
        results.RESULTS.write_text(page, encoding="utf-8")
        console.print(f"written: {results.RESULTS}", highlight=False)


if __name__ == "__main__":
    main()
