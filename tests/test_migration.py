"""OUTs of older versions: brought to this schema, with nothing lost; OUTs of newer ones: refused."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as parquet
import pytest

from tasks.errors import UsageError
from tasks.parts import Parts
from tasks.schemas import SCHEMA_VERSION, TABLES, VERSION_KEY
from tasks.storage import Storage
from tasks.tables import Tables
from tests.conftest import Home, copy_samples

OLD = sorted(path for path in (Path(__file__).parent / "data").glob("out-v*"))
THREE = ("cat-vs-cup", "code-tip", "roommates")
#: Of each schema version: a digest of its columns and types.
LAYOUTS = {2: "8e3f383a2b02551a", 3: "e495b4b78dfd82b7"}
#: Columns and tables that version 1 did not have when it began.
LIFTS = {f"{metric}_lift_{part}" for metric in ("view", "like") for part in ("low", "high", "videos", "uploaders")}
ADDED = {"inputs", "classified_inputs", "model_s_per_video_hour", "forecast_s", "scope", "overall_cluster_id", *LIFTS}
NEW_TABLES = {"lifts", "trends"}


def versions(out: Path) -> set[tuple[str, int]]:
    return {
        (path.parent.name, int(parquet.read_schema(path).metadata[VERSION_KEY])) for path in out.glob("*/*.parquet")
    }


def rows_of(out: Path) -> dict[str, list[dict[str, Any]]]:
    """Every table as the files have it, whatever columns they have."""
    tables = {name: [parquet.read_table(part) for part in sorted((out / name).glob("*.parquet"))] for name in TABLES}
    return {name: [row for part in parts for row in part.to_pylist()] for name, parts in tables.items()}


def check_readers(out: Path) -> None:
    """What pandas and DuckDB find is what the schema says, also over several parts."""
    for name, schema in TABLES.items():
        for part in (out / name).glob("*.parquet"):
            assert parquet.read_schema(part).equals(schema), part
        assert list(pd.read_parquet(out / name).columns) == schema.names
        found = duckdb.sql(f"select * from read_parquet('{out}/{name}/*.parquet')")
        assert found.columns == schema.names
        assert len(found.fetchall()) == len(pd.read_parquet(out / name))


def older(out: Path, drop: set[str] = ADDED) -> None:
    """Make of an OUT what version 1 would have written: without the columns that came later, each run in its own part."""
    for part in out.glob("*/*.parquet"):
        table = parquet.read_table(part)
        metadata = table.schema.metadata | {VERSION_KEY: b"1"}
        table = table.drop_columns([name for name in table.column_names if name in drop])
        parquet.write_table(table.replace_schema_metadata(metadata), part)
    runs = out / "runs" / "part-00000.parquet"
    for name in NEW_TABLES:
        shutil.rmtree(out / name)
    table = parquet.read_table(runs)
    for number, run_id in enumerate(table["run_id"].to_pylist()):
        parquet.write_table(table.slice(number, 1), runs.with_name(f"run-{run_id}.parquet"))
    parquet.write_table(table.slice(0, 0), runs)


def test_another_layout_needs_another_version() -> None:
    """Columns that differ under one version cannot be told apart by those who read: raise SCHEMA_VERSION."""
    layout = "\n".join(f"{name} {schema.remove_metadata()}" for name, schema in sorted(TABLES.items()))
    assert LAYOUTS.get(SCHEMA_VERSION) == hashlib.sha256(layout.encode()).hexdigest()[:16]


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.name)
def test_an_out_of_an_older_version_is_migrated_when_it_is_opened(
    old: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = shutil.copytree(old, tmp_path / "out")
    before = rows_of(out)
    assert {version for _, version in versions(out)} == {1}
    with caplog.at_level(logging.WARNING):
        tables = Tables(str(out))
    assert [record.message for record in caplog.records] == [f"{out}: schema version 1 is brought to {SCHEMA_VERSION}"]
    check_readers(out)
    after = rows_of(out)
    for name in NEW_TABLES:
        assert (before[name], after[name]) == ([], [])
    for name in set(TABLES) - NEW_TABLES:
        assert len(after[name]) == len(before[name])
        added = set(TABLES[name].names) - set(before[name][0])
        assert added <= ADDED
        assert after[name] == [row | dict.fromkeys(added) for row in before[name]]
    assert [path.name for path in (out / "runs").glob("*.parquet")] == ["part-00000.parquet"]
    assert len(tables.known()) == 4
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("*/*.parquet")}
    Tables(str(out))
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*.parquet")} == stamps  # once is enough


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.name)
def test_those_who_only_look_change_nothing(old: Path, tmp_path: Path) -> None:
    out = shutil.copytree(old, tmp_path / "out")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    tables = Tables(str(out), read_only=True)
    for name, schema in TABLES.items():
        assert tables.read(name).schema.equals(schema)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_migration_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after each of its writes in turn; readers get along with what is there, and in the end nothing is lost."""
    out = shutil.copytree(OLD[0], tmp_path / "out")
    for name in ("shots", "videos"):  # two parts of some tables
        shutil.copy(out / name / "part-00000.parquet", out / name / "part-00001.parquet")
    expected = {name: len(rows) for name, rows in rows_of(out).items()}
    real, allowed = Parts.write, [1]
    starts = 0

    def dies(self: Parts, *more: Any) -> None:
        if not allowed[0]:
            raise KeyboardInterrupt
        allowed[0] -= 1
        real(self, *more)

    monkeypatch.setattr(Parts, "write", dies)
    while any(version == 1 for _, version in versions(out)):
        allowed[0] = 1
        starts += 1
        try:
            Tables(str(out))
        except KeyboardInterrupt:
            for name in set(TABLES) - {"runs", *NEW_TABLES}:
                first = parquet.read_schema(out / name / "part-00000.parquet").names
                assert list(pd.read_parquet(out / name).columns) == first
                assert duckdb.sql(f"select * from read_parquet('{out}/{name}/*.parquet')").columns == first
    assert starts > len(set(TABLES) - NEW_TABLES)
    monkeypatch.setattr(Parts, "write", real)
    Tables(str(out))
    check_readers(out)
    assert {name: len(rows) for name, rows in rows_of(out).items()} == expected


def test_runs_that_were_joined_before_a_kill_are_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = shutil.copytree(OLD[0], tmp_path / "out")
    before = rows_of(out)["runs"]

    def dies(self: Storage, name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Storage, "remove", dies)
        Tables(str(out))
    Tables(str(out))
    assert [row["run_id"] for row in rows_of(out)["runs"]] == [row["run_id"] for row in before]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("part", ["part-00000.parquet", "part-00001.parquet"])
def test_a_newer_version_is_refused_also_where_its_own_migration_was_killed(
    tmp_path: Path, read_only: bool, part: str
) -> None:
    out = tmp_path / "out"
    Tables(str(out))
    newer = TABLES["videos"].with_metadata({VERSION_KEY: b"7"}).empty_table()
    parquet.write_table(newer, out / "videos" / part)
    words = rf"output {out} .*newer reelscope: its schema version is 7, this one knows up to {SCHEMA_VERSION}; upgrade"
    with pytest.raises(UsageError, match=words):
        Tables(str(out), read_only=read_only).known()
    assert parquet.read_schema(out / "videos" / part).metadata[VERSION_KEY] == b"7"


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.name)
def test_the_commands_go_on_with_an_old_out(old: Path, tmp_path: Path, home: Home) -> None:
    """What the code of today would make in another way is made again, and `plan` says so; all else stays."""
    source = copy_samples(tmp_path / "videos", *THREE)
    out = shutil.copytree(old, tmp_path / "out")
    cache = f"cache.dir={tmp_path / 'cache'}"  # other tests extract the same samples
    asked = (source, "--out", out, "--speech", "pocketsphinx", "--set", cache, "--json")
    planned = home.reelscope("plan", *asked).figures
    assert {version for _, version in versions(out)} == {1}  # it only looked
    assert (planned["videos"], planned["todo"]) == (3, 3)  # the code of extraction has changed since
    analyzed = home.reelscope("analyze", out, "--json")
    assert analyzed.code == 0, analyzed.stderr
    check_readers(out)
    assert analyzed.figures["done"] == 0
    assert len(pd.read_parquet(out / "templates")) == 3
    assert home.reelscope("plan", *asked).figures["todo"] == 3  # analysis made nothing of theirs invalid


def test_nothing_is_computed_again_because_of_a_migration(tmp_path: Path, home: Home) -> None:
    """An OUT of today's code, as version 1 would have written it, without the cache that made it."""
    source, out = copy_samples(tmp_path / "videos", "cat-vs-cup"), tmp_path / "out"
    options = ("--out", out, "--speech", "none", "--json")
    made = home.reelscope("run", source, *options, "--set", f"cache.dir={tmp_path / 'first'}")
    assert made.code == 0, made.stderr
    older(out)
    again = home.reelscope("run", source, *options, "--set", f"cache.dir={tmp_path / 'second'}")
    assert again.code == 0, again.stderr
    figures = again.figures
    assert (figures["done"], figures["reused"], figures["stage_seconds"]) == (0, 1, {})
    check_readers(out)
    assert len(pd.read_parquet(out / "runs")) == 2
    assert pd.read_parquet(out / "videos")["niche"].notna().all()
