"""Things explained: the planets, a theorem on the blackboard, a volcano cut open."""

from __future__ import annotations

import itertools
import math

import numpy as np

from data.samplekit.drawing import (
    Image,
    Point,
    Scene,
    clouds,
    disc,
    gradient,
    mix,
    oval,
    poly,
    slab,
    soft,
    stroke,
    tint,
)


def planets(w: int, h: int, rng: np.random.Generator, space: str = "#10002b", pace: float = 1.0) -> Scene:
    """The inner planets go around the sun."""
    s = min(w, h)
    base = gradient(w, h, "#03071e", space)
    tint(base, clouds(w, h, rng, 3, 4) ** 3, "#5a189a", 0.8)
    for _ in range(160):
        disc(base, rng.random() * w, rng.random() * h, 0.6 + 1.2 * rng.random(), "#ffffff")
    wide = max(w, h) * 0.46
    bodies = [
        (0.3, 0.022, "#b8b8b8", 1.6),
        (0.48, 0.034, "#e9c46a", 1.1),
        (0.7, 0.04, "#3a86ff", 0.8),
        (0.94, 0.03, "#e76f51", 0.6),
    ]
    x, y = w / 2, h * 0.5
    tall = 0.42 if w > h else 1.1
    spread = wide if w > h else w * 0.46

    def paint(t: float) -> Image:
        image = base.copy()
        for share, *_ in bodies:
            oval(image, x, y, spread * share, spread * share * tall, "#6c5b9e", 0, 2)
        places = []
        for k, (share, size, colour, speed) in enumerate(bodies):
            a = t * pace * speed + k * 1.7
            places.append((y + spread * share * tall * math.sin(a), x + spread * share * math.cos(a), size, colour))
        places.append((y, x, 0.0, ""))
        for py, px, size, colour in sorted(places):
            if not size:
                soft(image, [(x, y, s * 0.12)], "#ffb703", 0.9, s * 0.1)
                disc(image, x, y, s * (0.082 + 0.003 * math.sin(t * 7)), "#ffd166")
                disc(image, x - s * 0.01, y - s * 0.01, s * 0.06, "#fff3b0")
                continue
            disc(image, px, py, s * size, mix(colour, "#000000", 0.35))
            disc(image, px - s * size * 0.2 * (px - x) / spread, py - s * size * 0.15, s * size * 0.84, colour)
            if colour == "#3a86ff":
                oval(image, px - s * size * 0.2, py - s * size * 0.2, s * size * 0.4, s * size * 0.25, "#55a630", 20)
                disc(image, px + s * 0.065 * math.cos(t * 4), py + s * 0.04 * math.sin(t * 4), s * 0.01, "#dddddd")
        return image

    return paint


def giant(
    w: int, h: int, rng: np.random.Generator, first: str = "#e0a96d", second: str = "#8c5a3c", rings: bool = True
) -> Scene:
    """A banded planet turns, with a ring around it."""
    s = min(w, h)
    base = gradient(w, h, "#000814", "#001d3d")
    for _ in range(140):
        disc(base, rng.random() * w, rng.random() * h, 0.6 + rng.random(), "#e6f0ff")
    r = round(s * 0.3)
    bands = clouds(r * 6, r * 2, rng, 3, 4, 9)
    yy, xx = np.mgrid[-1 : 1 : 2 * r * 1j, -1 : 1 : 2 * r * 1j]
    inside = xx**2 + yy**2 < 1
    bulge = np.where(inside, np.arcsin(np.clip(xx / np.sqrt(np.maximum(1 - yy**2, 1e-3)), -1, 1)) / math.pi, 0)
    light = np.clip(0.25 + 0.9 * (0.75 * np.sqrt(np.clip(1 - xx**2 - yy**2, 0, 1)) - 0.45 * xx), 0, 1)
    paints = [np.array([int(c[k : k + 2], 16) for k in (5, 3, 1)], np.float32) for c in (first, second)]
    rows = np.arange(2 * r)[:, None].repeat(2 * r, 1)
    x, y = w / 2, h / 2

    def belt(image: Image, arc: tuple[float, float]) -> None:
        for k, colour in enumerate(("#cdb891", "#a58f6a", "#e6d5b8")):
            oval(image, x, y, s * (0.4 + 0.035 * k), s * (0.1 + 0.01 * k), colour, -14, round(s * 0.022), arc)

    def paint(t: float) -> Image:
        image = base.copy()
        if rings:
            belt(image, (180, 360))
        columns = ((bulge + 0.5 + t * 0.06) * r * 3).astype(int) % (r * 6)
        share = bands[rows, columns][..., None]
        ball = (paints[0] * share + paints[1] * (1 - share)) * light[..., None]
        spot = image[round(y) - r : round(y) + r, round(x) - r : round(x) + r]
        spot[inside] = np.clip(ball, 0, 255).astype(np.uint8)[inside]
        if rings:
            belt(image, (0, 180))
        return image

    return paint


def blackboard(w: int, h: int, rng: np.random.Generator, pace: float = 1.0) -> Scene:
    """A right triangle and the squares over its sides are drawn in chalk, then tipped over like water."""
    s = min(w, h)
    base = gradient(w, h, "#27493a", "#1d3a2e")
    tint(base, clouds(w, h, rng, 3, 5), "#7fa08e", 0.22)
    for x, y in ((w / 2, 0), (w / 2, h), (0, h / 2), (w, h / 2)):
        slab(base, x, y, s * 0.06 if y == h / 2 else w * 2, h * 2 if y == h / 2 else s * 0.075, 4, "#8a5a2b")
    for k, colour in enumerate(("#ffffff", "#ffd166", "#ef476f")):
        slab(base, w * (0.34 + 0.14 * k), h - s * 0.055, s * 0.1, s * 0.022, 6, colour)
    u = s * 0.07
    x, y = w * 0.42, h * 0.5
    a, b, c = (x, y), (x + 4 * u, y), (x, y - 3 * u)
    sides: list[tuple[list[Point], str]] = [
        ([a, b, c, a], "#f8f9fa"),
        ([a, (a[0], a[1] + 4 * u), (b[0], b[1] + 4 * u), b, a], "#4cc9f0"),
        ([a, c, (c[0] - 3 * u, c[1]), (a[0] - 3 * u, a[1]), a], "#ffd166"),
        ([c, b, (b[0] + 3 * u, b[1] - 4 * u), (c[0] + 3 * u, c[1] - 4 * u), c], "#ef476f"),
    ]

    def along(path: list[Point], share: float) -> list[Point]:
        lengths = [math.dist(p, q) for p, q in itertools.pairwise(path)]
        left, drawn = sum(lengths) * share, [path[0]]
        for (px, py), (qx, qy), length in zip(path, path[1:], lengths, strict=False):
            part = min(1.0, left / length)
            drawn.append((px + (qx - px) * part, py + (qy - py) * part))
            left -= length
            if left <= 0:
                break
        return drawn

    def paint(t: float) -> Image:
        image = base.copy()
        tip = None
        for k, (path, colour) in enumerate(sides):
            share = min(1.0, (t * pace - k * 1.5) / 1.3)
            if share <= 0:
                continue
            if k and share >= 1:
                poly(image, path[:-1], mix("#27493a", colour, min(0.55, (t * pace - k * 1.5 - 1.3) * 0.5)))
            drawn = along(path, share)
            stroke(image, drawn, s * 0.011, colour)
            if share < 1:
                tip = drawn[-1]
        slab(image, a[0] + u * 0.25, a[1] - u * 0.25, u * 0.5, u * 0.5, 1, "#3d6b55")
        if tip:  # the hand with the chalk
            tx, ty = tip
            stroke(image, [(tx, ty), (tx + s * 0.04, ty + s * 0.05)], s * 0.024, "#ffffff")
            stroke(image, [(tx + s * 0.07, ty + s * 0.08), (tx + s * 0.4, ty + s * 0.75)], s * 0.12, "#3d5a80")
            oval(image, tx + s * 0.07, ty + s * 0.085, s * 0.065, s * 0.055, "#d9a178", 40)
            stroke(image, [(tx + s * 0.075, ty + s * 0.06), (tx + s * 0.03, ty + s * 0.045)], s * 0.03, "#e6b48f")
        return image

    return paint


def volcano(w: int, h: int, rng: np.random.Generator) -> Scene:
    """A volcano cut open: the chamber fills, then it throws out lava."""
    s = min(w, h)
    base = gradient(w, h, "#355070", "#e56b6f", "#eaac8b")
    ground = h * 0.66
    base[round(ground) :] = gradient(w, h - round(ground), "#6d4c3d", "#3b2a24")
    for k in range(5):
        stroke(
            base,
            [(0, ground + s * 0.09 * k), (w, ground + s * (0.09 * k + 0.02))],
            s * 0.02,
            mix("#6d4c3d", "#2b1d18", k / 6),
        )
    x, top = w / 2, h * 0.3
    side = [(x - s * 0.46, ground), (x - s * 0.08, top), (x + s * 0.08, top), (x + s * 0.46, ground)]
    poly(base, side, "#7f5539")
    poly(base, [(x, top), (x + s * 0.08, top), (x + s * 0.46, ground), (x, ground)], "#6a4530")
    rocks = rng.random((40, 4))

    def paint(t: float) -> Image:
        image = base.copy()
        glow = 0.5 + 0.5 * math.sin(t * 5)
        slab(image, x, (top + h * 0.85) / 2, s * 0.09, h * 0.85 - top, 4, mix("#d00000", "#ff7b00", glow))
        oval(image, x, h * 0.85, s * 0.3, s * 0.14, mix("#9d0208", "#dc2f02", glow))
        oval(image, x, h * 0.86, s * 0.22, s * 0.09, mix("#f48c06", "#ffba08", glow))
        soft(
            image,
            [
                (x + s * 0.05 * math.sin(t + k), top - s * (0.08 + 0.12 * k) - s * 0.03 * t, s * (0.1 + 0.04 * k))
                for k in range(4)
            ],
            "#4a4e57",
            0.75,
            s * 0.08,
        )
        for start, lean, speed, size in rocks:
            age = (t * 0.7 + start) % 1
            px = x + (lean - 0.5) * s * 0.9 * age
            py = top - (0.35 + 0.4 * speed) * s * 4 * age * (1 - age) * 0.55 + age**2 * s * 0.5
            disc(image, px, py, s * (0.008 + 0.018 * size), ("#ffba08", "#f48c06", "#dc2f02")[int(start * 3)])
        for k in (-1, 1):
            flow = [
                (x + k * s * (0.05 + 0.1 * j), top + s * 0.02 + (ground - top) * j * 0.25)
                for j in range(1 + min(4, int(1 + t * 1.3)))
            ]
            stroke(image, flow, s * 0.035, mix("#d00000", "#ffba08", glow))
        return image

    return paint
