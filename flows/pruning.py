"""Pruning: which videos a source once gave and no longer has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from tasks.addresses import local_path
from tasks.sources.catalog import Catalog
from tasks.sources.manifest import MANIFEST_SUFFIXES
from tasks.tables import Row, Tables

STARTED = 15  # characters of a run's id that say when it began


@dataclass(frozen=True)
class Gone:
    """Videos whose rows are to be removed. why_not: why none are, though some may be gone."""

    video_ids: tuple[str, ...] = ()
    why_not: str | None = None


def gone(catalog: Catalog, tables: Tables, run_id: str) -> Gone:
    """The videos in the tables that came from the catalog's source, which does not have them any more.

    A row's source is that of the run that wrote it. Where that is not known (the run was killed) or cannot be (a retry of
    several sources), a row below a folder is the folder's. What a run has written that began after this one is left
    alone, and so is a file that is there but could not be read or catalogued.
    """
    if not catalog.found:
        return Gone(why_not=f"nothing is pruned: {catalog.source} lists no video at all; is its disk mounted?")
    source_of = {row["run_id"]: row["source"] for row in tables.read("runs", ["run_id", "source"]).to_pylist()}
    listed = {video.video_id for video in catalog.videos} | {item.video_id for item in catalog.rejected}
    sought = _Sought(catalog)
    return Gone(
        tuple(
            sorted(
                {
                    row["video_id"]
                    for row in _rows(tables)
                    if row["video_id"] not in listed
                    and (row["run_id"] or "")[:STARTED] < run_id[:STARTED]
                    and sought.lacks(row["uri"], source_of.get(row["run_id"]))
                }
            )
        )
    )


def _rows(tables: Tables) -> Iterator[Row]:
    """What has rows: videos, and failures of what never became one."""
    videos = tables.read("videos", ["video_id", "uri", "run_id"]).to_pylist()
    known = {row["video_id"] for row in videos}
    yield from videos
    for row in tables.read("failures", ["video_id", "uri", "run_id"]).to_pylist():
        if row["video_id"] not in known:
            yield row


class _Sought:
    """The source that is pruned: what is its, and what of it is there."""

    def __init__(self, catalog: Catalog) -> None:
        path = local_path(catalog.source)
        self._name = _normal(catalog.source)
        is_folder = not _is_manifest(catalog.source) if path is None else path.is_dir()
        self._folder = f"{self._name}/" if is_folder else None
        self._spared = {_place(item.uri) for item in catalog.failures}
        self._catalogued = {_place(video.uri) for video in catalog.videos}

    def lacks(self, uri: str, by: str | None) -> bool:
        """Whether a video that is not in the catalog came from this source. by: the source of the run that wrote it."""
        place = _place(uri)
        if place in self._spared:
            return False
        if self._folder is None:
            return by is not None and _normal(by) == self._name
        if not place.startswith(self._folder):
            return False
        if by is not None and _normal(by) == self._name:
            return place in self._catalogued or _is_gone(place)  # the first: it has another id now
        return (by is None or not _may_give(by, place)) and _is_gone(place)


def _may_give(source: str, place: str) -> bool:
    return _is_manifest(source) or place == _normal(source) or place.startswith(f"{_normal(source)}/")


def _is_manifest(source: str) -> bool:
    return PurePosixPath(source).suffix.lower() in MANIFEST_SUFFIXES


def _is_gone(place: str) -> bool:
    """False also where the folder that would tell cannot be looked into. What a store does not list is gone."""
    if local_path(place) is None:
        return True
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _place(uri: str) -> str:
    """Where a file lies: the same for all ways in which its path or URL may be written."""
    path = local_path(uri)
    return uri if path is None else f"{_normal(str(path.parent))}/{path.name}"


@cache
def _normal(source: str) -> str:
    path = local_path(source)
    return source.rstrip("/") if path is None else str(path.expanduser().resolve())
