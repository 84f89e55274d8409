"""Clusters in words: what sets a cluster apart from the rest of its niche, and why a video belongs.

Features that say the same thing form a family with one set of words, so that a label is not "fast cuts, short shots,
many shots". A word with a plain meaning ("fast cuts") is used where the rest of the niche would get another one, a
comparison ("faster cuts") where both would get the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.analysis.profiles import Side
from tasks.analysis.templates import Reals
from tasks.schemas import NUMERIC_FEATURES

INF = float("inf")
PRESENT_SHARE = 0.03  # less of it is none
CLEAR_EFFECT = 0.5  # standardised difference of means (Cohen 1988 calls it medium); less is not worth a word
LABEL_WORDS = 3
STRAY_WORDS = 2
NOTHING_KNOWN = "little is known of how they are built"


@dataclass(frozen=True)
class Family:
    """Features that mean the same; the first one gives the words.

    levels: (upper bound, word) in rising order; None where the middle deserves no word. more, less: comparisons.
    needs: a share that must be there, or the family has nothing to say.
    """

    features: tuple[str, ...]
    levels: tuple[tuple[float, str | None], ...]
    more: str
    less: str
    needs: str | None = None

    @property
    def lead(self) -> str:
        return self.features[0]

    def level(self, value: float) -> str | None:
        return next(word for bound, word in self.levels if value < bound) if np.isfinite(value) else None


FAMILIES: tuple[Family, ...] = (
    Family(
        ("cuts_per_min", "shot_count", "shot_mean_s", "shot_median_s", "shot_std_s", "first_cut_s"),
        ((0.5, "one take"), (8, "few cuts"), (25, "steady cuts"), (INF, "fast cuts")),
        "faster cuts",
        "slower cuts",
    ),
    Family(
        ("text_share", "text_lines", "chars_per_s", "hook_text_share"),
        ((PRESENT_SHARE, "no captions"), (0.3, "little text"), (0.75, "text at times"), (INF, "captions throughout")),
        "more text",
        "less text",
    ),
    Family(
        ("speech_share",),
        ((PRESENT_SHARE, "no speech"), (0.4, "a little speech"), (0.75, "speech at times"), (INF, "speech throughout")),
        "more speech",
        "less speech",
    ),
    Family(
        ("first_word_s", "hook_speech_share"),
        ((1, "voice from the first second"), (4, "voice after a moment"), (INF, "voice comes late")),
        "voice comes later",
        "voice comes sooner",
        "speech_share",
    ),
    Family(
        ("first_text_s",),
        ((1, "text from the first second"), (4, "text after a moment"), (INF, "text comes late")),
        "text comes later",
        "text comes sooner",
        "text_share",
    ),
    Family(
        ("text_top_share",),
        ((0.3, None), (INF, "text at the top")),
        "more text at the top",
        "less text at the top",
        "text_share",
    ),
    Family(
        ("text_middle_share",),
        ((0.3, None), (INF, "text in the middle")),
        "more text in the middle",
        "less text in the middle",
        "text_share",
    ),
    Family(
        ("text_bottom_share",),
        ((0.3, None), (INF, "text at the bottom")),
        "more text at the bottom",
        "less text at the bottom",
        "text_share",
    ),
    Family(
        ("music_share",),
        ((0.05, "no music"), (0.4, "some music"), (0.8, "much music"), (INF, "music throughout")),
        "more music",
        "less music",
    ),
    Family(
        ("silence_share",),
        ((0.05, "no silence"), (0.4, "some silence"), (0.9, "much silence"), (INF, "silent")),
        "more silence",
        "less silence",
    ),
    Family(
        ("duration_s",),
        ((15, "very short"), (35, "short"), (75, "about a minute"), (180, "long"), (INF, "very long")),
        "longer",
        "shorter",
    ),
    Family(
        ("motion", "hook_motion"),
        ((0.1, "still picture"), (0.5, "gentle motion"), (INF, "lively motion")),
        "livelier",
        "calmer",
    ),
    Family(("aspect_ratio",), ((0.8, "portrait"), (1.25, "square"), (INF, "landscape")), "wider", "taller"),
    Family(("brightness",), ((0.3, "dark"), (0.6, None), (INF, "bright")), "brighter", "darker"),
    Family(
        ("words_per_min",),
        ((120, "slow speech"), (170, None), (INF, "fast speech")),
        "faster speech",
        "slower speech",
        "speech_share",
    ),
    Family(
        ("hook_cuts",),
        ((0.5, "no cut in the hook"), (1.5, "a cut in the hook"), (INF, "cuts in the hook")),
        "more cuts in the hook",
        "fewer cuts in the hook",
    ),
    Family(
        ("saturation", "colourfulness"),
        ((0.2, "muted colours"), (0.45, None), (INF, "vivid colours")),
        "stronger colours",
        "weaker colours",
    ),
    Family(
        ("contrast",),
        ((0.12, "flat contrast"), (0.25, None), (INF, "strong contrast")),
        "stronger contrast",
        "weaker contrast",
    ),
    Family(("sharpness",), ((INF, None),), "sharper picture", "softer picture"),
    Family(("loudness_db",), ((INF, None),), "louder", "quieter"),
)
#: What a cluster is called by when there is nothing to set it apart from.
PLAIN_FAMILIES = (FAMILIES[0], FAMILIES[1], FAMILIES[3], FAMILIES[2])


#: The features whose values choose words.
SAID_FEATURES = {family.lead for family in FAMILIES} | {family.needs for family in FAMILIES if family.needs}


@dataclass(frozen=True)
class Trait:
    """One thing that sets a cluster apart: the feature that shows it most, its word, and the means on both sides."""

    feature: str
    word: str
    effect: float
    inside: float  # mean of the cluster, scaled
    outside: float  # mean of the rest of the niche, scaled


def traits_of(inside: Side, outside: Side) -> list[Trait]:
    """What sets a cluster apart from the other videos of its group, strongest first.

    Effect: difference of means over the pooled standard deviation, with half a spread added as no feature is that exact.
    """
    pooled = np.sqrt((inside.variances + outside.variances) / 2 + 0.25)
    effects = (inside.means - outside.means) / pooled
    traits = []
    for family in FAMILIES:
        known = effects[list(family.features)].dropna()
        if known.empty or _lacking(family, inside.medians):
            continue
        feature = str(known.abs().idxmax())
        lead = family.lead
        word = _word(family, inside.medians[lead], outside.medians[lead], float(effects[lead]))
        if word is not None:
            means = float(inside.means[feature]), float(outside.means[feature])
            traits.append(Trait(feature, word, float(known[feature]), *means))
    return sorted(traits, key=lambda trait: -abs(trait.effect))


def plain_traits(medians: pd.Series) -> list[Trait]:
    """Words for a group's only cluster, by fixed levels: how it cuts, shows text and speaks."""
    traits: list[Trait] = []
    for family in PLAIN_FAMILIES:
        word = family.level(medians[family.lead])
        if word is not None and not _lacking(family, medians) and len(traits) < LABEL_WORDS:
            traits.append(Trait(family.lead, word, CLEAR_EFFECT, 0.0, 0.0))
    return traits


def label_of(traits: list[Trait], words: int = LABEL_WORDS) -> str:
    """A label of the clear traits, the strongest one at least."""
    clear = [trait.word for trait in traits[:words] if abs(trait.effect) >= CLEAR_EFFECT] or [
        trait.word for trait in traits[:1]
    ]
    return ", ".join(clear) or NOTHING_KNOWN


def distinct_labels(traits: list[list[Trait]]) -> list[str]:
    """Labels of the clusters of one niche, longer where two would be the same."""
    labels = [label_of(each) for each in traits]
    for words in range(LABEL_WORDS + 1, len(FAMILIES) + 1):
        again = {label for label in labels if labels.count(label) > 1}
        labels = [
            ", ".join(trait.word for trait in each[:words]) if label in again else label
            for label, each in zip(labels, traits, strict=True)
        ]
    return labels


def stray_words(scaled: NDArray[np.float32], numbers: Reals) -> list[str]:
    """What is most unusual about each of n videos that belong to no cluster; "" where nothing is.

    scaled, numbers: [n, NUMERIC_FEATURES].
    """
    extremes = np.full((len(scaled), len(FAMILIES)), -1.0)
    places = np.zeros(extremes.shape, dtype=np.int64)  # in _STRAY_WORDS
    for column, family in enumerate(FAMILIES):
        lead = NUMERIC_FEATURES.index(family.lead)
        value, number = np.nan_to_num(scaled[:, lead]), numbers[:, lead]
        said = np.abs(value) >= 1
        if family.needs is not None:
            said &= numbers[:, NUMERIC_FEATURES.index(family.needs)] > PRESENT_SHARE
        extremes[said, column] = np.abs(value[said])
        level = np.searchsorted([bound for bound, _ in family.levels], number, side="right")
        compared = np.array([word is None for _, word in family.levels])[np.minimum(level, len(family.levels) - 1)]
        places[:, column] = np.where(compared, len(family.levels) + (value <= 0), level)
    most = np.argsort(-extremes, axis=1, kind="stable")[:, :STRAY_WORDS]
    rows = np.arange(len(scaled))
    words = np.full(len(scaled), "", dtype=object)
    for rank in range(STRAY_WORDS):
        family_of, place = most[:, rank], places[rows, most[:, rank]]
        told = extremes[rows, family_of] >= 0
        found = _STRAY_WORDS[family_of[told], place[told]]
        words[told] = found if rank == 0 else words[told] + ", " + found
    return cast(list[str], words.tolist())


def _word(family: Family, value: float, other: float, effect: float) -> str | None:
    word = family.level(value)
    if word is not None and word != family.level(other):
        return word
    return None if not np.isfinite(effect) or effect == 0 else family.more if effect > 0 else family.less


def _lacking(family: Family, values: pd.Series) -> bool:
    return family.needs is not None and not values[family.needs] > PRESENT_SHARE


def _vocabulary() -> NDArray[np.object_]:
    """[families, words]: each family's levels, then its comparisons."""
    each = [[*(word for _, word in family.levels), family.more, family.less] for family in FAMILIES]
    widest = max(map(len, each))
    return np.array([words + [None] * (widest - len(words)) for words in each], dtype=object)


_STRAY_WORDS = _vocabulary()
