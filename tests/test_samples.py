"""The sample videos are what truth.json says they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
TRUTH: dict[str, dict[str, Any]] = json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8"))["videos"]
NAMES = sorted(TRUTH)

pytestmark = pytest.mark.skipif(not NAMES, reason="no samples")


def stamps(name: str) -> list[float]:
    """Seconds of every frame from the first one, from the packets alone: nothing is decoded."""
    with av.open(str(SAMPLES / name)) as container:
        stream = container.streams.video[0]
        times = sorted(float(p.pts * p.time_base) for p in container.demux(stream) if p.pts is not None and p.time_base)
    return [time - times[0] for time in times]


def test_truth_names_every_video_and_only_those() -> None:
    media = {path.name for path in SAMPLES.iterdir() if path.suffix in (".mp4", ".webm")}
    assert media == set(NAMES)
    assert 12 <= len(media) <= 15
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 8_000_000


def test_samples_cover_what_users_have() -> None:
    niches = [truth["niche"] for truth in TRUTH.values()]
    assert len(set(niches)) >= 5
    assert all(niches.count(niche) >= 2 for niche in niches)
    zones = {caption["zone"] for truth in TRUTH.values() for caption in truth["captions"]}
    assert zones == {"top", "middle", "bottom"}
    shapes = {np.sign(truth["width"] - truth["height"]) for truth in TRUTH.values()}
    assert shapes == {-1, 0, 1}
    assert any(not truth["has_audio"] for truth in TRUTH.values())
    assert any(truth["has_music"] and not truth["speech"]["has_speech"] for truth in TRUTH.values())
    assert any(truth["has_music"] and truth["speech"]["has_speech"] for truth in TRUTH.values())
    assert any(truth["fades_s"] for truth in TRUTH.values()) and any(truth["dissolves_s"] for truth in TRUTH.values())


@pytest.mark.parametrize("name", NAMES)
def test_sizes_and_times(name: str) -> None:
    truth = TRUTH[name]
    with av.open(str(SAMPLES / name)) as container:
        assert bool(container.streams.audio) is truth["has_audio"]
        frame = next(container.decode(video=0))
        upright = (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
    assert upright == (truth["width"], truth["height"])
    times = stamps(name)
    assert len(times) == truth["frames"]
    assert truth["duration_s"] == pytest.approx(times[-1] + 1 / truth["fps"], abs=0.002)
    assert 5 <= truth["duration_s"] <= 20
    steps = np.diff(times)
    assert bool(steps.max() > 1.6 * steps.min()) is truth["variable_rate"]
    for cut in truth["cuts_s"]:
        assert np.abs(np.array(times) - cut).min() < 1e-3
    for caption in truth["captions"]:
        assert caption["end_s"] - caption["start_s"] >= 0.8
        edges = [caption["start_s"], *([caption["end_s"]] if caption["end_s"] < truth["duration_s"] else [])]
        assert all(np.abs(np.array(times) - edge).min() < 1e-3 for edge in edges)
        assert caption["x"] >= 0 and caption["x"] + caption["width"] <= 1
    spoken = truth["speech"]["regions"]
    assert truth["speech"]["has_speech"] is bool(spoken)
    assert all(0 <= region["start_s"] < region["end_s"] <= truth["duration_s"] for region in spoken)


@pytest.mark.parametrize("name", [n for n in NAMES if TRUTH[n]["cuts_s"]])
def test_picture_changes_at_each_cut(name: str) -> None:
    """The frame at a cut differs far more from the one before than that one from its own predecessor."""
    cuts = TRUTH[name]["cuts_s"]
    before: list[NDArray[np.float32]] = []
    seen = 0
    with av.open(str(SAMPLES / name)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"skip_loop_filter": "all"}
        stream.thread_type = "SLICE"
        first = None
        for frame in container.decode(stream):
            first = frame.time if first is None else first
            grey = frame.reformat(width=64, height=64, format="gray").to_ndarray().astype(np.float32)
            if seen < len(cuts) and abs(frame.time - first - cuts[seen]) < 1e-3:
                assert np.abs(grey - before[-1]).mean() > 3 * np.abs(before[-1] - before[-2]).mean() + 8
                seen += 1
            before = [*before[-1:], grey]
    assert seen == len(cuts)


@pytest.mark.parametrize("name", NAMES)
def test_sidecar(name: str) -> None:
    sidecar = json.loads((SAMPLES / name).with_suffix(".info.json").read_text(encoding="utf-8"))
    assert sidecar["duration"] == pytest.approx(TRUTH[name]["duration_s"], abs=0.6)
    assert sidecar["view_count"] > sidecar["like_count"] > 0
    for key in (
        "id",
        "title",
        "description",
        "uploader",
        "upload_date",
        "timestamp",
        "webpage_url",
        "tags",
        "categories",
    ):
        assert sidecar[key], key


def test_ids_differ() -> None:
    ids = [json.loads(path.read_text(encoding="utf-8"))["id"] for path in SAMPLES.glob("*.info.json")]
    assert len(set(ids)) == len(ids) == len(NAMES)
