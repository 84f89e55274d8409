"""Windows of 30 s that a speech model decodes: regions packed into them, and their times brought back to the videos.

Packing speech, and only speech, into full windows is what WhisperX does (Bain et al. 2023, "WhisperX: Time-accurate
speech transcription of long-form audio", section 3.1: cut and merge).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.extraction.regions import Region
from tasks.extraction.vad import SAMPLE_RATE

WINDOW_S = 30.0
WINDOW = round(WINDOW_S * SAMPLE_RATE)  # samples
GAP = SAMPLE_RATE // 2  # samples of silence between two regions: a pause that ends a sentence


@dataclass(frozen=True, eq=False)
class Piece:
    """A region's place in a window."""

    index: int  # of the region, in what was packed
    region: Region
    offset: int  # sample of the window at which it begins

    @property
    def end(self) -> int:
        return self.offset + len(self.region.pcm)

    def overlap_s(self, start_s: float, end_s: float) -> float:
        """Seconds that it shares with a stretch of the window; below 0, the seconds between them."""
        return min(end_s, self.end / SAMPLE_RATE) - max(start_s, self.offset / SAMPLE_RATE)

    def time_s(self, window_s: float) -> float:
        """A time of the window in the video's clock, within the region."""
        inside_s = min(max(window_s - self.offset / SAMPLE_RATE, 0.0), len(self.region.pcm) / SAMPLE_RATE)
        return self.region.start_s + inside_s


@dataclass(frozen=True, eq=False)
class Window:
    """Regions of one video, in order, with silence between them."""

    pieces: tuple[Piece, ...]

    @property
    def video_id(self) -> str:
        return self.pieces[0].region.video_id

    @property
    def length(self) -> int:
        """Samples, at most 30 s of them; more only where a single region is longer."""
        return self.pieces[-1].end

    @property
    def longest(self) -> int:
        """Samples of its longest region."""
        return max(len(piece.region.pcm) for piece in self.pieces)

    def samples(self) -> NDArray[np.float32]:
        """The sound, [length], in [-1, 1)."""
        sound = np.zeros(self.length, np.float32)
        for piece in self.pieces:
            sound[piece.offset : piece.end] = piece.region.pcm / np.float32(32768)
        return sound

    def place(self, start_s: float, end_s: float) -> Place:
        """Where a segment, given in seconds of the window, was spoken.

        In the region with which it shares most, or the nearest one where it shares nothing, and only there: no word is
        in two regions or in none. Segments that follow each other in the window do so in the video.
        """
        piece = max(self.pieces, key=lambda piece: piece.overlap_s(start_s, end_s))
        return Place(piece.index, piece.time_s(start_s), piece.time_s(end_s))


@dataclass(frozen=True)
class Place:
    """A stretch of a region."""

    index: int  # of the region, in what was packed
    start_s: float  # in the video's clock
    end_s: float


def pack(regions: Sequence[Region]) -> list[Window]:
    """Each region in one window, with others of its video while they fit into 30 s; the order is kept.

    Regions of several videos may be mixed. A region that is longer than 30 s has a window of its own.
    """
    windows: list[list[Piece]] = []
    last: dict[str, list[Piece]] = {}  # of each video, the pieces of its last window
    for index, region in enumerate(regions):
        pieces = last.get(region.video_id)
        offset = pieces[-1].end + GAP if pieces else 0
        if pieces is None or offset + len(region.pcm) > WINDOW:
            pieces, offset = [], 0
            last[region.video_id] = pieces
            windows.append(pieces)
        pieces.append(Piece(index, region, offset))
    return [Window(tuple(pieces)) for pieces in windows]
