"""Food: plates, pans, boards, pots and a burger."""

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
    turned,
    wood,
)


def _steam(image: Image, x: float, y: float, size: float, t: float) -> None:
    puffs = []
    for k in range(7):
        age = (t * 0.45 + k / 7) % 1
        sway = math.sin(t * 2 + k * 1.9) * size * 0.12
        puffs.append((x + sway + (k % 3 - 1) * size * 0.3, y - age * size * 1.5, size * (0.06 + 0.12 * age)))
    soft(image, puffs, "#ffffff", 0.33, size * 0.13)


def _leaf(image: Image, x: float, y: float, size: float, angle: float, colour: str = "#3f9142") -> None:
    half = [(size * math.sin(math.pi * k / 8) * 0.42, -size / 2 + size * k / 8) for k in range(9)]
    outline = half + [(-px, py) for px, py in reversed(half)]
    poly(image, turned(outline, x, y, angle), colour)
    stroke(
        image, turned([(0, -size / 2), (0, size / 2)], x, y, angle), max(1, size * 0.05), mix(colour, "#ffffff", 0.35)
    )


def _tomato(image: Image, x: float, y: float, r: float, angle: float) -> None:
    disc(image, x, y, r, "#b3261e")
    disc(image, x, y, r * 0.9, "#e5483a")
    for k in range(4):
        a = math.radians(angle + k * 90)
        oval(
            image, x + r * 0.48 * math.cos(a), y + r * 0.48 * math.sin(a), r * 0.3, r * 0.2, "#f6a58a", math.degrees(a)
        )


def _table(w: int, h: int, rng: np.random.Generator, colour: str) -> Image:
    image = gradient(w, h, mix(colour, "#ffffff", 0.12), mix(colour, "#000000", 0.15))
    tint(image, clouds(w, h, rng, 5, 5), mix(colour, "#000000", 0.5), 0.35)
    return image


def plate(w: int, h: int, rng: np.random.Generator, table: str = "#2f4f5f", dish: str = "pasta") -> Scene:
    """A plate from above; something is strewn over it."""
    base = _table(w, h, rng, table)
    s = min(w, h)
    x, y, r = w / 2, h * 0.5, s * 0.41
    poly(
        base,
        turned([(-s * 0.12, -s), (s * 0.12, -s), (s * 0.12, s), (-s * 0.12, s)], w * 0.06, h * 0.75, 18),
        "#d8d2c4",
    )
    shadow(base, ring(x + s * 0.02, y + s * 0.04, r * 1.03, r * 1.03), 0.6, s * 0.05)
    for share, colour in ((1.0, "#d9d6cf"), (0.985, "#f7f5f0"), (0.74, "#dcd8cf"), (0.725, "#efece4")):
        disc(base, x, y, r * share, colour)
    if dish == "pasta":
        for k in range(90):
            a, d = rng.random() * 6.283, r * 0.52 * math.sqrt(rng.random())
            cx, cy, size = x + d * math.cos(a), y + d * math.sin(a), r * (0.16 + 0.2 * rng.random())
            start, length = rng.random() * 360, 120 + 150 * rng.random()
            colour = mix("#e9b949", "#f7dd8f", float(rng.random()) * 0.5 + k / 180)
            for width, shade in ((r * 0.055, mix(colour, "#7a4a10", 0.55)), (r * 0.038, colour)):
                oval(base, cx, cy, size, size * 0.7, shade, start, round(width), (0, length))
        spots = [(rng.random() * 6.283, r * 0.5 * math.sqrt(rng.random())) for _ in range(9)]
        for k, (a, d) in enumerate(spots):
            px, py = x + d * math.cos(a), y + d * math.sin(a)
            if k % 3:
                _tomato(base, px, py, r * 0.1, k * 31)
            else:
                _leaf(base, px, py, r * 0.3, k * 77)
        flake = "#fff6dc"
    else:
        for k in range(60):
            a, d = rng.random() * 6.283, r * 0.6 * math.sqrt(rng.random())
            green = ("#4f9d3a", "#79bd4c", "#2f7d3b", "#a3cf62")[k % 4]
            _leaf(
                base,
                x + d * math.cos(a),
                y + d * math.sin(a),
                r * (0.25 + 0.2 * rng.random()),
                rng.random() * 360,
                green,
            )
        for k in range(10):
            a, d = k * 2.4, r * 0.17 * math.sqrt(k)
            _tomato(base, x + d * math.cos(a), y + d * math.sin(a), r * 0.1, k * 40)
        flake = "#f4c95d"
    flakes = rng.random((46, 4))
    lamp = [(x - r * 0.5, y - r * 0.55, r * 0.35)]

    def paint(t: float) -> Image:
        image = base.copy()
        soft(image, lamp, "#ffffff", 0.22, r * 0.3)
        for fx, fy, begin, size in flakes:
            fall = t * 1.4 - begin * 2.2
            if fall < 0:
                continue
            tx, ty = x + (fx - 0.5) * r * 1.1, y + (fy - 0.5) * r * 1.1
            py = ty if fall > 0.3 else ty - (0.3 - fall) * h * 1.6
            slab(image, tx, py, s * 0.022, s * 0.008, 2, flake, size * 360 + min(fall, 0.3) * 600)
        _steam(image, x, y - r * 0.1, r * 0.9, t)
        return image

    return paint


def pan(w: int, h: int, rng: np.random.Generator, food: str = "#f0a35e") -> Scene:
    """A sizzling pan on a hob, stirred with a wooden spoon."""
    base = _table(w, h, rng, "#34363b")
    s = min(w, h)
    x, y, r = w * 0.47, h * 0.52, s * 0.36
    for hob_x, hob_y in ((w * 0.9, h * 0.14), (w * 0.12, h * 0.9)):
        soft(base, [(hob_x, hob_y, s * 0.2)], "#0d0e10", 0.5, s * 0.03)
    soft(base, [(x, y, r * 1.12)], "#ff5a1f", 0.75, s * 0.06)
    poly(
        base,
        turned(
            [(0, -s * 0.05), (s * 0.62, -s * 0.035), (s * 0.62, s * 0.035), (0, s * 0.05)], x + r * 0.7, y + r * 0.7, 48
        ),
        "#17181b",
    )
    for share, colour in ((1.0, "#0f1012"), (0.96, "#3c3f45"), (0.88, "#1d1e22"), (0.86, "#2a2521")):
        disc(base, x, y, r * share, colour)
    bits = rng.random((34, 5))
    bubbles = rng.random((50, 3))

    def paint(t: float) -> Image:
        image = base.copy()
        for bx, by, phase in bubbles:
            size = (t * 3 + phase * 5) % 1
            a = bx * 6.283
            px, py = x + r * 0.8 * by * math.cos(a), y + r * 0.8 * by * math.sin(a)
            disc(image, px, py, s * 0.007 * size + 1, "#8f6a2c")
        stir = t * 2.6
        for k, (a, d, size, angle, shade) in enumerate(bits):
            turn = a * 6.283 + stir * 0.35 + 0.1 * math.sin(t * 17 + k)
            dist = r * 0.72 * math.sqrt(d)
            px, py = x + dist * math.cos(turn), y + dist * math.sin(turn) + 2 * math.sin(t * 23 + k * 2)
            length = s * (0.03 + 0.03 * size)
            oval(image, px + 3, py + 4, length, length * 0.6, "#120d0a", angle * 360)
            oval(
                image,
                px,
                py,
                length,
                length * 0.6,
                mix(food, "#fff0c9" if k % 3 else "#58a13f", shade * 0.6),
                angle * 360,
            )
            oval(image, px - 2, py - 2, length * 0.4, length * 0.2, mix(food, "#ffffff", 0.6), angle * 360)
        tip = (x + r * 0.45 * math.cos(stir), y + r * 0.4 * math.sin(stir))
        stroke(image, [tip, (w * 0.98, -h * 0.02)], s * 0.035, "#8a5a2b")
        stroke(image, [tip, (w * 0.98, -h * 0.02)], s * 0.02, "#b47b43")
        oval(image, tip[0], tip[1], s * 0.06, s * 0.042, "#a86f39", -35)
        _steam(image, x, y, r * 1.3, t)
        return image

    return paint


def board(w: int, h: int, rng: np.random.Generator, worktop: str = "#e8e4da") -> Scene:
    """A carrot under the knife."""
    base = _table(w, h, rng, worktop)
    s = min(w, h)
    plank = wood(round(s * 0.94), round(s * 0.74), rng, "#d9a869", "#8b5a2b")
    top, left = round(h / 2 - plank.shape[0] / 2), round(w / 2 - plank.shape[1] / 2)
    shadow(
        base,
        [
            (left, top),
            (left + plank.shape[1], top),
            (left + plank.shape[1], top + plank.shape[0] + 16),
            (left, top + plank.shape[0] + 16),
        ],
        0.5,
    )
    base[top : top + plank.shape[0], left : left + plank.shape[1]] = plank
    for _k in range(7):
        _leaf(
            base, w * 0.2 + rng.random() * w * 0.6, top + s * (0.08 + 0.1 * rng.random()), s * 0.09, rng.random() * 360
        )
    x, y = w / 2, h * 0.53

    def paint(t: float) -> Image:
        image = base.copy()
        cut = x + s * 0.24 - (t * 0.1 % 0.3) * s
        strokes = t * 3.2
        lift = abs(math.sin(math.pi * strokes)) * s * 0.09
        for k in range(9):
            px = cut + s * (0.05 + 0.042 * k)
            if px < x + s * 0.42:
                oval(image, px, y + 6 * math.sin(k * 2.1), s * 0.03, s * 0.052, "#c9601a", 12)
                oval(image, px - 3, y + 6 * math.sin(k * 2.1), s * 0.027, s * 0.048, "#ef7d22", 12)
        body = [(x - s * 0.4, y - s * 0.018), (cut, y - s * 0.058), (cut, y + s * 0.058), (x - s * 0.4, y + s * 0.018)]
        shadow(image, [(px, py + 14) for px, py in body], 0.35, 10)
        poly(image, body, "#ef7d22")
        for k in range(8):
            px = x - s * 0.34 + k * s * 0.08
            if px < cut - s * 0.05:
                stroke(image, [(px, y - s * 0.03), (px + 4, y - s * 0.005)], 2, "#c9601a")
        for k in range(4):  # the fingers that hold it
            px = cut - s * (0.07 + 0.052 * k)
            stroke(
                image,
                [(px, y - s * 0.035), (px - s * 0.03, y + s * 0.2), (px - s * 0.06, y + s * 0.42)],
                s * 0.062,
                "#c98f6b",
            )
            stroke(
                image,
                [(px, y - s * 0.035), (px - s * 0.03, y + s * 0.2), (px - s * 0.06, y + s * 0.42)],
                s * 0.052,
                "#e2ac88",
            )
            oval(image, px, y - s * 0.04, s * 0.016, s * 0.022, "#f3cdb4")
        edge = cut + s * 0.012
        blade = [
            (edge, y + s * 0.1 - lift),
            (edge, y - s * 0.36 - lift),
            (edge + s * 0.05, y - s * 0.34 - lift),
            (edge + s * 0.035, y + s * 0.06 - lift),
        ]
        shadow(image, [(px + 14, py + lift) for px, py in blade], 0.35, 8)
        poly(image, blade, "#dfe4e8")
        stroke(image, [blade[0], blade[1]], 2, "#ffffff")
        slab(image, edge + s * 0.025, y - s * 0.46 - lift, s * 0.06, s * 0.22, s * 0.03, "#26262b")
        return image

    return paint


def pot(w: int, h: int, rng: np.random.Generator) -> Scene:
    """Boiling water with spaghetti going in, seen from the front."""
    base = gradient(w, h, "#f4efe3", "#d7e3df")
    s = min(w, h)
    for row in range(int(h * 0.7 / (s * 0.16)) + 1):
        for k in range(8):
            slab(
                base,
                (k + row % 2 / 2) * s * 0.2,
                row * s * 0.16,
                s * 0.19,
                s * 0.15,
                5,
                mix("#cfe6e1", "#f7fffd", float(rng.random())),
            )
    base[round(h * 0.74) :] = gradient(w, h - round(h * 0.74), "#3b3f46", "#22252a")
    x, y = w / 2, h * 0.6
    bubbles = rng.random((40, 3))

    def paint(t: float) -> Image:
        image = base.copy()
        sink = min(1.0, t * 0.35)
        for k in range(22):
            lean = (k - 10.5) / 10.5
            top = (x + lean * s * 0.16, y - s * (0.75 - 0.5 * sink))
            stroke(image, [top, (x + lean * s * (0.07 + 0.12 * sink), y)], 4, ("#e7c66b", "#f3dd98", "#d3ab4a")[k % 3])
        slab(image, x - s * 0.38, y + s * 0.1, s * 0.16, s * 0.06, s * 0.03, "#6e747c")
        slab(image, x + s * 0.38, y + s * 0.1, s * 0.16, s * 0.06, s * 0.03, "#6e747c")
        slab(image, x, y + s * 0.2, s * 0.68, s * 0.42, s * 0.06, "#8b929b")
        slab(image, x - s * 0.16, y + s * 0.2, s * 0.12, s * 0.36, s * 0.05, "#b7bec6")
        oval(image, x, y, s * 0.34, s * 0.075, "#5c636b")
        oval(image, x, y + 3, s * 0.315, s * 0.06, "#bcd9de")
        for bx, by, phase in bubbles:
            pop = (t * 2.2 + phase * 3) % 1
            disc(image, x + (bx - 0.5) * s * 0.56, y + (by - 0.5) * s * 0.08, s * 0.022 * pop + 1, "#eefafc", 2)
        for deep, colour in ((1.0, "#3e8bff"), (0.5, "#bfe0ff")):
            tips = [
                (
                    x + (k - 20) * s * 0.0155,
                    y + s * (0.405 + deep * (0.045 + 0.018 * math.sin(t * 19 + k * 3) * (k % 2))),
                )
                for k in range(41)
            ]
            poly(image, [(x - s * 0.31, y + s * 0.4), *tips, (x + s * 0.31, y + s * 0.4)], colour)
        _steam(image, x, y - s * 0.05, s * 0.5, t)
        return image

    return paint


def burger(w: int, h: int, rng: np.random.Generator, begin: int = 0, wall: str = "#ffb703") -> Scene:
    """Layers drop on one another; `begin` of them lie there already."""
    base = gradient(w, h, mix(wall, "#ffffff", 0.25), wall, mix(wall, "#5a2a00", 0.4))
    s = min(w, h)
    x, floor = w / 2, h * 0.8
    base[round(floor + s * 0.02) :] = wood(w, h - round(floor + s * 0.02), rng, "#9c6b3c", "#5d3a1a")
    slab(base, x, floor + s * 0.015, s * 0.76, s * 0.05, 6, "#3a3a3f")
    heights = (0.09, 0.03, 0.1, 0.04, 0.06, 0.19)  # bun, lettuce, patty, cheese, tomato, top bun
    seeds = rng.random((26, 2))

    def layer(image: Image, k: int, y: float) -> None:
        half = s * 0.3
        if k == 0:
            slab(image, x, y, half * 2, s * 0.09, s * 0.04, "#c47a2c")
            slab(image, x, y - s * 0.025, half * 1.94, s * 0.035, s * 0.02, "#f0cf94")
        elif k == 1:
            wave = [(x - half * 1.1 + j * half * 0.055, y + s * (0.02 * math.sin(j * 0.9) - 0.01)) for j in range(41)]
            stroke(image, wave, s * 0.045, "#4d9a37")
            stroke(image, [(px, py - s * 0.01) for px, py in wave], s * 0.02, "#93cf5a")
        elif k == 2:
            slab(image, x, y, half * 2.06, s * 0.1, s * 0.045, "#4a2516")
            for sx, sy in seeds:
                disc(image, x + (sx - 0.5) * half * 1.9, y + (sy - 0.5) * s * 0.07, s * 0.008, "#7a4329")
        elif k == 3:
            edge = [(x - half * 1.05, y - s * 0.02), (x + half * 1.05, y - s * 0.02), (x + half, y + s * 0.02)]
            edge += [(x + half * 0.6, y + s * 0.015), (x + half * 0.45, y + s * 0.09), (x + half * 0.2, y + s * 0.015)]
            edge += [
                (x - half * 0.3, y + s * 0.015),
                (x - half * 0.55, y + s * 0.075),
                (x - half * 0.75, y + s * 0.015),
            ]
            poly(image, edge, "#ffcb3d")
        elif k == 4:
            for sx in (-0.52, 0.52):
                slab(image, x + sx * half, y, half * 0.98, s * 0.055, s * 0.025, "#c9281f")
                slab(image, x + sx * half, y, half * 0.86, s * 0.028, s * 0.014, "#f0684f")
        else:
            dome = [
                (x + half * 1.05 * math.cos(a), y + s * 0.08 - s * 0.19 * math.sin(a))
                for a in np.linspace(0, math.pi, 30)
            ]
            poly(image, dome, "#d68a35")
            soft(image, [(x - half * 0.3, y - s * 0.04, s * 0.06)], "#ffe3b0", 0.5, s * 0.04)
            for sx, sy in seeds:
                oval(
                    image,
                    x + (sx - 0.5) * half * 1.3,
                    y - s * 0.085 + sy * s * 0.11,
                    s * 0.011,
                    s * 0.006,
                    "#fff1cf",
                    sx * 180,
                )

    def paint(t: float) -> Image:
        image = base.copy()
        y = floor - s * 0.01
        for k, height in enumerate(heights):
            y -= s * height / 2
            fall = 1.0 if k < begin else (t - (k - begin) * 0.42) / 0.3
            if fall > 0:
                bounce = 0.0 if fall > 1.6 else math.sin(min(fall, 1.6) * 9) * s * 0.006
                layer(image, k, y - max(0.0, 1 - fall) ** 2 * h * 0.8 + (bounce if fall > 1 else 0))
            y -= s * height / 2
        return image

    return paint
