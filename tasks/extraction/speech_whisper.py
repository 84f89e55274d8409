"""Whisper (openai-whisper): many languages, on CUDA or, slowly, on the CPU."""

from __future__ import annotations

import math
import pickle
import zlib
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import EngineError
from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechChoice
from tasks.records import Segment
from tasks.settings import SpeechSettings

LOOP_RATIO = 2.4  # text that compresses better repeats itself: Whisper's own limit


class WhisperEngine:
    """One region is one call; the text before it is no prompt, so that one bad region does not spoil the next.

    Whisper's own guards are on: temperatures are raised while the text repeats itself (compression ratio over 2.4)
    or is improbable (mean log-probability under -1), and what is probably no speech is dropped. One thread at a time.
    """

    name = "whisper"

    def __init__(self, choice: SpeechChoice, settings: SpeechSettings, sample_len: int | None = None) -> None:
        """sample_len: most tokens per window of 30 s; None leaves it to the model.

        Raises EngineError for weights that cannot be loaded and for a language that Whisper does not know.
        """
        import whisper
        from whisper.tokenizer import LANGUAGES

        if settings.language is not None and settings.language not in LANGUAGES:
            raise EngineError(
                f"Whisper does not know the language {settings.language!r} (speech.language)",
                f"Use one of its codes: {', '.join(sorted(LANGUAGES))}.",
            )
        assert choice.weights is not None
        try:
            self._model = whisper.load_model(choice.weights, device=choice.device)
        except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise EngineError(
                f"Whisper's weights {choice.weights} cannot be loaded: {error}",
                "Delete the file and fetch it again, or choose --speech pocketsphinx.",
            ) from error
        self.model = choice.model
        self._options: dict[str, Any] = {"fp16": choice.device == "cuda", "sample_len": sample_len}
        self._lock = Lock()

    def transcribe(self, regions: Sequence[Region], languages: Mapping[str, str | None]) -> list[list[Segment]]:
        """As SpeechEngine. An unknown language is found once per video, in its longest region."""
        with self._lock:
            known = {
                video_id: languages.get(video_id) or self._language(longest.pcm)
                for video_id, longest in _longest(regions).items()
            }
            return [self._transcribe(region, known[region.video_id]) for region in regions]

    def _transcribe(self, region: Region, language: str) -> list[Segment]:
        import torch
        import whisper

        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # higher temperatures draw at random: the same for every run
            torch.manual_seed(0)
            result = whisper.transcribe(
                self._model,
                _samples(region.pcm),
                language=language,
                condition_on_previous_text=False,
                **self._options,
            )
        return without_loops(
            [
                Segment(
                    start_s=min(region.end_s, region.start_s + found["start"]),
                    end_s=min(region.end_s, region.start_s + found["end"]),
                    text=found["text"].strip(),
                    language=language,
                    confidence=min(1.0, math.exp(found["avg_logprob"])),
                )
                for found in result["segments"]
            ]
        )

    def _language(self, pcm: NDArray[np.int16]) -> str:
        import whisper

        if not self._model.is_multilingual:
            return "en"
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(_samples(pcm)), self._model.dims.n_mels)
        _, probabilities = self._model.detect_language(mel.to(self._model.device))
        return str(max(probabilities, key=probabilities.__getitem__))


def without_loops(segments: Sequence[Segment]) -> list[Segment]:
    """Without empty segments, those that repeat the one before, and those whose text repeats itself."""
    kept: list[Segment] = []
    for segment in segments:
        text = segment.text.encode()
        repeats = bool(kept) and kept[-1].text.casefold() == segment.text.casefold()
        if text and not repeats and len(text) / len(zlib.compress(text)) <= LOOP_RATIO:
            kept.append(segment)
    return kept


def _longest(regions: Sequence[Region]) -> dict[str, Region]:
    longest: dict[str, Region] = {}
    for region in regions:
        if region.video_id not in longest or len(region.pcm) > len(longest[region.video_id].pcm):
            longest[region.video_id] = region
    return longest


def _samples(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    return pcm.astype(np.float32) / np.float32(32768)
