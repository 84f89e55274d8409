"""The analysis of an OUT folder: its templates clustered and summed up, its tables and its report written."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from tasks.analysis.earlier import UNFINISHED, Before, before, keep
from tasks.analysis.templates import COLUMNS, Templates, gathered
from tasks.classification.embeddings import identify, load_embeddings
from tasks.keys import digest, folder_digest
from tasks.schemas import TABLES
from tasks.settings import Analysis
from tasks.tables import BY_VIDEO, Tables

__all__ = ["Before", "analyse", "before", "is_current", "report"]

INPUT_KEY = b"reelscope.input_hash"  # in the metadata of `clusters`: what they were made of
REPORT = "report/index.html"  # it refers to the pictures beside its folder
#: Of `videos`: all that analysis depends on.
VIDEO_COLUMNS = [
    "video_id",
    "niche",
    "input_hash",
    "uploader",
    "published_at",
    "view_count",
    "like_count",
    "run_id",
]


def analyse(tables: Tables, earlier: Before, settings: Analysis, run_id: str, completeness: float) -> None:
    """Write `clusters`, `niches`, `lifts` and `trends`, and each template's niche, clusters and reason."""
    from tasks.analysis.clusters import cluster_templates
    from tasks.analysis.comparisons import audience_of, compared
    from tasks.analysis.niches import niche_table
    from tasks.analysis.trends import trend_table

    keep(tables, earlier)
    videos = tables.read("videos", VIDEO_COLUMNS)
    input_hash = _hash_of(videos, settings)
    embeddings = load_embeddings(settings.embeddings) if settings.embeddings else None
    templates = _with_niches(gathered(tables.each("templates", list(COLUMNS)), embeddings), videos)
    result = cluster_templates(templates, earlier, run_id, settings, completeness)
    runs = tables.read("runs", ["run_id", "started_at"]).to_pylist()
    read_at = {row["run_id"]: row["started_at"] for row in runs}
    audience = audience_of(videos, templates.video_ids, read_at, datetime.now(UTC))
    clusters, lifts = compared(templates, result, audience, settings)
    columns = {
        "video_id": templates.video_ids,
        "niche": templates.niches,
        "cluster_id": result.cluster_ids,
        "overall_cluster_id": result.overall_ids,
        "membership_reason": result.reasons,
    }
    tables.assign(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))
    tables.replace("niches", niche_table(templates))
    tables.replace("lifts", lifts)
    tables.replace("trends", trend_table(tables.read("trends"), clusters, templates, run_id))
    tables.replace("clusters", clusters, {INPUT_KEY: input_hash.encode()})  # last: it says that the rest is there


def is_current(tables: Tables, settings: Analysis) -> bool:
    """Do the clusters come from the templates and niches that are there, and is there a report of them?"""
    found = tables.metadata("clusters").get(INPUT_KEY, b"").decode()
    there = tables.storage.exists(REPORT) and not tables.storage.exists(UNFINISHED)
    return there and found == _hash_of(tables.read("videos", VIDEO_COLUMNS), settings)


def report(tables: Tables) -> str:
    """Write OUT/report/index.html from the tables that are there, which ends an analysis; gives its path or URL."""
    from tasks.analysis.report import render_report

    page = render_report(_shown(tables))
    tables.storage.write(REPORT, page.encode())
    tables.storage.remove(UNFINISHED)
    return tables.storage.path(REPORT)


def _shown(tables: Tables) -> dict[str, pa.Table]:
    """The tables for a report: of more than VIDEOS_SHOWN videos the clusters' exemplars, and of the rest a sample, by the hash of their ids."""
    import pandas as pd

    from tasks.analysis.material import COUNT_KEY, VIDEOS_SHOWN

    ids = tables.read("videos", ["video_id"])["video_id"]
    if len(ids) <= VIDEOS_SHOWN:
        return {name: tables.read(name) for name in TABLES}
    rows = {name: tables.read(name) for name in TABLES if name not in BY_VIDEO}
    exemplars = pc.unique(pc.list_flatten(rows["clusters"]["exemplar_video_ids"]))
    hashes = pd.util.hash_array(ids.to_numpy().astype(object))
    drawn = ids.take(pa.array(hashes.argsort(kind="stable")[:VIDEOS_SHOWN]))
    chosen = pa.concat_arrays(
        [exemplars.combine_chunks() if isinstance(exemplars, pa.ChunkedArray) else exemplars, *drawn.chunks]
    )
    chosen = pc.unique(chosen)[:VIDEOS_SHOWN]
    for name in BY_VIDEO:
        parts = tables.each(name)
        rows[name] = pa.concat_tables(part.filter(pc.is_in(part["video_id"], value_set=chosen)) for part in parts)
    rows["videos"] = rows["videos"].replace_schema_metadata({COUNT_KEY: str(len(ids)).encode()})
    return rows


def _with_niches(templates: Templates, videos: pa.Table) -> Templates:
    """The niches are those of `videos`; classification may have changed them since a template was written."""
    import pandas as pd

    niches = videos["niche"].to_numpy().astype(object)
    niches[videos["niche"].is_null().to_numpy()] = None
    at = pd.Index(videos["video_id"].to_numpy(), dtype=object).get_indexer(pd.Index(templates.video_ids, dtype=object))
    found = niches[at] if len(niches) else templates.niches
    found[at < 0] = None
    return templates.with_niches(found)


def _hash_of(videos: pa.Table, settings: Analysis) -> str:
    """Everything that the clusters and lifts depend on, the order of the videos left out."""
    texts = [pc.fill_null(videos[name].cast(pa.string()), "\0") for name in VIDEO_COLUMNS if name != "run_id"]
    rows = pc.binary_join_element_wise(*texts, "\1")
    told = b"\2".join(row for row in rows.sort().cast(pa.binary()).to_pylist())
    meant = [identify(settings.embeddings).hash] if settings.embeddings else []
    return digest(told.decode(), settings.model_dump_json(exclude={"pass_every_s"}), folder_digest("analysis"), *meant)
