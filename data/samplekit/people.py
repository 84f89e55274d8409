"""Cartoon people who talk, and a cat."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from data.samplekit.drawing import (
    Image,
    Scene,
    disc,
    gradient,
    mix,
    oval,
    poly,
    ring,
    shadow,
    slab,
    soft,
    stroke,
    turned,
    wood,
)


@dataclass(frozen=True)
class Look:
    skin: str
    shirt: str
    hair: str
    long_hair: bool = False
    glasses: bool = False
    beard: bool = False


ANN = Look("#f1c7a3", "#7b2cbf", "#6b3e26", long_hair=True)
BEN = Look("#c68863", "#2a9d8f", "#1c1c1c", beard=True)
CLEO = Look("#8d5b3e", "#f4a261", "#241511", long_hair=True, glasses=True)
DAN = Look("#eeb98f", "#e63946", "#b5541c", glasses=True)


def bust(
    image: Image,
    x: float,
    y: float,
    size: float,
    who: Look,
    talk: float,
    t: float,
    gaze: float = 0.0,
    brow: float = 0.0,
) -> None:
    """Head and shoulders about the face's centre. talk: how far the mouth is open, brow: how far brows are up, 0..1."""
    tilt = 3 * math.sin(t * 1.9)
    dark = mix(who.skin, "#000000", 0.18)
    if who.long_hair:
        slab(image, x, y + size * 0.18, size * 1.0, size * 1.25, size * 0.42, who.hair, tilt * 0.5)
    poly(image, ring(x, y + size * 1.5, size * 0.95, size * 0.85), mix(who.shirt, "#000000", 0.12))
    poly(image, ring(x, y + size * 1.53, size * 0.9, size * 0.82), who.shirt)
    slab(image, x, y + size * 0.58, size * 0.3, size * 0.46, size * 0.12, dark)
    oval(image, x, y + size * 0.74, size * 0.22, size * 0.11, who.skin)
    for side in (-1, 1):
        oval(image, x + side * size * 0.44, y + size * 0.06, size * 0.09, size * 0.12, dark, tilt)
    oval(image, x, y, size * 0.45, size * 0.54, who.skin, tilt)
    if who.beard:
        oval(image, x, y + size * 0.1, size * 0.44, size * 0.45, who.hair, tilt, -1, (8, 172))
    crown = [(size * 0.48 * math.cos(a), -size * 0.58 * math.sin(a)) for a in np.linspace(-0.1, math.pi + 0.1, 24)]
    fringe = [
        (-size * 0.4, -size * 0.2),
        (-size * 0.1, -size * 0.34),
        (size * 0.22, -size * 0.26),
        (size * 0.42, -size * 0.14),
    ]
    poly(image, turned(crown + fringe, x, y, tilt), who.hair)
    blink = t % 2.7 < 0.12
    for side in (-1, 1):
        ex, ey = x + side * size * 0.18, y - size * 0.02
        if blink:
            stroke(image, [(ex - size * 0.08, ey), (ex + size * 0.08, ey)], size * 0.03, dark)
        else:
            oval(image, ex, ey, size * 0.095, size * 0.1, "#ffffff")
            disc(image, ex + gaze * size * 0.045, ey + size * 0.01, size * 0.048, "#2b2118")
            disc(image, ex + gaze * size * 0.045 + size * 0.015, ey - size * 0.01, size * 0.014, "#ffffff")
        up = size * (0.17 + 0.07 * brow)
        stroke(
            image,
            [(ex - size * 0.09, ey - up + size * 0.03), (ex, ey - up), (ex + size * 0.09, ey - up + size * 0.02)],
            size * 0.035,
            mix(who.hair, "#000000", 0.2),
        )
        if who.glasses:
            disc(image, ex, ey, size * 0.135, "#23252b", max(2, round(size * 0.022)))
        oval(image, x + side * size * 0.27, y + size * 0.17, size * 0.07, size * 0.045, mix(who.skin, "#ff5a5f", 0.25))
    stroke(
        image,
        [(x, y + size * 0.03), (x + size * 0.04, y + size * 0.14), (x - size * 0.02, y + size * 0.15)],
        size * 0.028,
        dark,
    )
    if talk > 0.08:
        oval(image, x, y + size * 0.29, size * 0.13, size * (0.03 + 0.1 * talk), "#5a1a1a")
        oval(image, x, y + size * (0.3 + 0.05 * talk), size * 0.08, size * 0.04 * talk + 1, "#d0605e")
    else:
        oval(image, x, y + size * 0.25, size * 0.13, size * 0.06, "#7a2e2a", 0, max(2, round(size * 0.03)), (15, 165))


def _living_room(w: int, h: int, rng: np.random.Generator, wall: str) -> Image:
    s = min(w, h)
    image = gradient(w, h, mix(wall, "#ffffff", 0.15), mix(wall, "#000000", 0.08))
    for k in range(12):
        stroke(image, [(w * k / 11, 0), (w * k / 11, h)], 2, mix(wall, "#ffffff", 0.1))
    for x, y, a, b, art in ((0.24, 0.2, 0.26, 0.2, "#fefae0"), (0.78, 0.17, 0.2, 0.27, "#e0fbfc")):
        slab(image, w * x, h * y, s * a, s * b, 4, "#5c4033")
        slab(image, w * x, h * y, s * (a - 0.03), s * (b - 0.03), 2, art)
        for k in range(4):
            disc(
                image,
                w * x + s * (rng.random() - 0.5) * a * 0.6,
                h * y + s * (rng.random() - 0.5) * b * 0.6,
                s * 0.025,
                ("#e76f51", "#2a9d8f", "#e9c46a", "#264653")[k],
            )
    slab(image, w * 0.5, h * 0.78, w * 0.96, s * 0.52, s * 0.09, mix(wall, "#1d3557", 0.75))
    slab(image, w * 0.5, h * 0.96, w * 1.04, s * 0.4, s * 0.09, mix(wall, "#1d3557", 0.6))
    return image


def _office(w: int, h: int, rng: np.random.Generator, wall: str) -> Image:
    s = min(w, h)
    image = gradient(w, h, wall, mix(wall, "#ffffff", 0.3))
    slab(image, w * 0.5, h * 0.24, w * 0.84, h * 0.28, 6, "#edf6f9")
    image_sky = gradient(round(w * 0.8), round(h * 0.25), "#83c5be", "#ffddd2")
    top, left = round(h * 0.24 - image_sky.shape[0] / 2), round(w * 0.1)
    image[top : top + image_sky.shape[0], left : left + image_sky.shape[1]] = image_sky
    for k in range(16):
        x, tall = left + image_sky.shape[1] * (k + 0.5) / 16, s * (0.06 + 0.2 * rng.random())
        slab(
            image,
            x,
            top + image_sky.shape[0] - tall / 2,
            w * 0.05,
            tall,
            2,
            mix("#457b9d", "#a8dadc", float(rng.random())),
        )
    stroke(image, [(w * 0.5, top), (w * 0.5, top + image_sky.shape[0])], 7, "#edf6f9")
    slab(image, w * 0.13, h * 0.62, s * 0.16, s * 0.16, 12, "#bc6c25")
    for k in range(9):
        stroke(
            image,
            [
                (w * 0.13, h * 0.6),
                (w * 0.13 + s * 0.16 * math.cos(k * 0.4 + 3.1), h * 0.56 + s * 0.24 * math.sin(k * 0.4 + 3.1)),
            ],
            s * 0.03,
            ("#2d6a4f", "#52b788")[k % 2],
        )
    return image


def talker(
    w: int,
    h: int,
    rng: np.random.Generator,
    who: Look = ANN,
    place: str = "#c9ada7",
    side: float = 0.0,
    spoken: tuple[tuple[float, float], ...] = ((0.0, 99.0),),
    office: bool = False,
    brow: float = 0.0,
) -> Scene:
    """Somebody talks to us, or across; the mouth moves in the spans `spoken` (seconds of the shot)."""
    base = (_office if office else _living_room)(w, h, rng, place)
    s = min(w, h)

    def paint(t: float) -> Image:
        image = base.copy()
        loud = any(start <= t < end for start, end in spoken)
        talk = abs(math.sin(t * 13) * math.sin(t * 5.3 + 1)) if loud else 0.0
        x, y = w * (0.5 + 0.06 * side), h * 0.5 + s * 0.012 * math.sin(t * 6) * talk
        soft(image, [(x + s * 0.05, y + s * 0.2, s * 0.3)], "#000000", 0.25, s * 0.12)
        bust(image, x, y, s * 0.52, who, talk, t + side, -side, brow * (0.5 + 0.5 * math.sin(t * 3)))
        if office:
            slab(image, w / 2, h * 0.97, w * 1.1, h * 0.14, 4, "#8a5a44")
            slab(image, w * 0.74, h * 0.85, s * 0.4, s * 0.26, 10, "#adb5bd", -3)
            disc(image, w * 0.74, h * 0.85, s * 0.03, "#e9ecef")
        return image

    return paint


def cat(w: int, h: int, rng: np.random.Generator, wall: str = "#ffc8dd") -> Scene:
    """A cat on a shelf pushes a cup ever nearer to the edge."""
    s = min(w, h)
    base = gradient(w, h, mix(wall, "#ffffff", 0.35), wall)
    for _k in range(40):
        disc(base, rng.random() * w, rng.random() * h, s * 0.012, mix(wall, "#ffffff", 0.5))
    shelf = h * 0.66
    base[round(shelf) : round(shelf + s * 0.07), : round(w * 0.86)] = wood(
        round(w * 0.86), round(shelf + s * 0.07) - round(shelf), rng, "#b08968", "#7f5539"
    )
    shadow(
        base,
        [(0, shelf + s * 0.07), (w * 0.86, shelf + s * 0.07), (w * 0.84, shelf + s * 0.12), (0, shelf + s * 0.12)],
        0.4,
        s * 0.03,
    )
    fur, dark = "#f4a261", "#d9823b"

    def paint(t: float) -> Image:
        image = base.copy()
        nudge = min(1.0, 0.5 * (1 - math.cos(2 * math.pi * min(t * 0.45 % 1, 1.0))))
        pushed = int(t * 0.45) + (nudge if t * 0.45 % 1 < 0.5 else 1)
        x, y = w * 0.41, shelf
        tail = [
            (x - s * 0.2, y - s * 0.05),
            (x - s * 0.28, y - s * 0.02),
            (x - s * 0.31, y + s * 0.08),
            (x - s * 0.31, y + s * 0.16),
            (x - s * (0.27 + 0.05 * math.sin(t * 3)), y + s * 0.26),
        ]
        stroke(image, tail, s * 0.055, dark)
        poly(image, ring(x, y - s * 0.17, s * 0.2, s * 0.2), fur)
        slab(image, x, y - s * 0.06, s * 0.4, s * 0.12, s * 0.05, fur)
        oval(image, x + s * 0.05, y - s * 0.1, s * 0.1, s * 0.11, "#fff1e0")
        for k in range(3):
            stroke(
                image,
                [
                    (x - s * 0.19 + k * s * 0.03, y - s * (0.14 + 0.05 * k)),
                    (x - s * 0.1 + k * s * 0.02, y - s * (0.17 + 0.05 * k)),
                ],
                s * 0.02,
                dark,
            )
        cup = x + s * (0.32 + 0.026 * pushed)
        stroke(
            image,
            [
                (x + s * 0.1, y - s * 0.16),
                (x + s * (0.17 + 0.08 * nudge), y - s * 0.1),
                (cup - s * (0.075 + 0.04 * (1 - nudge)), y - s * 0.08),
            ],
            s * 0.065,
            fur,
        )
        hx, hy = x + s * 0.05, y - s * 0.4
        for side in (-1, 1):
            poly(
                image,
                [
                    (hx + side * s * 0.15, hy - s * 0.02),
                    (hx + side * s * 0.13, hy - s * 0.22),
                    (hx + side * s * 0.03, hy - s * 0.11),
                ],
                fur,
            )
            poly(
                image,
                [
                    (hx + side * s * 0.125, hy - s * 0.07),
                    (hx + side * s * 0.12, hy - s * 0.17),
                    (hx + side * s * 0.06, hy - s * 0.11),
                ],
                "#ffb5a7",
            )
        oval(image, hx, hy, s * 0.17, s * 0.14, fur)
        for side in (-1, 1):
            ex = hx + side * s * 0.07
            tall = 0.1 if t % 3.1 < 0.13 else 1.0
            oval(image, ex, hy - s * 0.02, s * 0.042, s * 0.045 * tall, "#c7f464")
            oval(image, ex + s * 0.012, hy - s * 0.02, s * 0.012 + s * 0.014 * nudge, s * 0.036 * tall, "#1b1b1b")
            for k in (-1, 0, 1):
                stroke(
                    image,
                    [(hx + side * s * 0.06, hy + s * 0.055), (hx + side * s * 0.21, hy + s * (0.05 + 0.03 * k))],
                    2,
                    "#fffaf3",
                )
        poly(image, [(hx - s * 0.02, hy + s * 0.035), (hx + s * 0.02, hy + s * 0.035), (hx, hy + s * 0.058)], "#e5788f")
        oval(image, hx - s * 0.022, hy + s * 0.062, s * 0.022, s * 0.018, dark, 0, 3, (0, 180))
        oval(image, hx + s * 0.022, hy + s * 0.062, s * 0.022, s * 0.018, dark, 0, 3, (0, 180))
        disc(image, cup + s * 0.085, y - s * 0.085, s * 0.045, "#2a6f97", max(3, round(s * 0.02)))
        poly(
            image,
            [
                (cup - s * 0.075, y - s * 0.17),
                (cup + s * 0.075, y - s * 0.17),
                (cup + s * 0.06, y),
                (cup - s * 0.06, y),
            ],
            "#468faf",
        )
        oval(image, cup, y - s * 0.17, s * 0.075, s * 0.018, "#89c2d9")
        return image

    return paint
