"""How the text of a video is written, whatever it says: capitals, marks, numbers, lengths."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.records import Metadata

_MARKS = ("|", " - ", '"', "'", "!", "?", "...", "(", "[", "#", ":")
_FEATURED = re.compile(r"\b(?:ft|feat)\.", re.IGNORECASE)
_VERSUS = re.compile(r"\bvs\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DIGIT = re.compile(r"\d")


def shapes(videos: Sequence[Metadata]) -> NDArray[np.float64]:
    """[videos, features], each in about 0..1."""
    return np.array([_shape(video) for video in videos], dtype=float).reshape(len(videos), -1)


def _shape(video: Metadata) -> list[float]:
    title, uploader = video.title[:500], (video.uploader or "")[:200]
    letters = [letter for letter in title if letter.isalpha()]
    capitals = sum(map(str.isupper, letters)) / max(1, len(letters))
    return [
        capitals,
        capitals > 0.8,
        *(mark in title for mark in _MARKS),
        bool(_FEATURED.search(title)),
        bool(_VERSUS.search(title)),
        bool(_YEAR.search(title)),
        bool(_DIGIT.search(title)),
        not title.isascii(),
        min(len(title), 200) / 100,
        math.log1p(min(len(video.tags), 100)) / 4,
        not video.tags,
        uploader.isupper(),
        " " in uploader,
        min(len(uploader), 60) / 30,
    ]
