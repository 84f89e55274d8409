"""Sampling: which frames are read for text, and which of their rows.

Text that is laid over a picture stands still while the picture moves. A frame is read where strong edges have stood
still that were not in the frame that was read last (only the rows around them), a moment after each cut, and now and
then while the picture changes, for text that moves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.frames import Image, SmallFrame
from tasks.records import Span
from tasks.settings import Sampling

BLOCK_PX = 12  # of the luma image; about a caption's letter
STRONG_GRADIENT = 96  # of 8-bit luma (Sobel, L1); below is texture and noise
STILL_LOOKS = 3  # an edge has stood still when it was there in so many looks in a row,
STILL_SHARE = 0.9  # of the strong edges have stood still in a still picture
STILL_LUMA = 16  # and its luma changed by no more than this (compression changes it by less)
SAME_LUMA = 40  # an edge is another one when its luma differs by more from what was read
CHANGED_BLOCKS = 3  # so many blocks must have changed for a change of the picture
NEW_BLOCKS = 2  # and so many hold new text: "GO" has no more; what stood still is no spark
TEXT_DENSITY = 40  # of strong edges in some block of any text; the strokes of large titles have the least
ROW_MARGIN = 0.05  # of the frame's height, kept above and below the rows that may hold text
MOST_ROWS = 0.7  # of a frame; where more of it may hold text, all of it is read
SETTLE_S = 0.12  # after a cut the picture needs some frames to become sharp


class Rows(NamedTuple):
    """What to read of a frame: from which row to which, in fractions of the height.

    still: the picture stands still, as slides and screens do, and may hold small print.
    """

    top: float
    bottom: float
    still: bool = False


WHOLE = Rows(0.0, 1.0)


def windows(duration_s: float | None, settings: Sampling) -> tuple[Span, ...]:
    """The parts to sample: all of a short video; first, middle and last `window_s` of a long one.

    With an unknown duration, and where a video goes on for longer than its header said, the first `windows_over_s`.
    """
    over_s = max(settings.windows_over_s, 3 * settings.window_s)  # windows that overlap are one
    if duration_s is None or duration_s <= over_s:
        return (Span(start_s=0.0, end_s=over_s),)
    middle_s = (duration_s - settings.window_s) / 2
    starts_s = (0.0, middle_s, duration_s - settings.window_s)
    return tuple(Span(start_s=start_s, end_s=start_s + settings.window_s) for start_s in starts_s)


class Sampler:
    """Decides frame by frame, in order."""

    def __init__(self, duration_s: float | None, settings: Sampling) -> None:
        self.settings = settings
        self.windows = windows(duration_s, settings)
        self.samples = 0
        self._checked_s = float("-inf")
        self._sampled_s = float("-inf")  # when rows were read last
        self._searched_s = float("-inf")  # and when all that could hold text were
        self._cut_s: float | None = None
        self._looks: deque[tuple[Image, Image]] = deque(maxlen=STILL_LOOKS)  # luma and strong edges, in this shot
        self._known: tuple[Image, Image] | None = None  # luma and strong edges of each row when it was read last
        self._searched_density: NDArray[np.float32] | None = None

    def looks(self, frame: SmallFrame, cut: bool) -> bool:
        """Is the frame one that text is followed in: inside a window, and `check_s` after the last such frame?"""
        if not any(span.start_s <= frame.time_s <= span.end_s for span in self.windows):
            return False
        if cut:
            self._cut_s = frame.time_s
            self._looks.clear()
        # half a millisecond of slack: PTS are rounded to the time base
        return cut or frame.time_s - self._checked_s >= self.settings.check_s - 5e-4

    def wants(self, frame: SmallFrame) -> Rows | None:
        """The rows to read of a frame that `looks` accepted; None where it need not be read or holds nothing like text."""
        self._checked_s = frame.time_s
        edges = strong_edges(frame.luma)
        self._looks.append((frame.luma, edges))
        known = frame.luma, cv2.dilate(edges, np.ones((3, 3), np.uint8))
        rows = self._new_rows(frame.time_s)
        if rows is not None and rows != WHOLE and self._known is not None:
            height = edges.shape[0]
            read = slice(round(rows.top * height), round(rows.bottom * height))
            for kept, image in zip(self._known, known, strict=True):
                kept[read] = image[read]
        elif rows == WHOLE or self._is_due(frame.time_s, edges):
            density = block_density(edges)
            self._searched_s, self._searched_density, self._cut_s = frame.time_s, density, None
            self._known = known[0].copy(), known[1]  # type: ignore[assignment]
            rows = rows_of(density > TEXT_DENSITY)
        if rows is None:
            return None
        self._sampled_s = frame.time_s
        self.samples += 1
        return rows._replace(still=is_still(self._looks))

    def _new_rows(self, time_s: float) -> Rows | None:
        """The rows around edges that have stood still and were not there when those rows were read."""
        if self._known is None or len(self._looks) < STILL_LOOKS or time_s - self._sampled_s < self.settings.min_gap_s:
            return None
        luma, edges = self._looks[-1]
        if self._known[0].shape != edges.shape:
            return None
        new = block_density(new_edges(still_edges(self._looks), luma, *self._known))
        if nth_largest(new, NEW_BLOCKS) <= self.settings.new_text:
            return None
        return rows_of(new > self.settings.new_text / 2)

    def _is_due(self, time_s: float, edges: Image) -> bool:
        """Should all of the frame be searched: the first one, a moment after a cut, or now and then?"""
        if self._known is None or self._searched_density is None or self._known[0].shape != edges.shape:
            return True
        if self._cut_s is not None:
            return time_s - self._cut_s >= SETTLE_S
        since_s = time_s - self._searched_s
        if since_s < self.settings.max_gap_s:
            return False
        change = nth_largest(np.abs(block_density(edges) - self._searched_density), CHANGED_BLOCKS)
        return change > self.settings.edge_change or since_s >= self.settings.still_gap_s

    def sampled(self, end_s: float) -> tuple[Span, ...]:
        """The windows as far as the video really went."""
        spans = (Span(start_s=span.start_s, end_s=min(span.end_s, end_s)) for span in self.windows)
        return tuple(span for span in spans if span.end_s > span.start_s)


def strong_edges(luma: Image) -> Image:
    """Where the gradient is strong: luma uint8 [H, W] -> uint8 [H, W], 255 or 0."""
    across, down = map(cv2.convertScaleAbs, cv2.spatialGradient(luma))
    return cv2.threshold(cv2.add(across, down), STRONG_GRADIENT - 1, 255, cv2.THRESH_BINARY)[1]  # type: ignore[return-value]


def still_edges(looks: Sequence[tuple[Image, Image]]) -> Image:
    """The edges that were there in all looks (luma, strong edges), at the same luma: uint8 [H, W], 255 or 0."""
    (brightest, still), *others = looks
    darkest = brightest
    for luma, edges in others:
        brightest, darkest = cv2.max(brightest, luma), cv2.min(darkest, luma)  # type: ignore[assignment]
        still = cv2.bitwise_and(still, edges)  # type: ignore[assignment]
    moved = cv2.threshold(cv2.subtract(brightest, darkest), STILL_LUMA, 255, cv2.THRESH_BINARY)[1]
    return cv2.subtract(still, moved)  # type: ignore[return-value]


def is_still(looks: Sequence[tuple[Image, Image]]) -> bool:
    """Has nearly everything in the picture stood still in all looks, more than one?"""
    edges = cv2.countNonZero(looks[-1][1])
    return len(looks) > 1 and cv2.countNonZero(still_edges(looks)) > STILL_SHARE * edges


def new_edges(edges: Image, luma: Image, known_luma: Image, known_edges: Image) -> Image:
    """Those of the edges that were none in a known image, or another luma: also letters in the place of others."""
    same = cv2.threshold(cv2.absdiff(luma, known_luma), SAME_LUMA, 255, cv2.THRESH_BINARY_INV)[1]
    return cv2.subtract(edges, cv2.bitwise_and(same, known_edges))  # type: ignore[return-value]


def block_density(edges: Image) -> NDArray[np.float32]:
    """Mean of each block: uint8 [H, W] -> float32 [H / 12, W / 12] in 0..255."""
    lines, areas = _grid(*edges.shape)
    sums = np.diff(np.diff(cv2.integral(edges)[lines], axis=0), axis=1)
    density: NDArray[np.float32] = (sums / areas).astype(np.float32)
    return density


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.float32]]:
    """The corners of the blocks, as an index, and the blocks' areas in pixels."""
    rows, columns = (np.linspace(0, px, max(1, px // BLOCK_PX) + 1).round().astype(np.intp) for px in (height, width))
    return np.ix_(rows, columns), np.outer(np.diff(rows), np.diff(columns)).astype(np.float32)


def nth_largest(values: NDArray[np.float32], rank: int) -> float:
    """So that fewer than `rank` blocks do not count."""
    flat = values.ravel()
    rank = min(rank, flat.size)
    return float(np.partition(flat, flat.size - rank)[flat.size - rank])


def rows_of(blocks: NDArray[np.bool_]) -> Rows | None:
    """From the first to the last row with a block that is set, with the margin; None where none is, all where most are."""
    set_rows = np.flatnonzero(blocks.any(axis=1))
    if not set_rows.size:
        return None
    height = blocks.shape[0]
    first = max(0.0, float(set_rows[0] / height) - ROW_MARGIN)
    last = min(1.0, float((set_rows[-1] + 1) / height) + ROW_MARGIN)
    return Rows(first, last) if last - first < MOST_ROWS else WHOLE
