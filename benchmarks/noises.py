"""Sound for the hard set: voices over music that does not step back, quiet voices, noise, effects, silence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from data.samplekit import sound

REAL = Path(__file__).resolve().parents[2] / "shared" / "media" / "jfk.flac"
REAL_WORDS = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
VOICES = (("en-us", 160, 50), ("en-gb", 170, 45), ("en-us+f3", 165, 60), ("en-us+m3", 155, 40))  # words a minute, pitch


@dataclass(frozen=True)
class Sound:
    """A track. Levels are shares of full scale: `level` of the voice's peak, the music's beside it, noise as RMS.

    Without anything it is digital silence. effects: clicks, sweeps and thuds, no voice. real: jfk.flac of the real clips.
    """

    lines: tuple[str, ...] = ()
    level: float = 0.6
    music: sound.Style | None = None
    music_level: float = 0.5
    noise: float = 0.0
    effects: bool = False
    real: bool = False


def record(what: Sound, duration_s: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """The track at 48 kHz, int16 mono. Raises ValueError for lines that do not fit."""
    total = np.zeros(round(duration_s * sound.RATE), np.float32)
    if what.music:
        total += sound.play(what.music, duration_s, rng)[: len(total)] * (what.music_level / 0.5)
    if what.noise:
        total += rng.standard_normal(len(total)).astype(np.float32) * what.noise
    if what.effects:
        _add_effects(total, rng)
    if what.real:
        total += _real(len(total)) * what.level
    voice, speed, pitch = VOICES[int(rng.integers(len(VOICES)))]
    at = round(0.3 * sound.RATE)
    for text in what.lines:
        track = sound.speak(sound.Line(text, 0.0, voice, speed, pitch)) * (what.level / 0.6)
        if at + len(track) > len(total):
            raise ValueError(f"{text!r} runs past {duration_s:.1f} s")
        total[at : at + len(track)] += track
        at += len(track) + round(0.35 * sound.RATE)
    return np.round(np.clip(total, -0.99, 0.99) * 32767).astype(np.int16)


def transcript(what: Sound) -> str:
    """What is said, without punctuation; empty for no voice."""
    return REAL_WORDS if what.real else " ".join(what.lines)


def _real(samples: int) -> NDArray[np.float32]:
    with av.open(str(REAL)) as container:
        resampler = av.AudioResampler("s16", "mono", sound.RATE)
        pieces = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        pieces += resampler.resample(None)
    track = np.concatenate([piece.to_ndarray()[0] for piece in pieces]).astype(np.float32)[:samples]
    return np.pad(track / float(np.abs(track).max()), (0, samples - len(track)))


def _add_effects(track: NDArray[np.float32], rng: np.random.Generator) -> None:
    rate = sound.RATE
    for at in np.arange(0.3, len(track) / rate - 0.7, 0.8):
        t = np.arange(rate // 2) / rate
        kind = int(rng.integers(3))
        if kind == 0:  # a whoosh
            part = rng.standard_normal(len(t)) * np.sin(np.pi * t / 0.5) ** 2 * 0.2
        elif kind == 1:  # a sweep
            part = np.sin(2 * np.pi * (300 * t + 900 * t**2)) * np.exp(-t * 5) * 0.35
        else:  # a thud and a click
            part = np.sin(2 * np.pi * 70 * t) * np.exp(-t * 12) * 0.6
            part[:400] += rng.standard_normal(400) * 0.3
        start = round(at * rate)
        track[start : start + len(part)] += part.astype(np.float32)
