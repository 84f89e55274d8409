"""Engines that turn regions of speech into words, and which of them is used."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

from tasks.device import cuda_available
from tasks.errors import EngineError
from tasks.extraction.regions import Region
from tasks.models import shared_model
from tasks.records import Segment, Span, Speech
from tasks.settings import SpeechSettings


class SpeechEngine(Protocol):
    """Transcribes regions. What it says of a region does not depend on the other videos in the batch.

    batch_s: seconds of speech that it is best given at once; 0: region by region.
    """

    name: str
    model: str
    batch_s: float

    def transcribe(self, regions: Sequence[Region], languages: MutableMapping[str, str | None]) -> list[list[Segment]]:
        """Regions, of one or several videos -> the segments of each region.

        languages: each video's language; an engine that knows several finds those that are None or absent, and puts
        them there for the next call. Regions of one video come in order. Segment times are in the clock of the region's
        video and lie within the region, in order.
        """


@dataclass(frozen=True)
class SpeechChoice:
    """Which engine transcribes.

    engine: whisper, faster-whisper, pocketsphinx or none.
    model: identity of the weights, part of the cache's key.
    device: cpu or cuda.
    note: what `auto` did and why, one sentence; None where there is nothing to say.
    weights: path of Whisper's weights, a file or, for faster-whisper, a folder; None for other engines.
    """

    engine: str
    model: str
    device: str
    note: str | None
    weights: str | None = None


def choose_speech(settings: SpeechSettings) -> SpeechChoice:
    """Decide without loading a model; Whisper's weights are fetched here if they are missing and may be.

    Raises EngineError, within seconds, where Whisper or faster-whisper was asked for by name and is not installed or
    its weights cannot be had.
    """
    from tasks.extraction import whisper_weights

    if settings.engine == "none":
        return SpeechChoice("none", "none", "cpu", None)
    if settings.engine == "pocketsphinx":
        return _pocketsphinx(None)
    if settings.engine == "faster-whisper":
        return _faster_whisper(settings)
    device = "cuda" if cuda_available() else "cpu"
    try:
        weights, note = whisper_weights.obtain(settings, device)
    except EngineError as error:
        if settings.engine == "whisper":
            raise
        return _pocketsphinx(f"Speech is transcribed with pocketsphinx, roughly and in English only: {error.message}")
    return SpeechChoice("whisper", weights.model, device, note, str(weights.path))


def load_speech(choice: SpeechChoice, settings: SpeechSettings) -> SpeechEngine | None:
    """The engine of the choice, loaded once per process; None for the engine "none".

    Raises EngineError for weights that cannot be loaded.
    """
    if choice.engine == "none":
        return None

    def load() -> SpeechEngine:
        if choice.engine == "whisper":
            from tasks.extraction.speech_whisper import WhisperEngine

            return WhisperEngine(choice, settings)
        if choice.engine == "faster-whisper":
            from tasks.extraction.speech_faster import FasterWhisperEngine

            return FasterWhisperEngine(choice, settings)
        from tasks.extraction.speech_sphinx import SphinxEngine

        return SphinxEngine(choice, settings)

    return shared_model(("speech", choice, settings), load)


def as_speech(
    choice: SpeechChoice, segments: Sequence[Sequence[Segment]], regions: Sequence[Region | Span], audio_s: float
) -> Speech:
    """One video's result from the segments of each of its transcribed regions."""
    ordered = sorted((segment for part in segments for segment in part), key=lambda segment: segment.start_s)
    return Speech(
        engine=choice.engine,
        model=choice.model,
        language=_main_language(ordered),
        segments=tuple(ordered),
        audio_s=audio_s,
        transcribed_s=sum(region.end_s - region.start_s for region in regions),
    )


def _main_language(segments: Sequence[Segment]) -> str | None:
    """The language that is spoken longest."""
    spoken_s: defaultdict[str, float] = defaultdict(float)
    for segment in segments:
        if segment.language is not None:
            spoken_s[segment.language] += segment.end_s - segment.start_s
    return max(spoken_s, key=lambda language: (spoken_s[language], language)) if spoken_s else None


def _faster_whisper(settings: SpeechSettings) -> SpeechChoice:
    from tasks.extraction import faster_weights, whisper_weights
    from tasks.extraction.speech_faster import compute_type, cublas_loads

    device, notes = "cuda" if cuda_available() else "cpu", list[str]()
    if device == "cuda" and not cublas_loads():
        device = "cpu"
        notes.append(
            "CUDA is there, but faster-whisper runs on the CPU, for want of cuBLAS 12: "
            f"`{sys.executable} -m pip install nvidia-cublas-cu12` brings it."
        )
    weights, note = whisper_weights.obtain(settings, device, faster_weights.locate)
    model = f"{weights.model} {compute_type(settings, device)}"
    return SpeechChoice(
        "faster-whisper", model, device, " ".join([*notes, note] if note else notes) or None, str(weights.path)
    )


def _pocketsphinx(note: str | None) -> SpeechChoice:
    return SpeechChoice("pocketsphinx", f"en-us pocketsphinx-{version('pocketsphinx')}", "cpu", note)
