"""Hard days: files that kill, hang, eat memory, are damaged or lie on a failing disk, in one batch; and what comes of them."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.content import ContentHashes
from tasks.errors import SourceUnreachable, UnreadableSource
from tasks.extraction import decode
from tasks.extraction.ocr import OcrChoice
from tasks.extraction.speech import SpeechChoice
from tasks.extraction.video import Job, extract
from tasks.retries import passes, patiently
from tasks.settings import load_settings
from tests.conftest import ROOT, SAMPLES, Home, Ran, copy_samples

linux = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a read that fails is made with /proc/self/mem")
OPTIONS = ("--workers", "2", "--speech", "none", "--json", "--set", "limits.io_wait_s=0.1")


def reelscope(home: Home, *arguments: str | Path) -> Ran:
    """The command, with an extraction that does what its files are called."""
    command = [sys.executable, "-m", "tests.deadly", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=home.environment, capture_output=True, text=True, timeout=280)
    return Ran(done.returncode, done.stdout, done.stderr)


def failures_of(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "failures").set_index("video_id")


@pytest.fixture(scope="module")
def hard_day(home: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One batch of eight videos, five of them hard; then the same again, and again."""
    base = tmp_path_factory.mktemp("hard")
    source, out = copy_samples(base / "videos", "night-city", "smash-burger", "leg-day"), base / "out"
    whole = (SAMPLES / "night-city.mp4").read_bytes()
    for name in ("killer", "sleeper", "eater", "flaky"):
        (source / f"{name}.mp4").write_bytes(whole + name.encode())
    (source / "corrupt.mp4").write_bytes(whole[: len(whole) // 2])
    limits = {"video_s": 25, "worker_mb": 1500, "attempts": 2}
    sets = [word for name, value in limits.items() for word in ("--set", f"limits.{name}={value}")]
    command = ("run", source, "--out", out, "--batch-size", "8", *OPTIONS, *sets)
    told: dict[str, Any] = {"source": source, "out": out, "first": reelscope(home, *command)}
    told["failures"] = failures_of(out)
    told["command"] = command
    return told


@linux
def test_four_files_fail_and_all_else_is_done(hard_day: dict[str, Any]) -> None:
    first = hard_day["first"]
    assert first.code == 0, first.stderr
    failures = hard_day["failures"]
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
    videos = pd.read_parquet(hard_day["out"] / "videos").set_index("video_id")
    assert set(videos[videos["status"] == "complete"].index) == set(videos.index) - set(words)
    assert len(videos) == 8


@linux
def test_a_source_that_fails_twice_succeeds_on_the_third_try(hard_day: dict[str, Any]) -> None:
    lines = [line for line in hard_day["first"].stderr.splitlines() if "reading failed" in line]
    assert [line.split("; ")[1][:10] for line in lines] == ["try 2 of 3", "try 3 of 3"]
    assert all("flaky" in line and "Input/output error" in line for line in lines)
    rows = {name: pd.read_parquet(hard_day["out"] / name).groupby("video_id").size() for name in ("shots", "texts")}
    flaky, same = rows["shots"]["flaky"], rows["shots"][next(v for v in rows["shots"].index if "night" in v)]
    assert flaky == same  # nothing of the passes that broke off is counted twice
