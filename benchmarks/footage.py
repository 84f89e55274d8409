"""Moving backgrounds: spans of the real clips that hold neither a cut nor text, drawn scenes, and restless patterns."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from data.samplekit import classroom, desk, gym, kitchen, outdoors, people
from data.samplekit.drawing import Image, Lens, Scene, SceneMaker, camera

MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"
#: Name, first and last second, and the part that is used (left, top, right, bottom in shares): no cut, no text.
SPANS: tuple[tuple[str, float, float, tuple[float, float, float, float]], ...] = (
    ("bbb480.mp4", 3.0, 11.6, (0, 0, 1, 1)),
    ("bbb480.mp4", 12.0, 15.6, (0, 0, 1, 1)),
    ("bbb480.mp4", 16.0, 20.5, (0, 0, 1, 1)),
    ("bbb480.mp4", 23.2, 25.8, (0, 0, 1, 1)),
    ("psd_testvideo.mp4", 1.2, 5.8, (0, 0, 1, 0.8)),
    ("psd_testvideo.mp4", 13.4, 17.2, (0, 0, 1, 0.8)),
    ("psd_testvideo.mp4", 20.2, 22.0, (0, 0, 1, 0.8)),
    ("car-detection.mp4", 5.0, 18.0, (0.05, 0.1, 0.95, 1)),
    ("dj_video3.mp4", 4.4, 10.9, (0, 0, 1, 0.74)),  # it jumps at 4.29, 11.0, 22.0 and 40.0 s
    ("dj_video3.mp4", 11.1, 19.3, (0, 0, 1, 0.74)),
)
TALKING = (8, 9)  # spans of people who talk
#: Drawn scenes without a letter in them, and options of theirs.
SCENES: tuple[tuple[SceneMaker, dict[str, Any]], ...] = (
    (kitchen.plate, {"table": "#7f9172", "dish": "salad"}),
    (kitchen.pan, {"food": "#f6c453"}),
    (classroom.giant, {}),
    (kitchen.pot, {}),
    (kitchen.burger, {"begin": 6, "wall": "#1d7874"}),
    (gym.workout, {"move": "squat", "place": "#5b7c99"}),
    (gym.workout, {"move": "push-up", "place": "#3f7d58"}),
    (gym.jacks, {"place": "#48cae4", "pace": 1.5}),
    (outdoors.mountains, {}),
    (outdoors.beach, {}),
    (outdoors.city, {}),
    (outdoors.balloons, {}),
    (outdoors.train, {}),
    (classroom.planets, {}),
    (classroom.volcano, {}),
    (desk.headphones, {"wall": "#ff6b35"}),
    (desk.phone, {"wall": "#3a0ca3"}),
    (people.talker, {"who": people.ANN}),
    (people.talker, {"who": people.BEN, "place": "#84a59d", "side": 1.0}),
    (people.cat, {}),
)


def real(w: int, h: int, span: int, skip_s: float = 0.0) -> Scene:
    """A span of a real clip, cropped to the size, from `skip_s` on; it must be asked for ascending times.

    After its end it runs again: give it no more seconds than it has. Raises StopIteration for a file without a frame.
    """
    name, first_s, last_s, (left, top, right, bottom) = SPANS[span]

    def frames() -> Any:
        with av.open(str(MEDIA / name)) as container:
            container.seek(round(first_s * av.time_base))
            for frame in container.decode(video=0):
                time_s = float(frame.time or 0.0)
                if first_s + skip_s <= time_s <= last_s:
                    yield time_s - first_s - skip_s, frame.to_ndarray(format="bgr24")

    stream = frames()
    held = [next(stream)]

    def paint(t: float) -> Image:
        nonlocal stream
        while held[-1][0] <= t + 1e-6:
            following = next(stream, None)
            if following is None:
                break
            held.append(following)
        del held[:-2]
        image = held[-1][1] if held[-1][0] <= t + 1e-6 else held[0][1]
        high, wide = image.shape[:2]
        image = image[round(top * high) : round(bottom * high), round(left * wide) : round(right * wide)]
        high, wide = image.shape[:2]
        scale = max(w / wide, h / high)
        image = cv2.resize(image, (math.ceil(wide * scale), math.ceil(high * scale)), interpolation=cv2.INTER_CUBIC)
        x, y = (image.shape[1] - w) // 2, (image.shape[0] - h) // 2
        return np.ascontiguousarray(image[y : y + h, x : x + w])

    return paint


def has_media() -> bool:
    return all((MEDIA / name).is_file() for name, *_ in SPANS)


def length_s(span: int) -> float:
    return SPANS[span][2] - SPANS[span][1]


def drawn(w: int, h: int, rng: np.random.Generator, scene: int, zoom: float = 0.03, shake: float = 3.0) -> Scene:
    """A drawn scene through a hand-held camera with grain."""
    make, options = SCENES[scene]
    paint, lens = make(w, h, rng, **options), Lens(w, h, rng)
    return lambda t: lens(camera(paint(t), t, zoom, (0.0, 0.0), shake, 0.0))


def confetti(w: int, h: int, rng: np.random.Generator) -> Scene:
    """Bright blocks and strokes of about a letter's size that fall: the worst to read over."""
    sheet = np.full((2 * h, w, 3), rng.integers(40, 120, 3), np.uint8)
    for x, y, a, b, turn in rng.random((round(w * h / 900), 5)):
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        box = ((x * w, y * 2 * h), (6 + 30 * a, 4 + 16 * b), turn * 180)
        cv2.fillPoly(sheet, [np.int32(cv2.boxPoints(box))], colour, cv2.LINE_AA)

    def paint(t: float) -> Image:
        return np.ascontiguousarray(np.roll(sheet, round(t * 0.35 * h), axis=0)[:h])

    return paint


def crowd(w: int, h: int, rng: np.random.Generator) -> Scene:
    """Foliage-like texture at all scales that sways and is panned over."""
    noise = sum(
        cv2.resize(rng.random((max(2, h // k), max(2, 2 * w // k), 3)).astype(np.float32), (2 * w, h)) * share
        for k, share in ((64, 0.4), (16, 0.3), (5, 0.3))
    )
    low, high = float(np.min(noise)), float(np.max(noise))
    sheet = ((noise - low) / (high - low) * 255).astype(np.uint8)

    def paint(t: float) -> Image:
        x = round(w * (0.5 + 0.45 * math.sin(0.7 * t)))
        return np.ascontiguousarray(sheet[:, x : x + w])

    return paint


def joined(parts: list[tuple[float, Scene]]) -> tuple[Scene, list[float]]:
    """Scenes for so many seconds each, one after the other -> the whole, and the seconds at which it cuts."""
    starts = [0.0, *itertools.accumulate(length for length, _ in parts)]

    def paint(t: float) -> Image:
        k = max(k for k in range(len(parts)) if k == 0 or starts[k] <= t + 1e-6)
        return parts[k][1](t - starts[k])

    return paint, starts[1:-1]


def graded(scene: Scene, gain: float, lift: float = 0.0, gamma: float = 1.0) -> Scene:
    """The scene with its levels (0..1) as `lift + gain * level ** gamma`."""
    table = np.clip((lift + gain * np.linspace(0, 1, 256) ** gamma) * 255, 0, 255).astype(np.uint8)
    return lambda t: cv2.LUT(scene(t), table)  # type: ignore[return-value]


def punched(scene: Scene, zoom: float) -> Scene:
    """The middle of the scene, enlarged."""

    def paint(t: float) -> Image:
        image = scene(t)
        h, w = image.shape[:2]
        high, wide = round(h / zoom), round(w / zoom)
        y, x = (h - high) // 2, (w - wide) // 2
        return cv2.resize(image[y : y + high, x : x + wide], (w, h), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]

    return paint
