"""The small images of one decoded frame that shots, look and sampling share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Later = Callable[[], Image]  # makes an image from the decoder's buffer


class SmallFrame:
    """One decoded frame, made small; upright. What only some frames are asked for is made when it is asked for.

    time_s: seconds from the first shown frame (PTS).
    thumb: uint8 [h, w, 3] BGR, longest side 128; every frame has it, and changes are seen in it. The very same object as
        that of the frame before where the picture did not change.
    bgr: uint8 [h, w, 3], longest side `decode.small_px` (256).
    luma: uint8 [H, W], longest side `decode.luma_px` (480).
    """

    __slots__ = ("__weakref__", "_bgr", "_luma", "thumb", "time_s")

    def __init__(self, time_s: float, thumb: Image, bgr: Image | Later, luma: Image | Later) -> None:
        self.time_s = time_s
        self.thumb = thumb
        self._bgr: Image | Later | None = bgr
        self._luma: Image | Later | None = luma

    @property
    def bgr(self) -> Image:
        self._bgr = _made(self._bgr)
        return self._bgr

    @property
    def luma(self) -> Image:
        self._luma = _made(self._luma)
        return self._luma

    def release(self) -> None:
        """Let go of the decoder's buffer: a frame that is kept for comparison must not keep megabytes alive."""
        if callable(self._bgr):
            self._bgr = None
        if callable(self._luma):
            self._luma = None


def _made(image: Image | Later | None) -> Image:
    if image is None:
        raise RuntimeError("the frame was released before this image of it was asked for")
    return image() if callable(image) else image
