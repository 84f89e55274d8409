"""The catalog: which videos a source holds, and what is known of them without opening one.

A source is a folder, a single file, a manifest (.csv .jsonl .parquet with a `uri` column) or a URL that fsspec understands.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import fsspec

from tasks.errors import DuplicateVideo, NotAVideo, ReelscopeError, UnreadableSource, UsageError
from tasks.manifest import MANIFEST_SUFFIXES, read_manifest
from tasks.records import Failure, Metadata, Video
from tasks.settings import Sources
from tasks.sidecar import SIDECAR_SUFFIX, read_sidecar

#: First bytes of the containers that we read, for files without a known extension: (offset, bytes).
SIGNATURES = (
    (4, b"ftyp"),
    (0, b"\x1aE\xdf\xa3"),  # Matroska, WebM
    (0, b"RIFF"),
    (0, b"OggS"),
    (0, b"FLV\x01"),
    (0, b"fLaC"),
    (0, b"\x30\x26\xb2\x75"),  # ASF
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream
)
IGNORED_SUFFIXES = frozenset(
    [
        ".json",
        ".txt",
        ".md",
        ".csv",
        ".jsonl",
        ".parquet",
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".gif",
        ".avif",
        ".vtt",
        ".srt",
        ".ass",
        ".description",
        ".part",
        ".ytdl",
        ".xml",
        ".html",
        ".yaml",
    ]
)


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


@dataclass(frozen=True)
class _Found:
    """One media file before it has an id."""

    uri: str  # as the source names it
    relative: str  # to the source, without suffix: the id where two stems are equal
    size_bytes: int | None
    mtime_ns: int | None
    metadata: Metadata | None = None
    explicit_id: str | None = None
    error: ReelscopeError | None = None  # the file cannot be read
    warning: ReelscopeError | None = None  # its sidecar cannot; the video is done without


def scan(source: str, settings: Sources, limit: int | None = None) -> Catalog:
    """List the videos of `source`, without opening a media file.

    Raises UsageError when the source itself is missing or not understood; trouble with one file becomes a failure.
    """
    found = sorted(_find(source, settings), key=lambda item: item.uri)
    return _identify(source, found[:limit] if limit else found)


def scan_file(uri: str) -> Catalog:
    """The catalog of one file that a source named earlier; a folder that is named like a file is no video here either."""
    path = local_path(uri)
    stem = PurePosixPath(uri).stem
    found = _remote_file(uri, Metadata(title=stem), None) if path is None else _local_file(path, stem, uri)
    return _identify(uri, [found])


def local_path(uri: str) -> Path | None:
    """The path of a local uri (plain or file://); None for anything remote."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if "://" not in uri else None


def _find(source: str, settings: Sources) -> Iterator[_Found]:
    path = local_path(source)
    if path is None:
        yield from _find_remote(source, settings)
    elif path.suffix.lower() in MANIFEST_SUFFIXES and not path.is_dir():
        yield from _find_in_manifest(path)
    elif path.is_dir():
        yield from _find_in_folder(path, settings)
    elif path.exists():
        yield _local_file(path, path.stem, str(path))
    else:
        raise UsageError(f"source {source}: no such file or folder")


def _find_in_folder(folder: Path, settings: Sources) -> Iterator[_Found]:
    extensions = {f".{extension}" for extension in settings.extensions}
    for entry in sorted(_walk(folder)):
        suffix = entry.suffix.lower()
        named_as_media = suffix in extensions
        if not named_as_media and (suffix in IGNORED_SUFFIXES or not _looks_like_media(entry)):
            continue
        relative = entry.relative_to(folder).with_suffix("").as_posix()
        yield _local_file(entry, relative, str(entry))


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, hidden ones left out; a directory that is named as a file with a suffix is listed itself too."""
    for root, directories, files in os.walk(folder):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in [*files, *(d for d in directories if Path(d).suffix)]:
            if not name.startswith("."):
                yield Path(root, name)


def _looks_like_media(path: Path) -> bool:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return any(head[at : at + len(magic)] == magic for at, magic in SIGNATURES)


def _local_file(
    path: Path, relative: str, uri: str, metadata: Metadata | None = None, explicit_id: str | None = None
) -> _Found:
    """Stat one local file; what is wrong with it becomes its error."""
    try:
        status = path.stat()
    except OSError as error:
        reason = "a dangling link" if path.is_symlink() else (error.strerror or str(error))
        return _Found(uri, relative, None, None, metadata, explicit_id, UnreadableSource(f"{uri}: {reason}"))
    problem: ReelscopeError | None = None
    if stat.S_ISDIR(status.st_mode):
        problem = NotAVideo(f"{uri}: a directory, not a file", "Rename the directory, or point the source at it.")
    elif not stat.S_ISREG(status.st_mode):
        problem = NotAVideo(f"{uri}: not a regular file")
    elif status.st_size == 0:
        problem = NotAVideo(f"{uri}: the file is empty", "Download the file again; the last download wrote nothing.")
    elif not os.access(path, os.R_OK):
        problem = UnreadableSource(f"{uri}: permission denied")
    warning: ReelscopeError | None = None
    if problem is None and metadata is None:
        metadata, explicit_id, warning = _sidecar(path)
    return _Found(uri, relative, status.st_size, status.st_mtime_ns, metadata, explicit_id, problem, warning)


def _sidecar(path: Path) -> tuple[Metadata | None, str | None, ReelscopeError | None]:
    sidecar = path.with_suffix(SIDECAR_SUFFIX)
    if not sidecar.is_file():
        return None, None, None
    try:
        video_id, metadata = read_sidecar(sidecar, path.stem)
    except ReelscopeError as error:
        return None, None, error
    return metadata, video_id, None


def _find_in_manifest(manifest: Path) -> Iterator[_Found]:
    for row in read_manifest(manifest):
        path = local_path(row.uri)
        if path is None:
            yield _remote_file(row.uri, row.metadata, row.video_id)
            continue
        where = path if path.is_absolute() else manifest.parent / path
        yield _local_file(
            where, PurePosixPath(row.uri).with_suffix("").as_posix(), str(where), row.metadata, row.video_id
        )


def _find_remote(source: str, settings: Sources) -> Iterator[_Found]:
    extensions = {f".{extension}" for extension in settings.extensions}
    try:
        files, root = fsspec.url_to_fs(source)
        listing = files.find(root, detail=True)
    except (ImportError, ValueError, OSError) as error:
        raise UsageError(f"source {source}: {error}") from None
    for name, info in sorted(listing.items()):
        path = PurePosixPath(name)
        if path.suffix.lower() not in extensions or info.get("type") == "directory":
            continue
        uri = files.unstrip_protocol(name)
        relative = PurePosixPath(name.removeprefix(root.rstrip("/") + "/")).with_suffix("").as_posix()
        yield _Found(uri, relative, info.get("size"), None)


def _remote_file(uri: str, metadata: Metadata, video_id: str | None) -> _Found:
    relative = PurePosixPath(urlsplit(uri).path).with_suffix("").as_posix().lstrip("/")
    with contextlib.suppress(FileNotFoundError):
        files, path = fsspec.url_to_fs(uri)
        return _Found(uri, relative, files.size(path), None, metadata, video_id)
    return _Found(uri, relative, None, None, metadata, video_id, UnreadableSource(f"{uri}: no such object"))


def _identify(source: str, found: Iterable[_Found]) -> Catalog:
    """Give each file its id: explicit, else its stem, else (where stems are equal) its path relative to the source."""
    found = list(found)
    stems = Counter(PurePosixPath(item.relative).name for item in found if item.explicit_id is None)
    explicit = {item.explicit_id for item in found if item.explicit_id is not None}
    catalog, taken = Catalog(source), set[str]()
    for item in found:
        stem = PurePosixPath(item.relative).name
        stem_is_free = stems[stem] == 1 and stem not in explicit
        video_id = item.explicit_id or (stem if stem_is_free else item.relative)
        error = item.error
        if error is None and video_id in taken:
            error = DuplicateVideo(f"{item.uri}: the id {video_id!r} is taken by another file of the source")
            video_id = f"{video_id} ({item.relative})"
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
                size_bytes=item.size_bytes,
                mtime_ns=item.mtime_ns,
                metadata=item.metadata or Metadata(title=stem),
            )
        )
    return catalog


def failure(video_id: str, uri: str, stage: str, error: BaseException, input_hash: str | None = None) -> Failure:
    """The row of the failures table for an error."""
    known = error if isinstance(error, ReelscopeError) else None
    return Failure(
        video_id=video_id,
        uri=uri,
        stage=stage,
        error_type=type(error).__name__,
        message=known.message if known else f"{uri}: {error}",
        advice=known.advice if known else ReelscopeError.advice,
        input_hash=input_hash,
    )
