"""Voices (espeak-ng) and music (sine waves and noise), as float tracks in [-1, 1] at 48 kHz."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
Track = NDArray[np.float32]
Style = Literal["lofi", "upbeat", "wide", "tense"]

#: Beats per minute, chords as semitones above A2 (two beats each), drums?
_STYLES: dict[Style, tuple[int, list[tuple[int, ...]], bool]] = {
    "lofi": (84, [(3, 7, 10, 14), (8, 12, 15, 19), (1, 5, 8, 12), (10, 14, 17, 20)], True),
    "upbeat": (126, [(0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)], True),
    "wide": (66, [(0, 7, 12, 16), (5, 9, 12, 17), (9, 12, 16, 21), (7, 11, 14, 19)], False),
    "tense": (140, [(0, 3, 7), (0, 3, 8), (-2, 2, 5), (0, 3, 7)], True),
}


@dataclass(frozen=True)
class Line:
    """Something said from `start_s` on; speed in words per minute, pitch 0..99."""

    text: str
    start_s: float
    voice: str = "en-us"
    speed: int = 160
    pitch: int = 50


def speak(line: Line) -> Track:
    """The line without the silence around it. Raises FileNotFoundError where espeak-ng is not installed."""
    from scipy.signal import resample_poly

    program = shutil.which("espeak-ng")
    if not program:
        raise FileNotFoundError("espeak-ng is needed to make the voices: apt-get install espeak-ng")
    command = [program, "--stdout", "-v", line.voice, "-s", str(line.speed), "-p", str(line.pitch), line.text]
    with wave.open(io.BytesIO(subprocess.run(command, check=True, capture_output=True).stdout)) as spoken:
        samples = np.frombuffer(spoken.readframes(spoken.getnframes()), np.int16).astype(np.float32) / 32768
        ratio = Fraction(RATE, spoken.getframerate())
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    samples = samples[loud[0] : loud[-1] + 1]
    track = resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)
    return np.asarray(track * (0.6 / float(np.abs(track).max())), np.float32)


def play(style: Style, duration_s: float, rng: np.random.Generator) -> Track:
    """Chords plucked over a bass, with drums where the style has them; fades in and out."""
    tempo, chords, drums = _STYLES[style]
    beat = 60 / tempo
    track = np.zeros(round(duration_s * RATE) + RATE, np.float32)

    def add(start_s: float, sound: Track) -> None:
        at = round(start_s * RATE)
        if at < len(track):
            part = sound[: len(track) - at]
            track[at : at + len(part)] += part

    def note(semitone: float, length_s: float, decay: float, overtones: tuple[float, ...]) -> Track:
        t = np.arange(round(length_s * RATE)) / RATE
        hertz = 110 * 2 ** (semitone / 12)
        tone = sum(share * np.sin(2 * np.pi * hertz * (k + 1) * t) for k, share in enumerate(overtones))
        return (tone * np.exp(-t * decay) * np.minimum(1, t * 200)).astype(np.float32)

    hat = (rng.standard_normal(RATE // 16) * np.exp(-np.arange(RATE // 16) / 400)).astype(np.float32)
    snare = (rng.standard_normal(RATE // 6) * np.exp(-np.arange(RATE // 6) / 1800)).astype(np.float32)
    t = np.arange(RATE // 4) / RATE
    kick = (np.sin(2 * np.pi * (45 * t + 6 * (1 - np.exp(-t * 30)))) * np.exp(-t * 14)).astype(np.float32)
    for step in range(int(duration_s / beat) + 1):
        chord = chords[step // 2 % len(chords)]
        at = step * beat
        if drums:
            add(at, kick * (0.5 if step % 2 == 0 else 0.0))
            add(at, snare * (0.12 if step % 2 else 0.0))
            add(at, hat * 0.05)
            add(at + beat / 2, hat * 0.07)
        if step % 2 == 0:
            add(at, note(chord[0] - 12, beat * 2, 1.2, (1.0, 0.3)) * 0.3)
            for k, semitone in enumerate(chord):
                add(at + k * 0.012, note(semitone + 12, beat * 2.2, 1.6 if drums else 0.7, (1.0, 0.25, 0.08)) * 0.11)
        pluck = chord[step % len(chord)] + 24
        add(at + beat / 2, note(pluck, beat, 6, (1.0, 0.4, 0.2, 0.1)) * 0.08)
    track = track[: round(duration_s * RATE)]
    ramp = np.minimum(1, np.minimum(np.arange(len(track)), np.arange(len(track))[::-1]) / (0.15 * RATE))
    return (track * ramp * (0.5 / float(np.abs(track).max()))).astype(np.float32)


def mix_down(duration_s: float, voices: list[tuple[float, Track]], music: Track | None) -> NDArray[np.int16]:
    """Voices at their starts over the music, which steps back while somebody speaks; int16 mono."""
    total = np.zeros(round(duration_s * RATE), np.float32)
    duck = np.ones(len(total), np.float32)
    for start_s, voice in voices:
        at = round(start_s * RATE)
        total[at : at + len(voice)] += voice
        duck[max(0, at - RATE // 10) : at + len(voice) + RATE // 10] = 0.22
    if music is not None:
        smooth = RATE // 8
        padded = np.pad(duck, (smooth // 2, smooth - smooth // 2), mode="edge")
        sums = np.cumsum(padded, dtype=np.float64)
        total += music * ((sums[smooth:] - sums[:-smooth]) / smooth).astype(np.float32)
    return np.round(np.clip(total, -0.99, 0.99) * 32767).astype(np.int16)
