"""A clip of the hard set, and what its makers share: words, lengths, busy pictures, captions in a row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from benchmarks import footage
from benchmarks.footage import drawn, has_media, joined, real
from benchmarks.lettering import Label
from benchmarks.noises import Sound
from data.samplekit.drawing import Scene

TALL, WIDE = (540, 960), (960, 540)
SLACK_S = 1e-6
PHRASES = (
    "wait for it", "you need this", "Stop scrolling!", "No way", "this changed my life", "I tried it for 30 days",
    "Save this for later", "Link in bio", "watch until the end", "Nobody talks about this", "part 2?", "It's only $5",
    "50% off today", "don't do this", "POV: you're late", "THE BEST HACK", "Here's why", "Step 1: mix", "let me explain",
    "so simple", "Is it worth it?", "3 mistakes you make", "Follow for more", "before vs after", "I was shocked",
    "Day 1 of 100", "trust me", "Comment below", "what happened next", "You won't believe it", "ready in 10 min",
    "tag a friend", "this is huge", "Never again", "Read the caption", "MUST TRY", "easy & cheap", "it gets better",
)  # fmt: skip
SENTENCES = (
    "here is how you make it in five minutes", "you will not believe what happened next",
    "this is the best place that we have ever seen", "stop doing this if you want to get better",
    "i tried it every day for a month and this is what i learned", "take two eggs and a cup of milk",
    "most people do not know about this", "follow me for more tips like this one",
)  # fmt: skip
MONOLOGUE = (
    "this is the one thing nobody tells you about money and it will change how you think every single day because "
    "most people never start so here are three easy steps that really work"
)
WORDS = MONOLOGUE.split()


@dataclass(frozen=True)
class Clip:
    """One clip: what it shows and sounds like, and what is true of it. Times are seconds."""

    name: str
    picture: Scene
    duration_s: float
    size: tuple[int, int] = TALL
    fps: Fraction = Fraction(30)
    labels: list[Label] = field(default_factory=list)
    cuts_s: list[float] = field(default_factory=list)
    fades_s: list[float] = field(default_factory=list)
    dissolves_s: list[float] = field(default_factory=list)
    sound: Sound | None = None
    suffix: str = ".mp4"
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    crf: int = 28
    options: dict[str, str] = field(default_factory=lambda: {"preset": "veryfast"})
    turned: bool = False
    times_s: list[float] | None = None  # of the frames, where they are uneven


def phrases(rng: np.random.Generator, count: int) -> list[str]:
    return [str(text) for text in rng.choice(PHRASES, count, replace=False)]


def fit(text: str, size: tuple[int, int], most: float, emoji: int = 0) -> float:
    """Size of letters at which the text takes at most 86 % of the width."""
    return min(most, 0.86 * size[0] / min(size) / (0.72 * len(text) + 1.25 * emoji))


def fitted(labels: list[Label], size: tuple[int, int]) -> list[Label]:
    return [replace(label, size=fit(label.text, size, label.size, label.emoji)) for label in labels]


def lengths_of(rng: np.random.Generator, low_s: float, high_s: float, count: int, fps: float = 30.0) -> list[float]:
    return [round(float(rng.uniform(low_s, high_s)) * fps) / fps for _ in range(count)]


def spread(
    rng: np.random.Generator, texts: list[str], start_s: float, each_s: float, gap_s: float, **how: Any
) -> list[Label]:
    """Labels one after the other, `each_s` long give or take a fifth."""
    labels, at = [], start_s
    for text in texts:
        length = round(each_s * float(rng.uniform(0.8, 1.2)) * 30) / 30
        labels.append(Label(text, at, at + length, **how))
        at = round((at + length + gap_s) * 30) / 30
    return labels


def sentences(rng: np.random.Generator, until_s: float) -> tuple[str, ...]:
    """One or two sentences that fit (about 2.6 words a second)."""
    said: list[str] = []
    for text in rng.permutation(SENTENCES):
        if sum(len(line.split()) for line in [*said, str(text)]) / 2.4 + 0.6 + 0.4 * len(said) < until_s:
            said.append(str(text))
    return tuple(said[:2])


def busy(rng: np.random.Generator, size: tuple[int, int], duration_s: float) -> tuple[Scene, list[float]]:
    """A busy, moving background in shots of two to four seconds, real where there is something; and its cuts."""
    lengths: list[float] = []
    while (left := duration_s - sum(lengths)) > 1e-6:
        length = lengths_of(rng, 1.8, 3.4, 1)[0]
        lengths.append(left if left - length < 1.0 else length)
    spans = [int(k) for k in rng.permutation(len(footage.SPANS))] if has_media() else []
    scenes = [int(k) for k in rng.permutation(len(footage.SCENES))]
    parts = []
    for k, length in enumerate(lengths):
        span = next((span for span in spans if footage.length_s(span) >= length + 0.2), None)
        if span is not None and rng.random() < 0.75:
            skip = float(rng.random()) * (footage.length_s(span) - length - 0.1)
            parts.append((length, real(*size, span, skip)))
            name = footage.SPANS[span][0]  # no cut from a clip into itself: it would be a jump
            spans = [other for other in spans if footage.SPANS[other][0] != name]
        else:
            parts.append((length, drawn(*size, rng, scenes[k])))
    return joined(parts)


def spliced(
    rng: np.random.Generator, size: tuple[int, int], lengths_s: list[float], zoom: float = 0.05
) -> tuple[Scene, list[float]]:
    """Shots that cut: drawn scenes and real spans by turns, no two neighbours from the same."""
    scenes = [int(k) for k in rng.permutation(len(footage.SCENES))]
    spans = [int(k) for k in rng.permutation(len(footage.SPANS))] if has_media() else []
    parts: list[tuple[float, Scene]] = []
    for k, length in enumerate(lengths_s):
        if spans and k % 2 and footage.length_s(spans[0]) > length + 0.3:
            skip = float(rng.random()) * (footage.length_s(spans[0]) - length - 0.2)
            parts.append((length, real(*size, spans[0], skip)))
            spans = spans[1:] + spans[:1]
        else:
            parts.append((length, drawn(*size, rng, scenes[k % len(scenes)], zoom=zoom)))
    return joined(parts)
