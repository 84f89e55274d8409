"""RapidOCR: PaddleOCR's detector and recogniser as ONNX, embedded in its package; reads Chinese and English."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.frames import Image
from tasks.extraction.ocr import OcrChoice, Quad, Strip
from tasks.settings import Text

DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNISER = "PP-OCRv6_rec_small.onnx"
LARGE_PX = 450_000  # of an input
MIDDLE = (127.5, 127.5, 127.5)  # colours are scaled to [-1, 1]
LINE_PX = 48  # height of a line as the recogniser wants it
WIDTH_STEP_PX = 64
SMALL_PRINT = 2 / 3  # scale at which lines of 12 pixels are still found
GRID_PX = 32  # the network halves its input five times


class Network:
    """An ONNX model on one thread of the CPU: float32 [1, 3, H, W] of any size in.

    OpenVINO computes in bfloat16 where the processor can: 0.6 of ONNX Runtime's time, the same lines. It compiles for
    each new shape, though, so strips and crops come in few sizes, and it keeps what it compiled, within a bound.
    """

    def __init__(self, name: str) -> None:
        # or its import would send word of itself over the net and leave files in the home, asking nobody
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino
        import rapidocr

        core = openvino.Core()
        source: Any = core.read_model(Path(rapidocr.__file__).parent / "models" / name)
        self.notes: Any = source.get_rt_info()  # the letters of a recogniser among them
        options = {"INFERENCE_NUM_THREADS": "1", "PERFORMANCE_HINT": "LATENCY", "CPU_RUNTIME_CACHE_CAPACITY": "300"}
        self._model: Any = core.compile_model(source, "CPU", options)
        self._request: Any = self._model.create_infer_request()

    def __call__(self, blob: NDArray[np.float32]) -> NDArray[np.float32]:
        self._request.infer([blob])
        found: NDArray[np.float32] = self._request.get_output_tensor().data.copy()
        if blob[0, 0].size > LARGE_PX:
            self._model.release_memory()  # or what a large picture takes would be kept for good
        return found


class RapidOcr:
    """RapidOCR on one CPU thread: processes, not threads, are what makes it faster."""

    name = "rapidocr"
    batch_frames = full_frames = full_crops = 1  # a batch gains nothing on one thread

    def __init__(self, choice: OcrChoice, settings: Text) -> None:
        from rapidocr import RapidOCR
        from rapidocr.ch_ppocr_det.utils import DBPostProcess
        from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode

        self.model = choice.model
        self._settings = settings
        known = RapidOCR(params={"Global.log_level": "error"}).cfg.Det
        after = ("thresh", "box_thresh", "max_candidates", "unclip_ratio", "use_dilation", "score_mode")
        self._find, self._boxes = Network(DETECTOR), DBPostProcess(**{name: known[name] for name in after})
        self._read = Network(RECOGNISER)
        letters = self._read.notes["framework"]["character"].value.splitlines()
        self._decode = CTCLabelDecode(character=letters)

    def detect(self, strips: Sequence[Strip]) -> list[list[Quad]]:
        return [self._detect(strip) for strip in strips]

    def _detect(self, strip: Strip) -> list[Quad]:
        """The steps of RapidOCR's `TextDetector`, with the scale of the whole frame whatever the strip's size is.

        The detector's input is limited, not the frame, and small frames are not enlarged: a third of the cost, the
        same lines.
        """
        from rapidocr.ch_ppocr_det import TextDetector

        image = strip.image
        longest = max(strip.frame.shape[:2])
        least_px = min(self._settings.detail_px, SMALL_PRINT * longest) if strip.still else 0
        scale = min(1.0, max(self._settings.detector_px, least_px) / longest)
        height, width = (max(GRID_PX, round(side * scale / GRID_PX) * GRID_PX) for side in image.shape[:2])
        # scaled to [-1, 1], as its DetPreProcess does at three times the cost
        blob: NDArray[np.float32] = cv2.dnn.blobFromImage(image, 1 / 127.5, (width, height), MIDDLE)  # type: ignore[assignment]
        quads, _ = self._boxes(self._find(blob), image.shape[:2])
        if not len(quads):
            return []
        offset = np.array((0, strip.top), np.float32)
        return [np.asarray(quad, np.float32) + offset for quad in TextDetector.sorted_boxes(quads)]

    def recognise(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        return [self._recognise(crop) for crop in crops]

    def _recognise(self, crop: Image) -> tuple[str, float]:
        """The steps of RapidOCR's `TextRecognizer`, padded to the next step of width: it pads to 320 pixels at least."""
        height, width = crop.shape[:2]
        scaled = math.ceil(LINE_PX * width / height)
        padded = math.ceil(scaled / WIDTH_STEP_PX) * WIDTH_STEP_PX
        blob = np.zeros((1, 3, LINE_PX, padded), np.float32)
        blob[..., :scaled] = cv2.dnn.blobFromImage(crop, 1 / 127.5, (scaled, LINE_PX), MIDDLE)
        lines, _ = self._decode(self._read(blob))
        text, confidence = lines[0]
        return text, float(confidence)
