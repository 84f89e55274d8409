"""Clusters of templates, per niche and over all niches: how the videos are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tasks.analysis.earlier import Before
from tasks.analysis.labels import (
    CLEAR_EFFECT,
    LABEL_WORDS,
    SAID_FEATURES,
    Trait,
    distinct_labels,
    plain_traits,
    stray_words,
    traits_of,
)
from tasks.analysis.lineage import Counts, Current, Former, Ids, Link, links
from tasks.analysis.niches import niche_names
from tasks.analysis.partition import CHUNK, NONE, Partition, partition
from tasks.analysis.profiles import profiles
from tasks.analysis.templates import Templates
from tasks.analysis.vectors import known_numbers, template_vectors
from tasks.schemas import NUMERIC_FEATURES, TABLES
from tasks.settings import Analysis

EXEMPLARS = 5
MIN_KNOWN_SHARE = 0.25  # of the numeric features; a video of which less is known is in no cluster
NICHE, ALL = "niche", "all"  # `scope` of a cluster: of the videos of its niche, or of all videos

Row = dict[str, Any]
Strings = NDArray[np.object_]


@dataclass(frozen=True)
class ClusterResult:
    """Sorted by video_id, as the templates. cluster_ids, overall_ids: object [n], None where a video is in none.

    reasons: object [n], why a video belongs to the cluster of its niche, or to none. clusters: the `clusters` table
    without its lifts; tonight's clusters before vanished ones, niche by niche, at last those over all niches.
    """

    cluster_ids: Strings
    overall_ids: Strings
    reasons: Strings
    clusters: pa.Table


def cluster_templates(
    templates: Templates, before: Before, run_id: str, settings: Analysis, completeness: float
) -> ClusterResult:
    """Clusters of `templates`, per niche and over all; videos without a niche are a niche of their own.

    before: of the last finished run; the same for every pass of a run, so that a pass over half the videos decides
    nothing for the next. completeness: share of the catalogued videos whose templates are there; it is only noted.
    """
    former: list[Row] = [row | {"scope": row["scope"] or NICHE} for row in before.clusters.to_pylist()]
    at = pd.Index(before.members["video_id"].to_numpy(), dtype=object).get_indexer(
        pd.Index(templates.video_ids, dtype=object)
    )
    were = {name: _taken(before.members[name], at) for name in ("cluster_id", "overall_cluster_id")}
    ids = Ids(
        [row["cluster_id"] for row in former] + [name for column in were.values() for name in set(column) if name]
    )
    cluster_ids, reasons = (np.full(len(templates), None, dtype=object) for _ in range(2))
    clusters: list[Row] = []

    def cluster(scope: str, niche: str | None, rows: NDArray[np.intp]) -> tuple[Strings, _Group]:
        group = _Group(templates.of(rows) if len(rows) < len(templates) else templates, settings)
        mine = [row for row in former if row["scope"] == scope and row["niche"] == niche]
        column = were["cluster_id" if scope == NICHE else "overall_cluster_id"]
        found = group.links_to(mine, column[rows], at[rows] >= 0)
        named = [link.cluster_id or ids.next(niche) for link in found]
        for index, (cluster_id, link) in enumerate(zip(named, found, strict=True)):
            row = {"cluster_id": cluster_id, "scope": scope, "niche": niche, **group.row(index), "change": link.change}
            clusters.append(_dated(row, mine, run_id) | {"completeness": completeness})
        clusters.extend(
            _vanished(row) | {"completeness": completeness}
            for row in mine
            if row["cluster_id"] not in named and row["first_seen_run"] != run_id
        )
        return group.members_of(named), group

    niches = {row["niche"] for row in former if row["scope"] == NICHE} | set(niche_names(templates))
    for niche in sorted(niches, key=lambda name: (name is None, name or "")):
        rows = np.flatnonzero(templates.niches == niche)
        cluster_ids[rows], group = cluster(NICHE, niche, rows)
        reasons[rows] = group.reasons()
    overall_ids, _ = cluster(ALL, ALL, np.arange(len(templates)))
    return ClusterResult(cluster_ids, overall_ids, reasons, pa.Table.from_pylist(clusters, schema=TABLES["clusters"]))


def _taken(column: pa.ChunkedArray, at: NDArray[np.intp]) -> Strings:
    """The values at these places, None where a place is below 0 or the value null."""
    taken: Strings = np.array([*column.to_pylist(), None], dtype=object)[at]
    return taken


class _Group:
    """The clusters of one niche, or of all videos, the largest first."""

    def __init__(self, templates: Templates, settings: Analysis) -> None:
        self.settings = settings
        self.video_ids = templates.video_ids
        self.numbers = known_numbers(templates.numbers)
        vectors = template_vectors(templates, self.numbers, settings)
        self.scaled = vectors.scaled
        self.known = np.isfinite(self.numbers).mean(axis=1) >= MIN_KNOWN_SHARE
        labels = np.full(len(templates), NONE)
        self.parts: Partition | None = None
        if self.known.any():
            rows = np.flatnonzero(self.known)
            whole = len(rows) == len(templates)
            points, ids = (vectors.matrix, self.video_ids) if whole else (vectors.matrix[rows], self.video_ids[rows])
            self.parts = partition(points, ids, settings)
            labels[rows] = self.parts.labels
        self.labels, self.count = _by_size(labels)
        self.profiles = profiles(self.labels, self.count, self.scaled, self.numbers, SAID_FEATURES)
        self.exemplars = [self._exemplars(vectors.matrix, index) for index in range(self.count)]
        self.traits = [self._traits(index) for index in range(self.count)]
        self.words = distinct_labels(self.traits)

    def links_to(self, former: Sequence[Row], were: Strings, there: NDArray[np.bool_]) -> list[Link]:
        """were: object [n], the clusters of before; there: bool [n], was the video there at all?"""
        before = sorted(former, key=lambda row: str(row["cluster_id"]))
        numbers = {row["cluster_id"]: number for number, row in enumerate(before)}
        codes = np.array([numbers.get(cluster_id, -1) for cluster_id in were], dtype=np.int64)
        shared: Counts = np.zeros((len(before), self.count), dtype=np.int64)
        both = (codes >= 0) & (self.labels >= 0)
        np.add.at(shared, (codes[both], self.labels[both]), 1)
        alive = np.bincount(codes[codes >= 0], minlength=len(before))
        known = np.bincount(self.labels[there & (self.labels >= 0)], minlength=self.count)
        return links(
            [Current(int(known[index]), self._means(index)) for index in range(self.count)],
            [
                Former(row["cluster_id"], int(alive[number]), row["feature_means"] or {}, row["size"] == 0)
                for number, row in enumerate(before)
            ],
            shared,
        )

    def row(self, index: int) -> Row:
        """What the cluster's row says of its videos."""
        return {
            "size": int(self.profiles.sizes[index]),
            "label": self.words[index],
            "exemplar_video_ids": self.exemplars[index],
            "feature_means": self._means(index),
            "distinguishing_features": [trait.feature for trait in self.traits[index][:LABEL_WORDS]],
            "silhouette": self.parts.silhouette if self.parts else None,
        }

    def members_of(self, cluster_ids: Sequence[str]) -> Strings:
        """object [n]: each video's cluster, None for those that are in none."""
        found: Strings = np.array([*cluster_ids, None], dtype=object)[self.labels]
        return found

    def reasons(self) -> Strings:
        """object [n]: why each video is in its cluster, or in none."""
        found = np.full(len(self.labels), "in no cluster: too little is known of it", dtype=object)
        for index in range(self.count):
            rows = np.flatnonzero(self.labels == index)
            found[rows] = self._only_reason() if self.count == 1 else self._reasons(index, rows)
        strays = np.flatnonzero((self.labels == NONE) & self.known)
        words = stray_words(self.scaled[strays], self.numbers[strays])
        found[strays] = [f"far from every cluster: {told}" if told else "far from every cluster" for told in words]
        return found

    def _traits(self, index: int) -> list[Trait]:
        inside, outside = self.profiles.sides[index]
        return plain_traits(inside.medians) if self.count == 1 else traits_of(inside, outside)

    def _exemplars(self, matrix: NDArray[np.float32], index: int) -> list[str]:
        """The videos nearest to the centroid, which are the medoids by squared distance."""
        rows = np.flatnonzero(self.labels == index)
        centroid = matrix[rows].mean(axis=0, dtype=np.float64)
        offsets = np.concatenate(
            [
                ((matrix[rows[start : start + CHUNK]] - centroid) ** 2).sum(axis=1)
                for start in range(0, len(rows), CHUNK)
            ]
        )
        return [str(self.video_ids[row]) for row in rows[np.argsort(offsets, kind="stable")[:EXEMPLARS]]]

    def _means(self, index: int) -> dict[str, float | None]:
        means = self.profiles.means[index]
        return {
            name: float(mean) if np.isfinite(mean) else None for name, mean in zip(NUMERIC_FEATURES, means, strict=True)
        }

    def _only_reason(self) -> str:
        count = len(self.labels)
        few = count < self.settings.min_videos
        return f"too few videos to tell apart ({count})" if few else "built like most of its niche"

    def _reasons(self, index: int, rows: NDArray[np.intp]) -> Strings:
        """By which of the cluster's traits a video has, and which it has not: a few sentences for all videos."""
        traits = [trait for trait in self.traits[index][:LABEL_WORDS] if abs(trait.effect) >= CLEAR_EFFECT]
        codes = np.zeros(len(rows), dtype=np.int64)
        for trait in traits:
            values = self.scaled[rows, NUMERIC_FEATURES.index(trait.feature)]
            alike = np.abs(values - trait.inside) <= np.abs(values - trait.outside)
            codes = 3 * codes + np.where(np.isnan(values), 0, np.where(alike, 1, 2))
        kinds, places = np.unique(codes, return_inverse=True)
        sentences = np.array([_sentence(traits, int(kind)) for kind in kinds], dtype=object)
        found: Strings = sentences[places]
        return found


def _sentence(traits: Sequence[Trait], code: int) -> str:
    """code: a digit of base 3 per trait: 0 unknown, 1 alike, 2 unlike."""
    digits = [code // 3**place % 3 for place in reversed(range(len(traits)))]
    shared, unlike = (
        ", ".join(trait.word for trait, digit in zip(traits, digits, strict=True) if digit == wanted)
        for wanted in (1, 2)
    )
    reason = f"like its cluster: {shared}" if shared else "nearest in all features together"
    return f"{reason}; unlike it: {unlike}" if unlike else reason


def _by_size(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Labels renumbered, the largest group first, the one with the first video where two are alike; and how many groups."""
    names, firsts, sizes = np.unique(labels, return_index=True, return_counts=True)
    kept = [(-size, first, name) for name, first, size in zip(names, firsts, sizes, strict=True) if name != NONE]
    renumbered = np.full(int(labels.max(initial=NONE)) + 2, NONE)
    for number, (_, _, name) in enumerate(sorted(kept)):
        renumbered[name] = number
    return renumbered[labels], len(kept)


def _dated(row: Row, before: Sequence[Mapping[str, Any]], run_id: str) -> Row:
    """The row with its runs. What an earlier pass of the same run found new, merged or split stays so."""
    former = next((old for old in before if old["cluster_id"] == row["cluster_id"]), None)
    if former is None:
        return {**row, "first_seen_run": run_id, "last_seen_run": run_id}
    change = row["change"]
    if former["first_seen_run"] == run_id:
        change = "new"
    elif former["last_seen_run"] == run_id and change == "kept":
        change = former["change"]
    return {**row, "change": change, "first_seen_run": former["first_seen_run"], "last_seen_run": run_id}


def _vanished(row: Row) -> Row:
    """A cluster of before that is no more: it keeps its words and means, so that it is known again should it return."""
    gone = {name: None for name in TABLES["clusters"].names if "lift" in name}
    return {**row, "size": 0, "silhouette": None, "change": "vanished", **gone}
