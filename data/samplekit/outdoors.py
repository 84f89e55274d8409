"""Places: mountains, a beach, a city at night, a train window, balloons, clouds under a wing, a route on a map."""

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
    shadow,
    slab,
    soft,
    stroke,
    tint,
    turned,
)


def _ridge(w: int, rng: np.random.Generator, cells: float, rough: int) -> list[float]:
    return [float(v) for v in clouds(w, 2, rng, cells, rough)[0]]


def mountains(w: int, h: int, rng: np.random.Generator, sky: str = "#8ecae6", low: str = "#ffd6a5") -> Scene:
    """Ranges slide past one another, birds above."""
    base = gradient(w, h, mix(sky, "#1d4e89", 0.45), sky, low)
    s = min(w, h)
    fade = np.linspace(1, 0, h // 2, dtype=np.float32)[:, None]
    tint(base[: h // 2], clouds(w, h // 2, rng, 3, 5, 2) ** 2 * fade, "#ffffff", 0.6)
    disc(base, w * 0.76, h * 0.2, s * 0.075, "#fff8e1")
    layers = [
        ("#7f9ec2", 0.42, 0.2, 4, 8),
        ("#587ba3", 0.52, 0.2, 5, 20),
        ("#35597c", 0.63, 0.16, 6, 38),
        ("#1f3f4f", 0.76, 0.1, 10, 70),
        ("#12291f", 0.9, 0.1, 26, 120),
    ]
    ridges = [_ridge(w * 2, rng, cells, 5) for _, _, _, cells, _ in layers]

    def paint(t: float) -> Image:
        image = base.copy()
        for (colour, foot, tall, _, speed), ridge in zip(layers, ridges, strict=True):
            shift = t * speed * s / 540
            xs = range(0, w + 8, 4)
            heights = [ridge[int(px + shift) % len(ridge)] for px in xs]
            outline = [(px, h * foot - h * tall * v) for px, v in zip(xs, heights, strict=True)]
            poly(image, [(0, h), *outline, (w + 8, h)], colour)
            if foot < 0.6:  # snow on the far tops
                for (px, py), v in zip(outline, heights, strict=True):
                    if v > 0.62:
                        stroke(image, [(px, py), (px + 3, py + h * tall * (v - 0.62) * 0.8)], 4, "#eef4fb")
        for k in range(5):
            bx, by = (
                (w * 0.1 + t * s * 0.1 + k * s * 0.08) % w,
                h * 0.2 + k % 2 * s * 0.05 + s * 0.02 * math.sin(t * 2 + k),
            )
            flap = s * 0.02 * math.sin(t * 9 + k)
            stroke(image, [(bx - s * 0.025, by - flap), (bx, by), (bx + s * 0.025, by - flap)], 3, "#22333b")
        return image

    return paint


def beach(w: int, h: int, rng: np.random.Generator) -> Scene:
    """Waves, a palm and a parasol."""
    base = gradient(w, h, "#4cc9f0", "#bde0fe", "#fefae0")
    s = min(w, h)
    fade = np.linspace(1, 0, h // 3, dtype=np.float32)[:, None]
    tint(base[: h // 3], clouds(w, h // 3, rng, 3, 4, 2) ** 2 * fade, "#ffffff", 0.8)
    sea, shore = round(h * 0.4), h * 0.68
    base[sea:] = gradient(w, h - sea, "#0077b6", "#48cae4", "#90e0ef")
    sparkle = rng.random((70, 3))
    sand = gradient(w, h, "#f4d58d", "#e9c46a", "#dda15e")
    tint(sand, clouds(w, h, rng, 24, 3), "#b5803a", 0.25)

    def palm(image: Image, x: float, y: float, tall: float, t: float) -> None:
        trunk = [(x + tall * 0.16 * (k / 8) ** 2, y - tall * k / 8) for k in range(9)]
        stroke(image, trunk, s * 0.035, "#7f5539")
        stroke(image, trunk, s * 0.012, "#9c6644")
        cx, cy = trunk[-1]
        for k in range(8):
            a = k * 0.78 + 0.08 * math.sin(t * 2 + k)
            reach = tall * 0.5
            leaf = [
                (cx + reach * j / 8 * math.cos(a), cy + reach * j / 8 * math.sin(a) * 0.6 + (j / 8) ** 2 * tall * 0.22)
                for j in range(9)
            ]
            stroke(image, leaf, s * 0.028, ("#2d6a4f", "#40916c", "#52b788")[k % 3])

    def paint(t: float) -> Image:
        image = base.copy()
        for sx, sy, phase in sparkle:
            if math.sin(t * 5 + phase * 20) > 0:
                slab(image, sx * w, sea + sy * (shore - sea), s * 0.03 * (0.4 + sy), 3, 1, "#e0fbfc")
        bx = w * 0.2 + t * s * 0.03
        poly(
            image,
            [
                (bx - s * 0.07, h * 0.41),
                (bx + s * 0.07, h * 0.41),
                (bx + s * 0.045, h * 0.43),
                (bx - s * 0.045, h * 0.43),
            ],
            "#9b2226",
        )
        poly(image, [(bx, h * 0.405), (bx, h * 0.33), (bx + s * 0.06, h * 0.4)], "#ffffff")
        for k in range(3):
            reach = shore + s * 0.05 * math.sin(t * 1.4 - k * 0.8) - (2 - k) * s * 0.07
            wave = [(px, reach + s * 0.018 * math.sin(px / s * 9 + t * 2 + k)) for px in range(0, w + 20, 20)]
            if k == 2:
                foot = np.array(wave)[:, 1]
                below = np.arange(h)[:, None] > np.interp(np.arange(w), np.arange(0, w + 20, 20), foot)[None]
                image[below] = sand[below]
            stroke(image, wave, s * 0.02, "#f1faee")
        palm(image, w * 0.82, h * 0.86, s * 0.62, t)
        shadow(image, [(w * 0.12, h * 0.88), (w * 0.5, h * 0.86), (w * 0.46, h * 0.9), (w * 0.14, h * 0.91)], 0.3, 12)
        x, y = w * 0.3, h * 0.72
        stroke(image, [(x, y), (x + s * 0.03, h * 0.89)], 6, "#e5e5e5")
        for k in range(6):
            a, b = math.pi + k * math.pi / 6, math.pi + (k + 1) * math.pi / 6
            poly(
                image,
                [
                    (x, y + s * 0.01),
                    (x + s * 0.22 * math.cos(a), y + s * 0.15 * math.sin(a)),
                    (x + s * 0.22 * math.cos(b), y + s * 0.15 * math.sin(b)),
                ],
                "#e63946" if k % 2 else "#f1faee",
            )
        return image

    return paint


def city(w: int, h: int, rng: np.random.Generator, sky: str = "#2b2d6e") -> Scene:
    """Towers with lit windows, and traffic, at night."""
    base = gradient(w, h, "#0b1026", sky, "#b5668c")
    s = min(w, h)
    for _ in range(70):
        disc(base, rng.random() * w, rng.random() * h * 0.4, 1 + rng.random(), "#dfe7ff")
    soft(base, [(w * 0.22, h * 0.14, s * 0.09)], "#fdf6d8", 0.7, s * 0.06)
    windows: list[tuple[float, float, int]] = []
    for layer, colour in enumerate(("#3a3768", "#24244a", "#15162f")):
        x = -s * 0.05
        while x < w:
            wide = s * (0.13 + 0.1 * rng.random())
            top = h * (0.26 + 0.1 * layer + 0.16 * rng.random())
            slab(base, x + wide / 2, (top + h) / 2, wide, h - top, 3, colour)
            if rng.random() < 0.4:
                stroke(base, [(x + wide / 2, top), (x + wide / 2, top - s * 0.09)], 3, colour)
            step = s * 0.032
            for row in range(int((h * 0.82 - top) / step)):
                for column in range(int(wide / step) - 1):
                    if rng.random() < 0.42:
                        windows.append((x + (column + 1) * step, top + (row + 0.7) * step, int(rng.integers(1000))))
            x += wide + s * 0.012
    shades = ("#ffd166", "#ffe8b0", "#f4a259", "#9ad4ff")
    for px, py, kind in windows:
        slab(base, px, py, s * 0.016, s * 0.02, 1, shades[kind % 4])
    base[round(h * 0.83) :] = gradient(w, h - round(h * 0.83), "#20202c", "#0d0d14")
    for k in range(12):
        slab(base, w * k / 11, h * 0.915, w * 0.04, 4, 1, "#d8d8a8")
    cars = rng.random((16, 3))

    def paint(t: float) -> Image:
        image = base.copy()
        for px, py, kind in windows:
            if kind % 17 == int(t * 3) % 17:
                slab(image, px, py, s * 0.016, s * 0.02, 1, "#15162f")
        for start, speed, tone in cars:
            right = tone < 0.5
            px = ((start + t * (0.35 + 0.5 * speed) * (1 if right else -1)) % 1.2 - 0.1) * w
            py = h * (0.95 if right else 0.875)
            soft_light = "#fff3c9" if right else "#ff4d4d"
            slab(image, px, py, s * 0.12, s * 0.045, s * 0.02, mix("#31344b", _car(speed), 0.6))
            slab(image, px - s * 0.005, py - s * 0.025, s * 0.065, s * 0.035, s * 0.015, "#11131f")
            disc(image, px + s * 0.055, py, s * 0.012, soft_light)
            slab(image, px - s * 0.09, py, s * 0.07, s * 0.008, 2, mix(soft_light, "#20202c", 0.4))
        return image

    return paint


def _car(share: float) -> str:
    return ("#e63946", "#457b9d", "#f1faee", "#2a9d8f", "#e9c46a")[int(share * 5) % 5]


def train(w: int, h: int, rng: np.random.Generator) -> Scene:
    """Fields and trees rush past a carriage window."""
    s = min(w, h)
    sky = gradient(w, h, "#56a3d9", "#cfe8f5")
    tint(sky, clouds(w, h, rng, 3, 4, 2) ** 2, "#ffffff", 0.8)
    trees = rng.random((26, 3))
    hills = _ridge(w * 2, rng, 4, 3)
    fields = ("#a3b18a", "#dda15e", "#e9d985", "#84a98c", "#c9ada7")

    def paint(t: float) -> Image:
        image = sky.copy()
        shift = t * s * 0.12
        poly(
            image,
            [
                (0, h),
                *((px, h * 0.5 - h * 0.12 * hills[int(px + shift) % len(hills)]) for px in range(0, w + 8, 8)),
                (w, h),
            ],
            "#6b9080",
        )
        for row, (near, y) in enumerate(((0.5, 0.5), (1.0, 0.57), (2.0, 0.67))):
            step = w * (0.45 + 0.15 * row)
            offset = t * s * near * 0.6
            first = int(offset // step)
            for k in range(first, first + 5):
                x = k * step - offset
                poly(
                    image,
                    [(x, h * y), (x + step, h * y), (x + step - s * 0.2, h), (x - s * 0.2, h)],
                    fields[(k + row * 2) % 5],
                )
        for k, (start, depth, tall) in enumerate(trees):
            speed = 0.5 + 1.9 * depth
            x = ((start * 1.6 - t * speed * 0.5) % 1.6 - 0.3) * w
            y, size = h * (0.53 + 0.25 * depth), s * (0.05 + 0.16 * depth) * (0.7 + 0.5 * tall)
            stroke(image, [(x, y), (x, y - size)], size * 0.12, "#5c4033")
            for dx, dy in ((0, -1.1), (-0.3, -0.8), (0.3, -0.8)):
                disc(image, x + dx * size, y + dy * size, size * 0.42, ("#386641", "#588157", "#3a5a40")[k % 3])
        frame = "#c9cdd2"
        sill = h * 0.78
        image[round(sill) :] = gradient(w, h - round(sill), "#aab0b8", "#6c7480")
        for points in (
            [(0, 0), (w, 0), (w, h * 0.13), (0, h * 0.13)],
            [(0, 0), (w * 0.07, 0), (w * 0.07, h), (0, h)],
            [(w * 0.93, 0), (w, 0), (w, h), (w * 0.93, h)],
        ):
            poly(image, points, frame)
        stroke(
            image,
            [(w * 0.07, h * 0.13), (w * 0.93, h * 0.13), (w * 0.93, sill), (w * 0.07, sill), (w * 0.07, h * 0.13)],
            s * 0.018,
            "#3d434b",
        )
        cup_x, cup_y = w * 0.7, sill + s * 0.02
        poly(
            image,
            [
                (cup_x - s * 0.07, cup_y - s * 0.16),
                (cup_x + s * 0.07, cup_y - s * 0.16),
                (cup_x + s * 0.055, cup_y),
                (cup_x - s * 0.055, cup_y),
            ],
            "#ffffff",
        )
        slab(image, cup_x, cup_y - s * 0.09, s * 0.13, s * 0.05, 3, "#bc6c25")
        oval(image, cup_x, cup_y - s * 0.16, s * 0.075, s * 0.016, "#3c2415")
        return image

    return paint


def balloons(w: int, h: int, rng: np.random.Generator) -> Scene:
    """Hot-air balloons rise over a canyon at dawn."""
    base = gradient(w, h, "#5e60ce", "#f49ac1", "#ffd6a5")
    s = min(w, h)
    tint(base, clouds(w, h, rng, 3, 4, 3) ** 3, "#fff1e6", 0.6)
    for colour, foot, tall in (("#b5838d", 0.84, 0.14), ("#7f5f6b", 0.93, 0.14), ("#493548", 1.03, 0.14)):
        ridge = [round(v * 6) / 6 for v in _ridge(w, rng, 6, 2)]
        poly(base, [(0, h), *((px, h * foot - h * tall * ridge[px]) for px in range(0, w, 4)), (w, h)], colour)
    crew = [
        (0.5, 0.44, 0.3, "#e63946", "#f1faee"),
        (0.2, 0.28, 0.13, "#ffb703", "#fb8500"),
        (0.8, 0.24, 0.1, "#06d6a0", "#118ab2"),
        (0.13, 0.6, 0.17, "#7209b7", "#f72585"),
        (0.86, 0.58, 0.15, "#219ebc", "#ffd60a"),
    ]

    def paint(t: float) -> Image:
        image = base.copy()
        for k, (fx, fy, size, one, two) in enumerate(sorted(crew, key=lambda c: c[2])):
            x, y, r = w * fx + s * 0.015 * math.sin(t + k), h * fy - t * s * 0.09 * (0.4 + size * 2), s * size
            for side in (-1, 1):
                stroke(image, [(x + side * r * 0.45, y + r * 0.7), (x + side * r * 0.14, y + r * 1.35)], 2, "#4a4e69")
            poly(
                image,
                [
                    (x - r * 0.98, y + r * 0.18),
                    (x + r * 0.98, y + r * 0.18),
                    (x + r * 0.22, y + r * 1.12),
                    (x - r * 0.22, y + r * 1.12),
                ],
                one,
            )
            for j, width in enumerate((1.0, 0.78, 0.5, 0.2)):
                colour = one if j % 2 == 0 else two
                oval(image, x, y, r * width, r, colour)
                poly(
                    image,
                    [
                        (x - r * width * 0.98, y + r * 0.18),
                        (x + r * width * 0.98, y + r * 0.18),
                        (x + r * 0.22 * width, y + r * 1.12),
                        (x - r * 0.22 * width, y + r * 1.12),
                    ],
                    colour,
                )
            slab(image, x, y + r * 1.45, r * 0.34, r * 0.24, r * 0.05, "#6f4518")
            if math.sin(t * 4 + k * 2) > 0.3:
                oval(image, x, y + r * 1.2, r * 0.05, r * 0.12, "#fff3b0")
        return image

    return paint


def wing(w: int, h: int, rng: np.random.Generator) -> Scene:
    """Clouds from above, past a wing."""
    sky = gradient(w, h, "#1d5fa8", "#79b8ea", "#e8f3fa")
    s = min(w, h)
    sea = clouds(w * 2, h, rng, 5, 5) ** 1.5

    def paint(t: float) -> Image:
        image = sky.copy()
        shift = int(t * s * 0.09) % w
        horizon = round(h * 0.42)
        tint(image[horizon:], np.ascontiguousarray(sea[horizon:, shift : shift + w]), "#ffffff", 1.0)
        soft(image, [(w * 0.75, h * 0.2, s * 0.08)], "#fffbe6", 0.9, s * 0.1)
        bob = s * 0.006 * math.sin(t * 3)
        blade = [
            (w * 1.1, h * 0.8 + bob),
            (w * 1.1, h * 0.95 + bob),
            (w * 0.22, h * 0.6 + bob),
            (w * 0.16, h * 0.555 + bob),
        ]
        poly(image, blade, "#9aa5b1")
        poly(image, [blade[0], (w * 1.1, h * 0.85 + bob), (w * 0.2, h * 0.58 + bob), blade[3]], "#d5dce4")
        poly(
            image,
            [
                (w * 0.2, h * 0.585 + bob),
                (w * 0.09, h * 0.515 + bob),
                (w * 0.115, h * 0.51 + bob),
                (w * 0.27, h * 0.6 + bob),
            ],
            "#d62828",
        )
        for k in range(4):
            x = w * (0.45 + 0.17 * k)
            stroke(
                image, [(x, h * (0.62 + 0.067 * k) + bob), (x - s * 0.02, h * (0.68 + 0.067 * k) + bob)], 3, "#6b7785"
            )
        if t % 1 < 0.12:
            soft(image, [(w * 0.1, h * 0.51, s * 0.02)], "#ffffff", 1.0, s * 0.02)
        return image

    return paint


def route(w: int, h: int, rng: np.random.Generator) -> Scene:
    """A dashed way is drawn across a map, from pin to pin."""
    base = gradient(w, h, "#a8dadc", "#8ecae6")
    s = min(w, h)
    land = clouds(w, h, rng, 3, 5)
    base[land > 0.46] = np.array([190, 230, 240], np.uint8)  # shore
    green = gradient(w, h, "#b7d99a", "#8fbf75")
    base[land > 0.49] = green[land > 0.49]
    hills = gradient(w, h, "#d9c89e", "#c2a878")
    base[land > 0.72] = hills[land > 0.72]
    stops: list[Point] = [(w * 0.2, h * 0.76), (w * 0.7, h * 0.62), (w * 0.32, h * 0.42), (w * 0.76, h * 0.24)]
    way: list[Point] = []
    for (ax, ay), (bx, by) in itertools.pairwise(stops):
        way += [
            (ax + (bx - ax) * k / 24, ay + (by - ay) * k / 24 - s * 0.1 * math.sin(math.pi * k / 24)) for k in range(24)
        ]
    way.append(stops[-1])

    def paint(t: float) -> Image:
        image = base.copy()
        reach = min(len(way) - 1, int(t * 22) + 1)
        for k in range(0, reach, 2):
            stroke(image, way[k : k + 2], s * 0.016, "#9d0208")
        for k, (x, y) in enumerate(stops):
            if reach >= k * 24 - 2:
                drop = max(0.0, 1 - (t * 22 - k * 24 + 2) / 6) ** 2 * s * 0.3
                poly(
                    image,
                    [(x - s * 0.038, y - s * 0.07 - drop), (x + s * 0.038, y - s * 0.07 - drop), (x, y - drop)],
                    "#d00000",
                )
                disc(image, x, y - s * 0.085 - drop, s * 0.042, "#d00000")
                disc(image, x, y - s * 0.085 - drop, s * 0.018, "#ffffff")
        x, y = way[reach]
        px, py = way[max(0, reach - 1)]
        angle = math.degrees(math.atan2(y - py, x - px)) + 90
        plane = [
            (0, -0.06),
            (0.012, -0.02),
            (0.06, 0.01),
            (0.06, 0.022),
            (0.012, 0.01),
            (0.008, 0.045),
            (0.025, 0.06),
            (0, 0.055),
        ]
        outline = plane + [(-dx, dy) for dx, dy in reversed(plane)]
        poly(image, turned([(dx * s * 1.3, dy * s * 1.3) for dx, dy in outline], x + 5, y + 8, angle), "#7d8c80")
        poly(image, turned([(dx * s * 1.3, dy * s * 1.3) for dx, dy in outline], x, y, angle), "#ffffff")
        return image

    return paint
