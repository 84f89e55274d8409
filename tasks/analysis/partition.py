"""Points into groups: Ward's tree, the number of groups by silhouette, and points that belong to none.

Method. Points far from their nearest neighbours are set aside; the others build Ward's tree (Ward 1963), which is cut at
every number of groups up to the most; the cut with the highest silhouette (Rousseeuw 1987; points in groups too small
to count contribute 0) wins, if it is at least `min_silhouette`. As the highest silhouette likes few groups that are far
apart, each group is then cut in the same way by itself, until no cut is good enough. Then every point joins the nearest
centroid unless it is farther from it than that group's own members are. Beyond `tree_videos` points a fixed sample, drawn by the hash of the ids, builds
the tree and the rest join. Nothing is random; with points in the order of their ids nothing depends on input order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import pairwise_distances, silhouette_score
from sklearn.neighbors import NearestNeighbors

from tasks.settings import Analysis

Points = NDArray[np.float32]
Labels = NDArray[np.int64]
Ids = NDArray[np.object_]

NONE = -1
NEIGHBOURS = 4
#: How far out a point lies before it belongs to none, in standard deviations of a normal distribution (1.4826 MAD).
ALOOF_DEVIATIONS, OUTSIDE_DEVIATIONS = 3.0, 4.0
MAD_PER_STD = 1.4826
LEAST_DEVIATION = 0.1  # of the median distance, where all distances are alike
ROUNDING = 1e-3  # of distances between points that are the same
MIN_VIDEOS_FOR_STRAYS = 10  # fewer do not show what is usual
MIN_GROUP_ROOTS = 0.4  # times the square root of the number of points: 2 of 10, 6 of 200, 18 of 2000
CHUNK = 100_000  # points whose distances are held in memory at once


@dataclass(frozen=True)
class Partition:
    """labels: int64 [n], NONE where a point belongs to no group. centroids: float32 [k, d].

    distances: float32 [n] to the nearest centroid. silhouette: mean over the points that built the tree and belong to a group; None with one group.
    """

    labels: Labels
    centroids: Points
    distances: NDArray[np.float32]
    silhouette: float | None


@dataclass(frozen=True, eq=False)
class _Cut:
    labels: Labels
    silhouette: float  # 0 with one group


def partition(points: Points, ids: Ids, settings: Analysis) -> Partition:
    """Groups of `points` [n, d], n > 0, given in the order of `ids`."""
    if len(points) < settings.min_videos:
        return _joined(points, points.mean(axis=0, keepdims=True), None, None)
    rows = _sample(ids, settings.tree_videos)
    rows = rows[np.sort(np.unique(points[rows], axis=0, return_index=True)[1])]  # a repost is no way of building
    rows = rows[~_aloof(points[rows])]
    sample = points[rows]
    labels = _groups(sample, settings)
    groups = range(int(labels.max()) + 1)
    members = labels != NONE
    silhouette = float(silhouette_score(sample[members], labels[members])) if len(groups) > 1 else None
    centroids = np.stack([sample[labels == group].mean(axis=0) for group in groups]).astype(np.float32)
    limits = np.array(
        [_limit(_distances(sample[labels == group], centroids[[group]])[:, 0], OUTSIDE_DEVIATIONS) for group in groups]
    )
    return _joined(points, centroids, limits if len(points) >= MIN_VIDEOS_FOR_STRAYS else None, silhouette)


def _sample(ids: Ids, most: int) -> Labels:
    """The rows that build the tree: all, or the `most` with the lowest hashes, nearly the same ones every night."""
    if len(ids) <= most:
        return np.arange(len(ids))
    hashes = pd.util.hash_array(ids)
    return np.sort(np.argsort(hashes, kind="stable")[:most])


def _aloof(points: Points) -> NDArray[np.bool_]:
    """Points unusually far from their neighbours; at most a third of all, as more would not be unusual."""
    if len(points) < MIN_VIDEOS_FOR_STRAYS:
        return np.zeros(len(points), dtype=bool)
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(points)
    gaps = neighbours.kneighbors(points)[0][:, 1:].mean(axis=1)
    aloof: NDArray[np.bool_] = gaps > max(_limit(gaps, ALOOF_DEVIATIONS), float(np.quantile(gaps, 2 / 3)))
    return aloof


def _limit(distances: NDArray[np.floating], deviations: float) -> float:
    median = float(np.median(distances))
    deviation = MAD_PER_STD * float(np.median(np.abs(distances - median)))
    return median + deviations * max(deviation, LEAST_DEVIATION * median) + ROUNDING


def _groups(points: Points, settings: Analysis) -> Labels:
    """Labels from cutting, and cutting the parts again; the most distinct cuts first, until there are `max_clusters`."""
    least = max(settings.min_videos // 2, math.ceil(MIN_GROUP_ROOTS * math.sqrt(len(points))))
    labels = np.zeros(len(points), dtype=np.int64)
    open_cuts = [(0, _best_cut(points, least, settings.max_clusters, settings.min_silhouette))]
    while open_cuts:
        group, cut = max(open_cuts, key=lambda item: (item[1].silhouette, -item[0]))
        open_cuts.remove((group, cut))
        free = settings.max_clusters - (int(labels.max()) + 1)
        parts = int(cut.labels.max()) + 1
        if parts < 2 or parts - 1 > free:
            continue
        rows = np.flatnonzero(labels == group)
        # the first part keeps the group's number, the others are appended
        labels[rows] = np.where(cut.labels > 0, cut.labels + int(labels.max()), np.where(cut.labels == 0, group, NONE))
        for part in sorted(set(labels[rows]) - {NONE}):
            inside = points[labels == part]
            open_cuts.append((int(part), _best_cut(inside, least, settings.max_clusters, settings.min_silhouette)))
    return labels


def _best_cut(points: Points, least: int, most: int, floor: float) -> _Cut:
    """The cut of Ward's tree with the highest silhouette, or one group where none reaches `floor`."""
    best = _Cut(np.zeros(len(points), dtype=np.int64), 0.0)
    if len(points) < max(2 * least, 2):
        return best
    tree = linkage(points.astype(np.float64), method="ward")
    silhouette = _Silhouette(pairwise_distances(points.astype(np.float64)))
    # small groups do not count, so a cut into more parts may still give few groups
    for parts in range(2, min(3 * most, len(points) - 1) + 1):
        labels = _without_small(fcluster(tree, parts, criterion="maxclust"), least)
        members = labels != NONE
        groups = int(labels.max()) + 1
        if not 2 <= groups <= most or members.sum() <= groups:
            continue
        score = silhouette.mean(labels) * float(members.mean())
        if score >= floor and score > best.silhouette:
            best = _Cut(labels, score)
    return best


class _Silhouette:
    """The mean silhouette of one cut of a tree after the other. Cuts share most groups, whose distances are summed once.

    distances: [n, n].
    """

    def __init__(self, distances: NDArray[np.float64]) -> None:
        self._distances = distances
        self._sums: dict[
            tuple[int, int], NDArray[np.float64]
        ] = {}  # by first member and size, which tell a tree's groups apart

    def mean(self, labels: Labels) -> float:
        """Over the points that belong to a group; labels: [n], groups from 0, at least two of them, or NONE."""
        _, firsts, sizes = np.unique(labels[labels != NONE], return_index=True, return_counts=True)
        rows = np.flatnonzero(labels != NONE)
        sums = np.column_stack(
            [
                self._to_group(labels, group, (int(rows[first]), int(size)))[rows]
                for group, (first, size) in enumerate(zip(firsts, sizes, strict=True))
            ]
        )
        own = labels[rows]
        at = np.arange(len(rows))
        inside = sums[at, own] / np.maximum(sizes[own] - 1, 1)
        sums /= sizes
        sums[at, own] = np.inf
        outside = sums.min(axis=1)
        larger = np.maximum(inside, outside)
        values = np.divide(outside - inside, larger, out=np.zeros(len(rows)), where=(larger > 0) & (sizes[own] > 1))
        return float(values.mean())

    def _to_group(self, labels: Labels, group: int, key: tuple[int, int]) -> NDArray[np.float64]:
        if key not in self._sums:
            self._sums[key] = self._distances[labels == group].sum(axis=0)
        return self._sums[key]


def _without_small(labels: NDArray[np.integer], least: int) -> Labels:
    """Labels renumbered from 0 in order of first appearance, NONE for groups of fewer than `least`."""
    names, firsts, counts = np.unique(labels, return_index=True, return_counts=True)
    kept = [name for _, name, count in sorted(zip(firsts, names, counts, strict=True)) if count >= least]
    numbers = {name: number for number, name in enumerate(kept)}
    return np.array([numbers.get(label, NONE) for label in labels], dtype=np.int64)


def _joined(
    points: Points, centroids: Points, limits: NDArray[np.float64] | None, silhouette: float | None
) -> Partition:
    labels = np.empty(len(points), dtype=np.int64)
    nearest = np.empty(len(points), dtype=np.float32)
    for start in range(0, len(points), CHUNK):
        chunk = slice(start, start + CHUNK)
        distances = _distances(points[chunk], centroids)
        labels[chunk] = distances.argmin(axis=1)
        nearest[chunk] = distances.min(axis=1)
    if limits is not None:
        labels = np.where(nearest > limits[labels], NONE, labels)
    return Partition(labels, centroids, nearest, silhouette)


def _distances(points: Points, centroids: Points) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = pairwise_distances(points.astype(np.float64), centroids.astype(np.float64))
    return distances
