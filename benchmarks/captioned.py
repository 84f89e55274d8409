"""Clips of the hard set that are hard to read: how captions come, change, move and lie over pictures."""

from __future__ import annotations

import numpy as np

from benchmarks.clip import TALL, WORDS, Clip, busy, fitted, lengths_of, phrases, sentences, spliced, spread
from benchmarks.footage import confetti, crowd, graded
from benchmarks.lettering import Label
from benchmarks.noises import Sound


def karaoke(name: str, rng: np.random.Generator) -> Clip:
    """One or two words at a time, each half a second to a second, over a busy picture; a voice over music."""
    at, k, labels = 0.0, int(rng.integers(len(WORDS) - 20)), []
    while at < 6.5:
        count = int(rng.integers(1, 3))
        length = round(float(rng.uniform(0.5, 0.95)) * 30) / 30
        labels.append(Label(" ".join(WORDS[k : k + count]), at, at + length, 0.62, size=0.1, colour="#ffffff"))
        at, k = at + length, k + count
    sound = Sound(lines=sentences(rng, at), music="lofi", music_level=0.25)
    picture, cuts = busy(rng, TALL, at)
    return Clip(name, picture, at, labels=fitted(labels, TALL), cuts_s=cuts, sound=sound)


def quick(name: str, rng: np.random.Generator) -> Clip:
    """The fastest karaoke: single words, each 0.4 to 0.55 s, popping, over cuts of half a second to a second."""
    at, k, labels = 0.0, int(rng.integers(len(WORDS) - 12)), []
    while at < 5 and k < len(WORDS):
        length = round(float(rng.uniform(0.4, 0.55)) * 30) / 30
        labels.append(Label(WORDS[k], at, at + length, 0.5, size=0.13, entry="pop", entry_s=0.1))
        at, k = at + length, k + 1
    lengths = [*lengths_of(rng, 0.5, 1.0, 4), 0.0]
    lengths[-1] = at - sum(lengths)
    picture, cuts = spliced(rng, TALL, lengths)
    return Clip(name, picture, at, labels=labels, cuts_s=cuts, sound=Sound(lines=sentences(rng, at), music="upbeat"))


def capitals(name: str, rng: np.random.Generator) -> Clip:
    """The same in capitals that pop in, at 720x1280."""
    at, k, labels, size = 0.2, int(rng.integers(len(WORDS) - 20)), [], (720, 1280)
    while at < 6:
        count = int(rng.integers(1, 4))
        length = round(float(rng.uniform(0.6, 1.0)) * 30) / 30
        text = " ".join(WORDS[k : k + count]).upper()
        labels.append(Label(text, at, at + length, 0.5, size=0.1, colour="#fff04d", entry="pop", entry_s=0.15))
        at, k = at + length, k + count
    picture, cuts = busy(rng, size, at)
    sound = Sound(lines=sentences(rng, at))
    return Clip(name, picture, at, size=size, labels=fitted(labels, size), cuts_s=cuts, sound=sound)


def spoken_word(name: str, rng: np.random.Generator) -> Clip:
    """Lines of three or four words of which the one being said is coloured."""
    at, k, labels = 0.3, int(rng.integers(len(WORDS) - 24)), []
    while at < 5.5:
        length = round(float(rng.uniform(1.2, 1.8)) * 30) / 30
        labels.append(Label(" ".join(WORDS[k : k + 4]), at, at + length, 0.7, size=0.075, spoken="#39ff14"))
        at, k = at + length, k + 4
    picture, cuts = busy(rng, TALL, at + 0.5)
    sound = Sound(lines=sentences(rng, at), noise=0.03)
    return Clip(name, picture, at + 0.5, labels=fitted(labels, TALL), cuts_s=cuts, sound=sound)


def typed(name: str, rng: np.random.Generator) -> Clip:
    """Captions that come word by word, left where they will stand."""
    texts = [text for text in phrases(rng, 20) if text.count(" ") >= 2][:3]
    labels = []
    for k, text in enumerate(texts):
        labels.append(Label(text, 0.3 + 2.2 * k, 2.2 + 2.2 * k, 0.45, size=0.08, entry="words", entry_s=0.9))
    picture, cuts = busy(rng, TALL, 7.0)
    return Clip(name, picture, 7.0, labels=fitted(labels, TALL), cuts_s=cuts, sound=Sound(music="wide"))


def faded(name: str, rng: np.random.Generator) -> Clip:
    """Captions that fade in and out, and one that slides in, over a restless pattern; effects without a voice."""
    one, two, three, four = phrases(rng, 4)
    labels = [
        Label(one, 0.4, 2.0, 0.3, size=0.085, entry="fade", entry_s=0.4, leave_s=0.3),
        Label(two, 2.2, 3.9, 0.3, size=0.085, entry="fade", entry_s=0.3, leave_s=0.3, colour="#ffe14d"),
        Label(three, 1.0, 3.4, 0.8, size=0.08, entry="slide", entry_s=0.3),
        Label(four, 4.2, 6.2, 0.55, size=0.09, entry="fade", entry_s=0.5, leave_s=0.4, style="shadow"),
    ]
    picture, cuts = busy(rng, TALL, 6.6)
    sound = Sound(effects=True)
    return Clip(name, graded(picture, 0.75), 6.6, labels=fitted(labels, TALL), cuts_s=cuts, sound=sound)


def restless(name: str, rng: np.random.Generator) -> Clip:
    """White text with an outline over falling confetti, at high compression."""
    labels = spread(rng, phrases(rng, 4), 0.2, 1.4, 0.15, y=0.5, size=0.09)
    return Clip(name, confetti(*TALL, rng), 7.0, labels=fitted(labels, TALL), crf=32, sound=Sound(noise=0.15))


def foliage(name: str, rng: np.random.Generator) -> Clip:
    """White text with an outline over swaying texture; VP9."""
    texts = phrases(rng, 5)
    labels = [
        *spread(rng, texts[:3], 0.5, 1.6, 0.2, y=0.7, size=0.08),
        *spread(rng, texts[3:], 0.0, 2.4, 0.4, y=0.14, size=0.07, style="box", box="#ffffff", colour="#111111"),
    ]
    return Clip(
        name, crowd(*TALL, rng), 6.5, labels=fitted(labels, TALL), suffix=".webm", codec="libvpx-vp9", crf=34,
        options={"cpu-used": "6", "deadline": "realtime"}, sound=Sound(music="lofi"),
    )  # fmt: skip


def countdown(name: str, rng: np.random.Generator) -> Clip:
    """3, 2, 1, GO, then a few numbers; one second or less each."""
    texts = ["3", "2", "1", "GO!", f"{rng.integers(2, 99)} kg", f"x{rng.integers(3, 30)}", f"{rng.integers(10, 99)}%"]
    labels = [
        Label(text, 0.2 + 0.9 * k, 0.2 + 0.9 * k + 0.8, 0.45, size=0.24 if k < 4 else 0.16, entry="pop", entry_s=0.12)
        for k, text in enumerate(texts)
    ]
    picture, cuts = busy(rng, TALL, 6.8)
    return Clip(name, picture, 6.8, labels=labels, cuts_s=cuts, sound=Sound(effects=True, music="tense"))


def listed(name: str, rng: np.random.Generator) -> Clip:
    """Lines that are added one below the other and go together; a title above them."""
    title, *texts = phrases(rng, 5)
    labels = [Label(title, 0.0, 6.5, 0.2, size=0.085, style="box", box="#ffffff", colour="#111111")]
    labels += [
        Label(text, 0.8 + 1.0 * k, 6.0, 0.4 + 0.07 * k, size=0.065, entry="fade", entry_s=0.2)
        for k, text in enumerate(texts)
    ]
    picture, cuts = busy(rng, TALL, 6.5)
    sound = Sound(lines=sentences(rng, 6.5), level=0.3, noise=0.01)
    return Clip(name, picture, 6.5, labels=fitted(labels, TALL), cuts_s=cuts, sound=sound)


def timer(name: str, rng: np.random.Generator) -> Clip:
    """A clock that ticks each second beside a label that stays; two columns."""
    start = int(rng.integers(1, 50))
    labels = [Label(f"00:{start + k:02}", float(k), k + 1.0, 0.15, size=0.12, font="mono") for k in range(6)]
    labels += [
        Label("BEFORE", 0.0, 6.0, 0.85, x=0.25, size=0.07, style="box"),
        Label("AFTER", 0.0, 6.0, 0.85, x=0.75, size=0.07, style="box"),
    ]
    picture, cuts = busy(rng, TALL, 6.0)
    return Clip(name, picture, 6.0, labels=labels, cuts_s=cuts, sound=Sound(music="tense"))


def wobbly(name: str, rng: np.random.Generator) -> Clip:
    """Captions that grow slowly, or lean and shake, while they stay."""
    one, two, three = phrases(rng, 3)
    labels = [
        Label(one, 0.2, 2.4, 0.3, size=0.07, grows=0.25),
        Label(two, 2.6, 4.6, 0.5, size=0.08, leans=-7.0, colour="#ffe14d"),
        Label(three, 4.8, 6.3, 0.6, size=0.08, shakes=0.006, style="box", box="#e63946"),
    ]
    picture, cuts = busy(rng, TALL, 6.5)
    return Clip(name, picture, 6.5, labels=fitted(labels, TALL), cuts_s=cuts, sound=Sound(effects=True, noise=0.01))
