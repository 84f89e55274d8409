"""Tables: whole at every moment, one row per video, and safe for two writers."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from tasks import tables as module
from tasks.errors import UsageError
from tasks.parts import Parts
from tasks.records import Failure
from tasks.schemas import SCHEMA_VERSION, TABLES, VERSION_KEY
from tasks.tables import Tables, VideoRows


def rows(video_id: str, shots: int = 2, **video: Any) -> VideoRows:
    return VideoRows(
        video={"video_id": video_id, "status": "complete", "input_hash": f"h-{video_id}"} | video,
        shots=[{"video_id": video_id, "shot": n, "start_s": float(n), "end_s": n + 1.0} for n in range(shots)],
        template={"video_id": video_id, "duration_s": float(shots)},
    )


def failed(video_id: str, stage: str = "text", input_hash: str | None = "h") -> Failure:
    return Failure(
        video_id=video_id, uri="u", stage=stage, error_type="E", message="m", advice="a", input_hash=input_hash
    )


def test_every_table_is_there_with_its_schema_before_any_row(tmp_path: Path) -> None:
    Tables(str(tmp_path))
    for name, schema in TABLES.items():
        part = tmp_path / name / "part-00000.parquet"
        assert parquet.read_schema(part).equals(schema)
        assert parquet.read_schema(part).metadata[VERSION_KEY] == str(SCHEMA_VERSION).encode()
        assert list(pd.read_parquet(tmp_path / name).columns) == schema.names
        assert duckdb.sql(f"select count(*) from read_parquet('{tmp_path}/{name}/*.parquet')").fetchall() == [(0,)]


def test_a_video_done_again_replaces_its_rows_and_keeps_what_was_not_said(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    tables.publish([rows("a", 3, title="A", niche="x"), rows("b", 1)])
    tables.publish([rows("a", 2, title="A2")])
    videos = {row["video_id"]: row for row in tables.read("videos").to_pylist()}
    assert videos["a"]["title"] == "A2"
    assert videos["a"]["niche"] == "x"
    assert [row["video_id"] for row in tables.read("shots").to_pylist()].count("a") == 2
    assert len(tables.read("templates")) == 2


def test_parts_fill_up_and_a_video_stays_in_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_VIDEOS", 3)
    tables = Tables(str(tmp_path))
    for start in range(0, 8, 2):
        tables.publish([rows(f"v{start}"), rows(f"v{start + 1}")])
    parts = sorted((tmp_path / "videos").glob("*.parquet"))
    assert [parquet.read_metadata(part).num_rows for part in parts] == [3, 3, 2]
    tables.publish([rows("v0", 5), rows("v7", 5)])
    assert [parquet.read_metadata(part).num_rows for part in parts] == [3, 3, 2]
    ids = pd.read_parquet(tmp_path / "videos")["video_id"].tolist()
    assert sorted(ids) == [f"v{n}" for n in range(8)]
    for name in ("shots", "templates"):
        assert [path.name for path in sorted((tmp_path / name).glob("*.parquet"))] == [part.name for part in parts]


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    """Two Tables on one folder, as two processes hold them."""
    writers = [Tables(str(tmp_path)) for _ in range(2)]

    def write(writer: Tables, name: str) -> None:
        for number in range(12):
            writer.publish([rows(f"{name}{number}")])
            writer.publish([rows("shared", number % 3 + 1)])

    threads = [threading.Thread(target=write, args=(writer, name)) for writer, name in zip(writers, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = pd.read_parquet(tmp_path / "videos")["video_id"].tolist()
    assert sorted(ids) == sorted([f"{name}{n}" for name in "ab" for n in range(12)] + ["shared"])


def test_a_reader_never_sees_half_a_video(tmp_path: Path) -> None:
    """What `videos` shows has its rows elsewhere, at every moment, and no file is torn."""
    tables, stopped, problems = Tables(str(tmp_path)), threading.Event(), []

    def read() -> None:
        while not stopped.is_set():
            try:
                videos = set(pd.read_parquet(tmp_path / "videos")["video_id"])
                shots = pd.read_parquet(tmp_path / "shots")["video_id"].value_counts()
                templates = set(pd.read_parquet(tmp_path / "templates")["video_id"])
                if not videos <= templates or any(shots.get(video_id) != 2 for video_id in videos):
                    problems.append("half a video")
            except Exception as error:
                problems.append(repr(error))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        tables.publish([rows(f"v{number}"), rows(f"w{number}")])
    stopped.set()
    reader.join()
    assert not problems


def test_describe_and_assign_change_only_what_they_name(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    tables.publish([rows("a", title="A"), rows("b", title="B")])
    before = (tmp_path / "videos" / "part-00000.parquet").stat().st_mtime_ns
    tables.describe([{"video_id": "a", "title": "A"}, {"video_id": "unknown", "title": "U"}])
    assert (tmp_path / "videos" / "part-00000.parquet").stat().st_mtime_ns == before  # nothing new: nothing written
    tables.describe([{"video_id": "a", "niche": "food"}])
    tables.assign(pa.table({"video_id": ["b"], "cluster_id": ["c-1"], "niche": pa.array([None], pa.string())}))
    videos = {row["video_id"]: row for row in tables.read("videos").to_pylist()}
    assert (videos["a"]["niche"], videos["a"]["title"], videos["b"]["niche"]) == ("food", "A", None)
    assert {row["video_id"]: row["cluster_id"] for row in tables.read("templates").to_pylist()} == {
        "a": None,
        "b": "c-1",
    }
    assert tables.known()["a"]["niche"] == "food"


def test_the_ledger_counts_attempts_on_the_same_input(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    tables.record_failures([failed("a"), failed("b")], set(), "run-1")
    tables.record_failures([failed("a")], set(), "run-1")  # the same run says it twice: one attempt
    tables.record_failures([failed("a")], set(), "run-2")
    assert {row["video_id"]: row["attempts"] for row in tables.read("failures").to_pylist()} == {"a": 2, "b": 1}
    tables.record_failures([failed("a", input_hash="other")], {("b", "text")}, "run-3")
    assert {row["video_id"]: row["attempts"] for row in tables.read("failures").to_pylist()} == {"a": 1}


def test_foreign_and_newer_tables_are_refused_with_a_clear_line(tmp_path: Path) -> None:
    Tables(str(tmp_path / "out"))
    part = tmp_path / "out" / "videos" / "part-00000.parquet"
    newer = TABLES["videos"].with_metadata({VERSION_KEY: b"99"}).empty_table()
    parquet.write_table(newer, part)
    with pytest.raises(
        UsageError, match=rf"schema version is 99, this one knows up to {SCHEMA_VERSION}; upgrade reelscope"
    ):
        Tables(str(tmp_path / "out"))
    part.write_bytes(b"not parquet")
    with pytest.raises(UsageError, match="not a table of reelscope"):
        Tables(str(tmp_path / "out"))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="output"):
        Tables(str(tmp_path / "file"))


def test_an_out_behind_a_url() -> None:
    """An object store shows whole objects; fsspec's memory stands for one."""
    tables = Tables("memory://tables-test/out")
    tables.publish([rows("a"), rows("b")])
    tables.publish([rows("a", 4)])
    assert sorted(Tables("memory://tables-test/out").known()) == ["a", "b"]
    assert len(tables.read("shots")) == 6


def test_runs_share_a_part_and_each_has_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_RUNS", 3)
    tables = Tables(str(tmp_path))
    for number in range(7):
        tables.record_run({"run_id": f"r{number}", "videos": 1})
        tables.record_run({"run_id": f"r{number}", "videos": 2})
    tables.record_run({"run_id": "r1", "videos": 3})
    assert len(list((tmp_path / "runs").glob("*.parquet"))) == 3
    found = {row["run_id"]: row["videos"] for row in tables.read("runs").to_pylist()}
    assert found == {f"r{number}": 2 for number in range(7)} | {"r1": 3}
    assert len(tables.read("runs")) == 7


def test_rows_of_a_run_that_died_while_it_published_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died after `shots` and before `videos`: nothing of the video may stand anywhere but where it is done again."""
    monkeypatch.setattr(module, "PART_VIDEOS", 3)
    tables = Tables(str(tmp_path))
    tables.publish([rows("a"), rows("b")])
    real = Parts.write

    def dies(self: Parts, name: str, *more: Any) -> None:
        if name == "videos":
            raise KeyboardInterrupt
        real(self, name, *more)

    monkeypatch.setattr(Parts, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        tables.publish([rows("x")])
    monkeypatch.setattr(Parts, "write", real)
    again = Tables(str(tmp_path))
    assert set(again.read("shots")["video_id"].to_pylist()) == {"a", "b"}
    again.publish([rows("c")])
    again.publish([rows("x")])
    assert sorted(again.read("templates")["video_id"].to_pylist()) == ["a", "b", "c", "x"]


def test_a_template_made_again_stays_in_its_cluster_until_analysis_comes(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    tables.publish([rows("a")])
    told = {"niche": ["food"], "cluster_id": ["food-1"], "membership_reason": ["fast cuts"]}
    tables.assign(pa.table({"video_id": ["a"], **told}))
    tables.publish([rows("a", 5)])
    (row,) = tables.read("templates").to_pylist()
    assert (row["duration_s"], row["niche"], row["cluster_id"]) == (5.0, "food", "food-1")


def test_videos_whose_rows_elsewhere_are_gone_are_made_again(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    tables.publish([rows("a")])
    shutil.rmtree(tmp_path / "shots")
    again = Tables(str(tmp_path))
    assert again.known()["a"]["input_hash"] is None
    again.publish([rows("a")])
    assert Tables(str(tmp_path)).known()["a"]["input_hash"] == "h-a"


def test_a_part_with_a_damaged_body_is_named(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    tables.publish([rows(f"video {number}" * 9, shots=40) for number in range(40)])
    part = tmp_path / "shots" / "part-00000.parquet"
    content = bytearray(part.read_bytes())
    content[60:400] = bytes(340)
    part.write_bytes(bytes(content))
    with pytest.raises(UsageError, match=r"shots/part-00000\.parquet is damaged"):
        tables.read("shots")


def test_removed_videos_are_gone_from_every_table_and_their_pictures_from_out(tmp_path: Path) -> None:
    tables = Tables(str(tmp_path))
    for name in ("pictures/aa/a-00.jpg", "pictures/aa/shared-00.jpg"):
        tables.storage.write(name, b"jpeg")
    tables.publish([rows("a", pictures=["pictures/aa/a-00.jpg", "pictures/aa/shared-00.jpg"])])
    tables.publish([rows("b", pictures=["pictures/aa/shared-00.jpg"]), rows("c")])
    tables.record_failures([failed("a"), failed("b")], set(), "run-1")
    tables.remove(["a", "unknown"])
    for name in ("videos", "shots", "templates", "failures"):
        assert "a" not in tables.read(name)["video_id"].to_pylist()
        assert "b" in tables.read(name)["video_id"].to_pylist()
    assert sorted(tables.known()) == ["b", "c"]
    assert [path.name for path in (tmp_path / "pictures").rglob("*.jpg")] == ["shared-00.jpg"]  # another video's too
    tables.publish([rows("a", 5)])
    assert tables.read("shots")["video_id"].to_pylist().count("a") == 5


@pytest.mark.parametrize("writes", range(5))
def test_a_removal_that_was_killed_ends_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Killed after so many parts: what is in `videos` is whole elsewhere, and the next start removes the rest."""
    monkeypatch.setattr(module, "PART_VIDEOS", 2)
    tables = Tables(str(tmp_path))
    tables.publish([rows(name) for name in "abcd"])
    real, left = Parts.write, [writes]

    def dies(self: Parts, *more: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        real(self, *more)

    monkeypatch.setattr(Parts, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        tables.remove(["a", "c", "d"])
    monkeypatch.setattr(Parts, "write", real)
    there = set(pd.read_parquet(tmp_path / "videos")["video_id"])
    assert there <= set(pd.read_parquet(tmp_path / "templates")["video_id"])
    again = Tables(str(tmp_path))
    assert list(again.known()) == ["b"]
    assert again.read("shots")["video_id"].to_pylist() == ["b", "b"]
    assert again.read("templates")["video_id"].to_pylist() == ["b"]


def test_what_killed_writers_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    Tables(str(tmp_path))
    old, young = tmp_path / "shots" / ".part-00000.parquet.7-1.tmp", tmp_path / "shots" / ".part-00000.parquet.8-1.tmp"
    for left in (old, young):
        left.write_bytes(b"half a part")
    os.utime(old, (0, 0))
    Tables(str(tmp_path), read_only=True)
    assert old.exists()
    Tables(str(tmp_path))
    assert (old.exists(), young.exists()) == (False, True)
