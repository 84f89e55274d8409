"""What the last finished run left: the clusters and their members that tonight's are compared with."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as parquet

from tasks.schemas import TABLES
from tasks.tables import Tables

#: In OUT from the first pass of a run until its report is written; a run that is killed leaves it behind.
UNFINISHED = ".before.parquet"
CLUSTERS_KEY = b"reelscope.clusters"  # in its metadata: the rows of `clusters`, as JSON
MEMBERS = ["video_id", "cluster_id", "overall_cluster_id"]


@dataclass(frozen=True)
class Before:
    """The clusters and their members when a run began. Every pass of the run compares with these, not with the pass before.

    clusters: the `clusters` table. members: MEMBERS, one row per video.
    """

    clusters: pa.Table
    members: pa.Table


def before(tables: Tables) -> Before:
    """As the last finished run left them: the passes of one that was killed decide nothing for the next."""
    if tables.storage.exists(UNFINISHED):
        kept = parquet.read_table(io.BytesIO(tables.storage.read(UNFINISHED)))
        rows = json.loads(kept.schema.metadata[CLUSTERS_KEY])
        return Before(pa.Table.from_pylist(rows, schema=TABLES["clusters"]), kept.replace_schema_metadata())
    return Before(tables.read("clusters"), tables.read("templates", MEMBERS))


def keep(tables: Tables, earlier: Before) -> None:
    """Write it down for the next run, should this one be killed; once is enough."""
    if tables.storage.exists(UNFINISHED):
        return
    told = json.dumps(earlier.clusters.to_pylist()).encode()
    sink = io.BytesIO()
    parquet.write_table(earlier.members.replace_schema_metadata({CLUSTERS_KEY: told}), sink, compression="zstd")
    tables.storage.write(UNFINISHED, sink.getvalue())
