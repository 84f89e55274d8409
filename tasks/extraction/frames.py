"""The small images of one decoded frame that shots, look and sampling share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class SmallFrame:
    """One decoded frame, made small; upright. What only some frames are asked for is made when it is asked for.

    time_s: seconds from the first shown frame (PTS).
    bgr: uint8 [h, w, 3], longest side `decode.small_px` (256).
    luma: uint8 [H, W], longest side `decode.luma_px` (480), or the function that makes it from the decoder's buffer.
    """

    def __init__(self, time_s: float, bgr: Image, luma: Image | Callable[[], Image]) -> None:
        self.time_s = time_s
        self.bgr = bgr
        self._luma: Image | Callable[[], Image] | None = luma

    @property
    def luma(self) -> Image:
        if callable(self._luma):
            self._luma = self._luma()
        if self._luma is None:
            raise RuntimeError("the frame was released before its luma was asked for")
        return self._luma

    def release(self) -> None:
        """Let go of the decoder's buffer: a frame that is kept for comparison must not keep megabytes alive."""
        if callable(self._luma):
            self._luma = None

    @cached_property
    def hsv(self) -> Image:
        """uint8 [h, w, 3] as OpenCV's COLOR_BGR2HSV gives it; converted once for all who ask."""
        return cv2.cvtColor(self.bgr, cv2.COLOR_BGR2HSV)  # type: ignore[return-value]

    @cached_property
    def gray(self) -> Image:
        """uint8 [h, w], the luma of `bgr`."""
        return cv2.cvtColor(self.bgr, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]
