"""Flows against a real Prefect server: each alone, the pipeline as a whole, and who worked beside whom."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.settings import Settings, load_settings
from tests.conftest import copy_samples

pytestmark = pytest.mark.usefixtures("prefect_server")

FOUR = ("cat-vs-cup", "night-city", "smash-burger", "leg-day")
Interval = tuple[datetime, datetime]


def settings_in(folder: Path, **overrides: str) -> Settings:
    values = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_settings(overrides={"cache.dir": str(folder / "cache"), "speech.engine": "pocketsphinx"} | values)


def runs(kind: str, **filters: Any) -> list[Any]:
    """Flow runs or task runs as the server knows them."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return list(getattr(client, f"read_{kind}_runs")(**filters))


def interval(run: Any) -> Interval:
    assert run.start_time is not None
    assert run.end_time is not None
    return run.start_time, run.end_time


def overlap(left: Interval, right: Interval) -> bool:
    return left[0] < right[1] and right[0] < left[1]


def children(parent: Any) -> tuple[dict[str, list[Any]], list[Any]]:
    """Flow runs called by a flow run, by flow name, and the task runs of those flow runs."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterParentFlowRunId

    flow_runs = runs(
        "flow", flow_run_filter=FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[parent.id]))
    )
    by_name: dict[str, list[Any]] = {}
    for run in flow_runs:
        by_name.setdefault(run.name.split(" · ")[0], []).append(run)
    within = FlowRunFilter(id=FlowRunFilterId(any_=[run.id for run in flow_runs]))
    return by_name, runs("task", flow_run_filter=within)


@pytest.fixture(scope="module")
def on_the_gpu_pool(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """A pipeline whose models run on the GPU pool, forced on a CPU: its state and its OUT."""
    from flows.pipeline import pipeline

    base = tmp_path_factory.mktemp("gpu")
    source = copy_samples(base / "videos", *FOUR)
    (source / "words.mp4").write_text("these are words\n" * 40)
    settings = settings_in(base, pools__gpu="on", pools__batch_size="1", analysis__pass_every_s="0")
    yield pipeline(str(source), str(base / "out"), settings, return_state=True), base / "out"


def test_a_partial_run_ends_as_such_and_returns_its_figures(on_the_gpu_pool: tuple[Any, Path]) -> None:
    state, out = on_the_gpu_pool
    assert (state.name, state.message) == ("PartiallyCompleted", "1/5 videos failed")
    figures = state.result()
    assert (figures["done"], figures["failed"]) == (4, 1)
    assert len(pd.read_parquet(out / "templates")) == 4
    (row,) = pd.read_parquet(out / "runs").to_dict("records")
    assert 0 < row["device_busy_share"] <= 1


def test_one_task_run_per_batch_and_stage_with_names_people_read(on_the_gpu_pool: tuple[Any, Path]) -> None:
    state, _ = on_the_gpu_pool
    parent = next(run for run in runs("flow") if run.id == state.state_details.flow_run_id)
    flows, tasks = children(parent)
    assert {name: len(found) >= 1 for name, found in flows.items()} == dict.fromkeys(
        ("classification", "extraction", "analysis"), True
    )
    names = [run.name for run in tasks]
    for stage in ("extract", "read", "hear", "publish"):
        assert sorted(name for name in names if name.startswith(stage)) == [
            f"{stage} · batch {number}/5 · 1 video" for number in range(1, 6)
        ]
    assert "classify · batch 1/1 · 5 videos" in names


def test_the_device_is_held_once_while_the_cpu_decodes_and_analysis_begins(on_the_gpu_pool: tuple[Any, Path]) -> None:
    from prefect.artifacts import Artifact

    state, _ = on_the_gpu_pool
    parent = next(run for run in runs("flow") if run.id == state.state_details.flow_run_id)
    flows, tasks = children(parent)
    turns = json.loads(str(Artifact.get("extraction-device").data))  # type: ignore[union-attr]
    assert sum(turn["videos"] for turn in turns) == 8 and {turn["stage"] for turn in turns} == {"text", "speech"}
    on_device = [(datetime.fromisoformat(turn["from"]), datetime.fromisoformat(turn["to"])) for turn in turns]
    assert not any(overlap(left, right) for at, left in enumerate(on_device) for right in on_device[:at])
    extracting = [interval(run) for run in tasks if run.name.startswith("extract ")]
    assert any(overlap(left, right) for left in extracting for right in on_device)
    (extraction,) = flows["extraction"]
    analyses = sorted(run.start_time for run in flows["analysis"])
    assert len(analyses) >= 2
    assert analyses[0] < extraction.end_time  # a pass began before the last extraction ended
    assert analyses[-1] >= extraction.end_time  # and the full pass came after


def test_artifacts_tell_the_run_in_the_ui(on_the_gpu_pool: tuple[Any, Path]) -> None:
    from prefect.artifacts import Artifact

    summary = Artifact.get("pipeline-summary")
    assert summary is not None
    assert "| failed | 1 |" in str(summary.data)
    failures = Artifact.get("pipeline-failures")
    assert failures is not None
    assert "words.mp4" in str(failures.data)
    progress = Artifact.get("extraction-progress")
    assert progress is not None
    assert float(progress.data) == 100.0  # type: ignore[arg-type]


def test_copies_of_one_video_are_each_done_on_the_device(tmp_path: Path) -> None:
    """Equal content, two files: what decoding leaves for one must not be taken for the other."""
    from flows.extraction import extraction

    source = copy_samples(tmp_path / "videos", "cat-vs-cup")
    for sidecar in source.glob("*.json"):
        sidecar.unlink()
    (source / "copy.mp4").write_bytes((source / "cat-vs-cup.mp4").read_bytes())
    settings = settings_in(tmp_path, pools__gpu="on", pools__batch_size="1")
    figures = extraction(str(source), str(tmp_path / "out"), settings)
    assert (figures["done"] + figures["reused"], figures["failures"]) == (2, [])
    texts = pd.read_parquet(tmp_path / "out" / "texts")
    assert texts[texts["video_id"] == "copy"]["text"].tolist() == texts[texts["video_id"] != "copy"]["text"].tolist()
    assert len(texts) >= 6


@pytest.mark.timeout(200)
def test_an_error_in_analysis_ends_the_run_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault while extraction goes on: the run stops instead of waiting for ever."""
    from flows.pipeline import pipeline
    from tasks.analysis import summary

    def breaks(*_: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(summary, "analyse", breaks)
    settings = settings_in(tmp_path, pools__batch_size="1")
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        pipeline(str(copy_samples(tmp_path / "videos", *FOUR)), str(tmp_path / "out"), settings)


@pytest.mark.timeout(200)
def test_a_full_disk_ends_the_run_with_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from flows.extraction import extraction
    from tasks.cache import ResultCache
    from tasks.errors import StorageError

    def full(self: ResultCache, *_: Any) -> None:
        raise StorageError(os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ResultCache, "write", full)
    with pytest.raises(StorageError, match="No space left"):
        extraction(str(copy_samples(tmp_path / "videos", "night-city")), str(tmp_path / "out"), settings_in(tmp_path))


def test_the_models_beside_decoding_read_what_the_pool_reads(on_the_gpu_pool: tuple[Any, Path], tmp_path: Path) -> None:
    """The same videos with the models in the CPU processes: the same rows, by a flow that runs alone."""
    from flows.extraction import extraction

    _, out = on_the_gpu_pool
    source = out.parent / "videos"
    figures = extraction(str(source), str(tmp_path / "out"), settings_in(tmp_path, pools__gpu="off"))
    assert figures["done"] == 4

    def texts(folder: Path) -> Sequence[tuple[str, str]]:
        table = pd.read_parquet(folder / "texts")
        sure = table[table["confidence"] > 0.8]
        return sorted(zip(sure["video_id"], sure["text"], strict=True))

    here, there = texts(tmp_path / "out"), texts(out)
    assert len(here) >= 12
    assert len(set(here) ^ set(there)) <= 0.1 * len(here)
    assert set(pd.read_parquet(tmp_path / "out" / "videos")["niche"].dropna()) == set()


def test_classification_and_analysis_run_alone(on_the_gpu_pool: tuple[Any, Path], tmp_path: Path) -> None:
    from flows.analysis import analysis
    from flows.classification import classification

    _, out = on_the_gpu_pool
    figures = classification(
        str(copy_samples(tmp_path / "videos", *FOUR)), str(tmp_path / "out"), settings_in(tmp_path)
    )
    assert figures["classified"] == 4
    assert set(pd.read_parquet(tmp_path / "out" / "videos")["status"]) == {"classified"}
    (out / "report" / "index.html").unlink()
    figures = analysis(str(out), settings_in(tmp_path))
    assert Path(figures["report"]).is_file()
    assert analysis(str(tmp_path / "out"), settings_in(tmp_path))["report"]  # no template at all: it says so


def test_a_dying_worker_costs_its_video_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A video whose decoder kills the process, and one that never ends: two failures, and the rest is done."""
    from flows.pipeline import pipeline
    from tests import deadly

    source = copy_samples(tmp_path / "videos", "night-city", "smash-burger")
    for name in ("killer.mp4", "sleeper.mp4"):
        (source / name).write_bytes((source / "night-city.mp4").read_bytes() + name.encode())
    monkeypatch.setattr("tasks.extraction.video.extract", deadly.extract)
    settings = settings_in(tmp_path, limits__video_s="40", speech__engine="none")
    figures = pipeline(str(source), str(tmp_path / "out"), settings)
    assert figures["done"] == 2
    failures = pd.read_parquet(tmp_path / "out" / "failures").set_index("video_id")
    assert dict(failures["error_type"]) == {"killer": "WorkerDied", "sleeper": "VideoTimeout"}


def test_a_video_that_keeps_failing_is_left_alone_until_it_changes(tmp_path: Path) -> None:
    from flows.extraction import extraction

    source = tmp_path / "videos"
    source.mkdir()
    (source / "words.mp4").write_text("these are words\n" * 40)
    settings = settings_in(tmp_path, limits__attempts="2")

    def attempts() -> int:
        extraction(str(source), str(tmp_path / "out"), settings)
        (row,) = pd.read_parquet(tmp_path / "out" / "failures").to_dict("records")
        return int(row["attempts"])

    assert [attempts() for _ in range(4)] == [1, 2, 2, 2]
    (source / "words.mp4").write_text("these are other words\n" * 40)
    assert attempts() == 1
