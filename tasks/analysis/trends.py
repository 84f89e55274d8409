"""Trends: how large each cluster was in each run."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from tasks.analysis.clusters import NICHE
from tasks.analysis.niches import niche_names
from tasks.analysis.templates import Templates
from tasks.schemas import TABLES


def trend_table(former: pa.Table, clusters: pa.Table, templates: Templates, run_id: str) -> pa.Table:
    """The `trends` table with this run's clusters as they are; what an earlier pass of the run said is replaced."""
    videos = {niche: int((templates.niches == niche).sum()) for niche in niche_names(templates)}
    rows = [
        {name: row.get(name) for name in TABLES["trends"].names}
        | {
            "run_id": run_id,
            "group_videos": videos[row["niche"]] if row["scope"] == NICHE else len(templates),
        }
        for row in clusters.to_pylist()
        if row["size"]
    ]
    others = former.filter(pc.not_equal(former["run_id"], run_id))
    return pa.concat_tables([others, pa.Table.from_pylist(rows, schema=TABLES["trends"])])
