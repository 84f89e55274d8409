"""The colours of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.extraction.frames import Image

GRID_PX = 8  # a picture gives 8 x 8 of its pixels
MAX_PIXELS = 8192  # the clustering sees at most so many, evenly chosen
COLOURS = 5
SAME_COLOUR = 12.0  # distance in CIE Lab below which two cluster centres are one colour
MIN_SHARE = 0.02  # rarer colours are not dominant


def colour_grid(bgr: Image) -> Image:
    """uint8 [64, 3] BGR: pixels on an even 8 x 8 grid; not averaged, which would make colours that nobody saw."""
    height, width = bgr.shape[:2]
    rows = (np.arange(GRID_PX) * 2 + 1) * height // (2 * GRID_PX)
    columns = (np.arange(GRID_PX) * 2 + 1) * width // (2 * GRID_PX)
    grid: Image = bgr[rows[:, None], columns].reshape(-1, 3)
    return grid


def colourfulness(bgr: Image) -> float:
    """The measure M of Hasler and Suesstrunk (2003) of a uint8 BGR image: 0 for grey, above 100 for garish."""
    blue, green, red = (bgr[:, :, channel].astype(np.float32) for channel in range(3))
    red_green = cv2.meanStdDev(red - green)
    yellow_blue = cv2.meanStdDev(0.5 * (red + green) - blue)
    deviation = np.hypot(red_green[1][0, 0], yellow_blue[1][0, 0])
    mean = np.hypot(red_green[0][0, 0], yellow_blue[0][0, 0])
    return float(deviation + 0.3 * mean)


def dominant_colours(pixels: Image) -> tuple[str, ...]:
    """Up to five colours as "#rrggbb", most frequent first, by k-means in CIE Lab.

    pixels: uint8 [n, 3] BGR, n >= 1. The same pixels always give the same colours.
    """
    pixels = pixels[:: -(-len(pixels) // MAX_PIXELS)]
    lab = _to_lab(pixels)
    distinct = len(np.unique(pixels, axis=0))
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, labels, centres = cv2.kmeans(lab, min(COLOURS, distinct), None, criteria, 3, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    counts = np.bincount(labels.ravel(), minlength=len(centres))
    merged: list[tuple[int, NDArray[np.float32]]] = []
    for index in np.argsort(-counts, kind="stable"):
        centre, count = centres[index], int(counts[index])
        near = next(
            (place for place, (_, other) in enumerate(merged) if np.linalg.norm(other - centre) < SAME_COLOUR), None
        )
        if near is None:
            merged.append((count, centre))
        else:
            total = merged[near][0] + count
            merged[near] = (total, (merged[near][0] * merged[near][1] + count * centre) / total)
    merged.sort(key=lambda item: -item[0])
    kept = [centre for count, centre in merged if count >= MIN_SHARE * len(pixels)]
    return tuple(_to_hex(centre) for centre in kept)


def _to_lab(pixels: Image) -> NDArray[np.float32]:
    lab: NDArray[np.float32] = cv2.cvtColor((pixels.astype(np.float32) / 255.0)[None], cv2.COLOR_BGR2Lab)[0]
    return lab


def _to_hex(lab: NDArray[np.float32]) -> str:
    bgr = cv2.cvtColor(lab.astype(np.float32)[None, None], cv2.COLOR_Lab2BGR)[0, 0]
    blue, green, red = (round(float(np.clip(value, 0.0, 1.0)) * 255) for value in bgr)
    return f"#{red:02x}{green:02x}{blue:02x}"
