"""How features are spread, in a niche and over all videos, and where a value stands between the two."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from tasks.analysis.material import Material, Row, real
from tasks.analysis.measures import measure_of
from tasks.schemas import NUMERIC_FEATURES

Spread = tuple[float, float, float]  # p10, median, p90


@dataclass(frozen=True)
class SpreadSheet:
    """One feature of a niche against all videos: places from 0 to 100 along the drawn line, and the values in words."""

    label: str
    niche: Spread | None
    everything: Spread | None
    median: str
    range: str
    median_of_all: str


class Spreads:
    """p10, median and p90 per niche and feature: as the table of niches has them, else from the niche's templates."""

    def __init__(self, material: Material) -> None:
        features = _frame(material.templates.values())
        niche_of = [row["niche"] for row in material.templates.values()]
        self.everything = _quantiles(features)
        self.niches: dict[str | None, dict[str, Spread]] = {row["niche"]: _of_row(row) for row in material.niches}
        for niche in dict.fromkeys(niche_of):
            if niche not in self.niches:
                self.niches[niche] = _quantiles(features[[other == niche for other in niche_of]])
        self._ends = {name: self._ends_of(name) for name in NUMERIC_FEATURES}

    def of(self, niche: str | None, name: str) -> Spread | None:
        return self.niches.get(niche, {}).get(name)

    def place(self, name: str, value: float | None) -> float | None:
        """Where the value stands on the feature's line, from 0 to 100; values beyond the ends stand at the ends."""
        known = real(value)
        if known is None:
            return None
        low, high = self._ends[name]
        return round(100 * min(1.0, max(0.0, (known - low) / (high - low))), 1)

    def places(self, name: str, spread: Spread | None) -> Spread | None:
        if spread is None:
            return None
        low, middle, high = (self.place(name, value) or 0.0 for value in spread)
        return low, middle, high

    def sheets(self, niche: str | None) -> dict[str, list[SpreadSheet]]:
        """Every feature of the niche, by group."""
        groups: dict[str, list[SpreadSheet]] = {}
        for name in NUMERIC_FEATURES:
            measure, mine, everything = measure_of(name), self.of(niche, name), self.everything.get(name)
            sheet = SpreadSheet(
                label=measure.label,
                niche=self.places(name, mine),
                everything=self.places(name, everything),
                median=measure.say(mine[1] if mine else None),
                range=f"{measure.say(mine[0])} to {measure.say(mine[2])}" if mine else "–",
                median_of_all=measure.say(everything[1] if everything else None),
            )
            groups.setdefault(measure.group, []).append(sheet)
        return groups

    def _ends_of(self, name: str) -> tuple[float, float]:
        spreads = [spread for known in (self.everything, *self.niches.values()) if (spread := known.get(name))]
        low = min((spread[0] for spread in spreads), default=0.0)
        high = max((spread[2] for spread in spreads), default=1.0)
        pad = 0.06 * (high - low) or 0.5 * max(abs(high), 1.0)
        return low - pad, high + pad


def _frame(templates: Iterable[Row]) -> pd.DataFrame:
    values = [[real(row[name]) for name in NUMERIC_FEATURES] for row in templates]
    return pd.DataFrame(values, columns=list(NUMERIC_FEATURES), dtype=float)


def _quantiles(features: pd.DataFrame) -> dict[str, Spread]:
    if features.empty:
        return {}
    low, middle, high = (features.quantile(share) for share in (0.1, 0.5, 0.9))
    return {name: (low[name], middle[name], high[name]) for name in NUMERIC_FEATURES if math.isfinite(middle[name])}


def _of_row(row: Row) -> dict[str, Spread]:
    spreads = {}
    for name in NUMERIC_FEATURES:
        low, middle, high = (real(row[f"{name}_{part}"]) for part in ("p10", "median", "p90"))
        if low is not None and middle is not None and high is not None:
            spreads[name] = (low, middle, high)
    return spreads
