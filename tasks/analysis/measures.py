"""How the numeric features are said to people: their name in words, their group and their unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["count", "number", "fine", "seconds", "share", "decibels"]

RHYTHM, LOOK, WORDS, SOUND, HOOK = "Rhythm", "Look", "On-screen text", "Sound and speech", "The first 3 seconds"


@dataclass(frozen=True)
class Measure:
    """One feature as the report names it."""

    name: str
    label: str
    group: str
    kind: Kind

    def say(self, value: float | None) -> str:
        """The value with its unit; an en dash where it is unknown."""
        if value is None or not math.isfinite(value):
            return "–"
        match self.kind:
            case "count":
                return f"{value:,.0f}" if value == round(value) or abs(value) >= 10 else f"{value:.1f}"
            case "share":
                return f"{100 * value:.0f} %"
            case "seconds":
                return f"{value:.1f} s" if abs(value) < 100 else f"{value:,.0f} s"
            case "decibels":
                return f"{value:.0f} dB".replace("-", "−")
            case "fine":
                return f"{value:.2f}"
            case "number":
                return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.1f}"


_MEASURES = (
    Measure("duration_s", "Length", RHYTHM, "seconds"),
    Measure("shot_count", "Shots", RHYTHM, "count"),
    Measure("cuts_per_min", "Cuts per minute", RHYTHM, "number"),
    Measure("shot_mean_s", "Mean shot", RHYTHM, "seconds"),
    Measure("shot_median_s", "Median shot", RHYTHM, "seconds"),
    Measure("shot_std_s", "Spread of shot lengths", RHYTHM, "seconds"),
    Measure("first_cut_s", "First cut after", RHYTHM, "seconds"),
    Measure("motion", "Motion", LOOK, "fine"),
    Measure("aspect_ratio", "Width to height", LOOK, "fine"),
    Measure("brightness", "Brightness", LOOK, "share"),
    Measure("contrast", "Contrast", LOOK, "fine"),
    Measure("saturation", "Saturation", LOOK, "share"),
    Measure("colourfulness", "Colourfulness", LOOK, "number"),
    Measure("sharpness", "Sharpness", LOOK, "number"),
    Measure("text_share", "Time with text", WORDS, "share"),
    Measure("text_lines", "Lines of text", WORDS, "count"),
    Measure("chars_per_s", "Characters per second", WORDS, "number"),
    Measure("text_top_share", "Text at the top", WORDS, "share"),
    Measure("text_middle_share", "Text in the middle", WORDS, "share"),
    Measure("text_bottom_share", "Text at the bottom", WORDS, "share"),
    Measure("first_text_s", "First text after", WORDS, "seconds"),
    Measure("speech_share", "Time with speech", SOUND, "share"),
    Measure("words_per_min", "Words per minute", SOUND, "number"),
    Measure("first_word_s", "First word after", SOUND, "seconds"),
    Measure("loudness_db", "Loudness", SOUND, "decibels"),
    Measure("silence_share", "Silence", SOUND, "share"),
    Measure("music_share", "Music and other sound", SOUND, "share"),
    Measure("hook_cuts", "Cuts", HOOK, "count"),
    Measure("hook_motion", "Motion", HOOK, "fine"),
    Measure("hook_text_share", "Time with text", HOOK, "share"),
    Measure("hook_speech_share", "Time with speech", HOOK, "share"),
)
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _MEASURES}


def measure_of(name: str) -> Measure:
    """The measure of a feature; a feature without words of its own is named after its column."""
    return MEASURES.get(name) or Measure(name, name.replace("_", " ").capitalize(), LOOK, "number")


def label_alone(measure: Measure) -> str:
    """The label where the group's heading is not beside it."""
    return f"{measure.label} in the first 3 s" if measure.group == HOOK else measure.label


def clock(seconds: float | None) -> str:
    """Seconds as m:ss, or h:mm:ss; an en dash where unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def count_of(number: int, noun: str) -> str:
    """`1 video`, `1,200 videos`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
