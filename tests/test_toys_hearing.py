"""The small Whisper hears words, times and languages, through Whisper's own code and the product's engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_speech import word_error_rate

from tasks.extraction import speech
from tasks.extraction.audio import Region
from tasks.extraction.speech import choose_speech
from tasks.extraction.speech_whisper import WhisperEngine
from tasks.settings import SpeechSettings
from tests.toys.hearing import FIRST_TIMESTAMP, SAMPLE_RATE, SENTENCES, SPEEDS, VOICES, can_speak, make_whisper, say

pytestmark = pytest.mark.skipif(not can_speak(), reason="espeak-ng is not installed")

FIRST_START_S = 1.0  # Whisper lets no window begin later than that
NEAR_S = 0.5


@dataclass(frozen=True)
class Track:
    pcm: NDArray[np.int16]
    said: list[tuple[float, float, str]]  # start_s, end_s, sentence

    @property
    def samples(self) -> NDArray[np.float32]:
        return self.pcm.astype(np.float32) / np.float32(32768)


def track(
    sentences: Sequence[str], language: str, pauses_s: Sequence[float], random: np.random.Generator, gain: float = 1.0
) -> Track:
    """Sentences in random voices and at random speeds, each after its pause; the last pause ends the track."""
    parts: list[NDArray[np.int16]] = []
    said, at = [], 0
    for sentence, pause_s in zip([*sentences, ""], pauses_s, strict=True):
        silence = np.zeros(round(pause_s * SAMPLE_RATE), np.int16)
        parts.append(silence)
        at += len(silence)
        if sentence:
            pcm = say(sentence, str(random.choice(VOICES[language])), int(random.choice(SPEEDS)))
            parts.append(np.clip(pcm * gain, -32768, 32767).astype(np.int16))
            said.append((at / SAMPLE_RATE, (at + len(pcm)) / SAMPLE_RATE, sentence))
            at += len(pcm)
    return Track(np.concatenate(parts), said)


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(tmp_path_factory.mktemp("hearing") / "toy.pt")


@pytest.fixture(scope="module")
def model(weights: Path) -> Any:
    import whisper

    return whisper.load_model(str(weights), device="cpu")


def transcribe(model: Any, samples: NDArray[np.float32], **options: Any) -> dict[str, Any]:
    import whisper

    found = whisper.transcribe(
        model, samples, **({"language": None, "condition_on_previous_text": False, "fp16": False} | options)
    )
    found["segments"] = [segment for segment in found["segments"] if segment["text"].strip()]
    return found


def wrong_words(truth: Track, heard: str) -> tuple[int, int]:
    """How many words are wrong, and of how many."""
    expected = words(" ".join(sentence for _, _, sentence in truth.said))
    count = len(expected.split())
    return round(word_error_rate(expected, words(heard)) * count), count


def off_s(truth: Track, segments: Sequence[dict[str, Any]]) -> list[float]:
    """How far the times of segments are from those of the sentences, which they must be one by one.

    Whisper itself lets no window's first segment begin later than at 1 s, and a lone one always at 0 s: left out.
    """
    assert len(segments) == len(truth.said)
    found = []
    for (start_s, end_s, _), segment in zip(truth.said, segments, strict=True):
        neighbours = [other for other in segments if other["seek"] == segment["seek"]]
        in_window_s = start_s - segment["seek"] / 100
        if len(neighbours) > 1 and (segment is not neighbours[0] or in_window_s <= FIRST_START_S):
            found.append(abs(segment["start"] - start_s))
        found.append(abs(segment["end"] - end_s))
    return found


def alone(random: np.random.Generator) -> list[tuple[str, Track]]:
    """Each sentence by itself, somewhere in 30 s, loud or soft; and its language."""
    made = []
    for language, sentences in SENTENCES.items():
        for sentence in sentences:
            lead_s = random.choice(np.array([random.uniform(0, 1), random.uniform(1, 20)]))
            gain = 10 ** random.uniform(-0.8, 0.2)
            made.append((language, track([sentence], language, [lead_s, random.uniform(0.1, 8)], random, gain)))
    return made


def test_every_sentence_alone_at_any_moment(model: Any) -> None:
    wrong, late_s = [], []
    for language, truth in alone(np.random.default_rng(41)):
        found = transcribe(model, truth.samples)
        assert found["language"] == language, truth.said
        wrong.append(wrong_words(truth, found["text"]))
        late_s += off_s(truth, found["segments"])
    assert sum(mistakes for mistakes, _ in wrong) / sum(count for _, count in wrong) <= 0.05
    assert max(late_s) < NEAR_S


def test_when_a_sentence_begins_and_ends(model: Any) -> None:
    import torch
    import whisper

    made = alone(np.random.default_rng(42))
    mels = [whisper.log_mel_spectrogram(whisper.pad_or_trim(truth.samples)) for _, truth in made]
    options = whisper.DecodingOptions(fp16=False, max_initial_timestamp=None)
    near = []
    for (language, truth), found in zip(made, whisper.decode(model, torch.stack(mels), options), strict=True):
        [(start_s, end_s, sentence)] = truth.said
        assert (found.language, words(found.text)) == (language, words(sentence))
        for token, time_s in ((found.tokens[0], start_s), (found.tokens[-1], end_s)):
            near.append(abs((token - FIRST_TIMESTAMP) * 0.02 - time_s) < NEAR_S)
    assert sum(near) >= len(near) - 2


def test_rows_of_sentences(model: Any) -> None:
    wrong, late_s = [], []
    for seed in range(10):
        random = np.random.default_rng(seed)
        language = "es" if seed % 4 == 3 else "en"
        chosen = random.choice(SENTENCES[language], 5, replace=False)
        truth = track(chosen, language, [random.uniform(0, 1), *random.uniform(0.3, 4, 4), 1.0], random)
        found = transcribe(model, truth.samples)
        assert found["language"] == language
        wrong.append(wrong_words(truth, found["text"]))
        if not wrong[-1][0]:
            late_s.append(max(off_s(truth, found["segments"])))
    assert sum(mistakes for mistakes, _ in wrong) / sum(count for _, count in wrong) <= 0.05
    assert len(late_s) >= 8 and max(late_s) < NEAR_S


def test_more_than_one_window(model: Any) -> None:
    random = np.random.default_rng(5)
    chosen = random.choice(SENTENCES["en"], 16, replace=False)
    truth = track(chosen, "en", [0.5, *random.uniform(0.5, 4, 16)], random)
    assert len(truth.pcm) > 45 * SAMPLE_RATE
    found = transcribe(model, truth.samples)
    wrong, count = wrong_words(truth, found["text"])
    assert wrong / count <= 0.1  # a sentence that begins a window later than Whisper allows is sometimes misheard
    assert len({segment["seek"] for segment in found["segments"]}) > 1


def test_where_nobody_speaks_nothing_is_written(model: Any) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.01, 12 * SAMPLE_RATE).astype(np.float32)
    for samples in (np.zeros(8 * SAMPLE_RATE, np.float32), np.zeros(40 * SAMPLE_RATE, np.float32), hiss):
        found = transcribe(model, samples)
        assert found["text"].strip() == "" and found["segments"] == []


def test_a_batch_of_windows_is_one_by_one(model: Any) -> None:
    import torch
    import whisper

    random = np.random.default_rng(9)
    tracks = [
        track(random.choice(SENTENCES[language], count), language, [*random.uniform(0.2, 2, count), 0.5], random)
        for language, count in (("en", 1), ("es", 2), ("en", 3), ("en", 5), ("es", 1))
    ]
    tracks.append(Track(np.zeros(SAMPLE_RATE, np.int16), []))
    mels = [whisper.log_mel_spectrogram(whisper.pad_or_trim(each.samples)) for each in tracks]
    options = whisper.DecodingOptions(fp16=False)
    together = whisper.decode(model, torch.stack(mels), options)
    singly = [whisper.decode(model, mel, options) for mel in mels]
    assert [found.tokens for found in together] == [found.tokens for found in singly]
    assert [found.language for found in together[:-1]] == ["en", "es", "en", "en", "es"]
    assert [found.no_speech_prob > 0.6 for found in together] == [False] * 5 + [True]
    assert together[-1].text == "" and together[-1].avg_logprob < -1  # Whisper skips it for both
    for each, found in zip(tracks[:-1], together, strict=False):
        assert found.avg_logprob > -1
        assert words(found.text) == words(" ".join(sentence for _, _, sentence in each.said))


def test_through_the_engine(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "cuda_available", lambda: False)
    settings = SpeechSettings(engine="whisper", model=str(weights))
    engine = WhisperEngine(choose_speech(settings), settings)
    random = np.random.default_rng(3)
    tracks = [
        track(SENTENCES["en"][:2], "en", [0.3, 0.6, 0.4], random),
        track(SENTENCES["es"][:1], "es", [0.2, 0.3], random),
        track(SENTENCES["en"][4:5], "en", [0.3, 0.2], random),
    ]
    starts_s, videos = (100.0, 7.0, 130.0), ("a", "b", "a")
    regions = [Region(video, at, each.pcm) for video, at, each in zip(videos, starts_s, tracks, strict=True)]
    found = engine.transcribe(regions, {"a": None, "b": None})
    for region, each, segments in zip(regions, tracks, found, strict=True):
        assert {segment.language for segment in segments} == {"es" if region.video_id == "b" else "en"}
        heard, spoken = (" ".join(texts) for texts in ([s.text for s in segments], [text for _, _, text in each.said]))
        assert words(heard) == words(spoken)
        assert segments[0].start_s == pytest.approx(region.start_s + each.said[0][0], abs=NEAR_S)
        assert segments[-1].end_s == pytest.approx(region.start_s + each.said[-1][1], abs=NEAR_S)
    assert engine.transcribe([Region("c", 0.0, np.zeros(3 * SAMPLE_RATE, np.int16))], {}) == [[]]
