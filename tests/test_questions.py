"""The questions of data/questions.py over tables whose answers are known."""

from __future__ import annotations

import runpy
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tasks.schemas import TABLES
from tasks.tables import Tables
from tests.conftest import ROOT

SCRIPT = ROOT / "data" / "questions.py"
NIGHT = datetime(2026, 11, 20, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def out_of(folder: Path, **rows: list[dict[str, Any]]) -> Path:
    tables = Tables(str(folder))
    for name, given in rows.items():
        tables.replace(name, pa.Table.from_pylist(given, schema=TABLES[name]))
    return folder


def cluster(cluster_id: str, niche: str, lift: float | None, **more: Any) -> dict[str, Any]:
    evidence = {"view_lift": lift, "view_lift_low": 1.2, "view_lift_high": 3.0, "view_lift_videos": 40}
    named = {
        "cluster_id": cluster_id,
        "scope": "niche",
        "niche": niche,
        "label": f"built {cluster_id}",
        "change": "kept",
    }
    return named | evidence | {"view_lift_uploaders": 9} | more


def test_what_works_says_what_is_claimed_and_nothing_else(asked: dict[str, Any], tmp_path: Path) -> None:
    lift = {"scope": "niche", "niche": "cooking", "feature": "first_text_s", "low": 0.2, "high": 3.4}
    lift |= {"lift_low": 0.4, "lift_high": 0.7, "videos": 40, "uploaders": 9}
    out = out_of(
        tmp_path / "o'ut",  # a quote in the path, too
        clusters=[
            cluster("c-1", "cooking", 1.9),
            cluster("c-2", "cooking", None),
            cluster("c-3", "it's", 1.4),
            cluster("o-1", "all", 5.0, scope="all"),
            cluster("c-4", "cooking", 4.0, change="vanished"),
        ],
        lifts=[lift | {"metric": "view", "lift": 0.5}, lift | {"metric": "like", "lift": 9.0}],
    )
    found = asked["ask"](out, asked["WHAT_WORKS"]).fetchall()
    assert [row[:3] for row in found] == [
        ("cooking", "cluster c-1: built c-1", 1.9),
        ("it's", "cluster c-3: built c-3", 1.4),
        ("cooking", "first_text_s 0.2 -> 3.4", 0.5),
    ]
    assert [row[0] for row in asked["ask"](out, asked["WHAT_WORKS"], "it's").fetchall()] == ["it's"]


def test_what_changed_names_the_new_and_the_gone_before_what_grew(asked: dict[str, Any], tmp_path: Path) -> None:
    def night(run_id: str, **sizes: int) -> list[dict[str, Any]]:
        row = {"run_id": run_id, "scope": "niche", "niche": "cooking", "group_videos": 20, "change": None}
        return [row | {"cluster_id": name, "size": size} for name, size in sizes.items()]

    trends = night("20261119", a=10, b=10) + night("20261120", a=12, b=8, old=5) + night("20261121", a=16, b=8, new=6)
    out = out_of(
        tmp_path / "out", trends=trends, clusters=[cluster(name, "cooking", None) for name in ("a", "b", "new")]
    )
    found = {row[1]: row[2:] for row in asked["ask"](out, asked["WHAT_CHANGED"]).fetchall()}
    assert list(found) == ["new", "old", "a", "b"]
    assert found["new"] == ("built new", "new", None, 6, None)
    assert found["old"] == ("(its description went with it)", "gone", 5, None, None)
    assert found["a"] == ("built a", "kept", 12, 16, 20.0)
    assert not asked["ask"](out, asked["WHAT_CHANGED"], "sport").fetchall()


def test_which_hook_counts_openings_above_the_median_of_their_niche(asked: dict[str, Any], tmp_path: Path) -> None:
    videos, templates = [], []
    for number in range(8):
        loud = number % 2 == 0
        row = {"video_id": f"v{number}", "niche": "cooking"}
        told = {"view_count": 1000 * (2 if loud else 1) + number, "published_at": NIGHT - timedelta(days=10)}
        videos.append(row | told | {"run_id": "r", "status": "complete"})
        opening = {"first_word_s": 0.2 if loud else None, "first_text_s": 2.0, "first_cut_s": 9.0}
        templates.append(row | opening | {"duration_s": 20.0, "speech_share": 0.3, "text_share": 0.3})
    videos[0]["view_count"] = None  # not judged
    out = out_of(tmp_path / "out", videos=videos, templates=templates, runs=[{"run_id": "r", "started_at": NIGHT}])
    assert asked["ask"](out, asked["WHICH_HOOK"]).fetchall() == [
        ("cooking", "voice at once, text in 3 s, no cut in 3 s", 3, 3, 1.0, 0.44),
        ("cooking", "no voice in 3 s, text in 3 s, no cut in 3 s", 4, 0, 0.0, 0.0),
    ]


def test_tables_without_a_row_answer_nothing_and_a_folder_without_tables_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = out_of(tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["questions.py", str(out)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert capsys.readouterr().out.count("nothing that these tables can say yet") == 3
    monkeypatch.setattr(sys, "argv", ["questions.py", str(tmp_path)])
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert "no tables of reelscope" in capsys.readouterr().err
