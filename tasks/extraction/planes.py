"""The planes of a decoded frame, and the small pictures that are made of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from tasks.extraction.frames import Image

Plane = NDArray[np.uint8] | NDArray[np.uint16]

#: Formats whose planes are resized as they are, with the factor that makes their samples 8-bit.
PLANAR = {
    "yuv420p": 1.0,
    "yuvj420p": 1.0,
    "yuv422p": 1.0,
    "yuv444p": 1.0,
    "yuv420p10le": 1 / 4,
    "yuv422p10le": 1 / 4,
    "yuv444p10le": 1 / 4,
}
UPRIGHT = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Planes:
    """The Y, U and V planes of a frame as arrays over the decoder's memory; alive as long as this is."""

    def __init__(self, raw: av.VideoFrame, reformatter: VideoReformatter) -> None:
        if raw.format.name not in PLANAR:
            raw = reformatter.reformat(raw, format="yuv420p")
        self._to_8_bit = PLANAR[raw.format.name]
        dtype = np.uint8 if self._to_8_bit == 1.0 else np.uint16
        self.size = raw.width, raw.height
        self._planes: list[Plane] = [_samples(plane, dtype) for plane in raw.planes]

    def packed(self, longest: int) -> Image:
        """uint8 [height * 3 / 2, width] I420 with a longest side of `longest`, not upright; never enlarged.

        Planes are made small before they are made BGR: a third of the cost of the other order.
        """
        width, height = fit(*self.size, longest)
        packed = np.empty((height * 3 // 2, width), np.uint8)
        self._resize(0, packed[:height])
        chroma = packed[height:].reshape(2, height // 2, width // 2)
        self._resize(1, chroma[0])
        self._resize(2, chroma[1])
        return packed

    def luma(self, longest: int) -> Image:
        """uint8 [height, width] with a longest side of `longest`, not upright; never enlarged."""
        width, height = fit(*self.size, longest)
        luma = np.empty((height, width), np.uint8)
        self._resize(0, luma)
        return luma

    def _resize(self, index: int, target: Image) -> None:
        plane, size = self._planes[index], target.shape[::-1]
        if self._to_8_bit == 1.0:
            cv2.resize(plane, size, dst=target, interpolation=cv2.INTER_LINEAR)
        else:
            small = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
            cv2.convertScaleAbs(small, dst=target, alpha=self._to_8_bit)


def to_bgr(packed: Image) -> Image:
    """I420 -> uint8 [height, width, 3] BGR."""
    return cv2.cvtColor(packed, cv2.COLOR_YUV2BGR_I420)  # type: ignore[return-value]


def upright(image: NDArray[Any], rotation: int) -> Image:
    """Turn an image by the display matrix's counter-clockwise angle in degrees."""
    turn = UPRIGHT.get(rotation % 360)
    return image if turn is None else cv2.rotate(image, turn)  # type: ignore[return-value]


@lru_cache(maxsize=64)
def fit(width: int, height: int, longest: int) -> tuple[int, int]:
    """Even size with the longest side at most `longest`."""
    scale = min(1.0, longest / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _samples(plane: av.video.plane.VideoPlane, dtype: type[np.uint8] | type[np.uint16]) -> Plane:
    """[height, width]; lines are padded in memory."""
    samples = np.frombuffer(plane, dtype)  # type: ignore[call-overload]
    return samples.reshape(plane.height, -1)[:, : plane.width]  # type: ignore[no-any-return]
