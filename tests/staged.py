"""Staged videos: short clips of known ways of being built, with the differences that people give to what they build alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.clips import write_clip

Image = NDArray[np.uint8]
Sound = NDArray[np.int16]

WIDTH, HEIGHT, FPS, RATE = 216, 384, 12, 16_000
WORDS = ("ONE PAN", "TRY THIS", "NO WAY", "STEP TWO", "SO EASY", "LOOK AT", "DAY ONE", "WAIT FOR")
SPEECH = Path(__file__).resolve().parents[2] / "shared" / "media" / "jfk.flac"


@dataclass(frozen=True)
class Way:
    """cut_s: between cuts, None for one take. move: pixels a frame. text: place of a caption (share of the height), None without.

    text_s: how long a caption stays. light: mean brightness. sound: music, speech or none.
    """

    cut_s: float | None
    move: float
    text: float | None
    text_s: float
    light: float
    sound: str | None


WAYS: dict[str, Way] = {
    "slides": Way(0.6, 0.0, None, 0.0, 0.6, "music"),
    "titled": Way(None, 0.4, 0.12, 9.0, 0.65, None),
    "captioned": Way(2.0, 0.5, 0.82, 1.5, 0.5, "speech"),
    "dance": Way(None, 9.0, None, 0.0, 0.45, "music"),
    "talk": Way(None, 0.0, None, 0.0, 0.2, "speech"),
}
STRAY = "stray"


def stage(folder: Path, each: int, strays: int, seed: int = 0, seconds: tuple[float, float] = (4.0, 6.0)) -> list[Path]:
    """`each` clips of every way and `strays` of ways of their own; names carry way and number."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    plan = [(name, number, way) for name, way in WAYS.items() for number in range(each)]
    plan += [(STRAY, number, _any_way(generator)) for number in range(strays)]
    return [
        _clip(folder / f"{name}-{number:02d}.mp4", way, float(generator.uniform(*seconds)), generator)
        for name, number, way in plan
    ]


def _any_way(generator: np.random.Generator) -> Way:
    return Way(
        cut_s=float(generator.choice([0.4, 1.2, 3.0])),
        move=float(generator.uniform(0, 9)),
        text=float(generator.uniform(0.1, 0.9)) if generator.random() < 0.5 else None,
        text_s=float(generator.uniform(0.8, 3)),
        light=float(generator.uniform(0.15, 0.85)),
        sound=(None, "music", "speech")[int(generator.integers(3))],
    )


def _clip(path: Path, way: Way, duration_s: float, generator: np.random.Generator) -> Path:
    about = float(np.exp(generator.normal(0, 0.12)))
    varied = Way(way.cut_s and way.cut_s * about, way.move * about, way.text, way.text_s * about, way.light, way.sound)
    return write_clip(path, _frames(varied, duration_s, generator), FPS, _sound(varied, duration_s, generator), RATE)


def _frames(way: Way, duration_s: float, generator: np.random.Generator) -> Iterator[Image]:
    scene, caption, shift = _scene(way, generator), "", 0.0
    next_cut_s, next_text_s = way.cut_s or duration_s, 0.0
    for number in range(round(duration_s * FPS)):
        time_s = number / FPS
        if time_s >= next_cut_s:
            scene, shift = _scene(way, generator), 0.0
            next_cut_s += (way.cut_s or duration_s) * float(generator.uniform(0.85, 1.15))
        shift += way.move
        image = np.ascontiguousarray(np.roll(scene, round(shift), axis=1)[:HEIGHT, :WIDTH])
        if way.text is not None:
            if time_s >= next_text_s:
                caption = str(generator.choice(WORDS))
                next_text_s += way.text_s
            at = (24, round(way.text * HEIGHT))
            for colour, width in (((0, 0, 0), 7), ((255, 255, 255), 2)):
                cv2.putText(image, caption, at, cv2.FONT_HERSHEY_DUPLEX, 0.95, colour, width, cv2.LINE_AA)
        yield image


def _scene(way: Way, generator: np.random.Generator) -> Image:
    """A picture wider than the frame, in a few soft colours, that can be moved along."""
    small = generator.uniform(0, 1, (6, 8, 3)).astype(np.float32)
    soft = cv2.resize(small, (2 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    lit = way.light + (soft - soft.mean()) * min(way.light, 1 - way.light) * 1.2
    return np.asarray(np.clip(255 * lit, 0, 255), dtype=np.uint8)


def _sound(way: Way, duration_s: float, generator: np.random.Generator) -> Sound | None:
    samples = round(duration_s * RATE)
    if way.sound is None:
        return None
    if way.sound == "speech":
        spoken = _speech()
        start = int(generator.integers(0, max(1, len(spoken) - samples)))
        return np.resize(spoken[start:], samples)
    times_s = np.arange(samples) / RATE
    beat = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * 2 * times_s))
    root = float(generator.uniform(180, 320))
    chord = sum(np.sin(2 * np.pi * root * ratio * times_s) for ratio in (1, 1.25, 1.5))
    return np.asarray(6000 * beat * chord / 3, dtype=np.int16)


def _speech() -> Sound:
    """Somebody speaking, int16 mono at RATE."""
    with av.open(str(SPEECH)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray().ravel() for frame in frames])
