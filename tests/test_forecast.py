"""Forecasts: rates of past videos, the pace of past runs, and what comes of them; `reelscope plan` on a real case."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows import headers
from flows.forecast import Pace, Rates, Work, forecast, minutes, off_by, pace, rates, searched_s
from flows.headers import lengths_s
from tasks.records import Metadata, Video
from tasks.settings import Sampling, Settings
from tests import deadly
from tests.conftest import SAMPLES, Home, copy_samples

ALL = frozenset({"decode", "text", "speech"})
MODELS = {"decode": "d", "text": "t", "speech": "s"}


def row(duration_s: float, seconds: dict[str, float], speech: str = "s", coverage: float = 1.0) -> dict[str, Any]:
    inputs = {stage: {"model": speech if stage == "speech" else model} for stage, model in MODELS.items()}
    return {
        "duration_s": duration_s, "coverage": coverage, "seconds": json.dumps(seconds), "inputs": json.dumps(inputs),
    }  # fmt: skip


def past(wall_s: float, cpu_s: float, done: int = 10, workers: int = 2, **more: Any) -> dict[str, Any]:
    """A row of `runs`."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "command": "run", "outcome": "completed", "started_at": began, "finished_at": began + timedelta(seconds=wall_s),
        "done": done, "stage_seconds": json.dumps({"decode": cpu_s / 2, "text": cpu_s / 2}), "device_busy_share": None,
        "settings": json.dumps({"pools": {"workers": workers}}), "model_s_per_video_hour": None,
    } | more  # fmt: skip


def test_a_rate_is_that_of_the_same_model_where_there_is_one() -> None:
    rows = [row(10, {"decode": 1, "speech": 20}), row(30, {"decode": 7, "speech": 5}, speech="other")]
    found = rates(rows, MODELS)
    assert found.s_per_s == {"decode": 8 / 40, "speech": 2.0}
    assert found.borrowed == frozenset()
    found = rates(rows, MODELS | {"speech": "new"})
    assert (found.s_per_s["speech"], found.borrowed) == (25 / 40, {"speech"})
    older = {"duration_s": 10.0, "coverage": None, "seconds": '{"text": 5}', "inputs": None}
    assert rates([older], MODELS) == Rates({"text": 0.5}, frozenset({"text"}))
    assert rates([{"duration_s": None, "coverage": None, "seconds": None, "inputs": None}], MODELS).s_per_s == {}


def test_text_is_looked_for_in_windows_of_a_long_video() -> None:
    sampling = Sampling()
    assert [searched_s(length, sampling) for length in (20.0, 180.0, 3600.0)] == [20.0, 180.0, 30.0]
    found = rates([row(3600, {"text": 15}, coverage=30 / 3600)], MODELS)
    assert found.s_per_s["text"] == pytest.approx(0.5)


def test_the_runs_before_come_out_right() -> None:
    """Each run took 10 s beyond its computing, then 20 % more than its share of it."""
    runs = [past(10 + 1.2 * cpu_s / 2, cpu_s) for cpu_s in (0.0001, 40, 400)]
    made = pace(runs, on_device=False)
    assert made is not None
    assert (made.start_s, made.factor, made.runs) == (pytest.approx(10, abs=0.1), pytest.approx(1.2, abs=0.01), 3)
    works = [Work(ALL, 10.0)] * 20
    made_of = forecast(works, Rates({"decode": 1.0, "text": 1.0}), made, 2, 0, Sampling())
    assert made_of.wall_s == pytest.approx(10 + 1.2 * 200, rel=0.01)
    assert made_of.cpu_s == {"decode": 200.0, "text": 200.0, "speech": 0.0}


def test_runs_that_tell_nothing_are_left_out() -> None:
    assert pace([], on_device=False) is None
    useless = [
        past(9, 5, outcome="interrupted"), past(9, 5, done=0), past(9, 5, command="classify"),
        past(9, 5, stage_seconds="{}"), past(9, 5, device_busy_share=0.5),
    ]  # fmt: skip
    assert pace(useless, on_device=False) is None
    one_long_run = pace([past(2000, 2000)], on_device=False)  # what it took beyond is not all its start
    assert one_long_run is not None
    assert one_long_run.start_s <= 15


def test_a_device_bounds_the_wall_where_it_is_the_bottleneck() -> None:
    told = pace([past(100, 40, device_busy_share=0.9, model_s_per_video_hour=360.0)], on_device=True)
    assert told is not None
    assert told.device_s_per_s == pytest.approx(0.1)
    made = forecast(
        [Work(ALL, 600.0)] * 10, Rates({"decode": 0.01, "text": 9.0}), Pace(5, 1.0, 1, 0.1), 4, 1, Sampling()
    )
    assert (made.device_s, made.wall_s) == (pytest.approx(600), pytest.approx(605))
    cached = forecast(
        [Work(frozenset({"decode"}), 600.0)], Rates({"decode": 0.01}), Pace(5, 1.0, 1, 0.1), 4, 1, Sampling()
    )
    assert (cached.device_s, cached.wall_s) == (0.0, pytest.approx(11))


def test_a_long_video_alone_is_not_shared_by_workers_and_a_sample_stands_for_all() -> None:
    found, told = Rates({"decode": 1.0}), Pace(0.0, 1.0, 1)
    assert forecast([Work(ALL, 60.0)], found, told, 8, 0, Sampling()).wall_s == 60
    assert forecast([Work(ALL, 60.0)] * 10, found, told, 2, 0, Sampling(), scale=5).wall_s == 60 * 10 * 5 / 2
    unknown = forecast([Work(ALL, 10.0), Work(ALL, None)], found, told, 1, 0, Sampling())
    assert unknown.cpu_s["decode"] == 20


def test_text_alone_decodes_again_and_speech_alone_does_not() -> None:
    found, told = Rates({"decode": 1.0, "text": 2.0, "speech": 3.0}), Pace(0.0, 1.0, 1)
    spent = {
        stage: forecast([Work(frozenset({stage}), 10.0)], found, told, 1, 0, Sampling()).wall_s
        for stage in ("decode", "text", "speech")
    }
    assert spent == {"decode": 10, "text": 30, "speech": 30}


def test_no_forecast_says_why() -> None:
    assert forecast([Work(ALL, 1.0)], Rates({}), None, 1, 0, Sampling()).why_not == "no past run to forecast from"
    assert forecast([Work(ALL, None)], Rates({}), Pace(1, 1, 1), 1, 0, Sampling()).wall_s is None
    assert forecast([], Rates({}), None, 1, 0, Sampling()).wall_s == 0


def test_words() -> None:
    assert [minutes(seconds) for seconds in (4.4, 200, 18_600)] == ["4 s", "3 min 20 s", "5 h 10 min"]
    assert off_by(50.0, 100.0) == "took 1 min 40 s; the forecast was 50 s (-50%)"
    assert off_by(None, 100.0) is None


def test_a_header_tells_the_length_and_no_header_nothing(tmp_path: Path) -> None:
    """Not even one whose codec nobody knows, which ended a run before it had begun."""
    (tmp_path / "words.mp4").write_text("these are words")
    whole = (SAMPLES / "night-city.mp4").read_bytes()
    (tmp_path / "unknown.mp4").write_bytes(whole.replace(b"avc1", b"zzz9"))
    paths = [SAMPLES / "night-city.mp4", *(tmp_path / f"{name}.mp4" for name in ("words", "gone", "unknown"))]
    videos = [Video(video_id=path.stem, uri=str(path), metadata=Metadata(title="T")) for path in paths]
    length_s, *untold = lengths_s(videos, Settings())
    assert length_s is not None
    assert 3 < length_s < 60
    assert untold == [None] * 3


def test_a_header_that_ends_its_reader_or_never_ends_costs_its_length_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headers, "HEADER_S", 5.0)
    monkeypatch.setattr(headers, "read_header", deadly.read_header)
    paths = [tmp_path / f"{name}.mp4" for name in ("killer", "sleeper")]
    for path in paths:
        path.touch()
    videos = [
        Video(video_id=path.stem, uri=str(path), metadata=Metadata(title="T"))
        for path in (*paths, SAMPLES / "night-city.mp4")
    ]
    killer, sleeper, sound = lengths_s(videos, Settings())
    assert (killer, sleeper) == (None, None)
    assert sound


def test_plan_forecasts_from_past_runs_and_the_run_says_how_far_off_it_was(home: Home, tmp_path: Path) -> None:
    source, out = copy_samples(tmp_path / "videos", "night-city"), tmp_path / "out"
    options = ("--out", out, "--speech", "pocketsphinx", "--set", f"cache.dir={tmp_path / 'cache'}", "--json")
    before = home.reelscope("plan", source, *options).figures
    assert (before["todo"], before["reused"], before["forecast"]["wall_s"]) == (1, 0, None)
    assert before["forecast"]["why_not"] == "no past run to forecast from"
    assert not out.exists()
    first = home.reelscope("run", source, *options).figures
    assert first["forecast_s"] is None
    assert first["took_s"] > 0
    copy_samples(source, "cat-vs-cup")
    (source / "words.mp4").write_text("these are words")
    (source / "empty.mp4").touch()
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    told = home.reelscope("plan", source, *options).figures
    assert (told["todo"], told["reused"], told["unknown_lengths"], len(told["unreadable"])) == (2, 1, 1, 1)
    assert told["todo_by_stage"] == {"decode": 2, "text": 2, "speech": 2}
    assert told["forecast"]["wall_s"] > 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == written
    ran = home.reelscope("run", source, *options[:-1])
    assert "the forecast was" in ran.stdout
    from tasks.tables import Tables

    runs = Tables(str(out)).read("runs").to_pylist()
    assert [run["forecast_s"] is not None for run in sorted(runs, key=lambda run: run["started_at"])] == [False, True]
