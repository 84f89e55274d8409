"""faster-whisper: Whisper on CTranslate2, in int8 on a CPU and half precision on CUDA; less memory, an optional extra."""

from __future__ import annotations

import ctypes
import importlib.util
import math
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import EngineError
from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechChoice
from tasks.extraction.speech_whisper import without_loops
from tasks.extraction.whisper_decoding import LEAST_LOGPROB, MOST_COMPRESSION
from tasks.records import Segment
from tasks.settings import SpeechSettings

BEAMS = (1, 5)  # searched, one after the other, until the guards are content
_CUBLAS = "libcublas.so.12"  # CTranslate2 is built against it; newer builds of torch bring another


class FasterWhisperEngine:
    """One region is one call; the text before it is no prompt, so that one bad region does not spoil the next.

    Whisper's guards are on, with one difference. Where text repeats itself or is improbable, Whisper draws at random at
    rising temperatures; CTranslate2's generator cannot be seeded again, and would draw something else in every run. Five
    beams are searched instead, which Whisper's authors found to repeat itself less (Radford et al. 2022, section 4.5).
    One thread at a time.
    """

    name = "faster-whisper"
    batch_s = 0.0

    def __init__(self, choice: SpeechChoice, settings: SpeechSettings, max_new_tokens: int | None = None) -> None:
        """max_new_tokens: most tokens per window of 30 s; None leaves it to the model.

        Raises EngineError for weights that cannot be loaded, for a compute type that the device does not have and for a
        language that the model does not know.
        """
        from faster_whisper import WhisperModel

        assert choice.weights is not None
        device, _, number = choice.device.partition(":")  # cuda:1 is the second
        if device == "cuda":
            cublas_loads()
        try:
            self._model = WhisperModel(
                choice.weights,
                device=device,
                device_index=int(number or 0),
                compute_type=compute_type(settings, device),
            )
        except Exception as error:  # CTranslate2 and tokenizers raise nothing narrower
            raise EngineError(
                f"faster-whisper's weights {choice.weights} cannot be loaded: {error}",
                "Delete the folder and fetch it again, try another speech.compute_type, or choose --speech auto.",
            ) from error
        if settings.language is not None and settings.language not in self._model.supported_languages:
            raise EngineError(
                f"The model {choice.weights} does not know the language {settings.language!r} (speech.language)",
                f"Use one of its codes: {', '.join(sorted(self._model.supported_languages))}.",
            )
        self.model = choice.model
        self._max_new_tokens = max_new_tokens
        self._lock = Lock()

    def transcribe(self, regions: Sequence[Region], languages: MutableMapping[str, str | None]) -> list[list[Segment]]:
        """As SpeechEngine. An unknown language is found once per video, in its longest region."""
        with self._lock:
            longest: dict[str, Region] = {}
            for region in regions:
                if region.video_id not in longest or len(region.pcm) > len(longest[region.video_id].pcm):
                    longest[region.video_id] = region
            for video_id, region in longest.items():
                if languages.get(video_id) is None:
                    languages[video_id] = self._language(region.pcm)
            return [self._transcribe(region, languages[region.video_id]) for region in regions]

    def _transcribe(self, region: Region, language: str | None) -> list[Segment]:
        found: list[Any] = []
        for beams in BEAMS:
            said, _ = self._model.transcribe(
                _samples(region.pcm),
                language=language,
                beam_size=beams,
                temperature=0.0,
                condition_on_previous_text=False,
                vad_filter=False,  # the regions are what voice activity detection has left
                max_new_tokens=self._max_new_tokens,
            )
            found = list(said)
            if not any(_fails(segment) for segment in found):
                break
        return without_loops(
            [
                Segment(
                    start_s=min(region.end_s, region.start_s + segment.start),
                    end_s=min(region.end_s, region.start_s + segment.end),
                    text=segment.text.strip(),
                    language=language,
                    confidence=min(1.0, math.exp(segment.avg_logprob)),
                )
                for segment in found
            ]
        )

    def _language(self, pcm: NDArray[np.int16]) -> str:
        if len(self._model.supported_languages) == 1:
            return str(self._model.supported_languages[0])
        return str(self._model.detect_language(_samples(pcm))[0])


def _fails(segment: Any) -> bool:
    """By Whisper's guards: its text repeats itself, or is improbable."""
    return segment.compression_ratio > MOST_COMPRESSION or segment.avg_logprob < LEAST_LOGPROB


def compute_type(settings: SpeechSettings, device: str) -> str:
    """What CTranslate2 computes in."""
    if settings.compute_type != "auto":
        return settings.compute_type
    return "float16" if device == "cuda" else "int8"


def cublas_loads() -> bool:
    """Whether CTranslate2 will find cuBLAS 12: on the system, or in NVIDIA's package, which is loaded here."""
    package = importlib.util.find_spec("nvidia")
    folders = list(package.submodule_search_locations or ()) if package else []
    for library in (_CUBLAS, *(str(Path(folder) / "cublas" / "lib" / _CUBLAS) for folder in folders)):
        try:
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False


def _samples(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    return pcm.astype(np.float32) / np.float32(32768)
