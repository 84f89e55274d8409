"""Two runs at once, over overlapping sources, into one OUT: no video is done twice, and no reader sees a torn table."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from flows.claims import Claims
from tasks.keys import digest
from tests.conftest import Home, Ran, copy_samples
from tests.kills import Reader, polling

SHARED = ("cat-vs-cup", "code-tip", "garlic-pasta")
FIRST, SECOND = ("phone-review",), ("leg-day",)


@pytest.fixture(scope="module")
def both(home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Ran], Reader]:
    base = tmp_path_factory.mktemp("two-runs")
    first = copy_samples(base / "first", *SHARED, *FIRST)
    copy_samples(base / "second", *SECOND)
    manifest = base / "second.csv"
    paths = [*(first / f"{stem}.mp4" for stem in SHARED), base / "second" / f"{SECOND[0]}.mp4"]
    ids = [
        json.loads(sidecar.read_text())["id"] if (sidecar := path.with_suffix(".info.json")).exists() else path.stem
        for path in paths
    ]
    manifest.write_text("uri,video_id\n" + "".join(f"{path},{id}\n" for path, id in zip(paths, ids, strict=True)))
    out = base / "out"
    options = ("--out", out, "--set", f"cache.dir={base / 'cache'}", "--speech", "none", "--json", "--strict")
    reader = Reader(out)
    with polling(reader.look, 0.01):
        running = [home.start("run", source, *options) for source in (first, manifest)]
        ended = [(process.communicate(timeout=200), process.returncode) for process in running]
    return [Ran(code, stdout, stderr) for (stdout, stderr), code in ended], reader


def test_each_video_is_done_by_one_of_them(both: tuple[list[Ran], Reader]) -> None:
    runs, _ = both
    assert [run.code for run in runs] == [0, 0], [run.stderr for run in runs]
    assert sum(run.figures["done"] for run in runs) == len({*SHARED, *FIRST, *SECOND})
    assert [run.figures["done"] + run.figures["reused"] for run in runs] == [4, 4]


def test_the_tables_were_whole_at_every_moment_and_are_at_the_end(both: tuple[list[Ran], Reader]) -> None:
    runs, reader = both
    assert reader.faults == []
    out = Path(runs[0].figures["out"])
    videos = pd.read_parquet(out / "videos")
    assert sorted(Path(uri).stem for uri in videos["uri"]) == sorted((*SHARED, *FIRST, *SECOND))
    assert set(videos["status"]) == {"complete"}
    assert set(pd.read_parquet(out / "templates")["video_id"]) == set(videos["video_id"])
    assert len(pd.read_parquet(out / "runs")) == 2
    clusters = pd.read_parquet(out / "clusters")
    for scope in ("niche", "all"):
        assert sum(clusters.loc[clusters["scope"] == scope, "size"]) == len(videos)


def test_a_claim_is_one_runs_until_it_lets_go(tmp_path: Path) -> None:
    one, other, key = Claims(tmp_path), Claims(tmp_path), digest("a video")
    assert one.take(key)
    assert not one.take(key)  # an equal content within one run waits as well
    assert not other.take(key)
    other.release(key)  # not its own
    assert not other.take(key)
    one.release_all()
    assert other.take(key)
    other.release_all()
