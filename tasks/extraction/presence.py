"""When a text appears and disappears, from the small luma images between the frames that were read.

The edges of the text's box are compared with those of the moment when it was read: correlation of gradients over the
template's strong edges, so that brightness (a fade), the picture behind outlined letters and cuts count little.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.frames import Image
from tasks.records import Box

PRESENT = 0.65  # correlation above which a text is there; edges of a still picture alone reach 0.55
DROP = 0.2  # change of the correlation that is a text's coming or going even above PRESENT, if sharp
SHARPNESS = 5.0  # sharp: so many times the deviation on either side
EDGE_SHARE = 0.35  # share of the template's pixels that count as its edges
FAINT = 0.2  # edges weaker than this share of the template's count as noise, not as a fainter copy
FADED = 0.7  # share of the edges' energy below which a text is taken to be fading
ONSET_SHARE = 0.3  # share of the way from absent to present at which a text begins: early, for fades
HELD_S = 0.25  # images further apart: the earlier one was held until the later


class LumaHistory:
    """The last seconds of small luma images, by time."""

    def __init__(self) -> None:
        self._images: deque[tuple[float, Image]] = deque()

    def add(self, time_s: float, luma: Image) -> None:
        """luma uint8 [H, W] is kept, not copied; times that do not ascend are ignored."""
        if not self._images or time_s > self._images[-1][0]:
            self._images.append((time_s, luma))

    def between(self, first_s: float, last_s: float) -> list[tuple[float, Image]]:
        """Images of first_s <= time <= last_s."""
        return [(time_s, luma) for time_s, luma in self._images if first_s - 1e-6 <= time_s <= last_s + 1e-6]

    def at(self, time_s: float) -> Image | None:
        """The image shown at a time: the last one not after it."""
        before = [luma for at_s, luma in self._images if at_s <= time_s + 1e-6]
        return before[-1] if before else None

    def drop_before(self, time_s: float) -> None:
        while self._images and self._images[0][0] < time_s:
            self._images.popleft()

    def __len__(self) -> int:
        return len(self._images)


class Template:
    """The edges of a text's box in the luma image of the moment when it was read."""

    def __init__(self, luma: Image, box: Box) -> None:
        height, width = luma.shape
        self._rows = _range(box.y, box.height, height)
        self._columns = _range(box.x, box.width, width)
        edges = self._edges(luma)
        strength = np.hypot(edges[0], edges[1])
        self._mask = strength >= np.quantile(strength, 1 - EDGE_SHARE)
        self._template = edges[:, self._mask]
        self._energy = float((self._template**2).sum())

    def score(self, luma: Image) -> float:
        """How much of the text is there: 1 = the same edges, about 0 = unrelated ones or none."""
        edges = self._edges(luma)[:, self._mask]
        energy = max(float((edges**2).sum()), FAINT**2 * self._energy)
        if self._energy == 0:
            return 0.0
        return float((edges * self._template).sum()) / (energy * self._energy) ** 0.5

    def fainter_than(self, other: Template) -> bool:
        """Are the edges much weaker than another's: a text that is fading?"""
        return self._energy < FADED * other._energy

    def scores(self, images: Sequence[tuple[float, Image]]) -> list[tuple[float, float]]:
        """(time, luma) -> (time, score)."""
        return [(time_s, self.score(luma)) for time_s, luma in images]

    def _edges(self, luma: Image) -> NDArray[np.float32]:
        area = luma[self._rows, self._columns]
        return np.stack([cv2.Sobel(area, cv2.CV_32F, 1, 0), cv2.Sobel(area, cv2.CV_32F, 0, 1)])  # type: ignore[return-value]


@dataclass(frozen=True)
class Change:
    """Between which two images the text came or went; before_s is None where it was there from the first image on."""

    before_s: float | None
    after_s: float

    @property
    def time_s(self) -> float:
        if self.before_s is None or self.after_s - self.before_s > HELD_S:
            return self.after_s
        return (self.before_s + self.after_s) / 2


def onset(scores: Sequence[tuple[float, float]]) -> Change:
    """Where a text that is there at the end of `scores` (time, score) came, after its last absence."""
    values = np.array([score for _, score in scores])
    times = [time_s for time_s, _ in scores]
    first = _step(values)
    if first == 0:
        return Change(None, times[0])
    low, high = np.median(values[:first]), np.median(values[first:])
    while first > 0 and values[first - 1] > low + ONSET_SHARE * (high - low):
        first -= 1
    return Change(times[first - 1] if first else None, times[first])


def offset(scores: Sequence[tuple[float, float]]) -> Change | None:
    """Where a text that is there at the start of `scores` (time, score) went; None if it stays to the end."""
    back = onset([(-time_s, score) for time_s, score in reversed(scores)])
    return None if back.before_s is None else Change(-back.after_s, -back.before_s)


def _step(values: NDArray[np.float64]) -> int:
    """Index of the first value of the higher part: the split with the least squared error; 0 where there is no step."""
    if len(values) < 2:
        return 0
    errors = [values[:at].var() * at + values[at:].var() * (len(values) - at) for at in range(1, len(values))]
    first = 1 + int(np.argmin(errors))
    if values.min() < PRESENT:
        return first
    drop = values[first:].mean() - values[:first].mean()
    deviation = (min(errors) / len(values)) ** 0.5
    # the image that the template was made from always agrees best: alone it makes no step
    sharp = len(values) - first > 1 and drop > DROP and drop > SHARPNESS * deviation
    return first if sharp else 0


def _range(start: float, size: float, pixels: int) -> slice:
    """A box's side in pixels, at least four of them."""
    first = min(max(0, round(start * pixels) - 1), max(0, pixels - 4))
    return slice(first, max(first + 4, round((start + size) * pixels) + 1))
