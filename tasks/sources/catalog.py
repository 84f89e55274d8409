"""The catalog: which videos a source holds, and what is known of them without opening one.

A source is a folder, a single file, a manifest (.csv .jsonl .parquet with a `uri` column) or a URL that fsspec understands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from tasks.addresses import ADVICE, REFUSED, beside, has_credentials, local_path, masked, suffix_of
from tasks.errors import DuplicateVideo, OutOfBounds, ReelscopeError, UsageError
from tasks.records import Failure, Metadata, Video
from tasks.settings import Sources
from tasks.sources.bounds import Bounds
from tasks.sources.folder import escaped, is_utf8, local_file, media_in
from tasks.sources.found import NAMES, Found
from tasks.sources.listing import BATCH, READERS, chunked, media_at, remote_file
from tasks.sources.manifest import MANIFEST_SUFFIXES, ManifestRow, read_manifest
from tasks.wording import shown

#: Rows of a manifest that one thread looks at.
ROWS_AT_ONCE = 8


@dataclass
class Catalog:
    """What a source holds: videos in the order of their uri, and what could not even be catalogued."""

    source: str
    videos: list[Video] = field(default_factory=list)
    failures: list[Failure] = field(
        default_factory=list
    )  # stage catalog: no video; stage metadata: a video without its sidecar

    @property
    def rejected(self) -> list[Failure]:
        return [failure for failure in self.failures if failure.stage == "catalog"]

    @property
    def found(self) -> int:
        """Everything that looked like a video."""
        return len(self.videos) + len(self.rejected)


def scan(source: str, settings: Sources, limit: int | None = None) -> Catalog:
    """List the videos of `source`, without opening a media file; with a limit, the first so many, whose ids are the same.

    Raises UsageError when the source itself is missing or not understood; trouble with one file becomes a failure.
    """
    found = sorted(_find(source, settings), key=lambda item: item.uri)
    catalog = _identify(source, found)
    return replace(catalog, videos=catalog.videos[:limit]) if limit else catalog


def _find(source: str, settings: Sources) -> Iterator[Found]:
    if not is_utf8(source):
        raise UsageError(f"source {escaped(source)}: the name is not UTF-8", "Rename the folder or file.")
    if masked(source) != source:
        why = REFUSED if has_credentials(source) else "the address holds a query, which may be secret"
        raise UsageError(f"source {masked(source)}: {why}. {ADVICE} Signed addresses may stand in a manifest.")
    path = local_path(source)
    try:
        if path is None:
            Bounds.of(settings).check_address(source)
        if suffix_of(source) in MANIFEST_SUFFIXES and not (path and path.is_dir()):
            yield from _find_in_manifest(source, settings)
        elif path is None:
            yield from media_at(source, settings)
        elif path.is_dir():
            yield from media_in(path, settings)
        elif path.exists():
            # that the file itself is meant has been said, wherever it lies
            own = Bounds.of(settings, (path.parent, path.resolve().parent))
            yield local_file(path, path.name, str(path), own)
        else:
            raise UsageError(f"source {source}: no such file or folder")
    except OutOfBounds as error:
        raise UsageError(f"source {error.message}. {error.advice}") from None
    except OSError as error:  # the name is too long, or lies in a folder that is closed to us
        raise UsageError(f"source {source}: {error.strerror or error}") from None


def _find_in_manifest(manifest: str, settings: Sources) -> Iterator[Found]:
    folder = local_path(manifest)
    bounds = Bounds.of(settings, (folder.parent,) if folder else ())
    with ThreadPoolExecutor(READERS) as readers:
        for rows in chunked(read_manifest(manifest), BATCH):
            few = chunked(rows, ROWS_AT_ONCE)  # a row alone is not worth a thread's attention
            for found in readers.map(lambda some: [_row(row, manifest, folder, bounds) for row in some], few):
                yield from found


def _row(row: ManifestRow, manifest: str, folder: Path | None, bounds: Bounds) -> Found:
    """The file of one row; what is wrong with it becomes its error."""
    path = local_path(row.uri)
    if path is None:
        return remote_file(row.uri, row.uri, bounds, row.metadata, row.video_id)
    if folder is None and not path.is_absolute():
        return remote_file(beside(manifest, row.uri), row.uri, bounds, row.metadata, row.video_id)
    whole = folder.parent / path if folder else path
    return local_file(whole, path.as_posix(), row.uri, bounds, row.metadata, row.video_id)


def _identify(source: str, found: list[Found]) -> Catalog:
    """Give each file its id, and refuse those whose id is taken."""
    catalog, taken = Catalog(source), set[str]()
    for item, video_id in zip(found, _ids(found), strict=True):
        error = item.error
        if error is None and video_id in taken:
            error = DuplicateVideo(f"{item.uri}: the id {video_id!r} is taken by another file of the source")
            video_id = f"{video_id} ({item.names[1]})"
        if error is not None:
            catalog.failures.append(failure(video_id, item.uri, "catalog", error))
            continue
        if item.warning is not None:
            catalog.failures.append(failure(video_id, item.uri, "metadata", item.warning))
        taken.add(video_id)
        catalog.videos.append(
            Video(
                video_id=video_id,
                uri=item.uri,
                path=item.path,
                content_hash=item.content_hash,
                size_bytes=item.size_bytes,
                mtime_ns=item.mtime_ns,
                metadata=item.metadata or Metadata(title=item.names[0]),
            )
        )
    return catalog


def _ids(found: list[Found]) -> list[str]:
    """The explicit id of each file, else the first of its names that no other file has.

    Files that would have one id all go on to their next name, so ids do not depend on the order; one file that is
    listed twice without an explicit id keeps one id, and its second mention is refused.
    """
    explicit = {item.explicit_id for item in found if item.explicit_id is not None}
    items = {item.uri: item for item in found if item.explicit_id is None}
    chosen = {uri: item.names[0] for uri, item in items.items()}
    level: Counter[str] = Counter()  # of those that have gone on
    while True:
        count = Counter(chosen.values())
        shared = [
            uri
            for uri, name in chosen.items()
            if (count[name] > 1 or name in explicit) and level.get(uri, 0) < NAMES - 1
        ]
        if not shared:
            return [item.explicit_id or chosen[item.uri] for item in found]
        for uri in shared:
            level[uri] += 1
            chosen[uri] = items[uri].names[level[uri]]


def failure(video_id: str, uri: str, stage: str, error: BaseException, input_hash: str | None = None) -> Failure:
    """The row of the failures table for an error; its message is one line, whatever the file is called."""
    known = error if isinstance(error, ReelscopeError) else None
    message = masked(known.message if known else f"{uri}: {error}")
    return Failure(
        video_id=video_id,
        uri=uri,
        stage=stage,
        error_type=type(error).__name__,
        message=shown(message),
        advice=known.advice if known else ReelscopeError.advice,
        input_hash=input_hash,
    )
