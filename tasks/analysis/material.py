"""The tables as the report reads them: rows with None for unknown, indexed by video and cluster."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pandas as pd
import pyarrow as pa

from tasks.analysis.measures import clock
from tasks.schemas import TABLES

Row = dict[str, Any]
VIDEOS_SHOWN = 20_000  # a page with more videos opens slowly; the tables have them all
COUNT_KEY = b"reelscope.videos"  # in the metadata of `videos`: how many there are, where the table has not all of them


class Material:
    """The rows behind a report.

    `tables` maps the contract's table names to Arrow tables or data frames; a missing one, or a missing column, counts
    as empty. `videos` stands in the order of the page: those with a template first, then by title.
    """

    def __init__(self, tables: Mapping[str, pa.Table | pd.DataFrame]) -> None:
        rows = {name: _read_rows(name, tables.get(name)) for name in TABLES}
        self.templates: dict[str, Row] = {row["video_id"]: row for row in rows["templates"]}
        every: list[Row] = sorted(
            rows["videos"], key=lambda row: (row["video_id"] not in self.templates, row["title"] or "", row["video_id"])
        )
        self.video_count = _video_count(tables.get("videos"), len(every))
        self.videos_left_out = self.video_count - min(len(every), VIDEOS_SHOWN)
        self.seconds = sum(real(row["duration_s"]) or 0.0 for row in every)
        self.videos = every[:VIDEOS_SHOWN]
        self.index: dict[str, int] = {row["video_id"]: place for place, row in enumerate(self.videos)}
        clusters = [row for row in rows["clusters"] if row["cluster_id"] is not None]
        self.clusters: list[Row] = [row for row in clusters if row["scope"] != "all"]  # null: written before scopes
        self.overall_clusters: list[Row] = [row for row in clusters if row["scope"] == "all"]
        self.niches, self.failures, self.lifts = rows["niches"], rows["failures"], rows["lifts"]
        self.niche_videos: dict[str | None, int] = {row["niche"]: row["videos"] or 0 for row in self.niches}
        self.trends = sorted(rows["trends"], key=lambda row: row["run_id"] or "")  # a run's id begins with its time
        runs = sorted(rows["runs"], key=lambda row: (row["started_at"] is not None, row["started_at"]))
        self.run: Row | None = runs[-1] if runs else None  # the last one
        self.run_moments: dict[str, str] = {row["run_id"]: moment(row["started_at"]) for row in runs}
        self.shots, self.texts, self.speech = (_by_video(rows[name]) for name in ("shots", "texts", "speech"))


def _video_count(videos: pa.Table | pd.DataFrame | None, rows: int) -> int:
    metadata = videos.schema.metadata if isinstance(videos, pa.Table) else None
    return int((metadata or {}).get(COUNT_KEY, rows))


def _read_rows(name: str, table: pa.Table | pd.DataFrame | None) -> list[Row]:
    schema = TABLES[name]
    if table is None:
        return []
    arrow: pa.Table = table
    if isinstance(table, pd.DataFrame):
        arrow = pa.Table.from_pandas(table.reindex(columns=schema.names), schema=schema, preserve_index=False)
    for field in schema:
        if field.name not in arrow.column_names:
            arrow = arrow.append_column(field, pa.nulls(arrow.num_rows, field.type))
    rows: list[Row] = arrow.select(schema.names).to_pylist()
    return rows


def _by_video(rows: list[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["start_s"] or 0.0, row["end_s"] or 0.0)):
        grouped[row["video_id"]].append(row)
    return grouped


def real(value: float | None) -> float | None:
    """The number, or None where it is unknown or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def rounded(value: float | None, digits: int) -> float | None:
    known = real(value)
    return None if known is None else round(known, digits)


def day(when: datetime | None) -> str:
    return f"{when.day} {when:%B %Y}" if when else ""


def moment(when: datetime | None) -> str:
    return f"{day(when)}, {when:%H:%M} UTC" if when else ""


def shape_of(video: Row) -> str:
    """portrait, square or landscape; landscape where the size is unknown."""
    width, height = video["width"], video["height"]
    if not width or not height:
        return "landscape"
    return "portrait" if width < 0.8 * height else "landscape" if width > 1.25 * height else "square"


def pictures_of(video: Row) -> list[tuple[str, str]]:
    """Address, as seen from OUT/report/index.html, and time in words of each of the video's pictures."""
    times = video["picture_times_s"] or ()
    return [
        ("../" + quote(name), clock(times[place] if place < len(times) else None))
        for place, name in enumerate(video["pictures"] or ())
    ]


def web_link(url: str | None) -> str | None:
    """The URL if the page may link to it: http and https only, never javascript: and its like."""
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return url.strip() if parts.scheme in ("http", "https") and parts.netloc else None
