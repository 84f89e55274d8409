"""The distribution of every feature in every niche."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from tasks.analysis.templates import Reals, Templates
from tasks.schemas import NUMERIC_FEATURES, TABLES

PARTS = {"p10": 10, "median": 50, "p90": 90}


def niche_table(templates: Templates) -> pa.Table:
    """The `niches` table of `templates`: one row per niche in order of name, last the videos without one (niche null).

    Percentiles (linear interpolation) are over the videos whose value is known; null where it is known of none.
    """
    rows: list[dict[str, Any]] = []
    for niche in niche_names(templates):
        numbers = templates.numbers[templates.niches == niche]
        rows.append({"niche": niche, "videos": len(numbers), **_distributions(numbers)})
    return pa.Table.from_pylist(rows, schema=TABLES["niches"])


def niche_names(templates: Templates) -> list[str | None]:
    """The niches that have videos, by name, None last."""
    return sorted(set(templates.niches), key=lambda name: (name is None, name or ""))


def _distributions(numbers: Reals) -> dict[str, float | None]:
    distributions: dict[str, float | None] = {}
    for name, column in zip(NUMERIC_FEATURES, numbers.T, strict=True):
        values = column[np.isfinite(column)]
        found = np.percentile(values, list(PARTS.values())).tolist() if values.size else [None] * len(PARTS)
        distributions.update(zip((f"{name}_{part}" for part in PARTS), found, strict=True))
    return distributions
