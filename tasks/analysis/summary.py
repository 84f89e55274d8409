"""The analysis of an OUT folder: its templates clustered and summed up, its tables and its report written."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa

from tasks.keys import digest, folder_digest
from tasks.schemas import TABLES
from tasks.settings import Analysis
from tasks.tables import Row, Tables

INPUT_KEY = b"reelscope.input_hash"  # in the metadata of `clusters`: what they were made of
#: In OUT from the first pass of a run until its report is written; a run that is killed leaves it behind.
UNFINISHED = ".before.json"
REPORT = "report/index.html"  # it refers to the pictures beside its folder


@dataclass(frozen=True)
class Before:
    """The clusters and their members when a run began. Every pass of the run compares with these, not with the pass before."""

    clusters: pa.Table
    members: dict[str, str | None]


def before(tables: Tables) -> Before:
    """As the last finished run left them: the passes of one that was killed decide nothing for the next."""
    if tables.storage.exists(UNFINISHED):
        kept = json.loads(tables.storage.read(UNFINISHED))
        return Before(pa.Table.from_pylist(kept["clusters"], schema=TABLES["clusters"]), kept["members"])
    members = tables.read("templates", ["video_id", "cluster_id"])
    return Before(
        tables.read("clusters"),
        dict(zip(members["video_id"].to_pylist(), members["cluster_id"].to_pylist(), strict=True)),
    )


def analyse(tables: Tables, earlier: Before, settings: Analysis, run_id: str, completeness: float) -> None:
    """Write `clusters` and `niches`, and each template's niche, cluster and reason."""
    from tasks.analysis.clusters import cluster_templates
    from tasks.analysis.niches import niche_table

    if not tables.storage.exists(UNFINISHED):
        kept = {"clusters": earlier.clusters.to_pylist(), "members": earlier.members}
        tables.storage.write(UNFINISHED, json.dumps(kept).encode())
    input_hash = analysis_hash(tables, settings)
    niches = {video_id: row["niche"] for video_id, row in tables.known().items()}
    templates = tables.read("templates")
    ids = templates["video_id"].to_pylist()
    column = pa.array([niches.get(video_id) for video_id in ids], pa.string())
    templates = templates.set_column(templates.schema.get_field_index("niche"), "niche", column)
    frame = templates.to_pandas()
    result = cluster_templates(frame, earlier.clusters.to_pandas(), earlier.members, run_id, settings, completeness)
    assigned: dict[str, Row] = {
        row["video_id"]: row | {"niche": niches.get(row["video_id"])}
        for row in pa.Table.from_pandas(result.assignments, preserve_index=False).to_pylist()
    }
    tables.assign(assigned)
    clusters = pa.Table.from_pandas(result.clusters, schema=TABLES["clusters"], preserve_index=False)
    tables.replace("niches", pa.Table.from_pandas(niche_table(frame), schema=TABLES["niches"], preserve_index=False))
    tables.replace("clusters", clusters, {INPUT_KEY: input_hash.encode()})  # last: it says that the rest is there


def is_current(tables: Tables, settings: Analysis) -> bool:
    """Do the clusters come from the templates and niches that are there, and is there a report of them?"""
    found = tables.metadata("clusters").get(INPUT_KEY, b"").decode()
    there = tables.storage.exists(REPORT) and not tables.storage.exists(UNFINISHED)
    return there and found == analysis_hash(tables, settings)


def analysis_hash(tables: Tables, settings: Analysis) -> str:
    """Everything that the clusters depend on, the order of the videos left out."""
    videos = sorted(f"{video_id} {row['input_hash']} {row['niche']}" for video_id, row in tables.known().items())
    return digest(*videos, settings.model_dump_json(exclude={"pass_every_s"}), folder_digest("analysis"))


def report(tables: Tables) -> str:
    """Write OUT/report/index.html from the tables that are there, which ends an analysis; gives its path or URL."""
    from tasks.analysis.report import render_report

    page = render_report({name: tables.read(name) for name in TABLES})
    tables.storage.write(REPORT, page.encode())
    tables.storage.remove(UNFINISHED)
    return tables.storage.path(REPORT)
