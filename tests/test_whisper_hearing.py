"""Batches over many videos with a Whisper that hears: the right words, in the right video, at the right time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from toys.hearing import SENTENCES, SPEEDS, VOICES, can_speak, make_whisper, say

from tasks.extraction import speech
from tasks.extraction.regions import Region
from tasks.extraction.speech import choose_speech
from tasks.extraction.speech_whisper import WhisperEngine
from tasks.extraction.vad import SAMPLE_RATE
from tasks.records import Segment
from tasks.settings import SpeechSettings

pytestmark = pytest.mark.skipif(not can_speak(), reason="espeak-ng is not installed")

NEAR_S = 0.5


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> WhisperEngine:
    weights = make_whisper(tmp_path_factory.mktemp("hearing") / "toy.pt")
    options = SpeechSettings(engine="whisper", model=str(weights))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech, "cuda_available", lambda: False)
        return WhisperEngine(choose_speech(options), options)


@dataclass(frozen=True)
class Spoken:
    """A sentence, when it is said, and the region around it."""

    region: Region
    sentence: str
    start_s: float
    end_s: float


def film(video_id: str, language: str, count: int, seed: int) -> list[Spoken]:
    """Regions of one sentence each, seconds apart, with what voice activity detection leaves of the silence around it."""
    random, at_s, spoken = np.random.default_rng(seed), 12.5 * (seed + 1), []
    for sentence in random.choice(SENTENCES[language], count, replace=False):
        pcm = say(str(sentence), str(random.choice(VOICES[language])), int(random.choice(SPEEDS)))
        before, after = (np.zeros(round(random.uniform(0.2, 0.7) * SAMPLE_RATE), np.int16) for _ in range(2))
        region = Region(video_id, at_s, np.concatenate([before, pcm, after]))
        start_s = at_s + len(before) / SAMPLE_RATE
        spoken.append(Spoken(region, str(sentence), start_s, start_s + len(pcm) / SAMPLE_RATE))
        at_s = region.end_s + random.uniform(1, 20)
    return spoken


FILMS = {"kitchen": ("en", 14), "cocina": ("es", 7), "gym": ("en", 4), "tricks": ("en", 1), "trucos": ("es", 2)}


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def said(segments: Sequence[Segment]) -> list[str]:
    return words(" ".join(segment.text for segment in segments))


def test_a_batch_over_videos_hears_what_one_by_one_hears(engine: WhisperEngine) -> None:
    films = {name: film(name, language, count, seed) for seed, (name, (language, count)) in enumerate(FILMS.items())}
    spoken = [one for each in films.values() for one in each]
    languages: dict[str, str | None] = {}
    together = engine.transcribe([one.region for one in spoken], languages)
    assert languages == {name: language for name, (language, _) in FILMS.items()}

    engine._batch = 1
    alone = [part for each in films.values() for part in engine.transcribe([one.region for one in each], {})]
    assert [heard(part) for part in together] == [heard(part) for part in alone]

    right = [
        said(part) == words(one.sentence)
        and abs(part[0].start_s - one.start_s) < NEAR_S
        and abs(part[-1].end_s - one.end_s) < NEAR_S
        for one, part in zip(spoken, together, strict=True)
    ]
    assert sum(right) >= 0.85 * len(right)

    unpacked = [engine.transcribe([one.region], {**languages})[0] for one in spoken]
    same = sum(said(part) == said(other) for part, other in zip(together, unpacked, strict=True))
    assert same >= 0.9 * len(spoken), "in a window with others, regions are heard as they are alone"


def heard(segments: Sequence[Segment]) -> list[tuple[str, float, float, str | None]]:
    return [(segment.text, segment.start_s, segment.end_s, segment.language) for segment in segments]
