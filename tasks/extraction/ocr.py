"""Engines that find and read text in frames, and which of them is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.device import cuda_available
from tasks.errors import EngineError
from tasks.extraction.frames import Image
from tasks.models import shared_model
from tasks.settings import Text

Quad = NDArray[np.float32]  # [4, 2] pixels: top left, top right, bottom right, bottom left of a line of text
RAPID_MODEL = "PP-OCRv6_det_small+PP-OCRv6_rec_small"


@dataclass(frozen=True)
class Strip:
    """The rows of a frame, uint8 [H, W, 3] BGR upright, that are searched for text: pixels from `top` to `bottom`.

    still: the picture stands still, as slides do, and may hold small print.
    """

    frame: Image
    top: int
    bottom: int
    still: bool = False

    @property
    def image(self) -> Image:
        return self.frame[self.top : self.bottom]


class OcrEngine(Protocol):
    """Finds lines of text, and reads them; the two are apart so that a line that did not change is not read again.

    What an engine gives for a frame or a crop does not depend on what else is in the batch. One thread at a time.
    batch_frames: how many frames of a video it is best given at once. More than one: they are searched whole.
    full_frames, full_crops: how many of several videos make a batch that need not wait for more.
    """

    name: str
    model: str
    batch_frames: int
    full_frames: int
    full_crops: int

    def detect(self, strips: Sequence[Strip]) -> list[list[Quad]]:
        """Strips of frames of any sizes -> per strip its lines in reading order, in pixels of the frame."""

    def recognise(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        """uint8 BGR crops of one line each, as `tasks.extraction.crops` cuts them -> text and confidence in [0, 1]."""


@dataclass(frozen=True)
class OcrChoice:
    """Which engine reads.

    model: identity of the weights, part of the cache's key.
    device: cpu or cuda.
    note: what `auto` did and why, one sentence; None where there is nothing to say.
    """

    engine: str
    model: str
    device: str
    note: str | None


def choose_ocr(settings: Text) -> OcrChoice:
    """Decide without loading a model; missing EasyOCR weights are fetched here if they may be.

    Raises EngineError where EasyOCR was asked for by name and its weights cannot be had, within seconds.
    """
    from tasks.extraction import weights

    if settings.engine == "rapidocr" or (settings.engine == "auto" and not cuda_available()):
        return _rapid(None)
    device = "cuda" if cuda_available() else "cpu"
    try:
        needed = weights.easyocr_weights(settings)
        fetched = weights.ensure(needed, settings.download)
    except EngineError as error:
        if settings.engine == "easyocr":
            raise
        return _rapid(f"CUDA is there, but text is read with RapidOCR on the CPU: {error.message}")
    note = f"Fetched EasyOCR's weights into {needed.folder}." if fetched else None
    return OcrChoice("easyocr", needed.model, device, note)


def load_ocr(choice: OcrChoice, settings: Text) -> OcrEngine:
    """The engine of the choice, loaded once per process. Raises EngineError for weights that cannot be read."""

    def load() -> OcrEngine:
        if choice.engine == "easyocr":
            from tasks.extraction.ocr_easy import EasyOcr

            try:
                return EasyOcr(choice, settings)
            except OSError as error:
                raise EngineError(f"EasyOCR's weights cannot be read: {error}") from error
        from tasks.extraction.ocr_rapid import RapidOcr

        return RapidOcr(choice, settings)

    return shared_model(("ocr", choice, settings), load)


def _rapid(note: str | None) -> OcrChoice:
    return OcrChoice(
        "rapidocr", f"{RAPID_MODEL} rapidocr-{version('rapidocr')} openvino-{version('openvino')}", "cpu", note
    )
