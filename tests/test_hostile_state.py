"""State that others may have written, disks that are full or read-only, clocks that jump, runs that are killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows import metrics
from flows.plan import Plan, planning
from flows.retry import failed_videos
from flows.session import Session, use
from flows.signs import FOLDER, SILENT_S, Signs
from tasks.cache import Entry, ResultCache
from tasks.classification.niches import load_niches
from tasks.errors import OutOfBounds, StorageError, UsageError
from tasks.records import Decoded, StageOutcome, Texts
from tasks.settings import load_settings
from tasks.sources.catalog import failure
from tasks.sources.content import ContentHashes
from tasks.storage import Storage
from tasks.tables import Tables
from tests.conftest import ROOT, SAMPLES, Home, copy_samples
from tests.hard_night import small_disk
from tests.test_cache import ENTRY

PICTURE = {"time_s": 0.0, "jpeg_base64": "/9j/4AAQ"}
VISUAL = {
    name: [0.5, 0.5] for name in ("times_s", "brightness", "contrast", "saturation", "colourfulness", "sharpness")
}
DECODED: dict[str, Any] = {
    **{"duration_s": 2.0, "width": 96, "height": 64, "fps": 25.0, "has_audio": False, "frames": 50, "samples": 1},
    **{"damaged_frames": 0, "shots": [{"start_s": 0.0, "end_s": 2.0, "transition": None}], "sound": None},
    **{
        "visual": VISUAL | {"motion": [0.0, 0.0], "dominant_colours": ["#000000"]},
        "windows": [],
        "pictures": [PICTURE],
    },
}


def opened(folder: Path) -> Session:
    source = copy_samples(folder / "videos", "night-city")
    return Session(
        "extract", str(source), str(folder / "out"), load_settings(overrides={"cache.dir": str(folder / "cache")})
    )


def outcomes(folder: Path) -> dict[str, str]:
    rows = Tables(str(folder / "out"), read_only=True).read("runs").to_pylist()
    return {row["run_id"]: row["outcome"] for row in rows}


# Entries of the cache


def poisoned(**change: Any) -> str:
    result = json.loads(json.dumps(DECODED))
    for path, value in change.items():
        *outer, last = path.split("__")
        inner = result[outer[0]] if outer else result
        inner[last] = value
    return json.dumps({"stage": "decode", "result": result, "wall_s": 1.0, "cpu_s": 1.0})


@pytest.mark.parametrize(
    "change",
    [
        {"duration_s": float("nan")},
        {"duration_s": float("inf")},
        {"duration_s": 1e300},
        {"width": 10**30},
        {"width": -1},
        {"frames": 2**63},
        {"visual__motion": [0.0]},
        {"visual__brightness": [float("nan"), 0.5]},
        {"pictures": [{"time_s": 0.0, "jpeg_base64": "!!!"}]},
        {"pictures": [{"time_s": 0.0, "jpeg_base64": "PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+"}]},  # an SVG with a script
        {"shots": [{"start_s": 0.0, "end_s": 2.0, "transition": "../../x"}]},
        {"extra": 1},
    ],
)
def test_an_entry_that_cannot_be_true_is_a_miss(tmp_path: Path, change: dict[str, Any]) -> None:
    cache = ResultCache(str(tmp_path))
    path = tmp_path / "results" / "decode" / "ab" / "abcd"
    path.parent.mkdir(parents=True)
    path.write_text(poisoned())
    assert cache.read("decode-abcd", Decoded) is not None
    path.write_text(poisoned(**change))
    assert cache.read("decode-abcd", Decoded) is None
    good = Entry.model_validate_json(poisoned())
    cache.write("decode-abcd", good)
    assert cache.read("decode-abcd", Decoded) == good


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "huge", "deep"])
def test_an_entry_that_is_no_file_of_ours_is_a_miss(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.cache.MAX_ENTRY_BYTES", 1 << 20)
    path = tmp_path / "results" / "text" / "ab" / "abcd"
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(100 << 30)
    else:
        path.write_text('{"stage":' * 100_000)
    assert ResultCache(str(tmp_path)).read("text-abcd", Texts) is None


def test_a_hash_that_someone_else_wrote_leads_nowhere(tmp_path: Path) -> None:
    """The hash of a content names its pictures: `../../..` must not."""
    hashes = ContentHashes(tmp_path / "h.sqlite")
    video = SAMPLES / "night-city.mp4"
    known = hashes.of(video)
    for value in ("../../../../etc/x", "a" * 63, "A" * 64, b"a" * 64, 7, None):
        with sqlite3.connect(tmp_path / "h.sqlite") as connection:
            connection.execute("update hashes set hash = ?", (value,))
        assert ContentHashes(tmp_path / "h.sqlite").of(video) == known


def test_hashes_that_cannot_be_kept_cost_no_run(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "h.sqlite") as connection:  # of another program
        connection.execute("create table hashes (a int)")
    hashes = ContentHashes(tmp_path / "h.sqlite")
    first = hashes.of(SAMPLES / "night-city.mp4")
    hashes._connection.execute("pragma query_only = on")  # as on a full disk, nothing can be written
    assert ContentHashes(tmp_path / "h.sqlite").of(SAMPLES / "night-city.mp4") == first
    assert len(hashes.of(SAMPLES / "cat-vs-cup.mp4")) == 64
    (tmp_path / "folder.sqlite").mkdir()
    assert ContentHashes(tmp_path / "folder.sqlite").of(SAMPLES / "night-city.mp4") == first


# Niches and models


def test_a_deep_niches_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text("[" * 20_000)
    with pytest.raises(UsageError, match=r"n\.yaml"):
        load_niches(tmp_path / "n.yaml")
    (tmp_path / "n.yaml").write_text("niches: !!python/object/apply:os.system ['touch ran']")
    with pytest.raises(UsageError, match=r"n\.yaml"):
        load_niches(tmp_path / "n.yaml")


# The source changes underneath


def test_what_was_read_of_a_replaced_file_is_kept_for_nobody(tmp_path: Path) -> None:
    run = opened(tmp_path)
    plan = Plan()
    hashes = ContentHashes(tmp_path / "h.sqlite")
    (planned,) = planning(run.catalog, run.tables, hashes, {}, run.settings, plan)
    given = [StageOutcome(stage="decode", result=DECODED, failure=None, wall_s=1.0, cpu_s=1.0)]
    run.results.missing(planned)
    assert run.results.believed(planned, given) == given
    video = Path(planned.video.location)
    (video.parent / "new").write_bytes(b"another")
    (video.parent / "new").replace(video)
    run.keep(planned, given)
    assert not list((tmp_path / "cache" / "results").rglob("*/*/*"))
    run.results.publish([planned], {})
    (row,) = run.tables.read("failures").to_pylist()
    assert (row["error_type"], row["stage"]) == ("UnreadableSource", "decode")
    assert "changed while the run was under way" in row["message"]
    video.unlink()  # what was read before a file vanished was whole
    assert run.results.believed(planned, given) == given
    run.close()


def test_a_bad_sidecar_stays_a_failure_until_it_is_mended(tmp_path: Path) -> None:
    """Noting the plan took out what noting the catalog had put down."""
    sidecar = tmp_path / "videos" / "night-city.info.json"
    for content, expected in (("{", ["metadata"]), ("{", ["metadata"]), ("{}", [])):
        run = opened(tmp_path)
        sidecar.write_text(content)
        run.ledger.note_plan()
        assert run.tables.read("failures")["stage"].to_pylist() == expected
        run.close()


# Disks


def test_an_out_that_is_read_only_or_full_is_said(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", 1) as disk:
            storage = Storage(str(disk / "out"))
            storage.write("there", b"old")
            with pytest.raises(StorageError, match="No space left"):
                storage.write("there", b"x" * (2 << 20))
            assert storage.read("there") == b"old"
            assert [path.name for path in (disk / "out").iterdir()] == ["there"]
            cache = ResultCache(str(disk / "cache"))
            cache.check()
            large = ENTRY.model_copy(update={"result": {"texts": "x" * (2 << 20)}})
            with pytest.raises(StorageError, match="No space left"):
                cache.write("text-abcd", large)
            assert not list(cache.stored())
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            with pytest.raises(UsageError, match="out: "):
                Storage(str(disk / "out"))
            with pytest.raises(UsageError, match="new: "):
                Storage(str(disk / "new"))
            assert Storage(str(disk / "out"), read_only=True).read("there") == b"old"
    except PermissionError as error:
        pytest.skip(f"no file system of its own: {error}")


# Clocks


def test_a_clock_that_is_set_back_or_forth_spoils_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Set(datetime):
        shift = timedelta(0)

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + cls.shift

    for module in ("flows.session", "flows.ledger", "flows.metrics"):
        monkeypatch.setattr(f"{module}.datetime", Set)
    for hours in (-3, 3):
        Set.shift = timedelta(0)
        run = opened(tmp_path / str(hours))
        Set.shift = timedelta(hours=hours)
        assert 0 <= run.took_s < 60
        with use(run):
            pass
        (row,) = run.tables.read("runs").to_pylist()
        assert row["finished_at"] >= row["started_at"]


# Runs that are killed


def killed(folder: Path) -> str:
    """The id of a run that began and was killed."""
    begun = (
        "import os, signal, sys; from flows.session import Session, use; from tasks.settings import load_settings\n"
        "run = Session('extract', sys.argv[1], sys.argv[2], load_settings(overrides={'cache.dir': sys.argv[3]}))\n"
        "with use(run):\n    print(run.run_id, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", begun, *(str(folder / name) for name in ("videos", "out", "cache"))]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout.strip()


def test_a_killed_run_has_its_row_and_the_next_one_says_so(tmp_path: Path) -> None:
    copy_samples(tmp_path / "videos", "night-city")
    dead = killed(tmp_path)
    assert outcomes(tmp_path) == {dead: "running"}
    (row,) = Tables(str(tmp_path / "out"), read_only=True).read("runs").to_pylist()
    assert (row["finished_at"], row["done"]) == (None, None)
    assert row["started_at"] and row["source"] == str(tmp_path / "videos") and '"workers"' in row["settings"]
    run = opened(tmp_path)
    with use(run):
        assert outcomes(tmp_path) == {dead: "killed", run.run_id: "running"}
        beside = opened(tmp_path)  # another at work is not taken for dead
        with use(beside):
            assert outcomes(tmp_path)[run.run_id] == "running"
    assert outcomes(tmp_path) == {dead: "killed", run.run_id: "completed", beside.run_id: "completed"}
    assert not list((tmp_path / "out" / FOLDER).iterdir())
    families = text_string_to_metric_families((tmp_path / "out" / metrics.FILE).read_text())
    series = {sample.name: sample.value for family in families for sample in family.samples}
    assert series["reelscope_killed_runs"] == 1


@pytest.mark.parametrize("location", ["folder", "memory://signs-test"])
def test_a_run_of_another_machine_is_dead_when_it_is_silent(
    tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(location if "://" in location else str(tmp_path / location))
    signs = Signs(storage, "mine")
    elsewhere = json.dumps({"host": "elsewhere", "pid": 1}).encode()
    storage.write(f"{FOLDER}/silent.alive", elsewhere)
    storage.write(f"{FOLDER}/odd.alive", b"[1")
    real = storage.modified_s
    assert signs.gone({"silent", "odd", "mine", "none"}) == {"none"}
    monkeypatch.setattr(
        storage,
        "modified_s",
        lambda *a: {name: time_s - SILENT_S - 1 if "mine" not in name else time_s for name, time_s in real(*a).items()},
    )
    assert signs.gone({"silent", "odd", "mine", "none"}) == {"silent", "odd", "none"}


def test_a_source_that_is_refused_is_a_failed_run_without_its_secret(tmp_path: Path) -> None:
    settings = load_settings(overrides={"cache.dir": str(tmp_path / "cache")})
    run = Session("extract", "s3://AKIA:hunter2@bucket/v", str(tmp_path / "out"), settings)
    with pytest.raises(UsageError), use(run):
        _ = run.catalog
    assert outcomes(tmp_path) == {run.run_id: "failed"}
    assert all(b"hunter2" not in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_a_retry_opens_nothing_that_the_source_might_not_name(tmp_path: Path) -> None:
    """The run that wrote the failure is not known: its uri is no source then."""
    outside = copy_samples(tmp_path / "outside", "night-city") / "night-city.mp4"
    tables = Tables(str(tmp_path / "out"))
    tables.record_failures([failure("v", str(outside), "catalog", OutOfBounds("elsewhere"))], set(), "unknown")
    assert failed_videos(str(tmp_path / "out"), load_settings().sources, None, None).videos == []


# Permissions


def test_nothing_is_writable_by_everyone_whatever_the_umask(home: Home, tmp_path: Path) -> None:
    source = copy_samples(tmp_path / "videos", "night-city")
    options = ("--out", tmp_path / "out", "--set", f"cache.dir={tmp_path / 'cache'}")
    process = home.start("plan", source, *options, preexec_fn=lambda: os.umask(0))
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    code = "import os; os.umask(0); from flows.session import *; from tasks.settings import load_settings; import sys\n"
    code += "with use(Session('extract', sys.argv[1], sys.argv[2], load_settings(overrides={'cache.dir': sys.argv[3]}))) as run:\n"
    code += "    run.cache.check(); run.tables.storage.write_each({'report/a/b.html': b'x'}); run.backend._spool; run.claims"
    names = [str(tmp_path / name) for name in ("videos", "out", "cache")]
    subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, check=True, timeout=120)
    written = [path for name in ("out", "cache") for path in (tmp_path / name).rglob("*")]
    assert len(written) > 20
    assert [path for path in written if path.lstat().st_mode & stat.S_IWOTH] == []
    assert not (tmp_path / "cache").stat().st_mode & (stat.S_IRWXO | stat.S_IRWXG)
