"""Dissolves: one picture blending into another."""

from __future__ import annotations

from collections import deque

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
RING_ROWS = 256  # three times what the longest lag holds, so that rows are moved seldom

_SPANS_S = np.array(SPANS_S)
_REACHED_S = 0.9 * _SPANS_S  # so much must have been seen before a lag is looked at

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
    slope, offset = _line(times_s[inside], alpha[inside])
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


def _line(x: NDArray[np.float64], y: Patches) -> tuple[float, float]:
    """Slope and offset of the least-squares line; numpy's polyfit takes ten times as long for so few points."""
    from_mean = x - x.mean()
    slope = float(from_mean @ y) / float(from_mean @ from_mean)
    return slope, float(y.mean()) - slope * float(x.mean())


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


class _Ring:
    """The last moments, at most `SPANS_S[-1]` of them, with their times and patches as arrays."""

    def __init__(self) -> None:
        self.moments: deque[Moment] = deque()
        self._times_s = np.zeros(RING_ROWS)
        self._patches = np.zeros((RING_ROWS, 0), np.float32)
        self._end = 0  # rows before it are in use, as many as there are moments

    @property
    def times_s(self) -> NDArray[np.float64]:
        """float64 [n]."""
        return self._times_s[self._end - len(self.moments) : self._end]

    @property
    def patches(self) -> Patches:
        """float32 [n, d]."""
        return self._patches[self._end - len(self.moments) : self._end]

    def push(self, moment: Moment) -> None:
        patch = moment.patch
        if patch.size != self._patches.shape[1]:  # the first one, or the picture's shape changed in mid-stream
            self.moments.clear()
            self._patches, self._end = np.zeros((RING_ROWS, patch.size), np.float32), 0
        if self._end == RING_ROWS:
            times_s, patches = self.times_s.copy(), self.patches.copy()
            self._end = len(self.moments)
            self._times_s[: self._end], self._patches[: self._end] = times_s, patches
        self._times_s[self._end], self._patches[self._end] = moment.time_s, patch
        self._end += 1
        self.moments.append(moment)
        while len(self.moments) > 1 and moment.time_s - self.moments[1].time_s > SPANS_S[-1]:
            self.moments.popleft()


class DissolveFinder:
    """Dissolves in a stream of moments. `found` holds one for each, the best fit of all lags."""

    def __init__(self, fade_luma: float) -> None:
        self.fade_luma = fade_luma
        self.found: list[Gradual] = []
        self._ring = _Ring()
        self._last_s = float("-inf")
        self._checked_s = 0.0

    def push(self, moment: Moment) -> None:
        if moment.time_s - self._last_s < SPACING_S:
            return
        self._last_s = moment.time_s
        self._ring.push(moment)
        if moment.time_s - self._checked_s >= CHECK_S:
            self._checked_s = moment.time_s
            self._look(moment)

    def _look(self, last: Moment) -> None:
        if self._is_void(last):
            return
        moments, times_s, patches = self._ring.moments, self._ring.times_s, self._ring.patches
        reached = int(np.searchsorted(_REACHED_S, last.time_s - times_s[0], side="right"))
        if not reached:
            return
        begins = times_s.searchsorted(last.time_s - _SPANS_S[:reached])
        middles = times_s.searchsorted((times_s[begins] + last.time_s) / 2)
        for index in may_blend(patches[begins], patches[middles], last.patch).nonzero()[0]:
            begin = int(begins[index])
            first = moments[begin]
            if self._is_void(first):
                continue
            blend = fit_blend(times_s[begin:], patches[begin:])
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


def may_blend(firsts: Patches, middles: Patches, last: Patches) -> NDArray[np.bool_]:
    """A cheap look before the fit: do the middle pictures lie between the first ones and the last, roughly halfway?

    float32 [n, d], [n, d] and [d] -> bool [n].
    """
    changes = last - firsts
    sizes = np.abs(changes).sum(axis=1)
    away = middles - firsts
    squares = np.vecdot(changes, changes)
    alphas = np.vecdot(away, changes) / np.maximum(squares, 1e-6)
    likely: NDArray[np.bool_] = (np.abs(alphas - 0.5) <= 0.3) & (sizes >= MIN_CHANGE * last.size)
    if likely.any():
        left_over = np.abs(away - alphas[:, None] * changes).sum(axis=1)
        likely &= left_over < 1.3 * MAX_RESIDUAL * sizes
    return likely
