"""Sampling: which frames are read for text.

Within the windows: after each cut, at least every `max_gap_s`, and where the small luma image's strong edges changed
since the frame that was read last.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.frames import Image, SmallFrame
from tasks.records import Span
from tasks.settings import Sampling

BLOCK_PX = 12  # of the luma image; about a caption's letter
STRONG_GRADIENT = 96  # of 8-bit luma (Sobel, L1); below is texture and noise
CHANGED_BLOCKS = 3  # so many blocks must have changed, so that a spark does not ask for a frame
SETTLE_S = 0.12  # after a cut the picture needs some frames to become sharp


def windows(duration_s: float | None, settings: Sampling) -> tuple[Span, ...]:
    """The parts to sample: all of a short video; first, middle and last `window_s` of a long one.

    With an unknown duration, the first `windows_over_s`.
    """
    if duration_s is None:
        return (Span(start_s=0.0, end_s=settings.windows_over_s),)
    if duration_s <= settings.windows_over_s:
        return (Span(start_s=0.0, end_s=float("inf")),)
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
        self._sampled_s = float("-inf")
        self._sampled_edges: NDArray[np.float32] | None = None
        self._cut_s: float | None = None

    def looks(self, frame: SmallFrame, cut: bool) -> bool:
        """Is the frame one that text is followed in: inside a window, and `check_s` after the last such frame?"""
        if not any(span.start_s <= frame.time_s <= span.end_s for span in self.windows):
            return False
        if cut:
            self._cut_s = frame.time_s
        # half a millisecond of slack: PTS are rounded to the time base
        return cut or frame.time_s - self._checked_s >= self.settings.check_s - 5e-4

    def wants(self, frame: SmallFrame) -> bool:
        """Should a frame that `looks` accepted be read?"""
        self._checked_s = frame.time_s
        since_s = frame.time_s - self._sampled_s
        after_cut = self._cut_s is not None and frame.time_s - self._cut_s >= SETTLE_S
        edges = strong_edges(frame.luma)
        wanted = after_cut or since_s >= self.settings.max_gap_s
        if not wanted and since_s >= self.settings.min_gap_s and self._sampled_edges is not None:
            wanted = edge_change(edges, self._sampled_edges) > self.settings.edge_change
        if wanted:
            self._sampled_s, self._sampled_edges, self._cut_s = frame.time_s, edges, None
            self.samples += 1
        return wanted

    def sampled(self, end_s: float) -> tuple[Span, ...]:
        """The windows as far as the video really went."""
        spans = (Span(start_s=span.start_s, end_s=min(span.end_s, end_s)) for span in self.windows)
        return tuple(span for span in spans if span.end_s > span.start_s)


def strong_edges(luma: Image) -> NDArray[np.float32]:
    """Density of strong edges per block: luma uint8 [H, W] -> float32 [H / 12, W / 12] in 0..255."""
    gradient = cv2.addWeighted(
        cv2.convertScaleAbs(cv2.Sobel(luma, cv2.CV_16S, 1, 0)),
        1,
        cv2.convertScaleAbs(cv2.Sobel(luma, cv2.CV_16S, 0, 1)),
        1,
        0,
    )
    _, strong = cv2.threshold(gradient, STRONG_GRADIENT, 255, cv2.THRESH_BINARY)
    height, width = luma.shape
    blocks = (max(1, width // BLOCK_PX), max(1, height // BLOCK_PX))
    return cv2.resize(strong, blocks, interpolation=cv2.INTER_AREA).astype(np.float32)


def edge_change(now: NDArray[np.float32], then: NDArray[np.float32]) -> float:
    """The third-largest change of a block, so that single sparks do not count."""
    change = np.abs(now - then).ravel()
    rank = min(CHANGED_BLOCKS, change.size)
    return float(np.partition(change, change.size - rank)[change.size - rank])
