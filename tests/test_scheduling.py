"""The benchmark of scheduling is a real run over many small files, of which nothing but the media work is recorded."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.scheduling import show, simulate
from benchmarks.standin import FAILING, recordings
from tests.conftest import copy_samples

VIDEOS = FAILING + 30


def test_every_video_is_in_the_tables_once_and_the_next_night_has_nothing_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    recorded = recordings(tmp_path / "recorded", False, copy_samples(tmp_path / "samples", "cat-vs-cup"))
    found = simulate(tmp_path / "work", recorded, VIDEOS, workers=4, analyse=True)
    out = tmp_path / "work" / "out"
    videos = pd.read_parquet(out / "videos")
    assert sorted(videos["video_id"]) == [f"v{number:07d}" for number in range(VIDEOS)]
    assert (videos["status"] == "failed").sum() == len(pd.read_parquet(out / "failures")) == 1
    assert len(pd.read_parquet(out / "templates")) == VIDEOS - 1
    assert pd.read_parquet(out / "clusters").groupby("scope")["size"].sum().to_dict() == dict.fromkeys(
        ("niche", "all"), VIDEOS - 1
    )
    assert found["submitted"] == VIDEOS
    assert found["left_todo"] == 1  # what failed is tried again
    one_s = sum(outcome.wall_s for outcome in recorded[0].values())
    assert found["simulated_wall_s"] == pytest.approx(one_s * VIDEOS / 4, rel=0.1)
    assert "| publish |" in show([found])
