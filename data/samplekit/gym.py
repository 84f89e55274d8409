"""Somebody works out."""

from __future__ import annotations

import math

import numpy as np

from data.samplekit.drawing import (
    Image,
    Scene,
    clouds,
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
    tint,
    wood,
)

#: Angles in degrees: the torso's from straight up, the others from straight down, forward positive.
#: torso, near thigh and shin, far thigh and shin, upper arm, forearm
Pose = tuple[float, ...]

MOVES: dict[str, tuple[Pose, Pose]] = {
    "squat": ((2, 4, -4, 6, -2, 10, 20), (38, 92, -18, 96, -14, 88, 92)),
    "lunge": ((0, 8, -4, -6, -4, -6, 30), (4, 84, 0, -32, -78, 8, 96)),
    "curl": ((0, 4, -2, -6, -4, 4, 14), (-3, 4, -2, -6, -4, -4, 146)),
    "push-up": ((64, -64, -64, -62, -64, -2, -2), (84, -80, -80, -79, -80, -62, 34)),
    "plank": ((80, -73, -74, -72, -74, -4, 88), (78, -75, -76, -74, -76, -4, 88)),
    "reach": ((0, 3, 0, -5, 0, 150, 170), (78, 3, 0, -5, 0, 40, 20)),
}


def _limb(origin: tuple[float, float], angle: float, length: float) -> tuple[float, float]:
    return origin[0] + length * math.sin(math.radians(angle)), origin[1] + length * math.cos(math.radians(angle))


def athlete(
    image: Image,
    x: float,
    floor: float,
    size: float,
    pose: Pose,
    skin: str,
    top: str,
    shorts: str,
    hair: str,
    weights: bool = False,
) -> None:
    """From the side, facing right. size: the height of the standing figure."""
    leg, arm, torso = size * 0.235, size * 0.175, size * 0.3
    bend, *legs, upper, fore = pose
    shadow(image, ring(x + size * 0.04, floor + size * 0.01, size * 0.27, size * 0.03), 0.45, size * 0.03)
    lowest = [_limb(_limb((0, 0), thigh, leg), shin, leg)[1] for thigh, shin in (legs[:2], legs[2:])]
    lowest.append(_limb(_limb((0, -torso * math.cos(math.radians(bend))), upper, arm), fore, arm)[1])
    hip = (x, floor - size * 0.035 - max(lowest))
    for (thigh, shin), shade in ((legs[2:], 0.28), (legs[:2], 0.0)):
        knee = _limb(hip, thigh, leg)
        foot = _limb(knee, shin, leg)
        stroke(image, [knee, foot], size * 0.062, mix(skin, "#000000", shade))
        stroke(image, [hip, knee], size * 0.082, mix(shorts, "#000000", shade))
        toe = shin + 70 if shin > -60 else shin + 80
        stroke(image, [foot, _limb(foot, toe, size * 0.06)], size * 0.055, mix("#f4f4f4", "#000000", shade))
    neck = (hip[0] + torso * math.sin(math.radians(bend)), hip[1] - torso * math.cos(math.radians(bend)))
    stroke(image, [hip, neck], size * 0.125, top)
    stroke(image, [hip, (hip[0] + (neck[0] - hip[0]) * 0.1, hip[1] + (neck[1] - hip[1]) * 0.1)], size * 0.12, shorts)
    head = (
        neck[0] + size * 0.1 * math.sin(math.radians(bend * 0.8)),
        neck[1] - size * 0.1 * math.cos(math.radians(bend * 0.8)),
    )
    stroke(image, [neck, head], size * 0.05, mix(skin, "#000000", 0.12))
    disc(image, head[0] - size * 0.014, head[1] - size * 0.014, size * 0.066, hair)
    oval(image, head[0] + size * 0.012, head[1] + size * 0.008, size * 0.05, size * 0.056, skin)
    disc(image, head[0] - size * 0.07, head[1] - size * 0.03, size * 0.028, hair)
    disc(image, head[0] + size * 0.038, head[1], size * 0.007, "#222222")
    elbow = _limb(neck, upper, arm)
    hand = _limb(elbow, fore, arm)
    stroke(image, [neck, elbow], size * 0.058, mix(skin, "#000000", 0.06))
    stroke(image, [elbow, hand], size * 0.048, skin)
    if weights:
        slab(image, hand[0], hand[1], size * 0.2, size * 0.026, 4, "#8d949c")
        for side in (-1, 1):
            slab(image, hand[0] + side * size * 0.08, hand[1], size * 0.05, size * 0.1, 6, "#22262b")
    disc(image, hand[0], hand[1], size * 0.03, skin)


def _room(w: int, h: int, rng: np.random.Generator, wall: str, floor: float) -> Image:
    image = gradient(w, h, mix(wall, "#ffffff", 0.22), wall)
    s = min(w, h)
    for k in range(3):
        x = w * (0.18 + 0.32 * k)
        slab(image, x, h * 0.27, s * 0.24, h * 0.3, 8, mix(wall, "#000000", 0.3))
        slab(image, x, h * 0.27, s * 0.22, h * 0.285, 6, "#cfeaf5")
        poly(
            image,
            [(x - s * 0.1, h * 0.38), (x + s * 0.02, h * 0.14), (x + s * 0.07, h * 0.14), (x - s * 0.05, h * 0.4)],
            "#e9f8ff",
        )
    for k in range(9):
        x = w * (0.06 + 0.11 * k)
        stroke(image, [(x, h * 0.56), (x + s * 0.07, h * 0.56)], 6, "#70757c")
        for side in (0, s * 0.07):
            disc(image, x + side, h * 0.56, s * 0.022, "#2a2d33")
    slab(image, w / 2, h * 0.585, w * 1.1, s * 0.018, 2, "#3b3f45")
    boards = wood(w, h - round(floor), rng, "#b98d62", "#6e4b2c", 4)
    image[round(floor) :] = boards
    return image


def _park(w: int, h: int, rng: np.random.Generator, sky: str, floor: float) -> Image:
    image = gradient(w, h, mix(sky, "#1d2671", 0.55), sky, "#ffe29a")
    s = min(w, h)
    soft(image, [(w * 0.72, h * 0.42, s * 0.16)], "#fff3c4", 0.9, s * 0.12)
    disc(image, w * 0.72, h * 0.42, s * 0.09, "#fff7dd")
    for depth, colour in enumerate(("#7d5a80", "#4f4a6e", "#2f4858")):
        ridge = clouds(w, 2, rng, 3 + depth * 3, 3)[0] * h * 0.12
        y = h * (0.46 + 0.06 * depth)
        poly(image, [(0, h), *((float(px), y - float(ridge[px])) for px in range(0, w, 6)), (w, h)], colour)
    image[round(floor) :] = gradient(w, h - round(floor), "#6a994e", "#386641")
    tint(image[round(floor) :], clouds(w, h - round(floor), rng, 12, 4), "#a7c957", 0.3)
    return image


def workout(
    w: int,
    h: int,
    rng: np.random.Generator,
    move: str = "squat",
    place: str = "#5b7c99",
    pace: float = 0.8,
    top: str = "#ef476f",
    outdoors: bool = False,
) -> Scene:
    """One move over and over; `pace` is repetitions per second."""
    floor = h * 0.68
    base = (_park if outdoors else _room)(w, h, rng, place, floor)
    s = min(w, h)
    oval(base, w * 0.5, floor + s * 0.12, s * 0.44, s * 0.075, mix(top, "#000000", 0.45))
    oval(base, w * 0.5, floor + s * 0.112, s * 0.44, s * 0.07, mix(top, "#333366", 0.4))
    low, high = MOVES[move]
    lying = move in ("push-up", "plank")
    size = min(h * 0.5, s * (0.82 if lying else 0.95))

    def paint(t: float) -> Image:
        image = base.copy()
        share = 0.5 - 0.5 * math.cos(2 * math.pi * pace * t)
        pose = tuple(a + (b - a) * share for a, b in zip(low, high, strict=True))
        athlete(
            image, w * (0.56 if lying else 0.46), floor + s * 0.11, size, pose, "#c98d63", top, "#22304a", "#2b1b12",
            weights=move == "curl",
        )  # fmt: skip
        return image

    return paint


def jacks(w: int, h: int, rng: np.random.Generator, place: str = "#f4a261", pace: float = 1.1) -> Scene:
    """Jumping jacks from the front, in a park at sunset."""
    floor = h * 0.68
    base = _park(w, h, rng, place, floor)
    s = min(w, h)
    size = min(h * 0.48, s * 0.9)

    def paint(t: float) -> Image:
        image = base.copy()
        share = 0.5 - 0.5 * math.cos(2 * math.pi * pace * t)
        jump = abs(math.sin(2 * math.pi * pace * t)) * size * 0.06
        x, ground = w / 2, floor + s * 0.1
        shadow(image, ring(x, ground + size * 0.02, size * (0.16 + 0.1 * share), size * 0.03), 0.45, size * 0.03)
        hip = (x, ground - size * 0.46 - jump + share * size * 0.03)
        neck = (x, hip[1] - size * 0.29)
        for side in (-1, 1):
            knee = _limb((hip[0] + side * size * 0.04, hip[1]), side * (3 + 24 * share), size * 0.23)
            foot = _limb(knee, side * (1 + 24 * share), size * 0.22)
            stroke(image, [knee, foot], size * 0.06, "#8d5b3e")
            stroke(image, [(hip[0] + side * size * 0.04, hip[1]), knee], size * 0.085, "#1d3557")
            stroke(image, [foot, (foot[0] + side * size * 0.03, foot[1] + size * 0.012)], size * 0.055, "#f8f9fa")
            shoulder = (neck[0] + side * size * 0.075, neck[1] + size * 0.02)
            elbow = _limb(shoulder, side * (14 + 135 * share), size * 0.17)
            hand = _limb(elbow, side * (8 + 160 * share), size * 0.16)
            stroke(image, [shoulder, elbow], size * 0.056, "#8d5b3e")
            stroke(image, [elbow, hand], size * 0.048, "#8d5b3e")
        poly(
            image,
            [
                (neck[0] - size * 0.1, neck[1]),
                (neck[0] + size * 0.1, neck[1]),
                (hip[0] + size * 0.08, hip[1]),
                (hip[0] - size * 0.08, hip[1]),
            ],
            "#06d6a0",
        )
        disc(image, neck[0], neck[1] - size * 0.09, size * 0.068, "#1f1410")
        oval(image, neck[0], neck[1] - size * 0.08, size * 0.054, size * 0.06, "#9c6845")
        for side in (-1, 1):
            disc(image, neck[0] + side * size * 0.02, neck[1] - size * 0.088, size * 0.007, "#1a1a1a")
        oval(image, neck[0], neck[1] - size * 0.055, size * 0.02, size * 0.008, "#5b2c20")
        return image

    return paint
