"""Loudness, silence, music and the regions of speech of one track, measured while it is decoded."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.extraction.regions import Region, RegionCutter
from tasks.extraction.vad import SAMPLE_RATE, Vad, VadStream
from tasks.records import Sound, Span
from tasks.settings import Audio

__all__ = ["FLOOR_DB", "AudioMeter", "Region"]

FLOOR_DB = -90.0  # about the quietest that 16 bits can say
CURVE_S = 14_400  # longest loudness curve kept: four hours
GAP = SAMPLE_RATE // 20  # samples (50 ms) by which timestamps may stray before they are believed
BROKEN_CLOCK = 3600 * SAMPLE_RATE  # a jump this long is a broken clock, not a pause
REWIND = 5 * SAMPLE_RATE  # and so is one this far back


class AudioMeter:
    """Listens to one track, given in pieces as decoded; memory grows by eight bytes a second.

    The track is laid on the video's clock from 0 s on: sound before the first shown frame is left out, a late start and
    gaps of more than 50 ms are silence, overlaps are cut. Jumps of an hour, or of five seconds back, are a broken
    clock: the sound then goes on where it was. What comes after `longest_s` is left out.
    """

    def __init__(self, settings: Audio, vad: Vad, video_id: str, longest_s: float = math.inf) -> None:
        self._settings = settings
        self._longest = longest_s * SAMPLE_RATE
        self._stream = VadStream(vad)
        self._cutter = RegionCutter(settings, video_id)
        self._spans: list[Span] = []
        self._length = 0  # samples laid on the clock so far
        self._shift = 0  # samples by which broken clocks are corrected
        self._began = False
        self._energies = array("d")  # sum of squares of each second

    def push(self, start_s: float, pcm: NDArray[np.int16]) -> list[Region]:
        """Samples int16 [n], 16 kHz mono, from `start_s` in the video's clock on -> the regions that have closed.

        Pieces may be of any length and must come in order of time.
        """
        if not len(pcm) or self._length >= self._longest:
            return []
        stray = round(start_s * SAMPLE_RATE) + self._shift - self._length
        if abs(stray) > BROKEN_CLOCK or (stray < -REWIND and self._began):
            self._shift -= stray
            stray = 0
        elif self._began and abs(stray) <= GAP:
            stray = 0
        self._began = self._began or len(pcm) + stray > 0
        closed: list[Region] = []
        for silence in _silences(stray):
            closed += self._hear(silence)
        return closed + self._hear(pcm[max(0, -stray) :])

    def finish(self) -> tuple[Sound, list[Region]]:
        """What was heard in all, and the last regions."""
        closed = self._note(self._cutter.advance(self._stream.finish()) + self._cutter.finish())
        duration_s = self._length / SAMPLE_RATE
        curve = loudness_curve_db(self._energies, self._length)
        mean_square = sum(self._energies) / self._length if self._length else 0.0
        spans = tuple(self._spans)
        return Sound(
            duration_s=duration_s,
            loudness_db=decibels(mean_square) if mean_square > 0 else None,
            silence_share=silence_share(curve, duration_s, self._settings.silence_db),
            music_share=music_share(curve, duration_s, self._settings.silence_db, spans),
            loudness_curve_db=tuple(round(value, 1) for value in curve[:CURVE_S]),
            speech_regions=spans,
        ), closed

    def _hear(self, pcm: NDArray[np.int16]) -> list[Region]:
        self._add_energy(pcm)
        self._cutter.push(pcm)
        return self._note(self._cutter.advance(self._stream.push(pcm)))

    def _note(self, regions: list[Region]) -> list[Region]:
        self._spans += [Span(start_s=region.start_s, end_s=region.end_s) for region in regions]
        return regions

    def _add_energy(self, pcm: NDArray[np.int16]) -> None:
        done = 0
        while done < len(pcm):
            second, offset = divmod(self._length, SAMPLE_RATE)
            part = pcm[done : done + SAMPLE_RATE - offset].astype(np.int64)
            if second == len(self._energies):
                self._energies.append(0.0)
            self._energies[second] += float(part @ part)
            self._length += len(part)
            done += len(part)


def decibels(mean_square: float) -> float:
    """Mean square of int16 samples -> dB below full scale (a full-scale square wave is 0), not below FLOOR_DB."""
    return max(FLOOR_DB, 10 * math.log10(mean_square / 32768**2)) if mean_square > 0 else FLOOR_DB


def loudness_curve_db(energies: Sequence[float], length: int) -> list[float]:
    """Sums of squares of each second, samples in all -> RMS of each second in dBFS; the last second may be short."""
    return [
        decibels(energy / min(SAMPLE_RATE, length - second * SAMPLE_RATE)) for second, energy in enumerate(energies)
    ]


def silence_share(curve_db: Sequence[float], duration_s: float, silence_db: float) -> float:
    """Share of the duration in seconds that are quieter than `silence_db`; an empty track is silent."""
    if duration_s <= 0:
        return 1.0
    silent_s = sum(min(1.0, duration_s - second) for second, loudness in enumerate(curve_db) if loudness < silence_db)
    return min(1.0, silent_s / duration_s)


def music_share(curve_db: Sequence[float], duration_s: float, silence_db: float, speech: Sequence[Span]) -> float:
    """Share of the duration that is neither silent nor speech: music, effects, noise."""
    if duration_s <= 0:
        return 0.0
    spoken_s = np.zeros(len(curve_db) + 1)
    for span in speech:
        for second in range(int(span.start_s), min(int(span.end_s) + 1, len(curve_db))):
            spoken_s[second] += max(0.0, min(second + 1, span.end_s) - max(second, span.start_s))
    other_s = sum(
        max(0.0, min(1.0, duration_s - second) - spoken_s[second])
        for second, loudness in enumerate(curve_db)
        if loudness >= silence_db
    )
    return min(1.0, float(other_s) / duration_s)


def _silences(samples: int) -> Iterator[NDArray[np.int16]]:
    """Silence in pieces of a second at most."""
    while samples > 0:
        yield np.zeros(min(samples, SAMPLE_RATE), np.int16)
        samples -= SAMPLE_RATE
