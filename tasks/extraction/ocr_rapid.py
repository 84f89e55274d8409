"""RapidOCR: PaddleOCR's detector and recogniser as ONNX, embedded in its package; reads Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tasks.extraction.frames import Image
from tasks.extraction.ocr import OcrChoice, Quad, Strip
from tasks.settings import Text

DETECTOR = "PP-OCRv6_det_small.onnx"
SMALL_PRINT = 2 / 3  # scale at which lines of 12 pixels are still found
GRID_PX = 32  # the network halves its input five times


class RapidOcr:
    """RapidOCR on one CPU thread: processes, not threads, are what makes it faster."""

    name = "rapidocr"
    batch_frames = 1  # a batch gains nothing on one thread

    def __init__(self, choice: OcrChoice, settings: Text) -> None:
        from rapidocr import EngineType, RapidOCR
        from rapidocr.ch_ppocr_det import TextDetector
        from rapidocr.ch_ppocr_rec import TextRecognizer

        self.model = choice.model
        # OpenVINO computes in bfloat16 where the processor can: 0.6 of the detector's time, the same lines. It
        # compiles for each new shape, though, and crops have too many widths for that.
        config: Any = RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,  # faster than asking for pages each time
                "EngineConfig.openvino.inference_num_threads": 1,
                "EngineConfig.openvino.performance_hint": "LATENCY",
                "Det.engine_type": EngineType.OPENVINO,
                "Rec.rec_batch_num": 1,  # padding to the widest crop is dearer than the call
            }
        ).cfg
        config.Det.engine_cfg = config.EngineConfig.openvino
        config.Det.model_path = str(Path(config.Global.model_root_dir) / DETECTOR)
        config.Rec.engine_cfg = config.EngineConfig.onnxruntime
        config.Rec.model_root_dir = config.Global.model_root_dir
        config.Rec.font_path = None
        self._settings = settings
        self._detector = TextDetector(config.Det)
        self._recogniser = TextRecognizer(config.Rec)

    def detect(self, strips: Sequence[Strip]) -> list[list[Quad]]:
        return [self._detect(strip) for strip in strips]

    def _detect(self, strip: Strip) -> list[Quad]:
        """The steps of RapidOCR's `TextDetector`, with the scale of the whole frame whatever the strip's size is.

        The detector's input is limited, not the frame, and small frames are not enlarged: a third of the cost, the
        same lines.
        """
        image = strip.image
        longest = max(strip.frame.shape[:2])
        least_px = min(self._settings.detail_px, SMALL_PRINT * longest) if strip.still else 0
        scale = min(1.0, max(self._settings.detector_px, least_px) / longest)
        height, width = (max(GRID_PX, round(side * scale / GRID_PX) * GRID_PX) for side in image.shape[:2])
        # scaled to [-1, 1], as its DetPreProcess does at three times the cost
        blob = cv2.dnn.blobFromImage(image, 1 / 127.5, (width, height), (127.5, 127.5, 127.5))
        quads, _ = self._detector.postprocess_op(self._detector.session(blob), image.shape[:2])
        if not len(quads):
            return []
        offset = np.array((0, strip.top), np.float32)
        return [np.asarray(quad, np.float32) + offset for quad in self._detector.sorted_boxes(quads)]

    def recognise(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        from rapidocr.ch_ppocr_rec import TextRecInput

        if not crops:
            return []
        read = self._recogniser(TextRecInput(img=list(crops)))
        return [(text, float(score)) for text, score in zip(read.txts or (), read.scores, strict=True)]
