"""Tonight's clusters matched to the ones before, so that ids stay.

Clusters are matched one to one by the videos that both nights know (Jaccard index, Hungarian method: Kuhn 1955). A cluster
of before none of whose videos is there any more is matched by its feature means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tasks.analysis.vectors import FEATURES

Counts = NDArray[np.int64]

LEAST_JACCARD = 0.2
#: Root mean square of the differences of two clusters' means, in noticeable steps, below which they are the same kind.
SAME_KIND_STEPS = 0.6
MOST_STEPS = 6.0  # of one feature; more of it is no more different
MERGED_SHARE = 0.5  # of a former cluster's videos, found in a cluster that merged it
SPLIT_SHARE = 0.2  # of a former cluster's videos, found in each part of a split
UNCLASSIFIED = "unclassified"


@dataclass(frozen=True)
class Former:
    """A cluster of before. videos: how many of its videos are still there; means: of its numeric features."""

    cluster_id: str
    videos: int
    means: Mapping[str, Any]
    vanished: bool


@dataclass(frozen=True)
class Current:
    """A cluster of tonight. known: how many of its videos were there before as well."""

    known: int
    means: Mapping[str, Any]


@dataclass(frozen=True)
class Link:
    """cluster_id: the former id that goes on, None for a new one. change: new, kept, merged or split."""

    cluster_id: str | None
    change: str


def links(current: Sequence[Current], former: Sequence[Former], shared: Counts) -> list[Link]:
    """One link for each cluster of tonight; a former cluster without a link has vanished.

    shared: [former, current], how many videos two clusters have in common.
    """
    matches: dict[int, Former] = {}
    if current and former:
        likeness = np.array(
            [
                [_likeness(before, now, int(shared[row, column])) for column, now in enumerate(current)]
                for row, before in enumerate(former)
            ]
        )
        for row, column in zip(*linear_sum_assignment(-likeness), strict=True):
            if likeness[row, column] > 0:
                matches[int(column)] = former[row]
    return [_link(index, current, former, shared, matches.get(index)) for index in range(len(current))]


class Ids:
    """Gives out cluster ids NICHE-NUMBER; a number is never given twice, whatever became of its cluster."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._last: dict[str, int] = {}
        for cluster_id in taken:
            stem, _, number = cluster_id.rpartition("-")
            if number.isdecimal():
                self._last[stem] = max(self._last.get(stem, 0), int(number))

    def next(self, niche: str | None) -> str:
        stem = re.sub(r"\W+", "-", (niche or UNCLASSIFIED).casefold()).strip("-") or "niche"
        self._last[stem] = self._last.get(stem, 0) + 1
        return f"{stem}-{self._last[stem]}"


def _likeness(before: Former, now: Current, shared: int) -> float:
    """Jaccard index over the videos of both nights; below any of these (at most 0.1) the likeness of means."""
    if before.videos:
        jaccard = shared / (before.videos + now.known - shared)
        return jaccard if jaccard >= LEAST_JACCARD else 0.0
    steps = _steps_apart(before.means, now.means)
    return 0.1 * (1 - steps / SAME_KIND_STEPS) if steps < SAME_KIND_STEPS else 0.0


def _steps_apart(left: Mapping[str, Any], right: Mapping[str, Any]) -> float:
    differences = []
    for name, feature in FEATURES.items():
        values = [side.get(name) for side in (left, right)]
        if all(value is not None and math.isfinite(value) for value in values):
            before, now = feature.transform(np.array(values, dtype=float)) / feature.step
            differences.append(min(abs(float(before - now)), MOST_STEPS))
    return math.sqrt(sum(step**2 for step in differences) / len(differences)) if differences else math.inf


def _link(
    index: int, current: Sequence[Current], former: Sequence[Former], shared: Counts, match: Former | None
) -> Link:
    cluster_id = match.cluster_id if match else None
    swallowed = [row for row, before in enumerate(former) if shared[row, index] >= max(2, MERGED_SHARE * before.videos)]
    if len(swallowed) > 1:
        return Link(cluster_id, "merged")
    for row, before in enumerate(former):
        parts = [_part_of(now, before, int(shared[row, column])) for column, now in enumerate(current)]
        if parts[index] and sum(parts) > 1:
            return Link(cluster_id, "split")
    return Link(cluster_id, "kept" if match and not match.vanished else "new")


def _part_of(now: Current, before: Former, shared: int) -> bool:
    """Is `now` made mostly of videos of `before`, and of a fair part of them?"""
    return shared >= max(2, SPLIT_SHARE * before.videos) and shared > now.known / 2
