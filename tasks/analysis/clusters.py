"""Clusters of templates per niche: how the videos of a niche are built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.analysis.labels import (
    CLEAR_EFFECT,
    LABEL_WORDS,
    Trait,
    distinct_labels,
    plain_traits,
    stray_words,
    traits_of,
)
from tasks.analysis.lineage import Current, Former, Ids, Link, links
from tasks.analysis.partition import NONE, Partition, partition
from tasks.analysis.vectors import Vectors, known_numbers, template_vectors
from tasks.schemas import NUMERIC_FEATURES, TABLES
from tasks.settings import Analysis

EXEMPLARS = 5
MIN_KNOWN_SHARE = 0.25  # of the numeric features; a video of which less is known is in no cluster
_ASSIGNMENTS = pa.schema([("video_id", pa.string()), ("cluster_id", pa.string()), ("membership_reason", pa.string())])

Row = dict[str, Any]


@dataclass(frozen=True)
class ClusterResult:
    """assignments: video_id, cluster_id (null: in none), membership_reason, sorted by video_id.

    clusters: the columns of the `clusters` table, tonight's clusters before vanished ones, niche by niche.
    """

    assignments: pd.DataFrame
    clusters: pd.DataFrame


def cluster_templates(
    templates: pd.DataFrame,
    previous: pd.DataFrame | None,
    previous_members: Mapping[str, str | None],
    run_id: str,
    settings: Analysis,
    completeness: float,
) -> ClusterResult:
    """Clusters of `templates` (columns of the `templates` table), per niche; videos without a niche are one of their own.

    previous: the `clusters` table of the last finished run, None if there is none; the same for every pass of a run, so
    that a pass over half the videos decides nothing for the next. previous_members: video_id to cluster_id, of that
    run. completeness: share of the catalogued videos whose templates are there; it is only noted.
    """
    ordered = templates.sort_values("video_id", kind="stable").reset_index(drop=True) if len(templates) else templates
    before = [] if previous is None or previous.empty else _rows(previous)
    former_ids = {video_id: _text(cluster_id) for video_id, cluster_id in previous_members.items()}
    ids = Ids([row["cluster_id"] for row in before] + [cluster_id for cluster_id in former_ids.values() if cluster_id])
    assignments: list[Row] = []
    clusters: list[Row] = []
    for niche in sorted(
        _niches(ordered) | {row["niche"] for row in before}, key=lambda name: (name is None, name or "")
    ):
        members = ordered[[_text(value) == niche for value in ordered["niche"]]] if len(ordered) else ordered
        of_niche = [row for row in before if row["niche"] == niche]
        group = _NicheClusters(niche, members.reset_index(drop=True), settings)
        found = group.links_to(of_niche, former_ids)
        named = [link.cluster_id or ids.next(niche) for link in found]
        assignments.extend(group.assignments(named))
        rows = [group.row(index, cluster_id, found[index]) for index, cluster_id in enumerate(named)]
        rows = [_dated(row, of_niche, run_id) for row in rows]
        rows += [
            _vanished(row) for row in of_niche if row["cluster_id"] not in named and row["first_seen_run"] != run_id
        ]
        clusters.extend({**row, "completeness": completeness} for row in rows)
    return ClusterResult(
        pa.Table.from_pylist(sorted(assignments, key=lambda row: row["video_id"]), schema=_ASSIGNMENTS).to_pandas(),
        pa.Table.from_pylist(clusters, schema=TABLES["clusters"]).to_pandas(),
    )


class _NicheClusters:
    """The clusters of one niche, the largest first."""

    def __init__(self, niche: str | None, templates: pd.DataFrame, settings: Analysis) -> None:
        self.niche = niche
        self.templates = templates
        self.settings = settings
        self.vectors: Vectors = template_vectors(templates, settings)
        self.scaled = self.vectors.scaled.reset_index(drop=True)
        self.numbers = known_numbers(templates)
        self.known = (self.numbers.notna().mean(axis=1) >= MIN_KNOWN_SHARE).to_numpy(dtype=bool)
        self.labels = np.full(len(templates), NONE)
        self.parts: Partition | None = None
        self.order: list[int] = []  # numbers of the parts that became clusters
        if self.known.any():
            known_ids = [video_id for video_id, known in zip(self.vectors.video_ids, self.known, strict=True) if known]
            self.parts = partition(self.vectors.matrix[self.known], known_ids, settings)
            self.labels[self.known] = self.parts.labels
            sizes = {label: int((self.labels == label).sum()) for label in np.unique(self.labels) if label != NONE}
            self.order = sorted(sizes, key=lambda label: (-sizes[label], int(np.argmax(self.labels == label))))
        self.traits = [self._traits(label) for label in self.order]
        self.words = distinct_labels(self.traits)

    def links_to(self, before: list[Row], previous_members: Mapping[str, str | None]) -> list[Link]:
        members = [
            frozenset(np.array(self.vectors.video_ids, dtype=object)[self.labels == label]) for label in self.order
        ]
        alive: dict[str, set[str]] = {}
        for video_id in self.vectors.video_ids:
            alive.setdefault(previous_members.get(video_id) or "", set()).add(video_id)
        current = [
            Current(ids, frozenset(video_id for video_id in ids if video_id in previous_members), self._means(label))
            for ids, label in zip(members, self.order, strict=True)
        ]
        former = [
            Former(
                row["cluster_id"],
                frozenset(alive.get(row["cluster_id"], ())),
                row["feature_means"] or {},
                row["size"] == 0,
            )
            for row in sorted(before, key=lambda row: row["cluster_id"])
        ]
        return links(current, former)

    def row(self, index: int, cluster_id: str, link: Link) -> Row:
        """The cluster's row, its runs and completeness left out."""
        label = self.order[index]
        return {
            "cluster_id": cluster_id,
            "niche": self.niche,
            "size": int((self.labels == label).sum()),
            "label": self.words[index],
            "exemplar_video_ids": self._exemplars(label),
            "feature_means": self._means(label),
            "distinguishing_features": [trait.feature for trait in self.traits[index][:LABEL_WORDS]],
            "silhouette": self.parts.silhouette if self.parts else None,
            "change": link.change,
            "view_lift": None,
            "like_lift": None,
        }

    def assignments(self, cluster_ids: list[str]) -> Iterator[Row]:
        places = {label: index for index, label in enumerate(self.order)}
        values = self.scaled.to_dict("list")
        for position, video_id in enumerate(self.vectors.video_ids):
            index = places.get(int(self.labels[position]))
            reason = self._stray_reason(position) if index is None else self._reason(index, position, values)
            yield {
                "video_id": video_id,
                "cluster_id": None if index is None else cluster_ids[index],
                "membership_reason": reason,
            }

    def _traits(self, label: int) -> list[Trait]:
        members = self.labels == label
        if len(self.order) == 1:
            return plain_traits(self.numbers[members])
        return traits_of(members, self.scaled, self.numbers)

    def _exemplars(self, label: int) -> list[str]:
        """The videos nearest to the centroid, which are the medoids by squared distance."""
        rows = np.flatnonzero(self.labels == label)
        offsets = self.vectors.matrix[rows].astype(np.float64)
        offsets = ((offsets - offsets.mean(axis=0)) ** 2).sum(axis=1)
        return [self.vectors.video_ids[row] for row in rows[np.argsort(offsets, kind="stable")[:EXEMPLARS]]]

    def _means(self, label: int) -> dict[str, float | None]:
        means = self.numbers[self.labels == label].mean()
        return {name: float(means[name]) if np.isfinite(means[name]) else None for name in NUMERIC_FEATURES}

    def _reason(self, index: int, position: int, values: dict[Any, list[Any]]) -> str:
        if len(self.order) == 1:
            count = len(self.templates)
            return (
                f"too few videos to tell apart ({count})"
                if count < self.settings.min_videos
                else "built like most of its niche"
            )
        shared: list[str] = []
        unlike: list[str] = []
        for trait in self.traits[index][:LABEL_WORDS]:
            value = values[trait.feature][position]
            if abs(trait.effect) >= CLEAR_EFFECT and np.isfinite(value):
                (shared if abs(value - trait.inside) <= abs(value - trait.outside) else unlike).append(trait.word)
        reason = f"like its cluster: {', '.join(shared)}" if shared else "nearest in all features together"
        return f"{reason}; unlike it: {', '.join(unlike)}" if unlike else reason

    def _stray_reason(self, position: int) -> str:
        if not self.known[position]:
            return "in no cluster: too little is known of it"
        words = stray_words(self.scaled.iloc[position], self.numbers.iloc[position])
        return f"far from every cluster: {words}" if words else "far from every cluster"


def _dated(row: Row, before: list[Row], run_id: str) -> Row:
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
    return {**row, "size": 0, "silhouette": None, "change": "vanished"}


def _rows(clusters: pd.DataFrame) -> list[Row]:
    rows: list[Row] = pa.Table.from_pandas(clusters, schema=TABLES["clusters"], preserve_index=False).to_pylist()
    return rows


def _niches(templates: pd.DataFrame) -> set[str | None]:
    return {_text(value) for value in templates["niche"]} if len(templates) else set()


def _text(value: object) -> str | None:
    """Nulls of pandas come in several kinds."""
    return value if isinstance(value, str) else None
