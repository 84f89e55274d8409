"""Retry: the videos that failed, and nothing else. The ledger says which; their sources say what they are now."""

from __future__ import annotations

from tasks.errors import OutOfBounds, UnreadableSource, UsageError
from tasks.settings import Sources
from tasks.sources.catalog import Catalog, failure, scan
from tasks.tables import Row, Tables


def failed_videos(out: str, sources: Sources, stage: str | None, error_type: str | None) -> Catalog:
    """The videos with a failure of the stage and error type (None: any), as their source has them now.

    Raises UsageError for a stage or error type that no failure has.
    """
    tables = Tables(out)
    failures = tables.read("failures").to_pylist()
    for name, wanted in (("stage", stage), ("error_type", error_type)):
        found = sorted({row[name] for row in failures})
        if wanted is not None and wanted not in found:
            there = ", ".join(found) or "none"
            raise UsageError(f"no failure has {name.replace('_type', '')} {wanted!r}; there are: {there}")
    source_of = {row["run_id"]: row["source"] for row in tables.read("runs", ["run_id", "source"]).to_pylist()}
    by_source: dict[str, list[Row]] = {}
    for row in failures:
        source = source_of.get(row["run_id"])
        if source is None and row["error_type"] == OutOfBounds.__name__:
            continue  # as a source of its own it would be taken for what the user means
        if stage in (None, row["stage"]) and error_type in (None, row["error_type"]):
            by_source.setdefault(source or row["uri"], []).append(row)
    catalog = Catalog(max(by_source, key=lambda source: len(by_source[source]), default=out))
    for source, rows in sorted(by_source.items()):
        again, ids = _scan(source, sources, rows), {row["video_id"] for row in rows}
        catalog.videos += [video for video in again.videos if video.video_id in ids]
        catalog.failures += [item for item in again.failures if item.video_id in ids]
    return catalog


def _scan(source: str, sources: Sources, rows: list[Row]) -> Catalog:
    """The source as it is now; one that is gone is each video's failure again."""
    try:
        return scan(source, sources)
    except UsageError as error:
        gone = UnreadableSource(error.message)
        return Catalog(source, failures=[failure(row["video_id"], row["uri"], "catalog", gone) for row in rows])
