"""Look and motion over time: brightness, contrast, saturation, colourfulness, sharpness, dominant colours, motion."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.colours import colour_grid, colourfulness, dominant_colours
from tasks.extraction.frames import Image, SmallFrame
from tasks.records import Visual
from tasks.settings import Look

MAX_POINTS = 2000  # points of a curve; a longer video's points are joined two by two
MAX_JUMPS = 4096  # largest frame differences that are remembered one by one, so that cuts can be taken out at the end


@dataclass
class _Point:
    """One point of the curves: sums over the looks and the differences that fell into its interval."""

    time_s: float
    looks: int = 0
    look: NDArray[np.float64] = field(default_factory=lambda: np.zeros(5))
    pixels: list[Image] = field(default_factory=list)
    difference: float = 0.0
    elapsed_s: float = 0.0

    def join(self, later: _Point) -> None:
        self.looks += later.looks
        self.look = self.look + later.look
        self.pixels = [np.concatenate([*self.pixels, *later.pixels])[::2]]
        self.difference += later.difference
        self.elapsed_s += later.elapsed_s


class VisualMeter:
    """Measures a stream of frames. The look is taken once an interval, the motion at every frame.

    Memory is bounded: at most 2,000 points (then the interval doubles) and the 4,096 largest frame differences.
    """

    def __init__(self, settings: Look) -> None:
        self._interval_s = 1.0 / settings.rate_hz
        self._points: dict[int, _Point] = {}  # by number of the interval, in order of time
        self._jumps: list[tuple[float, float, float]] = []  # heap of (difference, time_s, elapsed_s)
        self._last: tuple[float, Image, Image] | None = None  # time_s, thumb, and its luma

    def push(self, frame: SmallFrame) -> None:
        """Takes the next frame."""
        number = int(frame.time_s / self._interval_s + 1e-6)
        point = self._points.get(number)
        if point is None:
            if len(self._points) >= MAX_POINTS:
                self._thin()
                number = int(frame.time_s / self._interval_s + 1e-6)
            point = self._points.setdefault(number, _Point(frame.time_s))
        if point.looks == 0:
            point.looks, point.look = 1, look(frame)
            point.pixels.append(colour_grid(frame.thumb))
        last = self._last
        if last is None or last[1].shape != frame.thumb.shape or frame.time_s <= last[0]:
            self._last = (frame.time_s, frame.thumb, _gray(frame.thumb))
            return
        difference, gray = 0.0, last[2]
        if frame.thumb is not last[1]:
            gray = _gray(frame.thumb)
            difference = cv2.norm(gray, last[2], cv2.NORM_L1) / (255.0 * gray.size)
        self._last = (frame.time_s, frame.thumb, gray)
        elapsed_s = frame.time_s - last[0]
        point.difference += difference
        point.elapsed_s += elapsed_s
        jump = (difference, frame.time_s, elapsed_s)
        if len(self._jumps) < MAX_JUMPS:
            heapq.heappush(self._jumps, jump)
        else:
            heapq.heappushpop(self._jumps, jump)

    def finish(self, cuts_s: Sequence[float]) -> Visual:
        """The curves, without the motion across `cuts_s` (seconds: first frames of shots, as the frames gave them)."""
        cuts = set(cuts_s)
        for difference, time_s, elapsed_s in self._jumps:
            if time_s in cuts:
                point = self._points[int(time_s / self._interval_s + 1e-6)]
                point.difference -= difference
                point.elapsed_s -= elapsed_s
        points = list(self._points.values())
        looks = np.array([point.look / point.looks for point in points]).reshape(-1, 5).round(4)
        motion = [max(0.0, point.difference) / point.elapsed_s if point.elapsed_s > 1e-6 else 0.0 for point in points]
        pixels = [grid for point in points for grid in point.pixels]
        return Visual(
            times_s=tuple(point.time_s for point in points),
            brightness=tuple(looks[:, 0].tolist()),
            contrast=tuple(looks[:, 1].tolist()),
            saturation=tuple(looks[:, 2].tolist()),
            colourfulness=tuple(looks[:, 3].tolist()),
            sharpness=tuple(looks[:, 4].tolist()),
            motion=tuple(round(min(1.0, value), 5) for value in motion),
            dominant_colours=dominant_colours(np.concatenate(pixels)) if pixels else (),
        )

    def _thin(self) -> None:
        """Doubles the interval and joins the points that now share one."""
        while len(self._points) >= MAX_POINTS:
            self._interval_s *= 2
            joined: dict[int, _Point] = {}
            for number, point in self._points.items():
                if number // 2 in joined:
                    joined[number // 2].join(point)
                else:
                    joined[number // 2] = point
            self._points = joined


def look(frame: SmallFrame) -> NDArray[np.float64]:
    """Brightness, contrast, saturation, colourfulness and sharpness of one frame, as `records.Visual` defines them.

    Saturation is weighted by value, or black bars and dark noise, whose saturation means nothing, would rule it.
    """
    mean, deviation = cv2.meanStdDev(frame.luma)
    laplacian = cv2.Laplacian(frame.luma, cv2.CV_16S)
    sharpness = cv2.norm(laplacian, cv2.NORM_L2SQR) / laplacian.size - cv2.mean(laplacian)[0] ** 2
    _, saturation, value = cv2.split(cv2.cvtColor(frame.thumb, cv2.COLOR_BGR2HSV))
    weights = value.ravel().astype(np.float32)
    total = 255.0 * float(weights.sum())
    weighted = float(saturation.ravel().astype(np.float32) @ weights) / total if total else 0.0
    return np.array([mean[0, 0] / 255, deviation[0, 0] / 255, weighted, colourfulness(frame.thumb), sharpness])


def _gray(bgr: Image) -> Image:
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]
