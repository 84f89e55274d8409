"""EasyOCR: CRAFT finds text (Baek et al. 2019), a CRNN reads it (Shi et al. 2015); made for a GPU."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Sequence
from threading import Lock
from typing import Any

import cv2
import numpy as np

from tasks.extraction.frames import Image
from tasks.extraction.halving import in_batches
from tasks.extraction.ocr import OcrChoice, Quad, Strip
from tasks.extraction.weights import easyocr_weights
from tasks.settings import Text

DETECT_BATCH = 16  # frames; halved where the device's memory is too small
RECOGNISE_BATCH = 128  # crops
MIN_TEXT_PX = 8  # EasyOCR's own 20 loses single digits of small frames


class EasyOcr:
    """EasyOCR's reader, its detector and recogniser called apart and in batches."""

    name = "easyocr"
    full_frames, full_crops = DETECT_BATCH, RECOGNISE_BATCH

    def __init__(self, choice: OcrChoice, settings: Text) -> None:
        import easyocr

        self.model = choice.model
        self.batch_frames = settings.batch_frames
        self.detector_px = settings.detector_px
        self._lock = Lock()  # a reader is not made for two threads
        with warnings.catch_warnings():
            # torch says of its own quantisation, which easyocr uses on a CPU, that it is going to change
            warnings.filterwarnings("ignore", category=UserWarning, module="torch")
            self._reader: Any = easyocr.Reader(
                list(settings.languages),
                gpu=choice.device if choice.device != "cpu" else False,
                model_storage_directory=str(easyocr_weights(settings).folder),
                download_enabled=False,  # choose_ocr has fetched them, within bounds
                verbose=False,
            )

    def detect(self, strips: Sequence[Strip]) -> list[list[Quad]]:
        by_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, strip in enumerate(strips):
            by_size[strip.frame.shape].append(index)
        found: list[list[Quad]] = [[] for _ in strips]
        for indices in by_size.values():
            lines = in_batches(self._detect_batch, [strips[index].frame for index in indices], DETECT_BATCH)
            for index, quads in zip(indices, lines, strict=True):
                found[index] = quads
        return found

    def _detect_batch(self, frames: Sequence[Image]) -> list[list[Quad]]:
        rgb = np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames])  # CRAFT was trained on RGB
        with self._lock:
            level, tilted = self._reader.detect(rgb, min_size=MIN_TEXT_PX, canvas_size=self.detector_px, reformat=False)
        height, width = frames[0].shape[:2]
        return [_quads(boxes, free, width, height) for boxes, free in zip(level, tilted, strict=True)]

    def recognise(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        # EasyOCR pads a batch to its widest crop, rounded up to a multiple of the height, and what is read depends on
        # the padding: crops of the same padded width go together, so that a batch reads as one by one.
        by_width: dict[int, list[int]] = defaultdict(list)
        for index, crop in enumerate(crops):
            height, width = crop.shape[:2]
            by_width[math.ceil(max(width / height, height / width))].append(index)
        read: list[tuple[str, float]] = [("", 0.0)] * len(crops)
        for indices in by_width.values():
            texts = in_batches(self._recognise_batch, [crops[index] for index in indices], RECOGNISE_BATCH)
            for index, text in zip(indices, texts, strict=True):
                read[index] = text
        return read

    def _recognise_batch(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        sheet, boxes = _sheet(crops)
        with self._lock, warnings.catch_warnings():
            # it asks for pinned memory also where there is no device to pin it for
            warnings.filterwarnings("ignore", message="'pin_memory' argument", category=UserWarning)
            rows = self._reader.recognize(sheet, boxes, [], batch_size=len(boxes), reformat=False)
        return [(text, mean_confidence(float(score), len(text))) for _, text, score in rows]


def mean_confidence(confidence: float, length: int) -> float:
    """EasyOCR's confidence prod(p)^(2 / sqrt(n)), which falls with the length, as the geometric mean of p.

    So that one threshold serves short and long lines, and both engines. n, which EasyOCR counts in time steps, is
    taken as the number of characters.
    """
    if length == 0:
        return 0.0
    return min(1.0, max(0.0, confidence)) ** (1 / (2 * math.sqrt(length)))


def _sheet(crops: Sequence[Image]) -> tuple[Image, list[list[int]]]:
    """What `recognize` takes: the crops in grey below each other, and boxes [left, right, top, bottom]."""
    grey = [cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY) for crop in crops]
    sheet = np.zeros((sum(crop.shape[0] for crop in grey), max(crop.shape[1] for crop in grey)), np.uint8)
    boxes, top = [], 0
    for crop in grey:
        height, width = crop.shape
        sheet[top : top + height, :width] = crop
        boxes.append([0, width, top, top + height])
        top += height
    return sheet, boxes


def _quads(level: Sequence[Any], tilted: Sequence[Any], width: int, height: int) -> list[Quad]:
    """EasyOCR's boxes and quadrilaterals as quads inside the frame, from top to bottom and left to right."""
    corners = [((x1, y1), (x2, y1), (x2, y2), (x1, y2)) for x1, x2, y1, y2 in level] + list(tilted)
    limits = np.array([width - 1, height - 1], np.float32)
    quads = [np.clip(np.array(quad, np.float32), 0, limits) for quad in corners]
    return sorted(quads, key=lambda quad: (float(quad[:, 1].min()), float(quad[:, 0].min())))
