"""The fifty videos of the benchmark: of which pieces each is made, in which size, with which sound.

A piece is written SEED/NAME or media/NAME, with [start, end] in seconds where it is not whole. Seed 7 is data/samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, islice
from typing import Literal

from data.samplekit.sound import Style

VERSION = 1  # raise it when what is made of a recipe changes
FILM = Fraction(24000, 1001)
TELEVISION = Fraction(30000, 1001)
QUICK = (  # one of each kind, for what is run many times
    "cat-720",
    "pasta-480",
    "night-webm",
    "leg-60fps",
    "mountain-1080",
    "cat-night",
    "stretch-jfk-music",
    "coast-jfk",
    "lecture-1080-end",
    "cars-jfk",
)


@dataclass(frozen=True)
class Piece:
    """All of a clip, or the part of it between two moments."""

    source: str
    start_s: float = 0.0
    end_s: float | None = None

    @property
    def is_media(self) -> bool:
        return self.source.startswith("media/")


@dataclass(frozen=True)
class Recipe:
    """One video.

    size: width and height; pieces of another shape stand between black bars.
    sound: the pieces' own; no stream at all; digital silence; or a recorded voice.
    """

    stem: str
    pieces: tuple[Piece, ...]
    size: tuple[int, int]
    fps: Fraction
    sound: Literal["own", "none", "silent", "jfk"] = "own"
    music: Style | None = None
    codec: Literal["libx264", "libx265", "libvpx", "libvpx-vp9"] = "libx264"

    @property
    def name(self) -> str:
        return self.stem + (".webm" if self.codec.startswith("libvpx") else ".mp4")

    @property
    def needs_media(self) -> bool:
        return self.sound == "jfk" or any(piece.is_media for piece in self.pieces)


def _of(seed: int, *stems: str) -> tuple[Piece, ...]:
    return tuple(Piece(f"{seed}/{stem}.{'webm' if stem == 'planet-facts' else 'mp4'}") for stem in stems)


def _media(name: str, start_s: float = 0.0, end_s: float | None = None) -> Piece:
    return Piece(f"media/{name}", start_s, end_s)


TALL, HD_TALL, FULL_TALL, SMALL_TALL = (540, 960), (720, 1280), (1080, 1920), (480, 854)
WIDE, HD, FULL, SMALL = (854, 480), (1280, 720), (1920, 1080), (640, 360)
F25, F30, F60, F24 = Fraction(25), Fraction(30), Fraction(60), Fraction(24)

RECIPES: tuple[Recipe, ...] = (
    Recipe("cat-720", _of(7, "cat-vs-cup"), HD_TALL, F30, sound="none"),
    Recipe("coast-1080", _of(7, "coast-vlog"), FULL_TALL, F30),
    Recipe("code-60fps", _of(7, "code-tip"), HD_TALL, F60),
    Recipe("pasta-480", _of(7, "garlic-pasta"), SMALL_TALL, F30),
    Recipe("leg-60fps", _of(7, "leg-day"), TALL, F60),
    Recipe("stretch-1080", _of(7, "morning-stretch"), FULL_TALL, F30),
    Recipe("mountain-1080", _of(7, "mountain-film"), FULL, F25),
    Recipe("night-webm", _of(7, "night-city"), TALL, F30, codec="libvpx-vp9"),
    Recipe("phone-360", _of(7, "phone-review"), SMALL, FILM),
    Recipe("planets-720", _of(7, "planet-facts"), HD, F30),
    Recipe("pythagoras-540", _of(7, "pythagoras"), TALL, F30),
    Recipe("roommates-720", _of(7, "roommates"), HD_TALL, F30),
    Recipe("burger-square", _of(7, "smash-burger"), (720, 720), F25),
    Recipe("cat-night", _of(101, "cat-vs-cup", "night-city"), TALL, F30),
    Recipe("code-leg-60fps", _of(101, "code-tip", "leg-day"), HD_TALL, F60),
    Recipe("pasta-burger", _of(101, "garlic-pasta", "smash-burger"), TALL, F30),
    Recipe("coast-roommates", _of(101, "coast-vlog", "roommates"), SMALL_TALL, F30),
    Recipe("mountain-planets", _of(101, "mountain-film", "planet-facts"), WIDE, F25, codec="libvpx-vp9"),
    Recipe("phone-planets-film", _of(101, "phone-review", "planet-facts"), HD, FILM),
    Recipe("stretch-pythagoras", _of(101, "morning-stretch", "pythagoras"), HD_TALL, F30, codec="libx265"),
    Recipe("night-code-silent", _of(101, "night-city", "code-tip"), TALL, F30, sound="silent"),
    Recipe("pasta-pillars", _of(101, "garlic-pasta"), HD, F25),
    Recipe("leg-music", _of(101, "leg-day"), TALL, F30, sound="silent", music="tense"),
    Recipe("coast-jfk", _of(101, "coast-vlog"), TALL, F30, sound="jfk"),
    Recipe("stretch-jfk-music", _of(101, "morning-stretch"), HD_TALL, F25, sound="jfk", music="lofi"),
    Recipe("mountain-jfk", _of(101, "mountain-film"), WIDE, F25, sound="jfk"),
    Recipe("pythagoras-jfk-music", _of(202, "pythagoras"), TALL, F30, sound="jfk", music="wide"),
    Recipe("cars-jfk", (_media("car-detection.mp4", 0, 12),), (768, 432), F25, sound="jfk"),
    Recipe("lecture-1080", (_media("v2d.mp4", 8, 30),), FULL, F30),
    Recipe("lecture-720", (_media("v2d.mp4", 52, 69),), HD, F30),
    Recipe("lecture-1080-end", (_media("v2d.mp4", 101.5, 113),), FULL, F30),
    Recipe("talk-720", (_media("dj_video3.mp4", 0, 15),), HD_TALL, F24),
    Recipe("talk-540", (_media("dj_video3.mp4", 15),), TALL, F24),
    Recipe("animation-360", (_media("dj_video1.mp4"),), SMALL, F24),
    Recipe("rabbit-480", (_media("bbb480.mp4"),), WIDE, F24),
    Recipe("rabbit-cars", (_media("bbb480.mp4", 12, 24), _media("car-detection.mp4", 12, 22)), HD, F24),
    Recipe("cars-mute-webm", (_media("car-detection.mp4"),), SMALL, F25, sound="none", codec="libvpx-vp9"),
    Recipe("film-720", (_media("psd_testvideo.mp4"),), HD, TELEVISION, sound="none"),
    Recipe("film-1080", (_media("psd_testvideo.mp4", 0, 14),), FULL, TELEVISION, sound="silent", music="upbeat"),
    Recipe("fades-480", (_media("psd_fades.mp4"),), (720, 480), F25, sound="none"),
    Recipe("scope-hevc", (_media("psd_goldeneye-vfr-drop3.mp4"),), (1280, 544), FILM, codec="libx265"),
    Recipe("upright-544", (_media("psd_issue-134-rotate.mp4"),), (544, 1280), FILM),
    Recipe("echo-vp8", (_media("echo.webm", 0, 20),), WIDE, F30, codec="libvpx"),
    Recipe("film-rabbit", (_media("psd_testvideo.mp4", 6.5, 20), _media("bbb480.mp4", 0, 10)), SMALL, F30),
    Recipe("four-540", _of(202, "garlic-pasta", "code-tip", "coast-vlog", "morning-stretch"), TALL, F30),
    Recipe("five-720", _of(202, "leg-day", "night-city", "cat-vs-cup", "garlic-pasta", "roommates"), HD_TALL, F30),
    Recipe("three-wide", _of(202, "mountain-film", "phone-review", "planet-facts"), HD, F25),
    Recipe("burger-three", _of(202, "smash-burger", "cat-vs-cup", "pythagoras"), HD_TALL, F30, music="lofi"),
    Recipe("lecture-rabbit", (_media("v2d.mp4", 8, 50), _media("bbb480.mp4", 12, 23)), HD, F30),
    Recipe(
        "long-540",
        _of(202, "pythagoras", "code-tip", "garlic-pasta", "roommates", "coast-vlog", "leg-day", "cat-vs-cup")
        + _of(101, "night-city", "pythagoras"),
        TALL,
        F30,
    ),
)

_UPRIGHT = ("garlic-pasta", "code-tip", "coast-vlog", "morning-stretch", "pythagoras", "roommates", "leg-day")


def recipes(with_media: bool) -> list[Recipe]:
    """All fifty; where the real clips are absent, pairs of samples of yet another seed take their places."""
    kept = [recipe for recipe in RECIPES if with_media or not recipe.needs_media]
    sizes, pairs = cycle((TALL, HD_TALL, SMALL_TALL, FULL_TALL)), _pairs()
    spare = (
        Recipe(f"{one}-{other}", _of(303, one, other), size, F30)
        for (one, other), size in zip(pairs, sizes, strict=False)
    )
    return kept + list(islice(spare, len(RECIPES) - len(kept)))


def _pairs() -> list[tuple[str, str]]:
    count = len(_UPRIGHT)
    return [(_UPRIGHT[n], _UPRIGHT[(n + step) % count]) for step in range(1, count) for n in range(count)]
