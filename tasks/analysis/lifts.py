"""What works: how many times the views and likes of others a way of building has, and a feature when there is more of it.

Method. The logarithm of the count is regressed on what is asked about (being in the cluster; the feature, in spreads
from the median) and on age (the logarithm of the days from publishing until the count was read, and its square), within
each niche. Uploaders have random intercepts: the model is fitted by generalised least squares as quasi-demeaning (Fuller
and Battese 1974, variance components after Swamy and Arora 1972), which compares videos of one uploader with each other
as far as uploaders differ, and with those of others as far as they do not. The variance of an estimate is that of the
jackknife over uploaders (MacKinnon, Nielsen and Webb 2023), for videos of one uploader are not independent, with Student's t
of one degree of freedom less than uploaders effectively carry the comparison (Carter, Schnepel and Steigerwald 2017).
Of everything that is asked at once, what is claimed is chosen so that at most a share `lift_false_share` of it is expected to be false
(Benjamini and Hochberg 1995); intervals are as wide as that choice makes necessary (Benjamini and Yekutieli 2005), so
that a lift is claimed where its interval leaves out 1, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tasks.analysis.templates import Reals

METRICS = ("view", "like")
MIN_VIDEOS = 10  # on either side of a comparison
MIN_UPLOADERS = 5.0  # effective ones, on either side
WINSOR_DEVIATIONS = 4.0  # from the median count: more of it is no more a success
MAD_PER_STD = 1.4826
MOST_LOG = 50.0


@dataclass(frozen=True)
class Audience:
    """What is known of who saw n videos. counts: float64 [n, METRICS]; ages_days: float64 [n]; NaN is unknown.

    uploaders: int64 [n], numbers from 0; -1 is unknown.
    """

    counts: Reals
    ages_days: Reals
    uploaders: NDArray[np.int64]

    def of(self, rows: NDArray[np.intp]) -> Audience:
        return Audience(self.counts[rows], self.ages_days[rows], self.uploaders[rows])


@dataclass(frozen=True)
class Estimate:
    """Of the logarithm of a lift. videos, uploaders: how many stand behind it."""

    effect: float
    error: float
    freedom: float
    videos: int
    uploaders: int

    @property
    def p_value(self) -> float:
        return float(2 * stats.t.sf(abs(self.effect) / self.error, self.freedom)) if self.error > 0 else 1.0


@dataclass(frozen=True)
class Lift:
    """claimed: the lift, None where the data do not carry it. low, high: its interval."""

    claimed: float | None
    low: float
    high: float
    videos: int
    uploaders: int


class Field:
    """The videos of a niche, or of several, of which one count is known with age and uploader.

    rows: their places among the videos that were given. groups: int64 [n], what has a level of its own, such as niches.
    """

    def __init__(self, counts: Reals, audience: Audience, groups: NDArray[np.int64] | None = None) -> None:
        known = np.isfinite(counts) & np.isfinite(audience.ages_days) & (audience.uploaders >= 0)
        self.rows = np.flatnonzero(known)
        self._counts, self._audience, self._given_groups = counts, audience, groups
        size = len(self.rows)
        self._groups = np.zeros(size, dtype=np.int64) if groups is None else _numbered(groups[self.rows])
        self._uploaders = _numbered(audience.uploaders[self.rows])
        self._sizes = np.bincount(self._uploaders).astype(float)
        if size < 2 * MIN_VIDEOS or len(self._sizes) < MIN_UPLOADERS:
            self.rows = self.rows[:0]
            return
        ages = self._within(np.log1p(np.maximum(audience.ages_days[self.rows], 0.0)))
        ages = np.column_stack([ages, self._within(ages**2)])
        response = self._within(_winsorised(np.log1p(np.maximum(counts[self.rows], 0.0)), self._groups))
        self._shares = _shares(ages, response, self._uploaders, self._sizes)
        nuisance = np.column_stack([self._moved(column) for column in (*ages.T, np.ones(size))])
        directions, strengths, _ = np.linalg.svd(nuisance, full_matrices=False)
        self._nuisance = directions[:, strengths > 1e-8 * strengths[0]]
        self._response = self._freed(response)

    def compare(self, members: NDArray[np.bool_]) -> Estimate | None:
        """Members (bool [n], of all that were given) with the others; None where either are too few."""
        inside = members[self.rows]
        sides = self._uploaders[inside], self._uploaders[~inside]
        if any(len(side) < MIN_VIDEOS or _effective(np.bincount(side)) < MIN_UPLOADERS for side in sides):
            return None
        return self._estimate(inside.astype(float), int(inside.sum()), len(np.unique(sides[0])))

    def slope(self, values: Reals) -> Estimate | None:
        """Of `values` (float64 [n], of all that were given; NaN is unknown); None where too few are known."""
        mine = values[self.rows]
        if np.isnan(mine).any():
            counts = np.where(np.isfinite(values), self._counts, np.nan)
            return Field(counts, self._audience, self._given_groups).slope(np.nan_to_num(values))
        if not len(mine):
            return None
        return self._estimate(mine, len(mine), len(self._sizes))

    def _estimate(self, asked: Reals, videos: int, uploaders: int) -> Estimate | None:
        """Frisch and Waugh 1933: what is asked about and the response, both freed of age, level and uploader."""
        freed = self._freed(self._within(asked))
        weights = np.bincount(self._uploaders, freed**2)
        products = np.bincount(self._uploaders, freed * self._response)
        total = float(weights.sum())
        carrying = _effective(weights)
        if total < 1e-9 * len(asked) or carrying < MIN_UPLOADERS:
            return None
        effect = float(products.sum()) / total
        without = (products.sum() - products) / np.maximum(total - weights, 1e-12)
        count = len(weights)
        error = float(np.sqrt((count - 1) / count * ((without - effect) ** 2).sum()))
        return Estimate(effect, error, carrying - 1, videos, uploaders)

    def _within(self, values: Reals) -> Reals:
        """Differences from the mean of the group."""
        means = np.bincount(self._groups, values) / np.bincount(self._groups)
        centred: Reals = values - means[self._groups]
        return centred

    def _moved(self, values: Reals) -> Reals:
        """Less a share of the uploader's mean: none where uploaders are alike, all of it where they differ much."""
        means = np.bincount(self._uploaders, values) / self._sizes
        moved: Reals = values - (self._shares * means)[self._uploaders]
        return moved

    def _freed(self, values: Reals) -> Reals:
        moved = self._moved(values)
        freed: Reals = moved - self._nuisance @ (self._nuisance.T @ moved)
        return freed


def lifts_of(estimates: Sequence[Estimate | None], false_share: float) -> list[Lift | None]:
    """What may be claimed of everything that was asked at once, at most `false_share` of it falsely (expected)."""
    values = np.sort([estimate.p_value for estimate in estimates if estimate is not None])
    claims = np.flatnonzero(values <= false_share * np.arange(1, len(values) + 1) / max(len(values), 1))
    level = false_share * (int(claims[-1]) + 1 if claims.size else 1) / max(len(values), 1)
    return [_lift(estimate, level) if estimate is not None else None for estimate in estimates]


def _lift(estimate: Estimate, level: float) -> Lift:
    reach = float(stats.t.isf(level / 2, estimate.freedom)) * estimate.error
    claimed = float(np.exp(estimate.effect)) if estimate.p_value <= level else None
    low, high = np.exp(np.clip([estimate.effect - reach, estimate.effect + reach], -MOST_LOG, MOST_LOG))
    return Lift(claimed, float(low), float(high), estimate.videos, estimate.uploaders)


def _shares(design: Reals, response: Reals, uploaders: NDArray[np.int64], sizes: Reals) -> Reals:
    """[uploaders]: the share of each uploader's mean that is taken away (theta), by how much uploaders differ.

    design: [n, k], response: [n], both centred; sizes: [uploaders], how many videos each has.
    """
    both = np.column_stack([design, response])
    count, n, width = len(sizes), *design.shape
    if n - count <= 2 * width or count <= 2 * width:
        return np.zeros(count)
    means = np.column_stack([np.bincount(uploaders, column) for column in both.T]) / sizes[:, None]
    inner = both - means[uploaders]
    variance = _squares(inner[:, :-1], inner[:, -1]) / (n - count - width)
    roots = np.sqrt(sizes)[:, None]
    between = _squares(np.column_stack([means[:, :-1], np.ones(count)]) * roots, means[:, -1] * roots[:, 0])
    typical = (n - float((sizes**2).sum()) / n) / (count - 1)
    of_uploaders = max(0.0, (between / (count - width - 1) - variance) / typical)
    shares: Reals = 1 - np.sqrt(variance / np.maximum(variance + sizes * of_uploaders, 1e-12))
    return shares


def _squares(design: Reals, response: Reals) -> float:
    """The sum of squares that least squares leave."""
    left = response - design @ np.linalg.lstsq(design, response, rcond=None)[0]
    return float(left @ left)


def _winsorised(values: Reals, groups: NDArray[np.int64]) -> Reals:
    """Values that lie far out in their group, put where far begins."""
    bounded = values.copy()
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(groups))[:-1]):
        median = np.median(values[rows])
        reach = WINSOR_DEVIATIONS * MAD_PER_STD * np.median(np.abs(values[rows] - median))
        if reach > 0:
            bounded[rows] = np.clip(values[rows], median - reach, median + reach)
    return bounded


def _effective(weights: NDArray[np.floating] | NDArray[np.int64]) -> float:
    """How many there are, one that has most of it all counting little more than one (inverse Simpson index)."""
    total = float(weights.sum())
    return total**2 / float((weights.astype(float) ** 2).sum()) if total > 0 else 0.0


def _numbered(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(values, return_inverse=True)[1]
