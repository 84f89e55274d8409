"""Metrics: what Prometheus reads of a run, by Prometheus' own parser."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows import metrics
from flows.session import Session, use
from tasks.records import Failure
from tasks.settings import load_settings
from tests.conftest import Home, copy_samples

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Series:
    families = text_string_to_metric_families(text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float | None:
    """The value of the one series of a name that has these labels."""
    found = [number for (key, told), number in series.items() if key == name and labels.items() <= dict(told).items()]
    assert len(found) <= 1, found
    return found[0] if found else None


def opened(folder: Path, out: str = "out") -> Session:
    source = copy_samples(folder / "videos", "night-city")
    settings = load_settings(overrides={"cache.dir": str(folder / "cache")})
    return Session("run", str(source), str(folder / out), settings)


def file_of(run: Session) -> Path:
    return Path(run.out) / metrics.FILE


def test_a_command_leaves_its_figures(home: Home, tmp_path: Path) -> None:
    source = copy_samples(tmp_path / "videos", "night-city", "cat-vs-cup")
    (source / "words.mp4").write_text("these are words\n" * 40)
    options = ("--speech", "none", "--set", f"cache.dir={tmp_path / 'cache'}")
    ran = home.reelscope("run", source, "--out", tmp_path / "out", *options)
    assert ran.code == 0, ran.stderr
    series = read((tmp_path / "out" / metrics.FILE).read_text())
    states = {state: value(series, "reelscope_videos", state=state) for state in ("done", "reused", "failed")}
    assert states == {"done": 2, "reused": 0, "failed": 1}
    assert value(series, "reelscope_videos_found") == 3
    assert value(series, "reelscope_failures", stage="decode", error_type="NotAVideo") == 1
    assert (value(series, "reelscope_stage_cpu_seconds", stage="decode") or 0) > 0
    assert value(series, "reelscope_queue_videos", queue="cpu") == 0
    outcomes = {name: value(series, "reelscope_run_outcome", outcome=name) for name in metrics.OUTCOMES}
    assert outcomes == {"running": 0, "completed": 0, "partial": 1, "interrupted": 0, "failed": 0}
    assert value(series, "reelscope_last_completed_timestamp_seconds", command="run")


def test_names_with_quotes_and_newlines_are_read_back(tmp_path: Path) -> None:
    out = 'o"u\\t\nof {all} = 1'
    run = opened(tmp_path, out)
    run.results.counts.failures.append(
        Failure(video_id="v", uri="v", stage="decode", error_type="Bad\nError", message="", advice="")
    )
    metrics.write(run, "running")
    series = read(file_of(run).read_text())
    assert value(series, "reelscope_failures", out=run.out, error_type="Bad\nError") == 1


def test_it_is_there_and_whole_while_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "EVERY_S", 0.002)
    run, seen, stop = opened(tmp_path), set[bool](), threading.Event()
    metrics.write(run, "running")

    def poll() -> None:
        while not stop.is_set():
            series = read(file_of(run).read_text())
            seen.add(value(series, "reelscope_run_updated_timestamp_seconds") is not None)

    reader = threading.Thread(target=poll)
    reader.start()
    with use(run):
        for number in range(300):
            run.results.counts.done.add(str(number))
            run.results.counts.stage_seconds[f"stage {number % 7}"] += 1.0
        while value(read(file_of(run).read_text()), "reelscope_videos", state="done") != 300:
            pass
        assert value(read(file_of(run).read_text()), "reelscope_run_outcome", outcome="running") == 1
    stop.set()
    reader.join()
    assert seen == {True}
    assert value(read(file_of(run).read_text()), "reelscope_run_outcome", outcome="completed") == 1


def test_a_failed_run_says_so_and_remembers_the_last_that_was_not(tmp_path: Path) -> None:
    run = opened(tmp_path)
    with use(run):
        pass
    before = value(read(file_of(run).read_text()), "reelscope_last_completed_timestamp_seconds")
    again = opened(tmp_path)
    again.command = "classify"
    with pytest.raises(ZeroDivisionError), use(again):
        raise ZeroDivisionError
    series = read(file_of(run).read_text())
    assert value(series, "reelscope_run_outcome", outcome="failed") == 1
    assert value(series, "reelscope_last_completed_timestamp_seconds", command="run") == before
    assert value(series, "reelscope_last_completed_timestamp_seconds", command="classify") is None


def test_a_file_that_cannot_be_read_is_replaced(tmp_path: Path) -> None:
    run = opened(tmp_path)
    Path(run.out).mkdir()
    file_of(run).write_text("{ nothing of ours")
    metrics.write(run, "completed")
    assert value(read(file_of(run).read_text()), "reelscope_run_outcome", outcome="completed") == 1
