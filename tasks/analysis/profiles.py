"""What clusters look like beside the rest: counts, means, variances and medians of each feature, in and out of each cluster."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.analysis.templates import Reals
from tasks.schemas import NUMERIC_FEATURES

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """One cluster, or all videos of its group but the cluster's; by feature, NaN where nothing is known.

    means, variances: of features in spreads from the median. medians: of the features themselves, those that are said.
    """

    means: pd.Series
    variances: pd.Series
    medians: pd.Series


@dataclass(frozen=True)
class Profiles:
    """Of k clusters. sizes: [k]. means: [k, NUMERIC_FEATURES], of the features themselves."""

    sizes: NDArray[np.int64]
    means: Reals
    sides: tuple[tuple[Side, Side], ...]  # the cluster, the rest


def profiles(
    labels: Labels, clusters: int, scaled: NDArray[np.float32], numbers: Reals, said: Collection[str]
) -> Profiles:
    """said: features whose medians are wanted, which cost most.

    labels: [n] numbers of the clusters 0..k-1, or something below 0. scaled, numbers: [n, NUMERIC_FEATURES].
    """
    bins = np.where(labels < 0, clusters, labels)
    moments = _moments(bins, clusters + 1, scaled)
    known, totals, _ = _moments(bins, clusters + 1, numbers)
    members = [labels == cluster for cluster in range(clusters)]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = totals[:clusters] / known[:clusters]
        sides = tuple(
            (
                _side(moments[:, cluster], _medians(numbers, members[cluster], said)),
                _side(moments.sum(axis=1) - moments[:, cluster], _medians(numbers, ~members[cluster], said)),
            )
            for cluster in range(clusters)
        )
    sizes = np.array([int(rows.sum()) for rows in members], dtype=np.int64)
    return Profiles(sizes, means, sides)


def _moments(bins: Labels, count: int, values: NDArray[np.floating]) -> Reals:
    """[3, count, features]: how many values are known, their sum and the sum of their squares."""
    found = []
    for column in values.T:
        known = np.isfinite(column)
        column = np.where(known, column, 0).astype(np.float64)
        found.append([np.bincount(bins, weights, count) for weights in (known, column, column**2)])
    return np.array(found).reshape(values.shape[1], 3, count).transpose(1, 2, 0)


def _side(moments: Reals, medians: Reals) -> Side:
    counts, sums, squares = moments
    means = sums / counts
    variances = np.maximum(squares / counts - means**2, 0.0)
    return Side(*(pd.Series(values, index=list(NUMERIC_FEATURES)) for values in (means, variances, medians)))


def _medians(numbers: Reals, rows: NDArray[np.bool_], said: Collection[str]) -> Reals:
    found = np.full(numbers.shape[1], np.nan)
    for at in map(NUMERIC_FEATURES.index, said):
        values = numbers[rows, at]
        values = values[np.isfinite(values)]
        if values.size:
            found[at] = np.median(values, overwrite_input=True)
    return found
