"""Pruning: rows of videos that are gone from their source go too, and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from flows.pruning import gone
from flows.session import Session
from tasks.errors import UsageError
from tasks.parts import Parts
from tasks.schemas import TABLES
from tasks.settings import Settings, Sources
from tasks.sources.catalog import scan
from tasks.tables import Tables, VideoRows
from tests.conftest import Home, copy_samples

SETTINGS = Settings(sources=Sources(schemes=("file", "memory")))
FIRST, SECOND, NOW = "20260101T000000-aaaaaa", "20260102T000000-bbbbbb", "20260105T000000-cccccc"


def videos_in(folder: Path, *names: str) -> Path:
    """Files that are videos by their names; nothing here looks into them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"not looked into")
    return folder


def ran(tables: Tables, source: Path | str, run_id: str = FIRST, recorded: bool = True) -> None:
    """What a run over a source leaves in the tables."""
    catalog = scan(str(source), SETTINGS.sources)
    rows = [
        ({"video_id": v.video_id, "uri": v.uri, "run_id": run_id}, {"video_id": v.video_id}) for v in catalog.videos
    ]
    tables.publish([VideoRows(video, template=template) for video, template in rows])
    tables.record_failures(catalog.failures, set(), run_id)
    if recorded:
        tables.record_run({"run_id": run_id, "source": str(source)})


def gone_from(source: Path | str, tables: Tables) -> tuple[str, ...]:
    return gone(scan(str(source), SETTINGS.sources), tables, NOW).video_ids


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(str(tmp_path / "out"))


def test_what_a_folder_no_longer_has_is_gone_and_other_sources_stay(tmp_path: Path, tables: Tables) -> None:
    mine = videos_in(tmp_path / "mine", "a.mp4", "b.mp4")
    other = videos_in(tmp_path / "other", "c.mp4")
    inside = videos_in(mine / "inside", "d.mp4")
    ran(tables, mine)
    ran(tables, other, SECOND)
    for path in (mine / "b.mp4", other / "c.mp4", inside / "d.mp4"):
        path.unlink()
    assert gone_from(mine, tables) == ("b", "d")


def test_the_same_folder_may_be_written_in_another_way(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = videos_in(tmp_path / "videos", "a.mp4", "b.mp4")
    (tmp_path / "link").symlink_to(source)
    ran(tables, source)
    (source / "b.mp4").unlink()
    monkeypatch.chdir(tmp_path)
    for name in ("videos", "./videos/", "link", source.as_uri(), str(source) + "/"):
        assert gone_from(name, tables) == ("b",), name


def test_a_folder_in_a_folder_is_a_source_of_its_own(tmp_path: Path, tables: Tables) -> None:
    outer, inner = videos_in(tmp_path / "outer", "a.mp4"), videos_in(tmp_path / "outer" / "inner", "b.mp4", "c.mp4")
    ran(tables, inner)
    (inner / "b.mp4").unlink()
    assert gone_from(outer, tables) == ()  # it was never this source that gave it
    assert gone_from(inner, tables) == ("b",)


def test_what_is_left_out_of_a_manifest_is_gone_though_its_file_is_there(tmp_path: Path, tables: Tables) -> None:
    folder = videos_in(tmp_path / "videos", "a.mp4", "b.mp4", "c.mp4")
    manifest = tmp_path / "list.csv"
    manifest.write_text("uri\nvideos/a.mp4\nvideos/b.mp4\nvideos/c.mp4\n")
    ran(tables, manifest)
    manifest.write_text("uri\nvideos/a.mp4\nvideos/c.mp4\n")
    (folder / "c.mp4").unlink()  # listed, and not there now: a failure, not a farewell
    assert gone_from(manifest, tables) == ("b",)
    assert gone_from(folder, tables) == ()  # they are the manifest's


def test_a_source_that_lists_nothing_prunes_nothing_and_says_so(tmp_path: Path, tables: Tables) -> None:
    source = videos_in(tmp_path / "videos", "a.mp4")
    ran(tables, source)
    (source / "a.mp4").unlink()
    told = gone(scan(str(source), SETTINGS.sources), tables, NOW)
    assert told.video_ids == () and told.why_not and "is its disk mounted?" in told.why_not


def test_files_that_cannot_be_read_or_catalogued_are_not_gone(tmp_path: Path, tables: Tables) -> None:
    source = videos_in(tmp_path / "videos", "a.mp4", "empty.mp4", "said.mp4", "skipped.mp4", "out.mp4")
    (source / "said.info.json").write_text('{"id": "explicit", "title": "t"}')
    ran(tables, source)
    assert "explicit" in tables.known()
    (source / "empty.mp4").write_bytes(b"")  # a failed copy
    (source / "said.info.json").write_text("{ damaged")  # the id that stood in it is not known now
    (source / "out.mp4").unlink()
    settings = SETTINGS.sources.model_copy(update={"extensions": ("mp4",)})
    (source / "skipped.mp4").rename(source / "skipped.txt")
    assert gone(scan(str(source), settings), tables, NOW).video_ids == ("out", "skipped")
    (source / "skipped.txt").rename(source / "skipped.mp4")
    narrower = SETTINGS.sources.model_copy(update={"extensions": ("webm",)})
    (source / "b.webm").write_bytes(b"x")
    assert gone(scan(str(source), narrower), tables, NOW).video_ids == ("out",)  # the others are there


def test_a_folder_that_cannot_be_looked_into_is_not_gone(tmp_path: Path, tables: Tables) -> None:
    if os.geteuid() == 0:
        pytest.skip("root looks into every folder")
    source = videos_in(tmp_path / "videos", "a.mp4")
    closed = videos_in(source / "closed", "b.mp4")
    ran(tables, source)
    closed.chmod(0)
    try:
        assert gone_from(source, tables) == ()
    finally:
        closed.chmod(0o700)


def test_a_file_that_has_another_id_now_leaves_its_old_row(tmp_path: Path, tables: Tables) -> None:
    source = videos_in(tmp_path / "videos", "a.mp4")
    ran(tables, source)
    (source / "a.info.json").write_text('{"id": "other", "title": "t"}')
    assert gone_from(source, tables) == ("a",)


def test_rows_of_a_killed_run_are_the_folders_and_rows_of_a_later_run_stay(tmp_path: Path, tables: Tables) -> None:
    source = videos_in(tmp_path / "videos", "a.mp4", "b.mp4", "c.mp4")
    ran(tables, source, recorded=False)  # killed: it has no row in `runs`
    tables.publish([VideoRows({"video_id": "c", "run_id": "20260106T000000-dddddd"})])  # a run that began after this
    for name in "bc":
        (source / f"{name}.mp4").unlink()
    assert gone_from(source, tables) == ("b",)


def test_failures_of_what_never_became_a_video_go_too(tmp_path: Path, tables: Tables) -> None:
    source = videos_in(tmp_path / "videos", "a.mp4", "b.mp4")
    (source / "b.mp4").write_bytes(b"")
    ran(tables, source)
    assert len(tables.read("failures")) == 1
    (source / "b.mp4").unlink()
    assert gone_from(source, tables) == ("b",)
    tables.remove(["b"])
    assert len(tables.read("failures")) == 0


def test_a_remote_folder(tmp_path: Path, tables: Tables) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    for name in ("a", "b"):
        files.pipe_file(f"/prune-test/videos/{name}.mp4", b"x")
    ran(tables, "memory://prune-test/videos")
    files.rm_file("/prune-test/videos/b.mp4")
    assert gone_from("memory://prune-test/videos/", tables) == ("b",)


def test_never_with_a_limit(tmp_path: Path, home: Home) -> None:
    with pytest.raises(UsageError, match="--prune with --limit"):
        Session("run", "videos", str(tmp_path / "out"), SETTINGS, limit=1, prune=True)
    source = videos_in(tmp_path / "videos", "a.mp4")
    for command in ("run", "extract", "classify", "plan"):
        refused = home.reelscope(command, source, "--out", tmp_path / "out", "--prune", "--limit", "1")
        assert refused.code == 2
        assert refused.stderr.startswith("reelscope: --prune with --limit")
        assert len(refused.stderr.splitlines()) == 1


def test_a_session_that_was_killed_while_it_pruned_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = videos_in(tmp_path / "videos", "a.mp4", "b.mp4", "c.mp4"), tmp_path / "out"
    ran(Tables(str(out)), source)
    for name in "bc":
        (source / f"{name}.mp4").unlink()
    settings = SETTINGS.model_copy(update={"cache": SETTINGS.cache.model_copy(update={"dir": str(tmp_path / "cache")})})
    real = Parts.write

    def dies(self: Parts, name: str, *more: object) -> None:
        if name == "templates":
            raise KeyboardInterrupt
        real(self, name, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Parts, "write", dies)
        _ = Session("run", str(source), str(out), settings, prune=True).gone
    assert sorted(Tables(str(out)).read("videos")["video_id"].to_pylist()) == ["a"]
    again = Session("run", str(source), str(out), settings, prune=True)
    assert again.gone.video_ids == ()
    assert {name: len(again.tables.read(name)) for name in ("videos", "templates")} == {"videos": 1, "templates": 1}


def test_pruning_from_the_command_line(tmp_path: Path, home: Home) -> None:
    """Two videos, one of which goes: `plan` says how many would, `run` takes it out, and analysis follows."""
    source, out = copy_samples(tmp_path / "videos", "cat-vs-cup", "roommates"), tmp_path / "out"
    options = ("--out", out, "--speech", "none", "--json")
    first = home.reelscope("run", source, *options)
    assert first.code == 0, first.stderr
    assert first.figures["pruned"] == 0
    pictures = {path.name for path in (out / "pictures").rglob("*.jpg")}
    for path in source.glob("roommates.*"):
        path.unlink()
    told = home.reelscope("plan", source, *options, "--prune").figures
    assert told["to_prune"] == ["rs10annand"]
    kept = home.reelscope("run", source, *options).figures
    assert (kept["pruned"], len(pd.read_parquet(out / "videos"))) == (0, 2)  # not without being asked
    pruned = home.reelscope("run", source, *options, "--prune")
    assert pruned.code == 0, pruned.stderr
    assert "1 pruned: no longer in" in pruned.stderr
    assert (pruned.figures["pruned"], pruned.figures["reused"], pruned.figures["done"]) == (1, 1, 0)
    for name in ("videos", "shots", "texts", "speech", "templates"):
        assert "rs10annand" not in set(pd.read_parquet(out / name)["video_id"]), name
    clusters = pd.read_parquet(out / "clusters")
    current = clusters[clusters["change"] != "vanished"]
    assert current.groupby("scope")["size"].sum().to_dict() == {"niche": 1, "all": 1}
    assert "rs10annand" not in {video_id for ids in current["exemplar_video_ids"] for video_id in ids}
    assert 0 < len({path.name for path in (out / "pictures").rglob("*.jpg")}) < len(pictures)
    assert "rs10annand" not in (out / "report" / "index.html").read_text()
    assert set(TABLES) <= {path.name for path in out.iterdir()}
    for path in source.iterdir():
        path.unlink()
    empty = home.reelscope("run", source, *options, "--prune")
    assert empty.figures["pruned"] == 0 and "is its disk mounted?" in empty.figures["not_pruned"]
    assert len(pd.read_parquet(out / "videos")) == 1
