"""Templates as points: features on comparable scales, grouped so that no group of features drowns another.

Every feature is transformed (logarithms for durations, rates and counts, which have heavy tails), centred on its median
and divided by its spread (interquartile range / 1.349, the standard deviation of a normal distribution), and clipped.
The spread is bounded on both sides around the step that a viewer would notice: a feature on which all videos agree must not
blow up noise, and one that splits them into two camps must not be scaled away by the very distance between the camps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.schemas import CURVE_FEATURES, CURVE_POINTS, NUMERIC_FEATURES
from tasks.settings import Analysis

Reals = NDArray[np.float64]

CLIP = 3.0  # spreads from the median; beyond, more of it makes no more difference
WIDEST_STEPS = 2.5  # the largest spread, in steps
IQR_PER_STD = 1.349
#: Features in a group share its weight; they are related but not copies, so a group of n counts n**0.5 times, not n or once.
GROUP_EXPONENT = 0.25


@dataclass(frozen=True)
class Feature:
    """How one column becomes comparable: log(x + offset) or x itself, and the step that a viewer would notice."""

    group: str  # the setting analysis.weight_<group>
    step: float  # after the transformation
    offset: float | None = None  # None: linear

    def transform(self, values: Reals) -> Reals:
        if self.offset is None:
            return values
        logarithms: Reals = np.log(np.maximum(values, 0.0) + self.offset)
        return logarithms


FEATURES: dict[str, Feature] = {
    "duration_s": Feature("format", 0.25, 1.0),
    "aspect_ratio": Feature("format", 0.15, 1.0),
    "shot_count": Feature("pacing", 0.35, 1.0),
    "cuts_per_min": Feature("pacing", 0.35, 1.0),
    "shot_mean_s": Feature("pacing", 0.3, 1.0),
    "shot_median_s": Feature("pacing", 0.3, 1.0),
    "shot_std_s": Feature("pacing", 0.35, 1.0),
    "first_cut_s": Feature("pacing", 0.4, 1.0),
    "hook_cuts": Feature("pacing", 0.35, 1.0),
    "motion": Feature("motion", 0.4, 0.02),
    "hook_motion": Feature("motion", 0.4, 0.02),
    "brightness": Feature("look", 0.08),
    "contrast": Feature("look", 0.04),
    "saturation": Feature("look", 0.08),
    "colourfulness": Feature("look", 0.3, 1.0),
    "sharpness": Feature("look", 0.5, 1.0),
    "text_share": Feature("text", 0.1),
    "text_lines": Feature("text", 0.4, 1.0),
    "chars_per_s": Feature("text", 0.35, 1.0),
    "text_top_share": Feature("text", 0.1),
    "text_middle_share": Feature("text", 0.1),
    "text_bottom_share": Feature("text", 0.1),
    "first_text_s": Feature("text", 0.4, 1.0),
    "hook_text_share": Feature("text", 0.15),
    "speech_share": Feature("speech", 0.1),
    "words_per_min": Feature("speech", 20.0),
    "first_word_s": Feature("speech", 0.4, 1.0),
    "hook_speech_share": Feature("speech", 0.15),
    "loudness_db": Feature("sound", 4.0),
    "silence_share": Feature("sound", 0.08),
    "music_share": Feature("sound", 0.1),
}
#: A curve of ten points counts like one feature of its group.
CURVES: dict[str, Feature] = {
    "pacing": Feature("pacing", 0.3, 1.0),
    "motion_curve": Feature("motion", 0.4, 0.02),
    "text_curve": Feature("text", 0.15),
    "speech_curve": Feature("speech", 0.15),
}
#: What is made of the list and text columns; not in the tables.
DERIVED: dict[str, Feature] = {
    "colour_red_green": Feature("look", 0.06),
    "colour_yellow_blue": Feature("look", 0.06),
    "asks": Feature("words", 0.5),
    "hook_words": Feature("words", 0.5, 1.0),
    "hook_question": Feature("words", 0.5),
}

#: Times of what may never happen, and the column that says so: `never` compares its value with that of "none at all".
_NEVER: dict[str, tuple[str, Callable[[Reals], NDArray[np.bool_]]]] = {
    "first_cut_s": ("shot_count", lambda count: count == 1),
    "first_text_s": ("text_share", lambda share: share == 0),
    "first_word_s": ("speech_share", lambda share: share == 0),
}
#: Amounts that are 0 where the whole is 0.
_ZERO_WITH = {"chars_per_s": "text_share", "words_per_min": "speech_share"}
_FLOOR_DB = -90.0
_QUESTION = re.compile("[?？؟]")


@dataclass(frozen=True)
class Vectors:
    """Templates as points.

    video_ids: n ids, sorted. matrix: float32 [n, d], weighted; Euclidean distances mean something. names: d column names.
    scaled: [n, NUMERIC_FEATURES] float64 indexed by video_id, in spreads from the median, unweighted; NaN where unknown.
    """

    video_ids: tuple[str, ...]
    matrix: NDArray[np.float32]
    names: tuple[str, ...]
    scaled: pd.DataFrame


def template_vectors(templates: pd.DataFrame, settings: Analysis) -> Vectors:
    """The points of `templates` (columns of the `templates` table, any order of rows, any number including none).

    What is known to be absent is information (first words that never come stand at the end of the video); what is
    unknown is put on the median, where it pulls a video nowhere.
    """
    templates = templates.sort_values("video_id", kind="stable") if len(templates) else templates
    numbers = known_numbers(templates)
    columns: dict[str, Reals] = {}
    for name, feature in FEATURES.items():
        columns[name] = scaled(feature.transform(numbers[name].to_numpy()), feature.step)
    scalars = pd.DataFrame(columns, columns=list(NUMERIC_FEATURES))
    derived = _derived(templates, numbers)
    for name, feature in DERIVED.items():
        columns[name] = scaled(feature.transform(derived[name]), feature.step)
    weights = _weights(settings)
    parts = [columns[name][:, None] * weights[name] for name in columns]
    names = list(columns)
    for name, feature in CURVES.items():
        points = scaled(feature.transform(curve_points(templates, name)), feature.step)
        parts.append(points * (weights[name] / CURVE_POINTS**0.5))
        names.extend(f"{name}_{point}" for point in range(CURVE_POINTS))
    matrix = np.nan_to_num(np.hstack(parts), nan=0.0).astype(np.float32)
    video_ids = tuple(str(video_id) for video_id in templates["video_id"]) if len(templates) else ()
    scalars.index = pd.Index(video_ids, dtype="object", name="video_id")
    return Vectors(video_ids, matrix, tuple(names), scalars)


def known_numbers(templates: pd.DataFrame) -> pd.DataFrame:
    """float64 [n, NUMERIC_FEATURES] with known absences made numbers, and NaN where unknown or not finite."""
    numbers = pd.DataFrame(
        {
            name: _floats(templates[name]) if name in templates else np.full(len(templates), np.nan)
            for name in NUMERIC_FEATURES
        }
    )
    for name, whole in _ZERO_WITH.items():
        numbers.loc[numbers[name].isna() & (numbers[whole] == 0), name] = 0.0
    for name, (whole, never) in _NEVER.items():
        absent = numbers[name].isna() & never(numbers[whole].to_numpy())
        numbers.loc[absent, name] = numbers.loc[absent, "duration_s"]
    numbers.loc[numbers["shot_count"] == 1, "shot_std_s"] = np.nan  # one shot is neither even nor uneven
    numbers.loc[numbers["loudness_db"].isna() & (numbers["silence_share"] == 1), "loudness_db"] = _FLOOR_DB
    return numbers


def scaled(values: Reals, step: float) -> Reals:
    """Values in spreads from their median, clipped to +-CLIP; a curve's points share one median and spread.

    values: [n] or [n, points], NaN where unknown, which stays NaN.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return np.full(values.shape, np.nan)
    low, median, high = np.percentile(known, (25, 50, 75))
    spread = np.clip((high - low) / IQR_PER_STD, step, step * WIDEST_STEPS)
    clipped: Reals = np.clip((values - median) / spread, -CLIP, CLIP)
    return clipped


def curve_points(templates: pd.DataFrame, name: str) -> Reals:
    """float64 [n, CURVE_POINTS], NaN where a curve is unknown."""
    points = np.full((len(templates), CURVE_POINTS), np.nan)
    for row, curve in enumerate(_column(templates, name)):
        if isinstance(curve, (list, tuple, np.ndarray)) and len(curve) == CURVE_POINTS:
            points[row] = np.asarray(curve, dtype=float)
    return points


def _floats(column: pd.Series) -> Reals:
    values = pd.to_numeric(column).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    finite: Reals = np.where(np.isfinite(values), values, np.nan)
    return finite


def _derived(templates: pd.DataFrame, numbers: pd.DataFrame) -> dict[str, Reals]:
    """Colour and wording. Words are unknown where neither text nor speech was read."""
    colours = np.array([_opponents(value) for value in _column(templates, "dominant_colours")]).reshape(-1, 2)
    wordless = numbers["text_share"].isna().to_numpy() & numbers["words_per_min"].isna().to_numpy()
    hooks = [
        " ".join(part for part in parts if isinstance(part, str))
        for parts in zip(_column(templates, "hook_text"), _column(templates, "hook_speech"), strict=True)
    ]
    asks = np.array([isinstance(value, str) for value in _column(templates, "call_to_action")], dtype=float)
    words = np.array([len(hook.split()) for hook in hooks], dtype=float)
    question = np.array([_QUESTION.search(hook) is not None for hook in hooks], dtype=float)
    return {
        "colour_red_green": colours[:, 0],
        "colour_yellow_blue": colours[:, 1],
        **{
            name: np.where(wordless, np.nan, values)
            for name, values in (("asks", asks), ("hook_words", words), ("hook_question", question))
        },
    }


def _column(templates: pd.DataFrame, name: str) -> Iterable[object]:
    return templates[name].tolist() if name in templates else [None] * len(templates)


def _opponents(colours: object) -> tuple[float, float]:
    """Mean red-green and yellow-blue opponents (-1..1) of "#rrggbb" colours; NaN without any."""
    if not isinstance(colours, (list, tuple, np.ndarray)) or len(colours) == 0:
        return np.nan, np.nan
    channels = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours]) / 255
    red, green, blue = channels.mean(axis=0)
    return float(red - green), float((red + green) / 2 - blue)


def _weights(settings: Analysis) -> dict[str, float]:
    """The factor of each feature's column: its group's weight, shared among the group's features."""
    every = [*FEATURES.items(), *DERIVED.items(), *CURVES.items()]
    sizes = pd.Series([feature.group for _, feature in every]).value_counts()
    return {
        name: float(getattr(settings, f"weight_{feature.group}") / sizes[feature.group] ** GROUP_EXPONENT)
        for name, feature in every
    }


assert set(FEATURES) == set(NUMERIC_FEATURES) and set(CURVES) == set(
    CURVE_FEATURES
)  # a new column needs its scale here
