"""Templates as points: features on comparable scales, grouped so that no group of features drowns another.

Every feature is transformed (logarithms for durations, rates and counts, which have heavy tails), centred on its median
and divided by its spread (interquartile range / 1.349, the standard deviation of a normal distribution), and clipped.
The spread is bounded on both sides around the step that a viewer would notice: a feature on which all videos agree must not
blow up noise, and one that splits them into two camps must not be scaled away by the very distance between the camps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.analysis.templates import DERIVED_FEATURES, Reals, Templates
from tasks.schemas import CURVE_FEATURES, CURVE_POINTS, NUMERIC_FEATURES
from tasks.settings import Analysis

Floats = TypeVar("Floats", NDArray[np.float32], NDArray[np.float64])

CLIP = 3.0  # spreads from the median; beyond, more of it makes no more difference
WIDEST_STEPS = 2.5  # the largest spread, in steps
IQR_PER_STD = 1.349
LONG_TAKE_S = 15.0  # beyond, longer shots are long all the same
#: Features in a group share its weight; they are related but not copies, so a group of n counts n**0.5 times, not n or once.
GROUP_EXPONENT = 0.25


@dataclass(frozen=True)
class Feature:
    """How one column becomes comparable: log(x + offset) or x itself, and the step that a viewer would notice."""

    group: str  # the setting analysis.weight_<group>
    step: float  # after the transformation
    offset: float | None = None  # None: linear. About where a viewer begins to notice: less of it is as good as none
    most: float = np.inf  # more is no more: of takes that are long anyway nobody notices how long

    def transform(self, values: Floats) -> Floats:
        if self.offset is None:
            return values
        logarithms: Floats = np.log(np.clip(values, 0, self.most) + self.offset)
        return logarithms


FEATURES: dict[str, Feature] = {
    "duration_s": Feature("format", 0.25, 1.0),
    "aspect_ratio": Feature("format", 0.15, 1.0),
    "shot_count": Feature("pacing", 0.27, 3.0),
    "cuts_per_min": Feature("pacing", 0.27, 6.0),
    "shot_mean_s": Feature("pacing", 0.3, 1.0, LONG_TAKE_S),
    "shot_median_s": Feature("pacing", 0.3, 1.0, LONG_TAKE_S),
    "shot_std_s": Feature("pacing", 0.3, 3.0, LONG_TAKE_S),
    "first_cut_s": Feature("pacing", 0.4, 1.0, LONG_TAKE_S),
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
_AT = {name: at for at, name in enumerate(NUMERIC_FEATURES)}


@dataclass(frozen=True)
class Vectors:
    """Templates as points.

    matrix: float32 [n, d], weighted; Euclidean distances mean something. names: d column names.
    scaled: float32 [n, NUMERIC_FEATURES], in spreads from the median, unweighted; NaN where unknown.
    """

    matrix: NDArray[np.float32]
    names: tuple[str, ...]
    scaled: NDArray[np.float32]


def template_vectors(templates: Templates, numbers: Reals, settings: Analysis) -> Vectors:
    """The points of `templates`, any number including none. numbers: as `known_numbers` gives them for these templates.

    What is known to be absent is information (first words that never come stand at the end of the video); what is
    unknown is put on the median, where it pulls a video nowhere.
    """
    weights = _weights(settings)
    names = [*FEATURES, *DERIVED, *(f"{name}_{point}" for name in CURVES for point in range(CURVE_POINTS))]
    meanings = settings.weight_meaning * spread_meanings(templates.meanings)
    names += [f"meaning_{number}" for number in range(meanings.shape[1])]
    matrix = np.empty((len(templates), len(names)), dtype=np.float32)
    matrix[:, len(names) - meanings.shape[1] :] = meanings
    scalars = np.empty((len(templates), len(FEATURES)), dtype=np.float32)
    for name, feature in FEATURES.items():
        at = _AT[name]
        scalars[:, at] = scaled(feature.transform(numbers[:, at]), feature.step)
    for column, name in enumerate(FEATURES):
        matrix[:, column] = scalars[:, _AT[name]] * weights[name]
    for column, (name, feature) in enumerate(DERIVED.items(), len(FEATURES)):
        values = templates.derived[:, DERIVED_FEATURES.index(name)]
        matrix[:, column] = scaled(feature.transform(values), feature.step) * weights[name]
    for number, (name, feature) in enumerate(CURVES.items()):
        first = len(FEATURES) + len(DERIVED) + number * CURVE_POINTS
        points = scaled(feature.transform(templates.curves[:, CURVE_FEATURES.index(name)]), feature.step)
        matrix[:, first : first + CURVE_POINTS] = points * (weights[name] / CURVE_POINTS**0.5)
    np.nan_to_num(matrix, copy=False, nan=0.0)
    return Vectors(matrix, tuple(names), scalars)


def known_numbers(numbers: Reals) -> Reals:
    """[n, NUMERIC_FEATURES] as the tables have them, with known absences made numbers; NaN where unknown."""
    numbers = numbers.copy()

    def column(name: str) -> Reals:
        view: Reals = numbers[:, _AT[name]]
        return view

    for name, whole in _ZERO_WITH.items():
        column(name)[np.isnan(column(name)) & (column(whole) == 0)] = 0.0
    for name, (whole, never) in _NEVER.items():
        absent = np.isnan(column(name)) & never(column(whole))
        column(name)[absent] = column("duration_s")[absent]
    column("shot_std_s")[column("shot_count") == 1] = np.nan  # one shot is neither even nor uneven
    column("loudness_db")[np.isnan(column("loudness_db")) & (column("silence_share") == 1)] = _FLOOR_DB
    return numbers


def scaled(values: Floats, step: float) -> Floats:
    """Values in spreads from their median, clipped to +-CLIP; a curve's points share one median and spread.

    values: [n] or [n, points], NaN where unknown, which stays NaN.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return np.full_like(values, np.nan)
    low, median, high = np.percentile(known, (25, 50, 75), overwrite_input=True)
    spread = np.clip((high - low) / IQR_PER_STD, step, step * WIDEST_STEPS)
    clipped: Floats = np.clip((values - median) / spread, -CLIP, CLIP).astype(values.dtype)
    return clipped


def spread_meanings(meanings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings of hooks as [n, size] that count like one feature: mean 0, mean square length 1 where there is a hook.

    Videos without a hook are put on the mean, where it pulls them nowhere.
    """
    said: NDArray[np.bool_] = np.asarray(meanings.any(axis=1))
    if not said.any():
        return np.zeros((len(meanings), 0), dtype=np.float32)
    centred = np.where(said[:, None], meanings - meanings[said].mean(axis=0), 0).astype(np.float32)
    length = float(np.sqrt((centred[said].astype(np.float64) ** 2).sum(axis=1).mean()))
    spread: NDArray[np.float32] = centred / (length or 1.0)
    return spread


def _weights(settings: Analysis) -> dict[str, float]:
    """The factor of each feature's column: its group's weight, shared among the group's features."""
    every = {**FEATURES, **DERIVED, **CURVES}
    sizes = Counter(feature.group for feature in every.values())
    return {
        name: float(getattr(settings, f"weight_{feature.group}") / sizes[feature.group] ** GROUP_EXPONENT)
        for name, feature in every.items()
    }


assert set(FEATURES) == set(NUMERIC_FEATURES) and set(CURVES) == set(CURVE_FEATURES)  # a new column needs its scale
assert set(DERIVED) == set(DERIVED_FEATURES)
