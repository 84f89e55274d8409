"""Decoded sound of any kind made 16 kHz mono, a second at a time: a call per packet would cost more than the work."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
BLOCK_S = 1.0
RATES = range(1000, 1_000_000)  # Hz; of sound at 1 Hz, a second's packet would become hours
STRAY_S = 0.05  # timestamps may be rounded or jitter; a frame that strays by more begins a new block with its own time


@dataclass(frozen=True)
class Chunk:
    """Decoded sound: 16 kHz mono int16, `start_s` in the video's clock."""

    start_s: float
    pcm: NDArray[np.int16]


class Resampler:
    """Gathers decoded frames into blocks and resamples those. Samples, rate and layout may change in mid-stream."""

    def __init__(self) -> None:
        self._frames: list[av.AudioFrame] = []
        self._start_s = self._length_s = 0.0  # of the block that is being gathered
        self._kind: tuple[str, str, int] | None = None  # sample format, layout, rate
        self._resampler: av.AudioResampler | None = None

    def push(self, frame: av.AudioFrame) -> list[Chunk]:
        """The chunks that have become ready. Raises ValueError for what is no sound, and errors of FFmpeg's resampler."""
        if frame.sample_rate not in RATES:
            raise ValueError(f"sound at {frame.sample_rate} Hz")
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        next_s = self._start_s + self._length_s
        at_s = next_s if frame.time is None else frame.time
        ready: list[Chunk] = []
        if kind != self._kind:
            ready = self.finish()
            self._kind, self._resampler = kind, av.AudioResampler("s16", "mono", SAMPLE_RATE)
        elif self._length_s >= BLOCK_S or abs(at_s - next_s) > STRAY_S:
            ready = self._block()
        if not self._frames:
            self._start_s, self._length_s = at_s, 0.0
        self._frames.append(frame)
        self._length_s += frame.samples / frame.sample_rate
        return ready

    def finish(self) -> list[Chunk]:
        """What is left, the resampler's own delay included."""
        ready = self._block()
        if self._resampler is not None:
            ready += _chunks(self._resampler.resample(None))
            self._resampler = None
        return ready

    def _block(self) -> list[Chunk]:
        frames, self._frames = self._frames, []
        if not frames or self._resampler is None:
            return []
        first = frames[0]
        samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        block = av.AudioFrame.from_ndarray(samples, format=first.format.name, layout=first.layout)
        block.sample_rate, block.time_base = first.sample_rate, Fraction(1, first.sample_rate)
        block.pts = round(self._start_s * first.sample_rate)
        return _chunks(self._resampler.resample(block))


def _chunks(frames: list[av.AudioFrame]) -> list[Chunk]:
    return [Chunk(frame.time or 0.0, frame.to_ndarray()[0]) for frame in frames if frame.samples]
