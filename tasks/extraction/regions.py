"""Regions of speech, cut from a track while it streams by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.extraction.vad import BLOCK, SAMPLE_RATE
from tasks.settings import Audio

HYSTERESIS = 0.15  # a region is left at this much below the threshold, as Silero's own segmentation does
QUIET_BLOCKS = 5  # blocks (160 ms) over which loudness is averaged when a quiet place is sought


@dataclass(frozen=True)
class Region:
    """A stretch of speech to transcribe."""

    video_id: str
    start_s: float  # in the video's clock
    pcm: NDArray[np.int16]  # [n], 16 kHz mono

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.pcm) / SAMPLE_RATE


class RegionCutter:
    """Turns blocks and their speech probabilities into padded, joined and bounded regions.

    Speech begins at a block of `vad_threshold` and ends below `vad_threshold - 0.15`. Stretches nearer than
    `min_pause_s` (or than twice the padding, which would overlap) are joined; a region with less than `min_speech_s`
    of speech in it is dropped; one that would grow longer than `max_region_s` is split at the quietest place of its
    second half. Memory holds one region at most. Positions are samples from 0 s of the video's clock on.
    """

    def __init__(self, settings: Audio, video_id: str) -> None:
        self._enter = settings.vad_threshold
        self._leave = max(settings.vad_threshold - HYSTERESIS, 0.01)
        self._longest = round(settings.max_region_s * SAMPLE_RATE)
        self._pad = min(round(settings.pad_s * SAMPLE_RATE), self._longest // 4)
        self._join = max(round(settings.min_pause_s * SAMPLE_RATE), 2 * self._pad)
        self._least = settings.min_speech_s * SAMPLE_RATE
        self._video_id = video_id
        self._pcm = np.zeros(0, np.int16)  # what a region may still need
        self._base = 0  # position of the first sample of _pcm
        self._position = 0  # end of the blocks seen
        self._speaking = False
        self._start: int | None = None  # of the open region, padded
        self._voiced: list[int] = []  # positions of the open region's blocks of speech

    def push(self, pcm: NDArray[np.int16]) -> None:
        """Samples that follow those before; probabilities come later, by `advance`."""
        self._pcm = np.concatenate((self._pcm, pcm))

    def advance(self, probabilities: NDArray[np.float32]) -> list[Region]:
        """Probabilities of the next blocks -> the regions that they close."""
        closed: list[Region] = []
        for probability in probabilities:
            closed += self._block(float(probability))
        keep = self._start if self._start is not None else max(0, self._position - self._pad)
        if keep > self._base:
            self._pcm = self._pcm[keep - self._base :]
            self._base = keep
        return closed

    def finish(self) -> list[Region]:
        """The region that was open at the track's end."""
        return self._close()

    def _block(self, probability: float) -> list[Region]:
        block, self._position = self._position, self._position + BLOCK
        self._speaking = probability >= (self._leave if self._speaking else self._enter)
        if not self._speaking:
            paused = self._start is not None and self._position - self._voiced_end >= self._join
            return self._close() if paused else []
        closed: list[Region] = []
        if self._start is None:
            self._start = max(0, block - self._pad)
        elif self._position + self._pad - self._start > self._longest:
            closed = self._split()
        self._voiced.append(block)
        return closed

    @property
    def _voiced_end(self) -> int:
        return self._voiced[-1] + BLOCK

    def _split(self) -> list[Region]:
        """Closes the first part of the open region, which goes on without padding between the parts."""
        assert self._start is not None
        cut = self._start + quietest(self._pcm[self._start - self._base : self._position - self._base], self._longest)
        first = self._region(cut)
        self._start, self._voiced = cut, [block for block in self._voiced if block + BLOCK > cut]
        return first

    def _close(self) -> list[Region]:
        if self._start is None:
            return []
        closed = self._region(self._voiced_end + self._pad)
        self._start, self._voiced = None, []
        return closed

    def _region(self, end: int) -> list[Region]:
        assert self._start is not None
        if sum(min(block + BLOCK, end) - block for block in self._voiced if block < end) < self._least:
            return []
        pcm = self._pcm[self._start - self._base : end - self._base].copy()
        return [Region(self._video_id, self._start / SAMPLE_RATE, pcm)]


def quietest(pcm: NDArray[np.int16], longest: int) -> int:
    """The sample between 50 and 90 % of `longest` around which 160 ms of int16 [n] are quietest; the last of equals."""
    low, high = longest // 2, longest * 9 // 10
    power = pcm[low:high].astype(np.float64) ** 2
    width = min(QUIET_BLOCKS * BLOCK, len(power))
    total = np.concatenate(([0.0], np.cumsum(power)))
    windows = total[width:] - total[:-width]
    return low + len(windows) - 1 - int(np.argmin(windows[::-1])) + width // 2
