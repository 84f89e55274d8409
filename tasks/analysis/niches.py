"""The distribution of every feature in every niche."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.schemas import NUMERIC_FEATURES, TABLES

PARTS = {"p10": 10, "median": 50, "p90": 90}


def niche_table(templates: pd.DataFrame) -> pd.DataFrame:
    """The `niches` table of `templates`: one row per niche in order of name, last the videos without one (niche null).

    Percentiles (linear interpolation) are over the videos whose value is known; null where it is known of none.
    """
    rows: list[dict[str, Any]] = []
    if len(templates):
        names = [value if isinstance(value, str) else None for value in templates["niche"]]
        for niche in sorted(set(names), key=lambda name: (name is None, name or "")):
            members = templates[[name == niche for name in names]]
            rows.append({"niche": niche, "videos": len(members), **_distributions(members)})
    table: pd.DataFrame = pa.Table.from_pylist(rows, schema=TABLES["niches"]).to_pandas()
    return table


def _distributions(members: pd.DataFrame) -> dict[str, float | None]:
    distributions: dict[str, float | None] = {}
    for name in NUMERIC_FEATURES:
        values = pd.to_numeric(members[name]).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        values = values[np.isfinite(values)]
        for part, percent in PARTS.items():
            distributions[f"{name}_{part}"] = float(np.percentile(values, percent)) if values.size else None
    return distributions
