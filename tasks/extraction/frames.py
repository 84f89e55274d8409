"""The small images of one decoded frame that shots, look and sampling share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass
class SmallFrame:
    """One decoded frame, made small; upright.

    time_s: seconds from the first shown frame (PTS).
    bgr: uint8 [h, w, 3], longest side `decode.small_px` (256).
    luma: uint8 [H, W], longest side `decode.luma_px` (480).
    """

    time_s: float
    bgr: Image
    luma: Image

    @cached_property
    def hsv(self) -> Image:
        """uint8 [h, w, 3] as OpenCV's COLOR_BGR2HSV gives it; converted once for all who ask."""
        return cv2.cvtColor(self.bgr, cv2.COLOR_BGR2HSV)  # type: ignore[return-value]
