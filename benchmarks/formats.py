"""Clips of the hard set in the shapes, rates and codecs that videos come in."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from benchmarks.clip import TALL, Clip, busy, fitted, phrases, sentences, spliced, spread
from benchmarks.footage import drawn, has_media
from benchmarks.lettering import Label
from benchmarks.noises import Sound
from data.samplekit.drawing import Image, disc, slab


def screen(name: str, rng: np.random.Generator) -> Clip:
    """A recording of a page at 60 frames a second, 1080p: small text, a pointer, a line being typed, then another page."""
    w, h = size = (1920, 1080)
    pages = [
        [
            "Getting started with the API",
            "Install the package first",
            "Then create a new project",
            "Open the settings tab",
        ],
        ["Monthly report", "Revenue grew by 12 percent", "Costs stayed the same", "Next review on 4 May"],
    ]  # the second in a dark window: between two white pages, a cut is a matter of opinion
    change, labels = 3.5, []
    for k, page in enumerate(pages):
        for n, text in enumerate(page):
            how = {"x": 0.3, "size": 0.034 if n == 0 else 0.024, "style": "plain", "font": "light"}
            how["colour"] = "#e8eaed" if k else "#202124"
            labels.append(Label(text, k * change, (k + 1) * change, 0.2 + 0.12 * n, **how))  # type: ignore[arg-type]
    labels.append(
        Label("pip install example", 1.0, change, 0.72, x=0.3, size=0.024, style="plain", colour="#d7263d", font="mono")
    )

    def paint(t: float) -> Image:
        image = np.full((h, w, 3), 250 if t < change else 32, np.uint8)
        slab(image, w / 2, 40, w, 80, 1, "#3c4043" if t < change else "#1a73e8")
        slab(image, 110, h / 2, 220, h, 1, "#e8eaed" if t < change else "#2b2f36")
        for k in range(6):
            slab(image, 110, 160 + 90 * k, 150, 26, 8, "#bdc1c6" if t < change else "#5f6368")
        slab(image, w * 0.72, h * 0.55, w * 0.4, h * 0.5, 12, "#dadce0" if t < change else "#3c4043")
        return image

    def pointed(t: float) -> Image:
        image = paint(t)
        disc(image, w * (0.7 + 0.15 * np.sin(t)), h * (0.5 + 0.3 * np.cos(1.3 * t)), 9, "#888888")
        return image

    return Clip(name, pointed, 2 * change, size=size, fps=Fraction(60), labels=labels, cuts_s=[change], crf=24)


def phone(name: str, rng: np.random.Generator) -> Clip:
    """Held upright, stored lying, with dropped and late frames; captions at the very top and bottom; HEVC."""
    end, size = 6.5, TALL
    top, bottom, last = phrases(rng, 3)
    labels = [
        Label(top, 0.0, 3.0, 0.035, size=0.075),
        Label(bottom, 1.2, 3.6, 0.965, size=0.075),
        Label(last, 4.0, 6.0, 0.965, size=0.075, style="box", box="#e63946"),
    ]
    grid = [n / 30 for n in range(round(end * 30))]
    kept = [grid[0], *(time for time in grid[1:-1] if rng.random() > 0.35), grid[-1]]
    times = [time + (float(rng.random()) * 0.009 if 0 < k < len(kept) - 1 else 0.0) for k, time in enumerate(kept)]
    picture, cuts = spliced(rng, size, [3.8, end - 3.8], zoom=0.02)
    return Clip(
        name, picture, end, labels=fitted(labels, size), cuts_s=cuts, turned=True, times_s=times, codec="libx265",
        options={"preset": "veryfast", "x265-params": "log-level=error"}, sound=Sound(lines=sentences(rng, end), noise=0.05),
    )  # fmt: skip


def av1(name: str, rng: np.random.Generator) -> Clip:
    """1080x1920 AV1: emoji and captions of two lines; a real voice over music where there is one."""
    size, end = (1080, 1920), 6.0
    one, two, three, four = phrases(rng, 4)
    labels = [
        Label(one, 0.0, 2.6, 0.2, size=0.075, emoji=1),
        Label(two, 0.0, 2.6, 0.255, size=0.075),
        Label(three, 2.9, 5.5, 0.7, size=0.07, style="box", emoji=2),
        Label(four, 2.9, 5.5, 0.76, size=0.07, style="box"),
    ]
    picture, cuts = busy(rng, size, end)
    return Clip(
        name, picture, end, size=size, labels=fitted(labels, size), cuts_s=cuts, codec="libsvtav1", crf=38,
        options={"preset": "9"}, sound=Sound(lines=sentences(rng, end), music="upbeat", music_level=0.4),
    )  # fmt: skip


def ten_bits(name: str, rng: np.random.Generator) -> Clip:
    """Ten-bit HEVC at 50 frames a second; captions in other typefaces, a handle in the corner; digital silence."""
    size, end = TALL, 6.0
    texts = phrases(rng, 3)
    labels = [
        Label("@daily.maker", 0.0, end, 0.06, x=0.24, size=0.04, style="shadow", font="light", opacity=0.75),
        Label(texts[0], 0.4, 2.2, 0.4, size=0.08, font="serif", style="shadow", entry="fade", entry_s=0.3),
        Label(texts[1], 2.5, 4.0, 0.4, size=0.08, font="mono", style="box", box="#ffd166", colour="#1d1d1d"),
        Label(texts[2], 4.2, 5.8, 0.4, size=0.08, style="plain", colour="#ff2e63", entry="pop"),
    ]
    picture, cuts = busy(rng, size, end)
    return Clip(
        name, picture, end, fps=Fraction(50), labels=fitted(labels, size), cuts_s=cuts, codec="libx265",
        pix_fmt="yuv420p10le", options={"preset": "veryfast", "x265-params": "log-level=error"}, sound=Sound(),
    )  # fmt: skip


def blurred(name: str, rng: np.random.Generator) -> Clip:
    """A landscape picture on its own blurred enlargement; thin plain text above and below, at 25 frames a second."""
    w, h = TALL
    inner, cuts = busy(rng, (540, 304), 6.0)
    top, *texts = phrases(rng, 4)

    def paint(t: float) -> Image:
        small = inner(t)
        far = cv2.GaussianBlur(cv2.resize(small[:, 185:356], (w // 4, h // 4)), (0, 0), 6)
        image = cv2.resize(far, (w, h)) // 2
        image[328:632] = small
        return image

    how: dict[str, Any] = {"style": "plain", "font": "light"}
    labels = [
        Label(top, 0.0, 6.0, 0.22, size=0.07, **how),
        *spread(rng, texts, 0.4, 1.5, 0.1, y=0.74, size=0.06, **how),
    ]
    return Clip(
        name, paint, 6.0, fps=Fraction(25), labels=fitted(labels, TALL), cuts_s=cuts, crf=30,
        sound=Sound(music="lofi", noise=0.02),
    )  # fmt: skip


def low(name: str, rng: np.random.Generator) -> Clip:
    """360x640 at a low bit rate: small outlined captions over a busy picture, none longer than two seconds."""
    size = (360, 640)
    labels = spread(rng, phrases(rng, 4), 0.3, 1.4, 0.1, y=0.78, size=0.065)
    picture, cuts = busy(rng, size, 6.5)
    labels = [label for label in labels if label.end_s < 6.5]
    return Clip(
        name, picture, 6.5, size=size, fps=Fraction(24), labels=fitted(labels, size), cuts_s=cuts, crf=34,
        sound=Sound(lines=sentences(rng, 6.5), music="lofi", music_level=0.3),
    )  # fmt: skip


def small(name: str, rng: np.random.Generator) -> Clip:
    """1080x1920: small captions of three lines of up to thirty letters, without an outline."""
    size, end = (1080, 1920), 5.0
    texts = phrases(rng, 12)
    lines = [f"{a} {b}".lower()[:34].rsplit(" ", 1)[0] for a, b in zip(texts[::2], texts[1::2], strict=True)]
    labels = [
        Label(text, (k // 3) * 2.5, (k // 3) * 2.5 + 2.3, 0.8 + 0.028 * (k % 3), size=0.034, style="shadow")
        for k, text in enumerate(lines)
    ]
    picture, cuts = busy(rng, size, end)
    return Clip(name, picture, end, size=size, labels=labels, cuts_s=cuts, crf=26, sound=Sound(noise=0.005))


def speech(name: str, rng: np.random.Generator) -> Clip:
    """A real voice (where there is one) over music that does not step back; a still picture with little text."""
    end = 11.0 if has_media() else 6.0
    labels = fitted(spread(rng, phrases(rng, 3), 0.5, 2.2, 0.6, y=0.8, size=0.07, style="plain"), (360, 640))
    picture = drawn(360, 640, rng, 19, zoom=0.005)
    sound = Sound(real=True, music="lofi", music_level=0.12) if has_media() else Sound(lines=sentences(rng, end))
    return Clip(name, picture, end, size=(360, 640), fps=Fraction(24), labels=labels, sound=sound)
