"""Text burnt into the picture, as short-video apps do it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from data.samplekit.drawing import Image


@dataclass(frozen=True)
class Caption:
    """One line of text.

    y: its centre as a share of the height; size: of its letters, as a share of the shorter side; it is on screen for
    start_s <= t < end_s and comes in over `fade_s`.
    """

    text: str
    start_s: float
    end_s: float
    y: float
    style: Literal["outline", "box"] = "outline"
    colour: str = "#ffffff"
    box: str = "#ef233c"
    size: float = 0.078
    fade_s: float = 0.0

    @property
    def zone(self) -> str:
        return "top" if self.y < 1 / 3 else "middle" if self.y < 2 / 3 else "bottom"


@dataclass(frozen=True)
class Stamp:
    """A caption ready to be laid on: colour and opacity of its patch, where that goes, and the letters' box."""

    patch: Image  # BGR
    alpha: Image
    left: int
    top: int
    letters: tuple[float, float, float, float]  # x, y, width, height in shares of the picture


@cache
def _stamp(caption: Caption, w: int, h: int) -> Stamp:
    import matplotlib
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    pixels = round(min(w, h) * caption.size)
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf", pixels)
    edge = max(2, round(pixels * 0.11)) if caption.style == "outline" else 0
    x0, y0, x1, y1 = font.getbbox(caption.text)
    margin = round(pixels * 0.42)
    wide, tall = round(x1 - x0) + 2 * margin, round(y1 - y0) + 2 * margin
    if wide - margin > w:
        raise ValueError(f"caption too wide for {w} pixels: {caption.text!r}")
    sheet = Pillow.new("RGBA", (wide, tall), (0, 0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    if caption.style == "box":
        draw.rounded_rectangle((0, 0, wide - 1, tall - 1), round(pixels * 0.28), fill=caption.box)
    draw.text(
        (margin - x0, margin - y0),
        caption.text,
        font=font,
        fill=caption.colour,
        stroke_width=edge,
        stroke_fill="#000000",
    )
    pixels_rgba = np.asarray(sheet)
    left, top = round((w - wide) / 2), round(h * caption.y - tall / 2)
    cut = slice(max(0, -left), min(wide, w - left))  # the margin may hang over the edge
    letters = ((left + margin) / w, (top + margin) / h, (x1 - x0) / w, (y1 - y0) / h)
    patch = np.ascontiguousarray(pixels_rgba[:, cut, 2::-1])
    return Stamp(patch, np.ascontiguousarray(pixels_rgba[:, cut, 3]), max(0, left), top, letters)


def letters_box(caption: Caption, w: int, h: int) -> tuple[float, float, float, float]:
    """x, y, width, height of the letters in shares of the picture."""
    return _stamp(caption, w, h).letters


def lay(image: Image, caption: Caption, t: float) -> None:
    """Draw the caption, in place, as it looks at `t` seconds of the video."""
    stamp = _stamp(caption, image.shape[1], image.shape[0])
    share = 1.0 if not caption.fade_s else min(1.0, 0.2 + (t - caption.start_s) / caption.fade_s)
    h, w = stamp.alpha.shape
    spot = image[stamp.top : stamp.top + h, stamp.left : stamp.left + w]
    alpha = (stamp.alpha.astype(np.float32) * (share / 255))[..., None]
    spot[:] = np.round(spot + (stamp.patch.astype(np.float32) - spot) * alpha).astype(np.uint8)
