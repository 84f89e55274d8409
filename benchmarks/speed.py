"""`make bench`: seconds of a cold run, of the run again, and where a cold run's time goes.

Absolute seconds are this machine's; the ratios hold better. Each figure is the median of several runs in alternation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def timed(source: Path, out: Path, cache: Path, *options: str) -> dict[str, Any]:
    """One run of the command: wall and CPU seconds, and the summary that it prints."""
    command = [sys.executable, "-m", "flows", "run", str(source), "--out", str(out), "--json", *options]
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, "--set", f"cache.dir={cache}"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": time.perf_counter() - began_s, "cpu_s": cpu_s, "summary": json.loads(done.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT / "data" / "samples")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    kinds: dict[str, list[dict[str, Any]]] = {
        "cold": [],
        "again": [],
        "cold, 1 worker": [],
        "cold, GPU pool on a CPU": [],
    }
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            kinds["cold"].append(timed(options.source, base / "a", base / "cache-a"))
            kinds["again"].append(timed(options.source, base / "a", base / "cache-a"))
            kinds["cold, 1 worker"].append(timed(options.source, base / "b", base / "cache-b", "--workers", "1"))
            pool = ("--set", "pools.gpu=on")
            kinds["cold, GPU pool on a CPU"].append(timed(options.source, base / "c", base / "cache-c", *pool))
    cold_s = statistics.median(run["wall_s"] for run in kinds["cold"])
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{options.source}: {kinds['cold'][0]['summary']['videos']} videos, median of {options.runs}\n")
    print(f"{'':26}{'wall s':>8}{'CPU s':>8}{'of cold':>9}")
    for kind, runs in kinds.items():
        wall_s, cpu_s = (statistics.median(run[figure] for run in runs) for figure in ("wall_s", "cpu_s"))
        print(f"{kind:26}{wall_s:>8.1f}{cpu_s:>8.1f}{wall_s / cold_s:>9.2f}")
    stages = kinds["cold"][-1]["summary"]["stage_seconds"]
    total = sum(stages.values())
    print("\nwhere a cold run's CPU time goes")
    for stage, seconds in sorted(stages.items(), key=lambda item: -item[1]):
        print(f"  {stage:24}{seconds:>8.1f}{seconds / total:>9.0%}")


if __name__ == "__main__":
    main()
