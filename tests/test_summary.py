"""The analysis of an OUT: what stands in its tables after a night, and after several."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tasks.analysis import material, summary
from tasks.analysis.earlier import UNFINISHED
from tasks.parts import Parts
from tasks.schemas import TABLES
from tasks.settings import Analysis
from tasks.tables import Tables
from tests.populations import KINDS, population

SETTINGS = Analysis()


def put(tables: Tables, templates: pd.DataFrame, part: int = 0) -> None:
    """As a run leaves them: the same videos in `templates` and `videos`."""
    parts, name = Parts(tables.storage), f"part-{part:05d}.parquet"
    rows = pa.Table.from_pandas(templates, schema=TABLES["templates"], preserve_index=False)
    parts.write("templates", name, rows)
    known = {"video_id": rows["video_id"], "niche": rows["niche"], "title": rows["video_id"]}
    videos = TABLES["videos"]
    columns = {field.name: known.get(field.name, pa.nulls(len(rows), field.type)) for field in videos}
    parts.write("videos", name, pa.table(columns, schema=videos))
    for other in ("shots", "texts", "speech"):
        parts.write(other, name, TABLES[other].empty_table())


def analyse(tables: Tables, run_id: str) -> None:
    tables.record_run({"run_id": run_id, "outcome": "completed"})
    summary.analyse(tables, summary.before(tables), SETTINGS, run_id, 1.0)
    tables.storage.remove(UNFINISHED)  # as when the report is written


def test_trends_tell_how_large_each_cluster_was_in_each_run(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    put(tables, population({"story": 20, "music edit": 15}, 0))
    analyse(tables, "night-1")
    put(tables, population({"story": 10, "silent demo": 12}, 1, prefix="later "), 1)
    analyse(tables, "night-2")
    analyse(tables, "night-2")  # a pass more, or the same run again
    trends = pd.read_parquet(tmp_path / "trends")
    niche = trends[trends["scope"] == "niche"].set_index(["run_id", "cluster_id"])
    assert niche["size"].to_dict() == {
        ("night-1", "cooking-1"): 20,
        ("night-1", "cooking-2"): 15,
        ("night-2", "cooking-1"): 30,
        ("night-2", "cooking-2"): 15,
        ("night-2", "cooking-3"): 12,
    }
    assert set(trends.loc[trends["run_id"] == "night-2", "group_videos"]) == {57}
    assert niche.loc[("night-2", "cooking-3"), "change"] == "new"


@pytest.mark.parametrize("size", [1, 7, 50])
def test_the_same_videos_in_parts_of_any_size_give_the_same_tables(tmp_path: Path, size: int) -> None:
    templates = population(dict.fromkeys(KINDS, 4), 2, strays=2)
    found = []
    for name, each in (("whole", len(templates)), ("parts", size)):
        tables = Tables(str(tmp_path / name))
        shuffled = templates.sample(frac=1, random_state=size) if name == "parts" else templates
        for part, start in enumerate(range(0, len(shuffled), each)):
            put(tables, shuffled.iloc[start : start + each], part)
        analyse(tables, "night-1")
        columns = ["video_id", "niche", "cluster_id", "overall_cluster_id", "membership_reason"]
        rows = tables.read("templates", columns).sort_by("video_id")
        found.append((rows, tables.read("clusters"), tables.read("niches"), tables.read("lifts")))
    for left, right in zip(*found, strict=True):
        assert left.equals(right)


def test_the_report_of_very_many_videos_shows_exemplars_and_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(material, "VIDEOS_SHOWN", 25)
    tables = Tables(str(tmp_path))
    put(tables, population({"story": 40, "music edit": 40}, 0))
    analyse(tables, "night-1")
    shown = summary._shown(tables)
    exemplars = pc.list_flatten(tables.read("clusters")["exemplar_video_ids"]).to_pylist()
    assert len(shown["videos"]) == len(shown["templates"]) == 25
    assert set(exemplars) <= set(shown["videos"]["video_id"].to_pylist())
    made = material.Material(shown)
    assert (made.video_count, made.videos_left_out, len(made.videos)) == (80, 55, 25)
