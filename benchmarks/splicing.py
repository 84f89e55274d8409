"""Pieces of clips joined into one video, and what is true of it. Frame n of the video shows the newest picture at n / fps."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.recipes import Piece, Recipe
from data.samplekit import sound
from tests.clips import write_clip

Image = NDArray[np.uint8]
Facts = dict[str, Any]

SLACK_S = 1e-6  # sums of lengths in floats
SLIDE_MARGIN_S = 0.5  # of a slide change whose time is only roughly known
VOICE, MUSIC = 0.9, 0.35  # loudness of a voice and of the music below it
ALIKE = 0.01  # shapes that differ by less are stretched
CODEC_OPTIONS = {
    "libx264": {"preset": "veryfast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
}


@dataclass(frozen=True)
class Clip:
    """A piece's file and what is known of the file, in the form of data/samples/truth.json or of labels.json."""

    piece: Piece
    path: Path
    facts: Mapping[str, Any]

    @cached_property
    def times_s(self) -> list[float]:
        """When each frame is shown, from the first on."""
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            assert stream.time_base is not None
            stamps = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
            return [float((stamp - stamps[0]) * stream.time_base) for stamp in stamps]

    @cached_property
    def length_s(self) -> float:
        frame_s = (self.times_s[-1] - self.times_s[0]) / (len(self.times_s) - 1)
        end_s = self.times_s[-1] + frame_s if self.piece.end_s is None else self.piece.end_s
        return end_s - self.piece.start_s

    @property
    def is_whole(self) -> bool:
        return self.piece.start_s == 0 and self.piece.end_s is None

    def frames(self, count: int, fps: Fraction) -> Iterator[Image]:
        """So many pictures, upright BGR, at this rate."""
        with av.open(str(self.path)) as container:
            pictures = container.decode(video=0)
            shown = next(pictures)
            first_s, waiting = shown.time or 0.0, next(pictures, None)
            image: Image | None = None
            for n in range(count):
                at_s = first_s + self.piece.start_s + n / float(fps) + SLACK_S
                while waiting is not None and (waiting.time or 0.0) <= at_s:
                    shown, waiting, image = waiting, next(pictures, None), None
                if image is None:
                    image = np.rot90(shown.to_ndarray(format="bgr24"), k=shown.rotation // 90).astype(
                        np.uint8, copy=False
                    )
                yield image

    def sound(self, seconds: float) -> sound.Track:
        """Mono at 48 kHz in [-1, 1], in step with the pictures; silence where there is none."""
        track = np.zeros(round(seconds * sound.RATE), np.float32)
        with av.open(str(self.path)) as container:
            if not container.streams.audio:
                return track
            begins_s = float(container.streams.audio[0].start_time or 0) * float(
                container.streams.audio[0].time_base or 0
            )
            if container.streams.video:
                video = container.streams.video[0]
                begins_s -= float((video.start_time or 0) * (video.time_base or 0))
            resampler = av.AudioResampler("s16", "mono", sound.RATE)
            blocks = [
                part.to_ndarray()[0]
                for frame in [*container.decode(audio=0), None]
                for part in resampler.resample(frame)
            ]
        samples = np.concatenate(blocks).astype(np.float32) / 32768
        begin = round((self.piece.start_s - begins_s) * sound.RATE)
        taken = samples[max(0, begin) : max(0, begin + len(track))]
        at = max(0, -begin)
        track[at : at + len(taken)] = taken[: len(track) - at]
        return track

    def place_of(self, source_s: float, fps: Fraction) -> int:
        """The number, from the piece's start, of the first frame that shows what came at `source_s`."""
        near = bisect.bisect_left(self.times_s, source_s)
        came_s = min(self.times_s[max(0, near - 1) : near + 1] or [source_s], key=lambda time_s: abs(time_s - source_s))
        if source_s > self.times_s[-1] + SLACK_S:  # the end of the last frame
            came_s = source_s
        return max(0, math.ceil((came_s - self.piece.start_s - SLACK_S) * fps))


def splice(recipe: Recipe, clips: list[Clip], voice: Clip | None, folder: Path) -> Facts:
    """Write the video of a recipe into the folder; returns what is known of it."""
    counts = [round(clip.length_s * recipe.fps) for clip in clips]
    path = folder / recipe.name
    write_clip(
        path,
        (
            fit(image, recipe.size)
            for clip, count in zip(clips, counts, strict=True)
            for image in clip.frames(count, recipe.fps)
        ),
        fps=recipe.fps,
        audio=_sound(recipe, clips, counts, voice),
        rate=sound.RATE,
        codec=recipe.codec,
        crf=24 if recipe.codec != "libvpx" else 10,
        options=CODEC_OPTIONS[recipe.codec],
        audio_bit_rate=64_000,
    )
    return facts_of(recipe, clips, counts, voice)


def fit(image: Image, size: tuple[int, int]) -> Image:
    """Scaled to the size; between black bars where the shape differs."""
    x, y, width, height = _frame(image.shape[1], image.shape[0], size)
    if image.shape[1::-1] != (width, height):
        smaller = width < image.shape[1]
        how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        image = cv2.resize(image, (width, height), interpolation=how).astype(np.uint8, copy=False)
    if (width, height) == size:
        return image
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[y : y + height, x : x + width] = image
    return canvas


def _frame(width: int, height: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """x, y, width and height of a picture that is fitted into the size."""
    if abs(width * size[1] / (height * size[0]) - 1) < ALIKE:
        return 0, 0, *size
    scale = min(size[0] / width, size[1] / height)
    inner = round(width * scale), round(height * scale)
    return (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2, *inner


def _sound(recipe: Recipe, clips: list[Clip], counts: list[int], voice: Clip | None) -> NDArray[np.int16] | None:
    if recipe.sound == "none":
        return None
    seconds = float(sum(counts) / recipe.fps)
    total = np.zeros(round(seconds * sound.RATE), np.float32)
    if recipe.sound == "own":
        starts_s = [float(sum(counts[:k]) / recipe.fps) for k in range(len(counts))]
        for clip, count, start_s in zip(clips, counts, starts_s, strict=True):
            part = clip.sound(float(count / recipe.fps))
            at = round(start_s * sound.RATE)
            total[at : at + len(part)] += part[: len(total) - at]
    elif voice is not None:
        total += voice.sound(seconds) * VOICE
    if recipe.music:
        rng = np.random.default_rng([recipe_seed(recipe)])
        loudness = MUSIC if total.any() else 1.0
        total += sound.play(recipe.music, seconds, rng)[: len(total)] * loudness
    return np.round(np.clip(total, -0.99, 0.99) * 32767).astype(np.int16)


def recipe_seed(recipe: Recipe) -> int:
    return int.from_bytes(recipe.stem.encode()[:8], "little")


def facts_of(recipe: Recipe, clips: list[Clip], counts: list[int], voice: Clip | None) -> Facts:
    """What is true of the video; a fact that is unknown of one piece is left away."""
    starts = [sum(counts[:k]) for k in range(len(counts))]
    fps = recipe.fps
    facts: Facts = {
        "width": recipe.size[0],
        "height": recipe.size[1],
        "fps": round(float(fps), 3),
        "frames": sum(counts),
        "duration_s": round(float(sum(counts) / fps), 4),
        "has_audio": recipe.sound != "none",
    }

    def moment(k: int, source_s: float) -> float:
        return round(float((starts[k] + min(counts[k], clips[k].place_of(source_s, fps))) / fps), 4)

    for kind in ("cuts_s", "fades_s", "dissolves_s"):
        known = [_boundaries(clip, kind) for clip in clips]
        if None not in known:
            times = [moment(k, time_s) for k, times_s in enumerate(known) for time_s in times_s or ()]
            joins = [round(float(start / fps), 4) for start in starts[1:]] if kind == "cuts_s" else []
            facts[kind] = sorted({*times, *joins})
    if all(_captions(clip) is not None for clip in clips):
        facts["captions"] = [
            _placed(caption, clip, recipe.size)
            | {"start_s": moment(k, caption["start_s"]), "end_s": moment(k, caption["end_s"])}
            for k, clip in enumerate(clips)
            for caption in _captions(clip) or ()
        ]
    lines = [
        {"at": moment(k, shown["at"]), "lines": shown["lines"]}
        for k, clip in enumerate(clips)
        for shown in clip.facts.get("text_lines", ())
        if clip.piece.start_s <= shown["at"] < clip.piece.start_s + clip.length_s
    ]
    if lines:
        facts["text_lines"] = lines
    return facts | _speech(recipe, clips, voice)


def _boundaries(clip: Clip, kind: str) -> list[float] | None:
    begin_s, end_s = clip.piece.start_s, clip.piece.start_s + clip.length_s
    slides = clip.facts.get("slide_changes_s")
    if slides is not None and kind == "cuts_s":  # soft and roughly timed: known only where there is none
        near = any(begin_s - SLIDE_MARGIN_S < time_s < end_s + SLIDE_MARGIN_S for time_s in slides)
        return None if near else []
    known = clip.facts.get(kind)
    return None if known is None else [time_s for time_s in known if begin_s < time_s < end_s]


def _captions(clip: Clip) -> list[Facts] | None:
    """Captions of whole samples; none where it is known that there is no text."""
    if clip.facts.get("text_lines") == []:
        return []
    return list(clip.facts["captions"]) if "captions" in clip.facts and clip.is_whole else None


def _placed(caption: Facts, clip: Clip, size: tuple[int, int]) -> Facts:
    """The caption's box, and the third of the picture that holds its centre, after fitting."""
    x, y, width, height = _frame(clip.facts["width"], clip.facts["height"], size)
    box = {
        "x": (x + caption["x"] * width) / size[0],
        "y": (y + caption["y"] * height) / size[1],
        "width": caption["width"] * width / size[0],
        "height": caption["height"] * height / size[1],
    }
    middle = box["y"] + box["height"] / 2
    zone = "top" if middle < 1 / 3 else "bottom" if middle >= 2 / 3 else "middle"
    return {"text": caption["text"], "zone": zone} | {name: round(value, 4) for name, value in box.items()}


def _speech(recipe: Recipe, clips: list[Clip], voice: Clip | None) -> Facts:
    if recipe.sound in ("none", "silent"):
        return {"has_speech": False}
    if voice is not None:
        return {"has_speech": True, "transcript": voice.facts["transcript"], "voice": "recorded"}
    heard = [_heard(clip) for clip in clips]
    facts: Facts = {}
    if any(spoken for spoken, _ in heard):
        facts["has_speech"] = True
    elif all(spoken is False for spoken, _ in heard):
        facts["has_speech"] = False
    said = [words for _, words in heard]
    if facts.get("has_speech") and None not in said:
        facts["transcript"] = " ".join(words for words in said if words)
    return facts


def _heard(clip: Clip) -> tuple[bool | None, str | None]:
    """Is somebody speaking in the piece, and what is said; None: not known."""
    if "speech" in clip.facts:
        speech = clip.facts["speech"]
        return speech["has_speech"], " ".join(region["text"] for region in speech["regions"])
    spoken = clip.facts.get("has_speech")
    if spoken is None and not _has_sound(clip.path):
        spoken = False
    if spoken and not clip.is_whole and "slide_changes_s" not in clip.facts:  # the lecturer speaks nearly throughout
        spoken = None
    return spoken, "" if spoken is False else None


def _has_sound(path: Path) -> bool:
    with av.open(str(path)) as container:
        return bool(container.streams.audio)
