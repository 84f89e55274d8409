"""Clips of the hard set that are hard to cut: fast, dark, lit by flashes, dissolving, panned."""

from __future__ import annotations

import bisect
from fractions import Fraction

import numpy as np

from benchmarks import footage
from benchmarks.clip import SLACK_S, TALL, WIDE, Clip, fitted, lengths_of, phrases, sentences, spliced, spread
from benchmarks.footage import drawn, graded, has_media, joined, punched, real
from benchmarks.lettering import Label
from benchmarks.noises import Sound
from data.samplekit.drawing import Image, Scene

NTSC, FILM = Fraction(30_000, 1001), Fraction(24_000, 1001)


def montage(name: str, rng: np.random.Generator) -> Clip:
    """Half-second shots under a hook that stays, and short captions that do not keep to the cuts."""
    lengths = lengths_of(rng, 0.4, 0.7, 12)
    picture, cuts = spliced(rng, TALL, lengths)
    hook, *texts = phrases(rng, 5)
    labels = [Label(hook, 0.0, 2.6, 0.18, size=0.085), *spread(rng, texts, 0.3, 1.1, 0.2, y=0.75, colour="#ffe14d")]
    end = sum(lengths)
    labels = [label for label in labels if label.end_s < end]
    return Clip(name, picture, end, labels=fitted(labels, TALL), cuts_s=cuts, sound=Sound(music="upbeat"))


def beats(name: str, rng: np.random.Generator) -> Clip:
    """The fastest: cuts on the beat, 8 to 12 frames apart, at 30000/1001 frames a second, no text."""
    lengths = lengths_of(rng, 0.28, 0.42, 16, float(NTSC))
    picture, cuts = spliced(rng, WIDE, lengths, zoom=0.3)
    return Clip(name, picture, sum(lengths), size=WIDE, fps=NTSC, cuts_s=cuts, sound=Sound(music="tense", noise=0.02))


def flashes(name: str, rng: np.random.Generator) -> Clip:
    """Camera flashes of one to three frames and a strobe; three real cuts between them."""
    lengths = lengths_of(rng, 1.5, 1.9, 4)
    picture, cuts = spliced(rng, TALL, lengths, zoom=0.02)
    starts = [0.0, *cuts]
    marks = [(start + 0.7, int(rng.integers(1, 4))) for start in starts]
    strobe = starts[2] + 1.0

    def paint(t: float) -> Image:
        image = picture(t)
        lit = any(at <= t + SLACK_S < at + count / 30 for at, count in marks)
        lit = lit or (strobe <= t < strobe + 0.4 and int((t - strobe + SLACK_S) * 30) % 4 == 0)
        return np.clip(image.astype(np.int16) // 3 + 190, 0, 255).astype(np.uint8) if lit else image

    return Clip(name, paint, sum(lengths), cuts_s=cuts, sound=Sound(music="tense"))


def dark(name: str, rng: np.random.Generator) -> Clip:
    """Night: pictures between 2 and 25 % of white that cut, one dim caption; a voice that is quiet."""
    lengths = lengths_of(rng, 0.9, 1.6, 5, 25)
    picture, cuts = spliced(rng, TALL, lengths, zoom=0.02)
    labels = fitted(spread(rng, phrases(rng, 2), 0.4, 1.8, 0.5, y=0.8, size=0.075, colour="#b8b8b8"), TALL)
    end = sum(lengths)
    return Clip(
        name, graded(picture, 0.2, 0.02, 1.3), end, fps=Fraction(25), labels=labels, cuts_s=cuts,
        sound=Sound(lines=sentences(rng, end), level=0.04),
    )  # fmt: skip


def film(name: str, rng: np.random.Generator) -> Clip:
    """23.976 frames a second between black bars: cuts, a dissolve, a fade; subtitles on the lower bar."""
    w, h = size = (1280, 720)
    a, b, c, d = (drawn(w, 536, rng, int(k), zoom=0.01, shake=1.0) for k in rng.permutation(len(footage.SCENES))[:4])
    cut, mix, fade, end = 1.8, 3.8, 6.2, 8.5

    def paint(t: float) -> Image:
        if t < mix - 0.5:
            image = a(t) if t < cut - SLACK_S else b(t - cut)
        elif t < mix + 0.5:
            share = t - mix + 0.5
            image = np.round(b(t - cut) * (1 - share) + c(t - mix + 0.5) * share).astype(np.uint8)
        else:
            gain = min(1.0, max(0.0, abs(t - fade) - 0.1) / 0.5)
            image = np.round((c(t - mix + 0.5) if t < fade else d(t - fade + 0.6)) * gain).astype(np.uint8)
        framed = np.full((h, w, 3), 0, np.uint8)
        framed[92 : 92 + 536] = image // 2
        return framed

    texts = phrases(rng, 3)
    labels = [
        Label(text, start, start + 1.7, 0.93, size=0.055, style="plain", font="light")
        for text, start in zip(texts, (0.4, 2.4, 4.6), strict=True)
    ]
    return Clip(
        name, paint, end, size=size, fps=FILM, labels=labels, cuts_s=[cut], dissolves_s=[mix], fades_s=[fade],
        sound=Sound(lines=sentences(rng, end), music="wide", music_level=0.12),
    )  # fmt: skip


def mixed(name: str, rng: np.random.Generator) -> Clip:
    """Dissolves and fades between bright scenes, and one cut; noise alone."""
    scenes = [drawn(*WIDE, rng, int(k), zoom=0.02, shake=2.0) for k in rng.permutation(len(footage.SCENES))[:5]]
    edges = [1.6, 3.2, 5.0, 6.6]
    kinds = [str(kind) for kind in rng.permutation(["dissolve", "fade", "dissolve", "cut"])]
    half = {"dissolve": 0.4, "fade": 0.5, "cut": 0.0}

    def paint(t: float) -> Image:
        k = bisect.bisect_right(edges, t + SLACK_S)
        for n in (k - 1, k):
            if 0 <= n < len(edges) and abs(t - edges[n]) < half[kinds[n]]:
                if kinds[n] == "fade":
                    gain = max(0.0, (abs(t - edges[n]) - 0.08) / 0.42)
                    return np.round(scenes[k](t) * gain).astype(np.uint8)
                share = (t - edges[n]) / 0.8 + 0.5
                return np.round(scenes[n](t) * (1 - share) + scenes[n + 1](t) * share).astype(np.uint8)
        return scenes[k](t)

    at = {kind: [edge for edge, k in zip(edges, kinds, strict=True) if k == kind] for kind in half}
    return Clip(
        name, paint, 8.0, size=WIDE, fps=Fraction(25), cuts_s=at["cut"], fades_s=at["fade"], dissolves_s=at["dissolve"],
        sound=Sound(noise=0.3),
    )  # fmt: skip


def whip(name: str, rng: np.random.Generator) -> Clip:
    """One shot with whip pans and a fast zoom, and one cut at the end; a voice deep in music."""
    sheet = drawn(1920, 960, rng, int(rng.integers(8, 13)), shake=0.0)(1.0)
    after = drawn(*TALL, rng, int(rng.integers(0, 5)))
    cut = 5.0

    def paint(t: float) -> Image:
        if t >= cut - SLACK_S:
            return after(t - cut)
        swing = np.clip((t - 1.5) / 0.35, 0, 1) - np.clip((t - 3.2) / 0.3, 0, 1)
        x = round((1920 - 540) * (0.1 + 0.8 * swing) + 20 * np.sin(t))
        return np.ascontiguousarray(sheet[:, x : x + 540])

    labels = fitted(spread(rng, phrases(rng, 3), 0.5, 1.5, 0.2, y=0.72, size=0.08), TALL)
    sound = Sound(lines=sentences(rng, 6.5), music="upbeat", music_level=0.5)
    return Clip(name, paint, 6.5, labels=[label for label in labels if label.end_s < 6.5], cuts_s=[cut], sound=sound)


def jumps(name: str, rng: np.random.Generator) -> Clip:
    """People talking, jump cuts that also punch in by a quarter; captions; without media a drawn talker."""
    span, length = int(rng.choice(footage.TALKING)), 1.5
    zooms = (1.0, 1.3, 1.0, 1.35)
    parts: list[tuple[float, Scene]] = []
    for k, zoom in enumerate(zooms):
        scene = real(*TALL, span, 1.6 * k) if has_media() else drawn(*TALL, rng, 17)
        parts.append((length, punched(scene, zoom)))
    picture, cuts = joined(parts)
    labels = spread(rng, phrases(rng, 4), 0.1, 1.2, 0.2, y=0.72, size=0.08)
    labels = [label for label in labels if label.end_s < 6.0]
    sound = Sound(lines=sentences(rng, 6.0), music="lofi", music_level=0.2)
    return Clip(name, picture, 6.0, labels=fitted(labels, TALL), cuts_s=cuts, sound=sound)
