"""What shot detection keeps of one frame, and how alike two such pictures are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.frames import Image, SmallFrame

TINY_PX = 64  # longest side of the picture that is kept: 7 kB a frame
PATCH_PX = 16  # longest side of the picture that blends are fitted on: so coarse that motion inside a shot hardly shows
UNIFORM_LUMA = 2.0  # standard deviation below which a picture has no structure to compare
EVEN_LEVELS = 14  # how far a pixel of an empty black or white picture may be from it
EVEN_SHARE = 0.93  # and how much of the picture must be that near
UNIFORM_LEVELS = 8.0  # colour difference that tells two pictures without structure apart
ALIKE = 0.7  # two pictures correlate better than this within a shot; across 25 real cuts it was 0.02 to 0.55
COMPARABLE = 3.0  # how many times the contrast of one picture another may have and still be compared at full weight
BAR_LUMA = 24  # a bar is darker than this
BLOCKS = 6  # the picture is cut into 6 x 6 blocks to see how far a change spreads


@dataclass
class Moment:
    """One frame in the detector's ring buffer.

    score: PySceneDetect's content score (0..255) against the frame before.
    tiny: uint8 [h, w, 3] BGR, longest side 64. luma: its mean (0..255).
    """

    time_s: float
    score: float
    tiny: Image
    luma: float

    @classmethod
    def of(cls, frame: SmallFrame, score: float) -> Moment:
        tiny = shrink(frame.thumb, TINY_PX)
        return cls(frame.time_s, score, tiny, float(sum(cv2.mean(tiny)[:3]) / 3))

    @cached_property
    def gray(self) -> Image:
        return cv2.cvtColor(self.tiny, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]

    @cached_property
    def deviation(self) -> float:
        """Standard deviation of luma, 0..127.5."""
        return float(cv2.meanStdDev(self.gray)[1][0, 0])

    def is_even(self, target: int) -> bool:
        """Whether nearly all of the picture has luma `target` (0 or 255); a watermark may stay."""
        near = cv2.inRange(self.gray, max(0, target - EVEN_LEVELS), min(255, target + EVEN_LEVELS))
        return cv2.countNonZero(near) >= EVEN_SHARE * near.size

    @cached_property
    def patch(self) -> NDArray[np.float32]:
        """The picture at 16 px as one float32 vector [h * w * 3]."""
        return shrink(self.tiny, PATCH_PX).astype(np.float32).ravel()


def shrink(image: Image, longest_px: int) -> Image:
    """The image with its longest side at most `longest_px`, by area averaging."""
    height, width = image.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def likeness(left: Moment, right: Moment) -> float:
    """How alike the structure of two pictures is, wherever the camera moved in between: -1..1, 1 for the same.

    The middle quarter of each is searched for in the whole of the other (normalised cross-correlation; Lewis 1995), so
    pans and shake up to a quarter of the picture, and changes of exposure, keep it high. Two pictures without structure
    are alike if their colours are.
    """
    if max(left.deviation, right.deviation) < UNIFORM_LUMA:
        return 1.0 if difference(left, right) < UNIFORM_LEVELS else 0.0
    structures = [float(cv2.meanStdDev(_middle(moment.gray))[1][0, 0]) for moment in (left, right)]
    if max(structures) < UNIFORM_LUMA:
        return _correlation(left.gray, right.gray)
    pairs = zip(structures, (left.gray, right.gray), (right.gray, left.gray), strict=True)
    return max(_correlation(_middle(sought), whole) if own >= UNIFORM_LUMA / 2 else 0.0 for own, sought, whole in pairs)


def weighed_likeness(left: Moment, right: Moment) -> float:
    """The likeness, which counts less between a plain and a rich picture: both may be alike by chance."""
    contrasts = sorted((left.deviation, right.deviation))
    comparable = min(1.0, COMPARABLE * contrasts[0] / contrasts[1]) if contrasts[1] > 0 else 1.0
    return comparable * likeness(left, right)


def _middle(image: Image) -> Image:
    height, width = image.shape
    return image[height // 4 : height - height // 4, width // 4 : width - width // 4]


def _correlation(sought: Image, whole: Image) -> float:
    return float(cv2.matchTemplate(whole, sought, cv2.TM_CCOEFF_NORMED).max())


def within_bars(left: Moment, right: Moment) -> tuple[Moment, Moment]:
    """Both pictures without the black bars that they share, as of a landscape clip in a portrait frame.

    What is left must be a filled rectangle: captions on black are no picture with bars.
    """
    lit = np.maximum(left.gray, right.gray) >= BAR_LUMA
    rows, columns = np.flatnonzero(lit.mean(axis=1) > 0.3), np.flatnonzero(lit.mean(axis=0) > 0.3)
    if not len(rows) or not len(columns):
        return left, right
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inner = lit[box]
    if inner.size == lit.size or inner.size < 0.2 * lit.size or inner.mean() < 0.5:
        return left, right
    return _cropped(left, box), _cropped(right, box)


def _cropped(moment: Moment, box: tuple[slice, slice]) -> Moment:
    tiny = np.ascontiguousarray(moment.tiny[box])
    return replace(moment, tiny=tiny, luma=float(tiny.mean()))


def changed_blocks(left: Moment, right: Moment) -> NDArray[np.bool_]:
    """bool [6, 6]: the blocks of the picture in which more than a twentieth of the pixels changed."""
    threshold = float(np.clip(0.25 * max(left.deviation, right.deviation), 2.0, 8.0))
    difference = cv2.absdiff(left.tiny, right.tiny).max(axis=2)
    changed = (difference > threshold).astype(np.float32)
    blocks: NDArray[np.bool_] = cv2.resize(changed, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA) > 0.05
    return blocks


def difference(left: Moment, right: Moment) -> float:
    """Mean absolute difference of the two pictures, 0..255."""
    return cv2.norm(left.tiny, right.tiny, cv2.NORM_L1) / left.tiny.size


def spreads(left: Moment, right: Moment) -> bool:
    """Whether the change between two frames reaches most of the picture; a caption's or pop-up's stays in one zone."""
    blocks = changed_blocks(left, right)
    return bool(blocks.mean() >= 0.33 and blocks.any(axis=1).mean() >= 0.6 and blocks.any(axis=0).mean() >= 0.6)


def tint_change(left: Moment, right: Moment) -> float:
    """Distance in CIE Lab, lightness left out, of the mean colours of two pictures, both brought to middle brightness.

    0 where one of them is dark: its tint is noise.
    """
    if min(left.luma, right.luma) < BAR_LUMA:
        return 0.0
    means = np.array([[cv2.mean(moment.tiny)[:3] for moment in (left, right)]], np.float32)
    means /= 2 * np.array([[[left.luma], [right.luma]]], np.float32)
    lab = cv2.cvtColor(np.minimum(means, 1.0), cv2.COLOR_BGR2Lab)[0]
    return float(np.hypot(*(lab[0, 1:] - lab[1, 1:])))
