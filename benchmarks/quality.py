"""`make quality`: what the samples, and the real clips where they are, are read as, against the truth.

    python -m benchmarks.quality [--hard] [--seed N ...]

With --hard, the hard set of benchmarks/hard.py instead, made anew from seeds (11 and 12 unless told otherwise).
Exits with 1 where a figure is below its floor.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import hard
from tasks.evaluation import evaluate, read_truth
from tasks.tables import Tables

ROOT = Path(__file__).resolve().parents[1]
SAMPLES, MEDIA = ROOT / "data" / "samples", ROOT.parent / "shared" / "media"

#: At least this; errors at most.
FLOORS: dict[str, dict[str, float]] = {
    "samples": {
        "cut_f1_exact": 0.99,
        "cut_f1_1_frame": 0.99,
        "fade_f1": 0.9,
        "dissolve_f1": 0.9,
        "caption_recall": 0.98,
        "caption_precision": 0.95,
        "caption_cer": 0.02,
        "caption_zone_accuracy": 1.0,
        "onset_error_median_s": 0.25,
        "edges_within_0.3_s": 1.0,
        "speech_gate_accuracy": 1.0,
        "niche_accuracy": 0.9,
    },
    "hard": {  # both judged seeds together gave 0.985, 0.86, 1.0, 0.988, 0.977, 0.002, 1.0, 0.03, 0.994, 1.0
        "cut_f1_1_frame": 0.97,
        "fade_f1": 0.85,
        "dissolve_f1": 0.95,
        "caption_recall": 0.97,
        "caption_precision": 0.97,
        "caption_cer": 0.01,
        "caption_zone_accuracy": 0.99,
        "onset_error_median_s": 0.1,
        "edges_within_0.3_s": 0.98,
        "speech_gate_accuracy": 1.0,
    },
    "media": {"cut_f1_1_frame": 0.99, "fade_f1": 0.9, "lines_found": 26, "speech_gate_accuracy": 1.0},
}


#: Figures that are better when they are smaller.
ERRORS = {"caption_cer", "onset_error_median_s"}


def below(name: str, value: float | int | None, floor: float) -> bool:
    return value is None or (value > floor if name in ERRORS else value < floor)


def judge(what: str, source: Path, truth: Path) -> bool:
    """Run the pipeline over a source and print its figures; is every one at its floor or better?"""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "flows", "run", str(source), "--out", out, "--speech", "pocketsphinx"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        score = evaluate(Tables(out), read_truth(truth))
    print(f"\n{what}")
    good = True
    for name, value in score.figures().items():
        floor = FLOORS[what].get(name)
        bad = floor is not None and below(name, value, floor)
        good = good and not bad
        shown = "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
        print(f"  {name:26}{shown:>8}  {'' if floor is None else f'floor {floor}'}{'  BELOW' if bad else ''}")
    for miss in score.misses:
        print(f"    {miss}")
    return good


def judge_hard(seeds: list[int]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return judge("hard", Path(folder), hard.make(seeds, Path(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument(
        "--hard", action="store_true", help="judge the hard set instead of the samples and the real clips"
    )
    parser.add_argument("--seed", type=int, nargs="+", default=list(hard.JUDGED), help="seeds of the hard set")
    options = parser.parse_args()
    if options.hard:
        sys.exit(0 if judge_hard(options.seed) else 1)
    good = judge("samples", SAMPLES, SAMPLES / "truth.json")
    if MEDIA.is_dir():
        good = judge("media", MEDIA, MEDIA / "labels.json") and good
    else:
        print(f"\nno real clips at {MEDIA}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
