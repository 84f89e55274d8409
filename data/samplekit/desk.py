"""Screens and gadgets: a phone, an editor (bars for words: nothing to read), a chart, a keyboard, headphones."""

from __future__ import annotations

import math

import cv2
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
    shadow,
    slab,
    soft,
    stroke,
    tint,
    turned,
    wood,
)

_ICONS = ("#ff595e", "#ffca3a", "#8ac926", "#1982c4", "#6a4c93", "#f15bb5", "#00bbf9", "#fee440")


def phone(w: int, h: int, rng: np.random.Generator, wall: str = "#3a0ca3", shell: str = "#20222a") -> Scene:
    """A phone floats and tilts over a coloured backdrop."""
    base = gradient(w, h, mix(wall, "#ffffff", 0.35), wall, mix(wall, "#000000", 0.45))
    s = min(w, h)
    tint(base, clouds(w, h, rng, 2, 2), mix(wall, "#ff9de2", 0.6), 0.45)
    for _k in range(14):
        soft(
            base,
            [(rng.random() * w, rng.random() * h, s * (0.02 + 0.06 * rng.random()))],
            mix(wall, "#ffffff", 0.5),
            0.5,
            s * 0.03,
        )
    order = rng.permutation(24)

    def paint(t: float) -> Image:
        image = base.copy()
        angle = -9 + 6 * math.sin(t * 1.3)
        x, y = w / 2, h * 0.5 + s * 0.02 * math.sin(t * 2)
        pw, ph = s * 0.42, s * 0.86
        corners = turned(
            [(-pw / 2, -ph / 2), (pw / 2, -ph / 2), (pw / 2, ph / 2), (-pw / 2, ph / 2)],
            x + s * 0.04,
            y + s * 0.07,
            angle,
        )
        shadow(image, corners, 0.55, s * 0.06)
        slab(image, x + 4, y + 3, pw * 1.03, ph * 1.015, s * 0.07, mix(shell, "#ffffff", 0.45), angle)
        slab(image, x, y, pw, ph, s * 0.065, shell, angle)
        slab(image, x, y, pw * 0.92, ph * 0.955, s * 0.05, "#14213d", angle)
        for k in range(24):
            grow = min(1.0, max(0.0, t * 2.2 - 0.06 * order[k]) + 0.25)
            column, row = k % 4, k // 4
            ((px, py),) = turned([((column - 1.5) * pw * 0.215, (row - 2.9) * ph * 0.135)], x, y, angle)
            side = pw * 0.165 * grow
            slab(image, px, py, side, side, side * 0.26, _ICONS[(k * 5 + row) % 8], angle)
            glyph = (
                [(0.0, -0.3), (0.3, 0.25), (-0.3, 0.25)]
                if k % 3
                else [(-0.3, -0.2), (0.3, -0.2), (0.12, 0.28), (-0.12, 0.28)]
            )
            tinted = mix(_ICONS[(k * 5 + row) % 8], "#ffffff", 0.6)
            poly(image, turned([(gx * side, gy * side) for gx, gy in glyph], px, py, angle + 90 * (k % 4)), tinted)
        ((px, py),) = turned([(0, -ph * 0.445)], x, y, angle)
        slab(image, px, py, pw * 0.26, ph * 0.026, 9, "#000000", angle)
        glint = (t * 0.6 % 1.6) - 0.3
        band = [
            (-pw * 0.42, ph * (glint - 0.55)),
            (pw * 0.42, ph * (glint - 0.8)),
            (pw * 0.42, ph * (glint - 0.7)),
            (-pw * 0.42, ph * (glint - 0.45)),
        ]
        mask = np.zeros((h, w), np.float32)
        cv2.fillPoly(
            mask,
            [np.array(turned([(a, min(max(b, -ph * 0.46), ph * 0.46)) for a, b in band], x, y, angle), np.int32)],
            0.22,
        )
        tint(image, mask, "#ffffff")
        return image

    return paint


def editor(w: int, h: int, rng: np.random.Generator, paper: str = "#1e1e2e", pace: float = 3.0) -> Scene:
    """Code is typed; lines are bars, so there is nothing to read."""
    base = gradient(w, h, paper, mix(paper, "#000000", 0.25))
    s = min(w, h)
    slab(base, w / 2, s * 0.04, w * 1.1, s * 0.08, 0, mix(paper, "#ffffff", 0.1))
    for k, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f")):
        disc(base, s * (0.06 + 0.05 * k), s * 0.045, s * 0.015, colour)
    slab(base, w * 0.025, h / 2, w * 0.09, h * 1.1, 0, mix(paper, "#ffffff", 0.05))
    palette = ("#f38ba8", "#89b4fa", "#a6e3a1", "#f9e2af", "#cba6f7", "#94e2d5", "#cdd6f4")
    line_h = s * 0.052
    rows = int((h - s * 0.12) / line_h)
    lines = []
    depth = 0
    for _ in range(rows):
        depth = int(np.clip(depth + rng.integers(-1, 2), 0, 4))
        words = [
            (float(rng.random()) * s * 0.1 + s * 0.035, palette[int(rng.integers(7))])
            for _ in range(int(rng.integers(1, 5)))
        ]
        lines.append((depth, words))
    done = rows * 0.45

    def paint(t: float) -> Image:
        image = base.copy()
        typed = done + t * pace
        for k, (indent, words) in enumerate(lines):
            share = min(1.0, typed - k)
            if share <= 0:
                break
            y = s * 0.12 + k * line_h
            if share < 1:
                slab(image, w / 2, y, w * 1.1, line_h * 0.9, 0, mix(paper, "#ffffff", 0.08))
            x, room = w * 0.09 + indent * s * 0.055, sum(length for length, _ in words) * share
            for length, colour in words:
                shown = min(length, room)
                if shown > 2:
                    slab(image, x + shown / 2, y, shown, line_h * 0.36, line_h * 0.18, colour)
                    x += shown + s * 0.018
                room -= shown
            if share < 1 and t * 2 % 1 < 0.6:
                slab(image, x, y, 3, line_h * 0.7, 1, "#f5e0dc")
        return image

    return paint


def chart(w: int, h: int, rng: np.random.Generator, paper: str = "#f8f9fb") -> Scene:
    """Bars and a curve grow on a dashboard."""
    base = gradient(w, h, paper, mix(paper, "#8aa2c8", 0.25))
    s = min(w, h)
    left, right, foot, top = w * 0.12, w * 0.9, h * 0.74, h * 0.26
    slab(base, w / 2, h / 2, w * 0.9, h * 0.62, s * 0.04, "#ffffff")
    for k in range(5):
        y = foot + (top - foot) * k / 4
        stroke(base, [(left, y), (right, y)], 2, "#dbe2ec")
    values = np.clip(0.25 + np.cumsum(rng.random(9) - 0.32) * 0.3, 0.1, 0.95)

    def paint(t: float) -> Image:
        image = base.copy()
        step = (right - left) / 9
        for k, value in enumerate(values):
            grow = 1 - (1 - min(1.0, max(0.0, t * 1.6 - k * 0.12))) ** 3
            tall = (foot - top) * float(value) * grow
            if tall > 2:
                colour = mix("#4361ee", "#f72585", k / 8)
                slab(image, left + (k + 0.5) * step, foot - tall / 2, step * 1.01, tall, 1, colour)
        reach = min(1.0, t * 0.5) * 8
        curve = [
            (left + (k + 0.5) * step, foot - (foot - top) * (0.12 + 0.75 * (k / 8) ** 1.6 + 0.05 * math.sin(k * 2)))
            for k in np.linspace(0, reach, 30)
        ]
        stroke(image, curve, s * 0.014, "#ff9f1c")
        disc(image, *curve[-1], s * 0.024, "#ffffff")
        disc(image, *curve[-1], s * 0.016, "#ff9f1c")
        return image

    return paint


def keyboard(w: int, h: int, rng: np.random.Generator) -> Scene:
    """Keys glow in waves, and go down where somebody types."""
    base = gradient(w, h, "#0b0c10", "#15171f")
    s = min(w, h)
    key = s * 0.105
    presses = rng.random((60, 2))

    def paint(t: float) -> Image:
        image = base.copy()
        for row in range(-2, int(h / key) + 2):
            for column in range(-1, int(w / key) + 2):
                ((x, y),) = turned(
                    [((column - w / key / 2 + row % 2 / 2) * key * 1.1, (row - h / key / 2) * key * 1.1)],
                    w / 2,
                    h / 2,
                    -8,
                )
                phase = (column * 0.16 + row * 0.11 - t * 0.9) % 1
                glow = cv2.cvtColor(np.array([[[round(phase * 179), 225, 255]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
                colour = "#" + "".join(f"{int(c):02x}" for c in glow[::-1])
                px, py = presses[int(t * 7) % 60]
                down = abs(x - px * w) + abs(y - py * h) < key * 1.2
                slab(image, x, y, key * 1.04, key * 1.04, key * 0.2, mix(colour, "#000000", 0.25))
                slab(
                    image,
                    x,
                    y + (4 if down else 0),
                    key * 0.86,
                    key * 0.86,
                    key * 0.18,
                    "#3a3f4d" if down else "#23262f",
                )
                slab(
                    image,
                    x,
                    y - key * 0.06 + (4 if down else 0),
                    key * 0.62,
                    key * 0.56,
                    key * 0.14,
                    mix("#2f333e", colour, 0.2),
                )
        return image

    return paint


def headphones(w: int, h: int, rng: np.random.Generator, wall: str = "#ff6b35") -> Scene:
    """Headphones on a desk, sound waves around them."""
    base = gradient(w, h, mix(wall, "#ffffff", 0.3), wall)
    s = min(w, h)
    base[round(h * 0.72) :] = wood(w, h - round(h * 0.72), rng, "#e3c29b", "#a0764a")

    def paint(t: float) -> Image:
        image = base.copy()
        x, y = w / 2, h * 0.5
        for k in range(5):
            reach = (t * 0.5 + k / 5) % 1
            for arc in ((-35, 35), (145, 215)):
                radius = s * (0.3 + 0.4 * reach)
                oval(image, x, y, radius, radius, mix("#ffffff", wall, reach), 0, round(6 * (1 - reach)) + 1, arc)
        shadow(
            image,
            [(x - s * 0.3, h * 0.75), (x + s * 0.3, h * 0.75), (x + s * 0.3, h * 0.78), (x - s * 0.3, h * 0.78)],
            0.5,
            s * 0.05,
        )
        lift = s * 0.015 * math.sin(t * 3)
        oval(image, x, y + lift, s * 0.28, s * 0.32, "#1b1b22", 0, round(s * 0.055), (180, 360))
        oval(image, x, y + lift - 2, s * 0.28, s * 0.32, "#4a4a58", 0, round(s * 0.015), (190, 350))
        for side in (-1, 1):
            slab(image, x + side * s * 0.27, y + s * 0.1 + lift, s * 0.15, s * 0.3, s * 0.07, "#2b2b36", side * 6)
            slab(image, x + side * s * 0.225, y + s * 0.1 + lift, s * 0.07, s * 0.26, s * 0.035, "#7a7a8c", side * 6)
            disc(image, x + side * s * 0.3, y + s * 0.1 + lift, s * 0.018, ("#37ff8b", "#ffffff")[int(t * 2) % 2])
        soft(image, [(x - s * 0.16, y - s * 0.2, s * 0.03)], "#ffffff", 0.4, s * 0.04)
        return image

    return paint


def board(w: int, h: int, rng: np.random.Generator, mask: str = "#0b6e4f") -> Scene:
    """A circuit board with signals running along its traces."""
    base = gradient(w, h, mix(mask, "#ffffff", 0.08), mix(mask, "#000000", 0.3))
    s = min(w, h)
    step = s * 0.07
    routes = []
    for _ in range(46):
        x, y = round(rng.random() * w / step) * step, round(rng.random() * h / step) * step
        route = [(x, y)]
        heading = int(rng.integers(4))
        for _ in range(5):
            length = step * int(rng.integers(1, 5))
            x += (1, 0, -1, 0)[heading] * length
            y += (0, 1, 0, -1)[heading] * length
            route.append((x, y))
            heading = (heading + (1 if rng.random() < 0.5 else 3)) % 4
        routes.append(route)
        stroke(base, route, 4, "#d4a72c")
        for px, py in (route[0], route[-1]):
            disc(base, px, py, 9, "#e9c46a")
    for _k in range(9):
        x, y, side = rng.random() * w, rng.random() * h, s * (0.08 + 0.05 * rng.random())
        for pin in range(6):
            for edge in (-1, 1):
                slab(base, x + edge * side * 0.62, y + (pin - 2.5) * side * 0.17, side * 0.2, side * 0.08, 1, "#cfd4d8")
        slab(base, x, y, side * 1.1, side * 1.1, 5, "#17191d")
        disc(base, x - side * 0.38, y - side * 0.38, side * 0.06, "#4b5058")
    x, y, side = w / 2, h / 2, s * 0.36
    for pin in range(16):
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            shift = (pin - 7.5) * side * 0.056
            slab(
                base,
                x + dx * side * 0.53 + dy * shift,
                y + dy * side * 0.53 + dx * shift,
                side * (0.12 if dx else 0.03),
                side * (0.12 if dy else 0.03),
                1,
                "#dfe3e6",
            )
    shadow(
        base,
        turned(
            [(-side / 2, -side / 2), (side / 2, -side / 2), (side / 2, side / 2), (-side / 2, side / 2)],
            x + 8,
            y + 10,
            0,
        ),
        0.6,
        12,
    )
    slab(base, x, y, side, side, 10, "#22252b")
    slab(base, x, y, side * 0.72, side * 0.72, 8, "#c7ccd1")
    poly(
        base,
        turned([(-side * 0.3, -side * 0.3), (side * 0.1, -side * 0.3), (-side * 0.3, side * 0.1)], x, y, 0),
        "#e6eaee",
    )

    def paint(t: float) -> Image:
        image = base.copy()
        for k, route in enumerate(routes):
            at = (t * 1.2 + k * 0.37) % 1 * (len(route) - 1)
            leg, share = int(at), at % 1
            (ax, ay), (bx, by) = route[leg], route[leg + 1]
            disc(image, ax + (bx - ax) * share, ay + (by - ay) * share, 7, ("#7cffcb", "#ffffff", "#ffd166")[k % 3])
        slab(image, x, y, side * 0.5, side * 0.5, 8, mix("#7cffcb", "#2a9d8f", 0.5 + 0.5 * math.sin(t * 4)))
        return image

    return paint
