"""Dissolves: one picture blending into another."""

from __future__ import annotations

from collections import deque
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tasks.extraction.fades import Gradual
from tasks.extraction.moments import ALIKE, BAR_LUMA, Moment, likeness, spreads, within_bars

SPANS_S = (0.5, 0.8, 1.2, 1.8, 2.5)  # lags at which two pictures are compared; a dissolve needs 0.55 to 0.8 of one
CHECK_S = 0.08  # how often
SPACING_S = 1 / 31  # frames nearer than this add nothing
MIN_CHANGE = 6.0  # mean difference (0..255) of the two pictures
MAX_RESIDUAL = 0.25  # what a blend leaves unexplained, as a share of their difference; motion leaves 0.5 and more
MAX_BEND = 0.16  # largest distance of the blend's course from a straight line
MIN_FRAMES = 3  # frames seen inside the blend
OVERLAY = 0.35  # median over mean of the change: a title that fades in changes few places much, a dissolve all
PLATEAU = 0.1  # share of the lag on both sides that must show one picture only

Patches = NDArray[np.float32]


def fit_blend(times_s: NDArray[np.float64], patches: Patches) -> Gradual | None:
    """The dissolve that leads from the first picture to the last, or None where they are linked in another way.

    times_s: float64 [n], rising. patches: float32 [n, d]. Every picture is projected on the line from the first to the
    last: a = <p - first, last - first> / |last - first|^2. In a dissolve what is left over is small and `a` stays at 0,
    rises in a straight line over some frames and stays at 1; a cut jumps, and a camera that moves from one view to
    another passes pictures that are no mixture of the two. This sharpens the twin comparison of Zhang, Kankanhalli and
    Smoliar (1993), which compares two lags by their size only.
    """
    span_s = times_s[-1] - times_s[0]
    head = patches[times_s <= times_s[0] + PLATEAU / 2 * span_s].mean(axis=0)
    tail = patches[times_s >= times_s[-1] - PLATEAU / 2 * span_s].mean(axis=0)
    change = tail - head
    size = float(np.abs(change).mean())
    if size < MIN_CHANGE:
        return None
    alpha = (patches - head) @ change / float(change @ change)
    rising = np.flatnonzero(alpha >= 0.1)
    first = int(rising[0]) if len(rising) else 0
    low = np.flatnonzero(alpha <= 0.9)
    last = int(low[-1]) if len(low) else 0
    if first == 0 or last - first + 1 < MIN_FRAMES or last + 1 >= len(alpha):
        return None
    inside = slice(first, last + 1)
    slope, offset = np.polyfit(times_s[inside], alpha[inside], 1)
    if slope <= 0:
        return None
    start_s, middle_s, end_s = (float((level - offset) / slope) for level in (0.0, 0.5, 1.0))
    if start_s < times_s[0] + PLATEAU * span_s or end_s > times_s[-1] - PLATEAU * span_s:
        return None
    straight = np.clip(slope * times_s + offset, 0.0, 1.0)
    if float(np.abs(alpha - straight).max()) > MAX_BEND:
        return None
    left_over = np.abs(patches[inside] - head - alpha[inside, None] * change).mean(axis=1) / size
    residual = float(left_over.mean())
    if residual > MAX_RESIDUAL:
        return None
    return Gradual(start_s, middle_s, end_s, "dissolve", residual)


def is_relit(first: Patches, last: Patches) -> bool:
    """Whether the last picture is the first one in other light: the first times a factor, but for a tenth.

    `likeness` knows that of pictures with structure; this is for those without.
    """
    gain = float(first @ last) / max(float(first @ first), 1.0)
    return float(np.abs(last - gain * first).mean()) < 0.1 * float(last.mean())


def is_overlay(first: Patches, last: Patches) -> bool:
    """Whether the change sits in few places, as that of a title; bars that stay black do not count as places."""
    change = np.abs(last - first)
    places = change[np.maximum(first, last) >= BAR_LUMA]
    return float(np.median(places)) < OVERLAY * float(places.mean()) if len(places) else True


class DissolveFinder:
    """Dissolves in a stream of moments. `found` holds one for each, the best fit of all lags."""

    def __init__(self, fade_luma: float) -> None:
        self.fade_luma = fade_luma
        self.found: list[Gradual] = []
        self._ring: deque[Moment] = deque()
        self._checked_s = 0.0

    def push(self, moment: Moment) -> None:
        ring = self._ring
        if ring and moment.time_s - ring[-1].time_s < SPACING_S:
            return
        ring.append(moment)
        while moment.time_s - ring[1].time_s > SPANS_S[-1] if len(ring) > 1 else False:
            ring.popleft()
        if moment.time_s - self._checked_s >= CHECK_S:
            self._checked_s = moment.time_s
            self._look(moment)

    def _look(self, last: Moment) -> None:
        if self._is_void(last):
            return
        times_s = np.fromiter((moment.time_s for moment in self._ring), np.float64, len(self._ring))
        for span_s in SPANS_S:
            begin = int(np.searchsorted(times_s, last.time_s - span_s))
            if begin == 0 and last.time_s - times_s[0] < 0.9 * span_s:
                return
            first = self._ring[begin]
            middle = self._ring[int(np.searchsorted(times_s, (first.time_s + last.time_s) / 2))]
            if not may_blend(first.patch, middle.patch, last.patch) or self._is_void(first):
                continue
            patches = np.stack([moment.patch for moment in islice(self._ring, begin, None)])
            blend = fit_blend(times_s[begin:], patches)
            if blend and self._leads_elsewhere(first, last):
                self._keep(blend)

    def _leads_elsewhere(self, first: Moment, last: Moment) -> bool:
        if is_overlay(first.patch, last.patch) or is_relit(first.patch, last.patch):
            return False
        left, right = within_bars(first, last)
        return spreads(left, right) and likeness(left, right) < ALIKE

    def _is_void(self, moment: Moment) -> bool:
        """Black or white: its blends are fades."""
        if self.fade_luma <= moment.luma <= 255.0 - self.fade_luma:
            return False
        return moment.is_even(0 if moment.luma < self.fade_luma else 255)

    def _keep(self, blend: Gradual) -> None:
        if not self.found or blend.start_s >= self.found[-1].end_s:
            self.found.append(blend)
        elif blend.residual < self.found[-1].residual:
            self.found[-1] = blend


def may_blend(first: Patches, middle: Patches, last: Patches) -> bool:
    """A cheap look at three pictures before the fit: the middle one lies between the others, roughly halfway."""
    change = last - first
    size = float(np.abs(change).mean())
    if size < MIN_CHANGE:
        return False
    alpha = float((middle - first) @ change) / float(change @ change)
    return 0.2 <= alpha <= 0.8 and float(np.abs(middle - first - alpha * change).mean()) < 1.3 * MAX_RESIDUAL * size
