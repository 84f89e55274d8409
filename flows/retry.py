"""Retry: the videos that failed, and nothing else. The ledger says which, the tables what they are."""

from __future__ import annotations

from tasks.catalog import Catalog, scan_file
from tasks.errors import DuplicateVideo, UsageError
from tasks.records import Metadata
from tasks.tables import Row, Tables


def failed_videos(out: str, stage: str | None, error_type: str | None) -> Catalog:
    """The videos with a failure of the stage and error type (None: any), as they are now.

    Raises UsageError for a stage or error type that no failure has.
    """
    tables = Tables(out)
    failures = [row for row in tables.read("failures").to_pylist() if row["error_type"] != DuplicateVideo.__name__]
    for name, wanted in (("stage", stage), ("error_type", error_type)):
        found = sorted({row[name] for row in failures})
        if wanted is not None and wanted not in found:
            raise UsageError(
                f"no failure has {name.replace('_type', '')} {wanted!r}; there are: {', '.join(found) or 'none'}"
            )
    chosen = {
        row["video_id"]: row
        for row in failures
        if stage in (None, row["stage"]) and error_type in (None, row["error_type"])
    }
    described = {row["video_id"]: row for row in tables.read("videos").to_pylist()}
    catalog = Catalog(out)
    for video_id, row in sorted(chosen.items()):
        again = scan_file(row["uri"])
        catalog.failures += [failure.model_copy(update={"video_id": video_id}) for failure in again.failures]
        for video in again.videos:
            kept = video_id in described and row["stage"] != "metadata"  # else its sidecar is what was mended
            metadata = _metadata(described[video_id]) if kept else video.metadata
            catalog.videos.append(video.model_copy(update={"video_id": video_id, "metadata": metadata}))
    return catalog


def _metadata(row: Row) -> Metadata:
    """A video's metadata as its row in `videos` has it: a manifest is not read again."""
    published_at = row["published_at"].isoformat() if row["published_at"] else None
    names = ("title", "description", "uploader", "view_count", "like_count", "webpage_url")
    known = {name: row[name] for name in names if row[name] is not None}
    return Metadata(
        **known, tags=tuple(row["tags"] or ()), categories=tuple(row["categories"] or ()), published_at=published_at
    )
