"""Hard days: files that kill, hang, eat memory, are damaged or lie on a failing disk, in one batch; and what comes of them."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Container
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

import av
import pandas as pd
import pytest

from flows.plan import Plan, planning
from tasks import keys
from tasks.errors import DamagedMedia, EngineError, MemoryExceeded, ReelscopeError, SourceUnreachable, blames_content
from tasks.extraction import opening
from tasks.extraction.ocr import OcrChoice
from tasks.extraction.speech import SpeechChoice
from tasks.extraction.video import Job, extract
from tasks.records import StageOutcome
from tasks.settings import Sources, load_settings
from tasks.sources.catalog import failure, scan
from tasks.sources.content import ContentHashes
from tasks.sources.retries import passes
from tasks.tables import Tables
from tests.conftest import ROOT, SAMPLES, Home, Ran, copy_samples

linux = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a read that fails is made with /proc/self/mem")
OPTIONS = ("--workers", "2", "--speech", "none", "--json", "--set", "limits.io_wait_s=0.1")


def reelscope(home: Home, *arguments: str | Path) -> Ran:
    """The command, with an extraction that does what its files are called."""
    command = [sys.executable, "-m", "tests.deadly", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=home.environment, capture_output=True, text=True, timeout=280)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def hard_day(home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One batch of eight videos, five of them hard; then its damaged file alone, and once more by `retry`."""
    base = tmp_path_factory.mktemp("hard")
    source, out = copy_samples(base / "videos", "night-city", "smash-burger", "leg-day"), base / "out"
    whole = (SAMPLES / "smash-burger.mp4").read_bytes()
    for name in ("killer", "sleeper", "eater", "flaky"):
        (source / f"{name}.mp4").write_bytes(whole + name.encode())
    (source / "corrupt.mp4").write_bytes(whole[: len(whole) // 2])
    limits = ("limits.video_s=20", "limits.worker_mb=1500", "limits.attempts=1", f"cache.dir={base / 'cache'}")
    sets = [word for limit in limits for word in ("--set", limit)]
    told: dict[str, Any] = {}

    def night(name: str, *command: str | Path) -> None:
        told[name] = reelscope(home, *command, "--out", out, *OPTIONS, *sets)
        tables = {table: pd.read_parquet(out / table) for table in ("videos", "shots", "texts", "failures")}
        told[name].tables = tables | {"failures": tables["failures"].set_index("video_id")}  # type: ignore[attr-defined]

    night("first", "run", source, "--batch-size", "8")
    alone = base / "alone"
    alone.mkdir()
    shutil.copy(source / "corrupt.mp4", alone)
    night("second", "extract", alone, "--strict")
    night("retry", "retry", "--error", "DamagedMedia")
    return told


@linux
def test_four_files_fail_and_all_else_is_done(hard_day: dict[str, Any]) -> None:
    first = hard_day["first"]
    assert first.code == 0, first.stderr
    failures = first.tables["failures"]
    assert dict(failures["error_type"]) == {
        "killer": "WorkerDied",
        "sleeper": "VideoTimeout",
        "eater": "MemoryExceeded",
        "corrupt": "DamagedMedia",
    }
    assert set(failures["stage"]) == {"decode"}
    assert set(failures["attempts"]) == {1}
    words = {"killer": "lower --workers", "sleeper": "limits.video_s", "eater": "limits.worker_mb", "corrupt": "again"}
    assert all(word in failures.loc[video_id, "advice"] for video_id, word in words.items())
    assert (first.figures["done"], first.figures["failed"]) == (4, 4)
    videos = first.tables["videos"].set_index("video_id")
    assert set(videos[videos["status"] == "complete"].index) == set(videos.index) - set(words)
    assert len(videos) == 8


@linux
def test_a_source_that_fails_twice_succeeds_on_the_third_try(hard_day: dict[str, Any]) -> None:
    first = hard_day["first"]
    lines = [line for line in first.stderr.splitlines() if "reading failed" in line]
    assert [line.split("; ")[1][:10] for line in lines] == ["try 2 of 3", "try 3 of 3"]
    assert all("flaky" in line and "Input/output error" in line for line in lines)
    videos = first.tables["videos"]
    (same,) = videos[videos["uri"].str.endswith("smash-burger.mp4")]["video_id"]
    for name in ("shots", "texts"):  # nothing of the passes that broke off is counted twice
        rows = first.tables[name].groupby("video_id").size()
        assert rows["flaky"] == rows[same]


@linux
def test_a_damaged_file_is_read_once_a_run_then_left_alone_and_retried_by_hand(hard_day: dict[str, Any]) -> None:
    second, again = hard_day["second"], hard_day["retry"]
    assert second.code == 1, second.stderr
    assert second.figures["stage_seconds"] == {}
    assert "left alone after 1 attempts" in second.figures["failures"][0]["message"]
    assert second.tables["failures"].loc["corrupt", "attempts"] == 1
    assert again.code == 0, again.stderr
    assert (again.figures["videos"], again.figures["failed"]) == (1, 1)
    assert again.tables["failures"].loc["corrupt", "attempts"] == 2
    assert "reading failed" not in second.stderr + again.stderr


@linux
def test_a_video_that_lost_a_stage_is_a_failure_to_strict(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "videos"
    source.mkdir()
    shutil.copy(SAMPLES / "night-city.mp4", source / "unread.mp4")
    command = ("extract", source, "--out", tmp_path / "out", *OPTIONS, "--set", f"cache.dir={tmp_path / 'cache'}")
    ran = reelscope(home, *command, "--strict")
    assert ran.code == 1, ran.stderr
    assert (ran.figures["done"], ran.figures["failed"]) == (1, 0)
    assert [(told["stage"], told["error_type"]) for told in ran.figures["failures"]] == [("text", "EngineError")]
    assert pd.read_parquet(tmp_path / "out" / "videos")["status"].tolist() == ["partial"]


def job(path: Path, spool: Path | None = None) -> Job:
    ocr, speech = OcrChoice("rapidocr", "any", "cpu", None), SpeechChoice("none", "any", "cpu", None)
    settings = load_settings(overrides={"limits.io_wait_s": "0"})
    stages = frozenset({"decode", "text", "speech"} if spool else {"decode"})
    return Job(path.stem, str(path), str(path), stages, settings, ocr, speech, str(spool) if spool else None)


class Fails(FileIO):
    """Fails at the reads that are named, counted over all the times that the file is opened."""

    at: ClassVar[Container[int]] = ()
    reads: ClassVar[int] = 0

    def read(self, size: int | None = -1, /) -> bytes:
        Fails.reads += 1
        if Fails.reads in Fails.at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Job, Container[int]], StageOutcome]:
    """Extraction through a file that fails at some of its reads; gives what became of decoding."""

    class Source(opening.SourceFile, Fails):
        pass

    monkeypatch.setattr(opening, "SourceFile", Source)

    def run(wanted: Job, at: Container[int]) -> StageOutcome:
        monkeypatch.setattr(Fails, "at", at)
        monkeypatch.setattr(Fails, "reads", 0)
        return next(outcome for outcome in extract(wanted, lambda _: None) if outcome.stage == "decode")

    return run


@pytest.mark.parametrize("name", ["night-city.mp4", "planet-facts.webm"])
def test_a_read_that_fails_once_changes_nothing_wherever_it_is(failing: Callable[..., StageOutcome], name: str) -> None:
    wanted = job(SAMPLES / name)
    whole = failing(wanted, ())
    reads = Fails.reads
    assert whole.result
    for at in {1, 2, 3, reads // 2, reads - 1, reads}:
        again = failing(wanted, {at})
        assert Fails.reads > reads
        assert (again.result, again.failure) == (whole.result, None)


def test_a_source_that_stays_unreachable_leaves_a_failure_and_no_spool(
    failing: Callable[..., StageOutcome], tmp_path: Path
) -> None:
    outcome = failing(job(SAMPLES / "night-city.mp4", tmp_path / "spool"), range(4, sys.maxsize))
    assert outcome.result is None
    assert outcome.failure
    assert outcome.failure.error_type == "SourceUnreachable"
    assert outcome.failure.message.endswith("Input/output error; tried 3 times")
    assert "limits.io_tries" in outcome.failure.advice
    assert not (tmp_path / "spool").exists()


def test_a_spool_begins_anew_with_each_try(failing: Callable[..., StageOutcome], tmp_path: Path) -> None:
    """A pass that broke off in the midst leaves nothing to the next."""
    wanted = SAMPLES / "night-city.mp4"
    for folder, at in (("once", ()), ("again", {8})):
        assert failing(job(wanted, tmp_path / folder), at).failure is None
    once, again = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("once", "again"))
    assert once == again


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("name", ["night-city.mp4", "planet-facts.webm"])
def test_a_damaged_file_is_read_once(
    failing: Callable[..., StageOutcome], tmp_path: Path, name: str, share: float
) -> None:
    """FFmpeg says "Input/output error" of some files that are cut short: that is no error of the disk."""
    whole = (SAMPLES / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    outcome = failing(job(tmp_path / name), ())
    assert outcome.failure
    assert outcome.failure.error_type == "DamagedMedia"
    assert "tried" not in outcome.failure.message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, ""), True),
        (OSError(errno.ESTALE, ""), True),
        (TimeoutError("no answer"), True),
        (ConnectionResetError(), True),
        (BlockingIOError(errno.EAGAIN, ""), True),
        (FileNotFoundError(errno.ENOENT, ""), False),
        (PermissionError("access denied"), False),
        (OSError(errno.ENOSPC, ""), False),
        (av.error.OSError(errno.EIO, "what FFmpeg says of files that are cut short"), False),
        (ValueError("no number"), False),
    ],
)
def test_what_may_pass(error: Exception, expected: bool) -> None:
    assert passes(error) is expected


@linux
def test_hashing_waits_for_a_disk_and_not_once_more_for_each_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two files whose reads fail (the kernel says so), and then a sound one."""
    source = copy_samples(tmp_path / "videos", "night-city")
    catalog = scan(str(source), Sources())
    (sound,) = catalog.videos
    broken = [
        sound.model_copy(update={"video_id": name, "path": "/proc/self/mem", "size_bytes": sound.size_bytes + 1})
        for name in ("a", "b")
    ]
    catalog.videos += broken
    settings = load_settings(overrides={"limits.io_wait_s": "0"})
    plan, hashes = Plan(), ContentHashes(tmp_path / "hashes.sqlite")
    list(planning(catalog, Tables(str(tmp_path / "out")), hashes, {}, settings, plan))
    assert [(failure.video_id, failure.error_type) for failure in plan.failures] == [
        ("a", "SourceUnreachable"),
        ("b", "SourceUnreachable"),
    ]
    assert [failure.message.rpartition("; ")[2] for failure in plan.failures] == ["tried 3 times", "tried once"]
    assert [planned.video.video_id for planned in plan.todo] == [sound.video_id]
    assert [record.message[:1] for record in caplog.records] == ["a", "a"]


def test_only_what_the_content_is_to_blame_for_counts_towards_quarantine(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    assert [nights.fail(SourceUnreachable("the share is gone")) for _ in range(4)] == ["todo"] * 4
    assert [nights.fail(EngineError("no weights")) for _ in range(4)] == ["todo"] * 4
    assert [nights.fail(DamagedMedia("cut short")) for _ in range(3)] == ["todo", "todo", "quarantined"]
    assert {kind.__name__ for kind in subclasses(ReelscopeError) if blames_content(kind.__name__)} == {
        *(
            "ReelscopeError",
            "MediaError",
            "NotAVideo",
            "NoPictures",
            "NoDecoder",
            "TooLarge",
            "TooLong",
            "DamagedMedia",
        ),
        *("VideoTimeout", "WorkerDied", "MemoryExceeded", "DuplicateVideo", "UsageError"),
    }


@pytest.mark.parametrize("change", ["content", "settings", "code"])
def test_what_was_left_alone_comes_back_with_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    nights = Nights(tmp_path)
    assert [nights.fail(MemoryExceeded("too much")) for _ in range(3)][-1] == "quarantined"
    if change == "content":
        Path(nights.catalog.videos[0].location).write_bytes(b"another")
    elif change == "settings":
        nights.settings = load_settings(overrides={"shots.min_shot_s": "0.21"})
    else:
        monkeypatch.setattr(keys, "code_digest", lambda stage: f"another version of {stage}")
    assert nights.planned() == "todo"
    assert nights.fail(MemoryExceeded("too much")) == "todo"  # counted anew
    assert Tables(str(tmp_path / "out")).read("failures")["attempts"].to_pylist() == [1]


class Nights:
    """One video, night for night: what a run's failure makes the next one plan."""

    def __init__(self, folder: Path) -> None:
        self.catalog = scan(str(copy_samples(folder / "videos", "night-city")), Sources())
        self.settings = load_settings()
        self.tables, self.hashes = Tables(str(folder / "out")), ContentHashes(folder / "hashes.sqlite")
        self._number = 0

    def _plan(self) -> Plan:
        plan = Plan()
        list(planning(self.catalog, self.tables, self.hashes, {}, self.settings, plan))
        return plan

    def planned(self) -> str:
        return "quarantined" if self._plan().quarantined else "todo"

    def fail(self, error: Exception) -> str:
        self._number += 1
        (planned,) = self._plan().todo
        failed = failure(planned.video.video_id, "u", "decode", error, planned.input_hash)
        self.tables.record_failures([failed], set(), f"run-{self._number}")
        return self.planned()


def subclasses(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


@linux
def test_a_full_disk_under_the_spool_is_not_the_videos_fault(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "images.bin").symlink_to("/dev/full")
    outcomes = {outcome.stage: outcome for outcome in extract(job(SAMPLES / "night-city.mp4", spool), lambda _: None)}
    told = [outcome.failure for outcome in outcomes.values() if outcome.failure]
    assert [failed.error_type for failed in told] == ["StorageError"]
    assert "No space left" in told[0].message
