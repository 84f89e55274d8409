"""Lines of text as captions show them: what the toy recogniser learns from and what it is tried on."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.frames import Image

Grey = NDArray[np.uint8]  # [H, W]
HEIGHT = 64  # pixels: the height of the lines that EasyOCR's recogniser reads
OPENCV = "OpenCV"
FONTS = ("DejaVuSans-Bold", "DejaVuSans", OPENCV, "DejaVuSerif-Bold", "DejaVuSansMono-Bold")  # most from matplotlib
SHARES = (5, 2, 5, 1, 1)  # how often each is learnt from
WORDS = tuple(Path(__file__).with_name("easy_words.txt").read_text(encoding="ascii").split())
UNSEEN = tuple(Path(__file__).with_name("easy_unseen_words.txt").read_text(encoding="ascii").split())


def phrase(source: random.Random, longest: int = 24) -> str:
    """A line of at most `longest` characters: words, made-up words and figures, in the cases captions come in."""
    kind = source.random()
    if kind < 0.62:
        parts = [source.choice(WORDS) for _ in range(source.choice((1, 1, 2, 2, 3, 3, 4, 5)))]
        if source.random() < 0.3:
            parts[source.randrange(len(parts))] = _made_up(source)
        if source.random() < 0.2:
            parts.insert(source.randrange(len(parts) + 1), _figure(source))
    elif kind < 0.86:
        parts = [_made_up(source) for _ in range(source.choice((1, 1, 2)))]
    else:
        parts = [_figure(source) for _ in range(source.choice((1, 1, 2)))]
    while len(parts) > 1 and len(" ".join(parts)) > longest:
        parts.pop()
    text = " ".join(parts)
    case = source.random()
    if case < 0.3:
        text = text[:1].upper() + text[1:]
    elif case < 0.5:
        text = text.upper()
    elif case < 0.6:
        text = text.title()
    if source.random() < 0.18:
        text += source.choice(".!?:,")
    elif source.random() < 0.06:
        text = text.replace(" ", source.choice((", ", " - ", ": ", " + ", " & ", " = ", "-", "/")), 1)
    return text[:longest].strip()


def _made_up(source: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    if source.random() < 0.3:
        return "".join(source.choice(letters) for _ in range(source.randint(1, 6)))
    parts = [source.choice("bcdfghjklmnpqrstvwxyz") + source.choice("aeiou") for _ in range(source.randint(1, 4))]
    return "".join(part + (source.choice(letters) if source.random() < 0.4 else "") for part in parts)


def _figure(source: random.Random) -> str:
    number = str(source.randrange(10 ** source.randint(1, 4)))
    hour = f"{source.randrange(24)}:{source.randrange(60):02}"
    kinds = (number, number, number, number + "x", number + "%", "$" + number, "#" + number, hour, "+" + number)
    return source.choice(kinds)


@dataclass(frozen=True)
class Ink:
    """A line as coverages of one shape: its letters, and the letters with an edge; and each letter's middle, in pixels."""

    letters: Grey
    whole: Grey
    middles: list[float]


def ink(text: str, font: str, size_px: int, edge_px: int = 0) -> Ink:
    """The line `text` set in letters of `size_px`."""
    if font == OPENCV:
        scale, weight = size_px / 30, max(1, size_px // 12)
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
        letters = np.zeros((height + below + 2 * size_px, width + 2 * size_px), np.uint8)
        cv2.putText(
            letters, text, (size_px, height + size_px), cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), weight, cv2.LINE_AA
        )
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * edge_px + 1,) * 2)
        whole = np.asarray(cv2.dilate(letters, around), np.uint8)
        start = float(size_px)
        ends = [cv2.getTextSize(text[:end], cv2.FONT_HERSHEY_SIMPLEX, scale, weight)[0][0] for end in _ends(text)]
    else:
        from PIL import Image, ImageDraw

        face = _face(font, size_px)
        x0, y0, x1, y1 = face.getbbox(text, stroke_width=edge_px)
        shape = (math.ceil(x1 - x0) + 2, math.ceil(y1 - y0) + 2)
        drawn = []
        for stroke in (0, edge_px):
            image = Image.new("L", shape, 0)
            ImageDraw.Draw(image).text((1 - x0, 1 - y0), text, font=face, fill=255, stroke_width=stroke)
            drawn.append(np.asarray(image))
        letters, whole = drawn
        start = 1.0 - x0
        ends = [face.getlength(text[:end]) for end in _ends(text)]
    x, y, width, height = cv2.boundingRect(whole)
    spot = (slice(y, y + height), slice(x, x + width))
    middles = [start - x + (one + next_one) / 2 for one, next_one in pairwise([0.0, *ends])]
    return Ink(letters[spot], whole[spot], middles)


def _ends(text: str) -> range:
    return range(1, len(text) + 1)


@cache
def _face(font: str, size_px: int) -> Any:
    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / f"fonts/ttf/{font}.ttf"
    return ImageFont.truetype(path, size_px, layout_engine=ImageFont.Layout.BASIC)


def lay(
    frame: Image,
    text: str,
    left: int,
    top: int,
    size_px: int = 30,
    font: str = FONTS[0],
    colour: tuple[int, int, int] = (255, 255, 255),
    edge_px: int = 2,
) -> None:
    """Draw a caption with a black edge into the frame (uint8 [H, W, 3]), its letters' upper left corner at a pixel."""
    line = ink(text, font, size_px, edge_px)
    height, width = line.whole.shape
    spot = frame[top : top + height, left : left + width].astype(np.float32)
    if spot.shape[:2] != line.whole.shape:
        raise ValueError(f"{text!r} of {width}x{height} pixels does not fit into {frame.shape} at {left}, {top}")
    for cover, value in ((line.whole, (0, 0, 0)), (line.letters, colour)):
        spot += (np.array(value, np.float32) - spot) * (cover[..., None] / np.float32(255))
    frame[top : top + height, left : left + width] = spot.round().astype(np.uint8)


def crop(text: str, source: random.Random) -> tuple[Grey, list[float]]:
    """The line as it comes to EasyOCR's recogniser, uint8 [64, W]: some font, size, colour, ground, margin and blur.

    With the middle of each letter, in pixels from the left.
    """
    size_px = round(math.exp(source.uniform(math.log(15), math.log(60))))
    style = source.choice(("plain", "plain", "edged", "box"))
    edge_px = max(1, round(size_px * source.uniform(0.05, 0.12))) if style == "edged" else 0
    line = ink(text, source.choices(FONTS, SHARES)[0], size_px, edge_px)
    height, width = line.whole.shape
    sheet, top, left = _ground(source, height, width, margin_of(height), style)
    spot = sheet[top : top + height, left : left + width]
    ground = float(spot.mean())
    light = ground < 165 if ground < 90 or ground > 165 else source.random() < 0.6
    colour = source.uniform(min(255.0, ground + 90), 255) if light else source.uniform(0, max(0.0, ground - 90))
    if style == "edged":
        spot += (source.uniform(0, 25) - spot) * (line.whole / 255)
        colour = source.uniform(150, 255)
    spot += (colour - spot) * (line.letters / 255)
    if source.random() < 0.15:
        _neighbour(sheet, source, size_px, top, colour)
    return _seen(sheet, source), [(left + middle) * HEIGHT / sheet.shape[0] for middle in line.middles]


def margin_of(height_px: float) -> float:
    """How far EasyOCR's boxes reach beyond letters of that height that the toy detector marks, in pixels."""
    dilated = int(math.sqrt(0.8 * height_px / 2) * 2) + 1  # craft_utils: half sizes there, both sides here
    return dilated + 0.1 * (height_px + 2 * dilated)


def _ground(
    source: random.Random, height: int, width: int, margin: float, style: str
) -> tuple[NDArray[np.float32], int, int]:
    """A sheet for letters of that size, and where they start on it."""
    top, bottom, left, right = (max(1, round(margin * source.uniform(0.55, 1.2))) for _ in range(4))
    shape = (top + height + bottom, left + width + right)
    dark = source.random() < 0.7
    sheet = np.full(shape, source.uniform(0, 140) if dark else source.uniform(110, 255), np.float32)
    random = np.random.default_rng(source.randrange(1 << 30))
    if source.random() < 0.5:
        reach = 90.0 if style == "edged" else 25.0
        coarse = random.normal(0, reach / 2, (source.randint(2, 4), source.randint(2, 12))).astype(np.float32)
        sheet += cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    if style == "box":
        around = round(margin * source.uniform(0.3, 0.9))
        sheet[max(0, top - around) : top + height + around, max(0, left - around) : left + width + around] = (
            source.uniform(0, 130) if dark else source.uniform(120, 255)
        )
    return np.clip(sheet, 0, 255), top, left


def _neighbour(sheet: NDArray[np.float32], source: random.Random, size_px: int, top: int, colour: float) -> None:
    """The line above or below reaches a little into the crop."""
    letters = ink(phrase(source, 12), FONTS[0], size_px).letters
    shown = min(source.randint(1, 4), top, letters.shape[0])
    above = source.random() < 0.5
    part = letters[-shown:, : sheet.shape[1]] if above else letters[:shown, : sheet.shape[1]]
    spot = (sheet[:shown] if above else sheet[-shown:])[:, : part.shape[1]]
    spot += (colour - spot) * (part / 255)


def _seen(sheet: NDArray[np.float32], source: random.Random) -> Grey:
    """As the camera, the encoder and EasyOCR's scaling leave it."""
    if source.random() < 0.3:
        sheet = np.asarray(cv2.GaussianBlur(sheet, (0, 0), source.uniform(0.3, 0.9)), np.float32)
    if source.random() < 0.5:
        noise = np.random.default_rng(source.randrange(1 << 30))
        sheet = sheet + noise.normal(0, source.uniform(1, 7), sheet.shape).astype(np.float32)
    image = np.clip(sheet, 0, 255).astype(np.uint8)
    if source.random() < 0.25:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, source.randint(35, 95)])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    height, width = image.shape
    size = (max(HEIGHT, int(HEIGHT * width / height)), HEIGHT)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
