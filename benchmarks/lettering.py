"""Captions as editing apps animate them: popping, fading, sliding in, word by word, the spoken word in colour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from data.samplekit.drawing import Image

Entry = Literal["cut", "fade", "pop", "slide", "words"]
Style = Literal["outline", "box", "plain", "shadow"]
_SLACK_S = 1e-6
_FONTS = {"sans": "DejaVuSans-Bold", "serif": "DejaVuSerif-Bold", "light": "DejaVuSans", "mono": "DejaVuSansMono-Bold"}


@dataclass(frozen=True)
class Label:
    """One line of text.

    x, y: its centre in shares of the picture; size: of its letters as a share of the shorter side. It is on screen for
    start_s <= t < end_s, comes in over `entry_s` and, with `leaves`, fades out over `leave_s` before `end_s`.
    emoji: faces drawn behind the text; they are no part of it. spoken: colour of the word that is being said.
    grows: share a second; leans: degrees; shakes: share of the width, four times a second.
    """

    text: str
    start_s: float
    end_s: float
    y: float
    x: float = 0.5
    size: float = 0.08
    style: Style = "outline"
    font: str = "sans"
    colour: str = "#ffffff"
    box: str = "#111111"
    entry: Entry = "cut"
    entry_s: float = 0.2
    leave_s: float = 0.0
    opacity: float = 1.0
    emoji: int = 0
    spoken: str | None = None
    grows: float = 0.0
    leans: float = 0.0
    shakes: float = 0.0

    @property
    def zone(self) -> str:
        return "top" if self.y < 1 / 3 else "middle" if self.y < 2 / 3 else "bottom"

    @property
    def words(self) -> list[str]:
        return self.text.split(" ")


def lay(image: Image, label: Label, t: float) -> None:
    """Draw the label, in place, as it looks at `t` seconds of the video."""
    if not label.start_s <= t + _SLACK_S < label.end_s:
        return
    h, w = image.shape[:2]
    age, left = t - label.start_s + 1 / 30, label.end_s - t
    come = min(1.0, age / label.entry_s)
    shown, said = len(label.words), None
    if label.entry == "words":
        shown = min(shown, 1 + int(age / label.entry_s * shown))
    if label.spoken:
        said = min(len(label.words) - 1, int((t - label.start_s) / (label.end_s - label.start_s) * len(label.words)))
    sprite = _sprite(label, w, h, shown, said)
    opacity = label.opacity * (min(1.0, left / label.leave_s) if label.leave_s else 1.0)
    dx, scale = 0.0, 1.0
    if label.entry == "fade":
        opacity *= come
    elif label.entry == "pop":
        scale = 0.5 + 0.62 * come / 0.7 if come < 0.7 else 1.12 - 0.12 * (come - 0.7) / 0.3
    elif label.entry == "slide":
        dx = -0.6 * w * (1 - come) ** 2
    scale *= 1 + label.grows * (t - label.start_s)
    if label.shakes:
        dx += label.shakes * w * math.sin(8 * math.pi * t)
    if label.leans:
        high, wide = sprite.shape[:2]
        padded = cv2.copyMakeBorder(sprite, wide // 8, wide // 8, 0, 0, cv2.BORDER_CONSTANT)
        turn = cv2.getRotationMatrix2D((wide / 2, high / 2 + wide // 8), label.leans, 1.0)
        sprite = cv2.warpAffine(padded, turn, (wide, high + 2 * (wide // 8)), flags=cv2.INTER_LINEAR)
    if scale != 1.0:
        sprite = cv2.resize(sprite, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _blend(image, sprite, round(label.x * w + dx), round(label.y * h), opacity)


def _blend(image: Image, sprite: NDArray[Any], x: int, y: int, opacity: float) -> None:
    """sprite: uint8 [h, w, 4] BGR and alpha, centred at x, y; what hangs over the edges is lost."""
    h, w = sprite.shape[:2]
    left, top = x - w // 2, y - h // 2
    x0, y0, x1, y1 = max(0, left), max(0, top), min(image.shape[1], left + w), min(image.shape[0], top + h)
    if x0 >= x1 or y0 >= y1:
        return
    part = sprite[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)
    spot = image[y0:y1, x0:x1]
    spot[:] = np.round(spot + (part[..., :3] - spot) * (part[..., 3:] * (opacity / 255))).astype(np.uint8)


@lru_cache(maxsize=256)
def _sprite(label: Label, w: int, h: int, shown: int, said: int | None) -> NDArray[Any]:
    """The first `shown` words where they stand in the whole line, uint8 [h, w, 4]; `said`: index of the spoken word.

    Raises ValueError for a line that is wider than the picture.
    """
    import matplotlib
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFilter, ImageFont

    pixels = max(8, round(min(w, h) * label.size))
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / f"fonts/ttf/{_FONTS[label.font]}.ttf", pixels)
    x0, y0, x1, y1 = font.getbbox(label.text)
    face = round(pixels * 1.25) * label.emoji
    margin = round(pixels * 0.4)
    wide, tall = round(x1 - x0) + face + 2 * margin, round(y1 - y0) + 2 * margin
    if wide - 2 * margin > w:
        raise ValueError(f"caption too wide for {w} pixels: {label.text!r}")
    sheet = Pillow.new("RGBA", (wide, tall), (0, 0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    if label.style == "box":
        draw.rounded_rectangle((0, 0, wide - 1, tall - 1), round(pixels * 0.28), fill=label.box)
    edge = max(2, round(pixels * 0.1)) if label.style == "outline" else 0
    if label.style == "shadow":
        draw.text((margin - x0 + pixels // 14, margin - y0 + pixels // 14), label.text, font=font, fill="#000000")
        sheet = sheet.filter(ImageFilter.GaussianBlur(pixels / 12))
        draw = ImageDraw.Draw(sheet)
    for k, word in enumerate(label.words[:shown]):
        before = " ".join([*label.words[:k], ""])
        at = (margin - x0 + font.getlength(before), margin - y0)
        fill = label.spoken if label.spoken and k == said else label.colour
        draw.text(at, word, font=font, fill=fill, stroke_width=edge, stroke_fill="#000000")
    for k in range(label.emoji if shown == len(label.words) else 0):
        _face(draw, wide - margin - face + pixels * (0.72 + 1.25 * k), tall / 2, pixels * 0.52)
    return np.ascontiguousarray(np.asarray(sheet)[..., [2, 1, 0, 3]])


def _face(draw: Any, x: float, y: float, r: float) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), fill="#ffcc22", outline="#a86a00", width=max(1, round(r / 12)))
    for side in (-0.38, 0.38):
        draw.ellipse((x + r * (side - 0.13), y - r * 0.4, x + r * (side + 0.13), y - r * 0.05), fill="#5a3a00")
    draw.chord((x - r * 0.55, y - r * 0.35, x + r * 0.55, y + r * 0.62), 15, 165, fill="#7a2800")
