"""The picture of one line of text, cut out of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.frames import Image
from tasks.records import Box

THUMBNAIL = (160, 24)  # width, height: what two crops are compared by
WIDE_SPACE = 0.35  # of a line's height: the widest space within a line that detectors are known to split it at
LONE_LETTER = 1.5  # of a line's height: the width of what is split off
LEVEL = 0.45  # of a line's height: how much the tops and bottoms of its words may differ (descenders)
UPRIGHT_ASPECT = 1.5  # a crop that is taller than this many widths is text turned by a quarter


def cut(frame: Image, quad: NDArray[np.float32]) -> Image:
    """The quad [4, 2] of the frame uint8 [H, W, 3], rectified: uint8 [h, w, 3]; tall ones are turned to a line."""
    top, right, bottom, left = (float(np.linalg.norm(quad[i] - quad[(i + 1) % 4])) for i in range(4))
    width, height = max(1, int(max(top, bottom))), max(1, int(max(left, right)))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    transform = cv2.getPerspectiveTransform(quad, corners)
    crop = cv2.warpPerspective(
        frame, transform, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(np.rot90(crop)) if height >= UPRIGHT_ASPECT * width else crop  # type: ignore[return-value]


def thumbnail(crop: Image) -> NDArray[np.float32]:
    """Grey, 160x24: float32 [24, 160] in 0..255."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)


def box_of(quad: NDArray[np.float32], frame: Image) -> Box:
    """The upright rectangle around a quad, in fractions of the frame."""
    height, width = frame.shape[:2]
    low = np.clip(quad.min(axis=0) / (width, height), 0, 1)
    high = np.clip(quad.max(axis=0) / (width, height), 0, 1)
    return Box(x=float(low[0]), y=float(low[1]), width=float(high[0] - low[0]), height=float(high[1] - low[1]))


def whole_lines(quads: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Quads [4, 2] of lines, where detectors split a letter or digit off at a wide space: level neighbours are joined."""
    lines: list[NDArray[np.float32]] = []
    for quad in sorted(quads, key=lambda quad: float(quad[:, 0].min())):
        before = next((index for index, line in enumerate(lines) if _goes_on(line, quad)), None)
        if before is None:
            lines.append(quad)
            continue
        (left, top), (right, bottom) = (
            np.minimum(lines[before].min(0), quad.min(0)),
            np.maximum(lines[before].max(0), quad.max(0)),
        )
        lines[before] = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    return sorted(lines, key=lambda quad: (float(quad[:, 1].min()), float(quad[:, 0].min())))


def _goes_on(line: NDArray[np.float32], quad: NDArray[np.float32]) -> bool:
    """Does a quad go on where a line ends, in the same height, one of them being a lone letter or digit?"""
    (_, top), (right, bottom) = line.min(0), line.max(0)
    (left, upper), (_, lower) = quad.min(0), quad.max(0)
    height = min(bottom - top, lower - upper)
    if abs(upper - top) > LEVEL * height or abs(lower - bottom) > LEVEL * height:
        return False
    if min(right - line[:, 0].min(), quad[:, 0].max() - left) > LONE_LETTER * height:
        return False  # words next to each other may belong to two columns
    level = all(abs(float(side[1, 1] - side[0, 1])) < LEVEL * height for side in (line, quad))
    return bool(level and -height < left - right < WIDE_SPACE * height)


def shared_area(a: Box, b: Box) -> float:
    """Area that two boxes have in common, in fractions of the frame."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    return max(0.0, width) * max(0.0, height)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, in [0, 1]."""
    shared = shared_area(a, b)
    union = a.width * a.height + b.width * b.height - shared
    return shared / union if union > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Crop:
    """A crop that was or will be recognised; later crops that look the same take its reading."""

    box: Box
    thumbnail: NDArray[np.float32]

    def same_as(self, box: Box, picture: NDArray[np.float32], difference: float, least_overlap: float = 0.7) -> bool:
        """Is a line at `box` that looks like `picture` (a thumbnail) this one, unchanged?"""
        return overlap(self.box, box) > least_overlap and float(np.abs(self.thumbnail - picture).mean()) < difference
