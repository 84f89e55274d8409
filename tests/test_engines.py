"""EasyOCR and Whisper from the command to the tables, with toy weights that really read and hear, on the device pool."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tests.clips import write_clip
from tests.conftest import Home, Ran
from tests.toys import easy, hearing
from tests.toys.easy_lines import FONTS, lay

pytestmark = pytest.mark.skipif(not hearing.can_speak(), reason="espeak-ng is not installed")

CLIPS = {  # caption, and what is said
    "kitchen": ("Follow for more", ("Welcome to my kitchen.", "Today we are baking bread.")),
    "gym": ("Save this workout", ("Never skip leg day.",)),
    "review": ("Worth the upgrade?", ("This phone is amazing.", "The battery lasts all day.")),
    "mute": ("Subscribe for part 2", ()),
}
HEIGHT, WIDTH, FPS, LENGTH_S = 240, 416, 10, 8  # small: CRAFT takes its time on a CPU


def frames(caption: str) -> Iterator[NDArray[np.uint8]]:
    for _ in range(FPS * LENGTH_S):
        image = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
        lay(image, caption, left=24, top=90, size_px=28, font=FONTS[0])
        yield image


def sound(sentences: tuple[str, ...]) -> NDArray[np.int16]:
    track = np.zeros(LENGTH_S * hearing.SAMPLE_RATE, np.int16)
    at = hearing.SAMPLE_RATE // 2
    for sentence in sentences:
        pcm = hearing.say(sentence)
        track[at : at + len(pcm)] = pcm
        at += len(pcm) + 2 * hearing.SAMPLE_RATE
    return track


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


@pytest.fixture(scope="module")
def ran(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ran, Path]]:
    base = tmp_path_factory.mktemp("engines")
    toys, checkpoint = easy.make(base / "easy"), hearing.make_whisper(base / "toy.pt")
    (base / "videos").mkdir()
    for name, (caption, sentences) in CLIPS.items():
        write_clip(base / "videos" / f"{name}.mp4", frames(caption), FPS, sound(sentences))
    settings = {
        "pools.gpu": "on", "pools.workers": "1", "pools.batch_size": "2", "text.weights_dir": str(toys.folder), "text.detector_px": "416",
        "speech.model": str(checkpoint), "cache.dir": str(base / "cache"),
    }  # fmt: skip
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", toys.environment["PYTHONPATH"])
        out = base / "out"
        command = (
            "run",
            base / "videos",
            "--out",
            out,
            "--ocr",
            "easyocr",
            "--speech",
            "whisper",
            "--json",
            "--strict",
        )
        yield home.reelscope(*command, *options), out


def test_what_stands_there_is_read_and_what_is_said_is_heard(ran: tuple[Ran, Path]) -> None:
    done, out = ran
    assert done.code == 0, done.stderr
    texts, speech = pd.read_parquet(out / "texts"), pd.read_parquet(out / "speech")
    for name, (caption, sentences) in CLIPS.items():
        assert caption in set(texts[texts["video_id"] == name]["text"])
        heard = speech[speech["video_id"] == name].sort_values("start_s")
        assert words(" ".join(heard["text"])) == words(" ".join(sentences))
        assert set(heard["language"]) <= {"en"}
        assert heard["end_s"].max() <= LENGTH_S or heard.empty


def test_the_device_is_held_by_one_stage_at_a_time_and_both_share_batches(ran: tuple[Ran, Path]) -> None:
    figures = ran[0].figures
    turns: list[dict[str, Any]] = figures["device_turns"]
    assert {turn["stage"] for turn in turns} == {"text", "speech"}
    assert sum(turn["videos"] for turn in turns) == 2 * len(CLIPS)
    assert max(turn["videos"] for turn in turns) == 2  # pools.batch_size
    times = [(datetime.fromisoformat(turn["from"]), datetime.fromisoformat(turn["to"])) for turn in turns]
    assert all(one[1] <= other[0] or other[1] <= one[0] for one, other in combinations(times, 2))
    # the CPU decodes meanwhile: an entry of the cache is written when a video is decoded
    decoded = [
        path.stat().st_mtime for path in (ran[1].parent / "cache" / "results" / "decode").rglob("*") if path.is_file()
    ]
    assert len(decoded) == len(CLIPS)
    assert max(decoded) > min(began for began, _ in times).timestamp()
    assert 0 < figures["device_busy_share"] <= 1
    assert figures["model_s_per_video_hour"] > 0
    assert figures["gates_saved_s"] > 0
    (row,) = pd.read_parquet(ran[1] / "runs").to_dict("records")
    assert row["model_s_per_video_hour"] == pytest.approx(figures["model_s_per_video_hour"])
