"""RapidOCR: PaddleOCR's detector and recogniser as ONNX, embedded in its package; reads Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.extraction.frames import Image
from tasks.extraction.ocr import OcrChoice, Quad
from tasks.settings import Text


class RapidOcr:
    """RapidOCR on one CPU thread: processes, not threads, are what makes it faster."""

    name = "rapidocr"

    def __init__(self, choice: OcrChoice, settings: Text) -> None:
        from rapidocr import RapidOCR
        from rapidocr.ch_ppocr_det import TextDetector
        from rapidocr.ch_ppocr_rec import TextRecognizer

        self.model = choice.model
        # The detector is limited, not the frame: small frames are not enlarged (a third of the cost, same lines).
        config: Any = RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_type": "max",
                "Det.limit_side_len": settings.detector_px,
                "Rec.rec_batch_num": 1,  # padding to the widest crop is dearer than the call
            }
        ).cfg
        for part in (config.Det, config.Rec):
            part.engine_cfg = config.EngineConfig.onnxruntime
            part.model_root_dir = config.Global.model_root_dir
        config.Rec.font_path = None
        self._detector = TextDetector(config.Det)
        self._recogniser = TextRecognizer(config.Rec)

    def detect(self, frames: Sequence[Image]) -> list[list[Quad]]:
        found = (self._detector(frame).boxes for frame in frames)
        return [[] if quads is None else [np.asarray(quad, np.float32) for quad in quads] for quads in found]

    def recognise(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        from rapidocr.ch_ppocr_rec import TextRecInput

        if not crops:
            return []
        read = self._recogniser(TextRecInput(img=list(crops)))
        return [(text, float(score)) for text, score in zip(read.txts or (), read.scores, strict=True)]
