"""The yardstick itself: what is said of joined videos is true, and the sequential design gives rows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from benchmarks import judging, sequential
from benchmarks.corpus import MEDIA, corpus
from benchmarks.parts import job
from benchmarks.recipes import RECIPES, Piece, Recipe, recipes
from tasks.extraction.video import extract

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
JOINED = Recipe("joined", (Piece("7/night-city.mp4"), Piece("7/cat-vs-cup.mp4")), (270, 480), Fraction(30))
PILLARS = Recipe("pillars", (Piece("7/smash-burger.mp4"),), (640, 360), Fraction(60), sound="silent", music="tense")
VOICE = Recipe("voice", (Piece("media/bbb480.mp4", 10, 17),), (426, 240), Fraction(25), sound="jfk", codec="libvpx")


def test_joined_videos_are_as_long_and_as_cut_as_the_truth_says(tmp_path: Path) -> None:
    built = corpus(tmp_path, [JOINED, PILLARS] + [VOICE] * MEDIA.is_dir())
    truth = judging.truth_of(built)
    rows = {}
    for name, facts in truth.items():
        with av.open(str(built / name)) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == (
                facts["width"],
                facts["height"],
            )
            assert sum(packet.pts is not None for packet in container.demux(video=0)) == facts["frames"]
        rows[name] = judging.outcome_rows(built / name, extract(job(built / name, {}, ("decode",)), lambda share: None))
        assert rows[name]["shots"][-1]["end_s"] == pytest.approx(facts["duration_s"], abs=0.05)
    assert 6.1 in truth["joined.mp4"]["cuts_s"]
    assert truth["joined.mp4"]["captions"][1]["start_s"] == pytest.approx(6.1 + 3.3, abs=1 / 30)
    assert [caption["zone"] for caption in truth["pillars.mp4"]["captions"]] == ["top", "bottom", "top", "top"]
    assert truth["pillars.mp4"]["has_speech"] is False
    if MEDIA.is_dir():
        assert truth["voice.webm"]["cuts_s"] == [1.88, 5.76]
        assert "captions" not in truth["voice.webm"]
        assert truth["voice.webm"]["transcript"].startswith("and so my fellow americans")
    figures = judging.judge_rows(
        rows, {name: {"cuts_s": facts["cuts_s"], "fps": facts["fps"]} for name, facts in truth.items()}
    )
    assert figures["cut_f1_1_frame"] == 1.0
    assert corpus(tmp_path, [JOINED, PILLARS] + [VOICE] * MEDIA.is_dir()) == built  # not built again


def test_the_sequential_design_gives_shots_texts_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "FRAMES", 6)
    found = sequential.process(SAMPLES / "planet-facts.webm")
    assert [shot["start_s"] for shot in found["shots"]] == pytest.approx([0.0, 4.0, 7.4], abs=0.04)
    assert "Mars has the tallest volcano" in [row["text"] for row in found["texts"]]
    assert all(0 <= row["start_s"] < row["end_s"] <= 11.1 for row in found["texts"])
    assert {"planets", "planet's", "facts"} & {row["text"] for row in found["speech"]}
    assert set(found["seconds"]) == {"load", "shots", "text", "look", "speech"}


def test_lines_that_stay_are_one_row_up_to_half_way_to_the_next_frame() -> None:
    box = {"x": 0.1, "y": 0.8, "width": 0.5, "height": 0.1}
    line = {"text": "Save the water", "confidence": 0.8, **box}
    better = line | {"text": "Save the water!", "confidence": 0.9}
    other = line | {"text": "Toss it hot"}
    rows = sequential.timeline([(0.0, []), (1.0, [line]), (2.0, [better]), (3.0, [other])], 4.0)
    assert [(row["text"], row["start_s"], row["end_s"], row["zone"]) for row in rows] == [
        ("Save the water!", 0.5, 2.5, "bottom"),
        ("Toss it hot", 2.5, 4.0, "bottom"),
    ]


def test_there_are_fifty_different_videos_with_or_without_the_real_clips() -> None:
    for with_media in (True, False):
        chosen = recipes(with_media)
        assert (
            len({recipe.stem for recipe in chosen}) == len({(*recipe.pieces, recipe.size) for recipe in chosen}) == 50
        )
        assert with_media or not any(recipe.needs_media for recipe in chosen)
    assert len(RECIPES) == 50
