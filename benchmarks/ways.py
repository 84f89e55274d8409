"""Are ways of building found in real video? `python -m benchmarks.ways --each 6`.

Clips of known ways (tests/staged.py) go through `reelscope extract` and `analyze`, in batches of several sizes; the
clusters are compared with the ways (adjusted Rand index; strays are a way of their own, as videos without a cluster are).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from sklearn.metrics import adjusted_rand_score

from tests.staged import stage


def agreement(out: Path) -> tuple[float, pd.Series]:
    """The adjusted Rand index of an OUT's clusters with the ways in the videos' names, and the clusters by video."""
    found = pd.read_parquet(out / "templates").set_index("video_id")["overall_cluster_id"].fillna("none").sort_index()
    return float(adjusted_rand_score([name.rsplit("-", 1)[0] for name in found.index], found)), found


def reelscope(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "flows", *map(str, arguments)], check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--strays", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[50, 7, 1])
    options = parser.parse_args()
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            stage(root / "videos", options.each, options.strays, seed)
            found = {}
            for size in options.batches:
                out = root / f"out-{size}"
                shared = ("--set", f"cache.dir={root / 'cache'}", "--speech", "none")
                reelscope("extract", root / "videos", "--out", out, "--batch-size", size, *shared)
                reelscope("analyze", out)
                score, found[size] = agreement(out)
                print(f"seed {seed}, batches of {size}: ARI {score:.3f}, {found[size].nunique()} groups", flush=True)
            assert all(clusters.equals(found[options.batches[0]]) for clusters in found.values())


if __name__ == "__main__":
    main()
