"""What the analysis of many templates costs: `python -m benchmarks.analysis --templates 10000 100000 1000000`.

An OUT of synthetic templates and videos (tests/populations.py) is written as runs leave it, in a folder of its own, and
analysed twice by the code of `reelscope analyze`, each time in a fresh process: a first night, and a second one that finds
the clusters of the first. Wall and CPU seconds and the largest resident memory go to
benchmarks/ANALYSIS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.parts import Parts
from tasks.schemas import TABLES
from tasks.tables import PART_VIDEOS, Tables
from tests.populations import KINDS, multitude, random_kinds

RESULTS = Path(__file__).parent / "ANALYSIS.md"
NICHES = ("beauty", "cooking", "diy", "finance", "fitness", "gaming", "travel", None)
START = datetime(2026, 11, 1, tzinfo=UTC)


def write_out(out: str, count: int) -> None:
    """An OUT of `count` analysed videos: their templates and what `videos` says of them."""
    tables = Tables(out)
    parts = Parts(tables.storage)
    kinds = {**KINDS, **random_kinds(1, 3)}
    for number in range(-(-count // PART_VIDEOS)):
        size = min(PART_VIDEOS, count - number * PART_VIDEOS)
        templates = multitude(size, number, NICHES, first=number * PART_VIDEOS, kinds=kinds)
        part = f"part-{number:05d}.parquet"
        parts.write("templates", part, templates)
        parts.write("videos", part, _videos(templates, number, count))
        for name in ("shots", "texts", "speech"):
            parts.write(name, part, TABLES[name].empty_table())
    tables.record_run({"run_id": "made", "started_at": START, "outcome": "completed"})


def _videos(templates: pa.Table, seed: int, count: int) -> pa.Table:
    generator = np.random.default_rng(seed)
    size = len(templates)
    ages_days = np.exp(generator.uniform(0, 6, size))
    views = np.exp(6 + 0.6 * np.log1p(ages_days) + generator.normal(0, 1.4, size)).astype(np.int64)
    uploaders = generator.integers(0, max(20, count // 20), size)
    told: dict[str, Any] = {
        "video_id": templates["video_id"],
        "uri": pa.array([f"videos/{name}.mp4" for name in templates["video_id"].to_pylist()]),
        "duration_s": templates["duration_s"],
        "title": pa.array(["A title of the usual length, with a #tag or two"] * size),
        "uploader": pa.array([f"uploader {number}" for number in uploaders]),
        "published_at": pa.array([START - timedelta(days=float(age)) for age in ages_days], pa.timestamp("us", "UTC")),
        "view_count": pa.array(views),
        "like_count": pa.array((views * generator.uniform(0.02, 0.08, size)).astype(np.int64)),
        "niche": templates["niche"],
        "status": pa.array(["complete"] * size),
        "input_hash": pa.array([f"{number:032x}" for number in generator.integers(0, 1 << 62, size)]),
        "inputs": pa.array(['{"decode": {"content": "0123456789abcdef0123456789abcdef"}}'] * size),
        "seconds": pa.array(['{"decode": 1.2, "text": 3.4, "speech": 5.6}'] * size),
        "run_id": pa.array(["made"] * size),
    }
    schema = TABLES["videos"]
    columns = {field.name: told[field.name] if field.name in told else pa.nulls(size, field.type) for field in schema}
    return pa.table(columns, schema=schema)


def night(out: str, run_id: str) -> dict[str, float]:
    """One analysis in this process, and what it cost."""
    from tasks.analysis import summary
    from tasks.analysis.earlier import UNFINISHED
    from tasks.settings import Analysis

    started, cpu = time.perf_counter(), time.process_time()
    tables = Tables(out)
    summary.analyse(tables, summary.before(tables), Analysis(), run_id, 1.0)
    tables.storage.remove(UNFINISHED)  # as when the report is written
    clusters = tables.read("clusters").to_pylist()
    return {
        "wall_s": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "clusters": sum(row["size"] > 0 for row in clusters),
        "kept": sum(row["change"] == "kept" for row in clusters),
    }


def measured(out: str, run_id: str) -> dict[str, float]:
    """`night` in a fresh process, for its memory."""
    command = [sys.executable, "-m", "benchmarks.analysis", "--night", out, run_id]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ}).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def report(rows: Sequence[tuple[int, str, dict[str, float]]]) -> str:
    lines = [
        "# Analysis of many templates",
        "",
        f"`python -m benchmarks.analysis --templates {' '.join(str(count) for count in dict.fromkeys(row[0] for row in rows))}`,"
        f" {len(os.sched_getaffinity(0))} cores; {len(NICHES)} niches. Reading, vectors, clusters per niche and over all, lifts, and"
        " writing every table.",
        "",
        "| templates | night | wall s | CPU s | peak memory MB | clusters | of them kept |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for count, name, cost in rows:
        lines.append(
            f"| {count:,} | {name} | {cost['wall_s']:.1f} | {cost['cpu_s']:.1f} | {cost['memory_mb']:,.0f} |"
            f" {cost['clusters']:.0f} | {cost['kept']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--templates", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", help="Where OUTs are made; by default a temporary folder.")
    parser.add_argument("--night", nargs=2, metavar=("OUT", "RUN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.night:
        print(json.dumps(night(*options.night)))
        return
    rows = []
    for count in options.templates:
        folder = tempfile.mkdtemp(prefix="analysis-", dir=options.folder)
        try:
            write_out(folder, count)
            for run_id in ("first", "second"):
                rows.append((count, run_id, measured(folder, run_id)))
                print(report(rows[-1:]).splitlines()[-1], flush=True)
        finally:
            shutil.rmtree(folder)
    RESULTS.write_text(report(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
