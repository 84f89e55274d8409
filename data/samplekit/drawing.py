"""Antialiased shapes, textures and a hand-held camera on BGR images. Lengths are pixels, colours "#rrggbb"."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.float32]
Point = tuple[float, float]
#: Paints the picture at `t` seconds of its shot.
Scene = Callable[[float], Image]
#: Sets a scene up for a size (width, height) and a source of chance.
SceneMaker = Callable[[int, int, np.random.Generator], Scene]

_SHIFT = 4  # cv2 takes coordinates with four fractional bits


def bgr(colour: str) -> tuple[int, int, int]:
    value = int(colour.lstrip("#"), 16)
    return value & 255, value >> 8 & 255, value >> 16


def mix(first: str, second: str, share: float) -> str:
    """`share` of the second colour in the first."""
    pairs = zip(bgr(first)[::-1], bgr(second)[::-1], strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _fixed(points: Sequence[Point]) -> NDArray[np.int32]:
    return np.round(np.asarray(points, np.float64) * (1 << _SHIFT)).astype(np.int32)


def disc(image: Image, x: float, y: float, radius: float, colour: str, line: int = -1) -> None:
    centre = _fixed([(x, y)])[0].tolist()
    cv2.circle(image, centre, max(1, round(radius * (1 << _SHIFT))), bgr(colour), line, cv2.LINE_AA, _SHIFT)


def oval(
    image: Image, x: float, y: float, rx: float, ry: float, colour: str, angle: float = 0.0, line: int = -1,
    arc: tuple[float, float] = (0, 360),
) -> None:  # fmt: skip
    centre, axes = _fixed([(x, y)])[0].tolist(), _fixed([(max(rx, 0.1), max(ry, 0.1))])[0].tolist()
    cv2.ellipse(image, centre, axes, angle, arc[0], arc[1], bgr(colour), line, cv2.LINE_AA, _SHIFT)


def poly(image: Image, points: Sequence[Point], colour: str) -> None:
    cv2.fillPoly(image, [_fixed(points)], bgr(colour), cv2.LINE_AA, _SHIFT)


def stroke(image: Image, points: Sequence[Point], width: float, colour: str) -> None:
    """A line with round ends and joints."""
    cv2.polylines(image, [_fixed(points)], False, bgr(colour), max(1, round(width)), cv2.LINE_AA, _SHIFT)


def turned(points: Sequence[Point], x: float, y: float, angle: float) -> list[Point]:
    """Points around the origin, turned clockwise by `angle` degrees and moved to (x, y)."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return [(x + px * c - py * s, y + px * s + py * c) for px, py in points]


def slab(image: Image, x: float, y: float, w: float, h: float, radius: float, colour: str, angle: float = 0.0) -> None:
    """A rectangle with round corners about its centre (x, y)."""
    radius = min(radius, w / 2, h / 2)
    corners = [(w / 2 - radius, h / 2 - radius, 0), (radius - w / 2, h / 2 - radius, 90)]
    corners += [(radius - w / 2, radius - h / 2, 180), (w / 2 - radius, radius - h / 2, 270)]
    outline = [
        (cx + radius * math.cos(math.radians(a + k * 15)), cy + radius * math.sin(math.radians(a + k * 15)))
        for cx, cy, a in corners
        for k in range(7)
    ]
    poly(image, turned(outline, x, y, angle), colour)


def gradient(w: int, h: int, *colours: str) -> Image:
    """From top to bottom through the colours."""
    stops = np.array([bgr(colour) for colour in colours], np.float32)
    at = np.linspace(0, len(colours) - 1, h)
    column = np.stack([np.interp(at, np.arange(len(colours)), stops[:, k]) for k in range(3)], 1)
    return np.repeat(np.round(column).astype(np.uint8)[:, None], w, 1)


def clouds(w: int, h: int, rng: np.random.Generator, cells: float = 4, octaves: int = 4, stretch: float = 1) -> Mask:
    """Smooth noise in [0, 1], [h, w]; `stretch` > 1 draws it out sideways."""
    total = np.zeros((h, w), np.float32)
    for octave in range(octaves):
        n = cells * 2**octave
        grid = rng.random((max(2, round(n * h / w * stretch)), max(2, round(n))), np.float32)
        total += cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = float(total.min()), float(total.max())
    return (total - low) / (high - low)


def tint(image: Image, mask: Mask | cv2.typing.MatLike, colour: str, strength: float = 1.0) -> None:
    """Blend a colour in, in place, where the mask (any size, [0, 1]) says."""
    h, w = image.shape[:2]
    share = cv2.resize(mask, (w, h), interpolation=cv2.INTER_LINEAR)[..., None] * strength
    image += np.round((np.array(bgr(colour), np.float32) - image) * share).astype(np.int16).astype(np.uint8)


def soft(image: Image, blobs: Sequence[tuple[float, float, float]], colour: str, strength: float, blur: float) -> None:
    """Blurred discs (x, y, radius): shadows, steam, glow. Worked out at a quarter of the size."""
    h, w = image.shape[:2]
    mask = np.zeros((h // 4 + 1, w // 4 + 1), np.float32)
    for x, y, radius in blobs:
        cv2.circle(mask, (round(x / 4), round(y / 4)), max(1, round(radius / 4)), 1.0, -1)
    tint(image, cv2.GaussianBlur(mask, (0, 0), max(0.5, blur / 4)), colour, strength)


def shadow(image: Image, points: Sequence[Point], strength: float = 0.45, blur: float = 18) -> None:
    h, w = image.shape[:2]
    mask = np.zeros((h // 4 + 1, w // 4 + 1), np.float32)
    cv2.fillPoly(mask, [np.round(np.asarray(points) / 4).astype(np.int32)], 1.0)
    tint(image, cv2.GaussianBlur(mask, (0, 0), blur / 4), "#000000", strength)


def ring(x: float, y: float, rx: float, ry: float, n: int = 36) -> list[Point]:
    """Points of an ellipse, for `shadow` and `poly`."""
    return [(x + rx * math.cos(2 * math.pi * k / n), y + ry * math.sin(2 * math.pi * k / n)) for k in range(n)]


def wood(w: int, h: int, rng: np.random.Generator, light: str, dark: str, planks: int = 0) -> Image:
    image = gradient(w, h, light, mix(light, dark, 0.15))
    grain = np.sin(clouds(w, h, rng, 2, 3, 5) * 42) * 0.5 + 0.5
    tint(image, grain.astype(np.float32), dark, 0.35)
    for k in range(1, planks):
        stroke(image, [(0, h * k / planks), (w, h * k / planks)], 3, mix(dark, "#000000", 0.4))
    return image


def camera(image: Image, t: float, zoom: float, pan: Point, shake: float, spin: float) -> Image:
    """The picture as a hand-held camera sees it `t` seconds into a shot.

    zoom: growth per second; pan: pixels per second; shake: pixels; spin: degrees per second.
    """
    h, w = image.shape[:2]
    scale = 1.05 + zoom * t + abs(spin) * t * 0.012
    dx = shake * (math.sin(5.1 * t) + 0.5 * math.sin(11.3 * t + 1)) - pan[0] * t
    dy = shake * (math.cos(4.3 * t) + 0.5 * math.sin(9.7 * t + 2)) - pan[1] * t
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), spin * t, scale)
    matrix[0, 2] += dx
    matrix[1, 2] += dy
    return cv2.warpAffine(image, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)  # type: ignore[return-value]


class Lens:
    """Vignette and grain, the same for a whole video."""

    def __init__(self, w: int, h: int, rng: np.random.Generator, grain: float = 2.0, vignette: float = 0.22) -> None:
        y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        self.gain = (1 - vignette * np.clip((x**2 + y**2) / 2, 0, 1) ** 1.3).astype(np.float32)[..., None]
        self.gain = np.repeat(np.round(self.gain * 255).astype(np.uint8), 3, 2)
        self.grain = [np.repeat((rng.standard_normal((h, w, 1)) * grain).astype(np.int16), 3, 2) for _ in range(4)]
        self.rng = rng

    def __call__(self, image: Image) -> Image:
        shaded = cv2.multiply(image, self.gain, scale=1 / 255)
        return cv2.add(shaded, self.grain[int(self.rng.integers(4))], dtype=cv2.CV_8U)  # type: ignore[return-value]
