"""The catalog: which videos a source holds, and what is known of them without opening one.

A source is a folder, a single file, a manifest (.csv .jsonl .parquet with a `uri` column) or a URL that fsspec understands.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

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
#: What ends or spoils a line on a terminal: control characters and Unicode's line separators.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
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
    relative: str  # path relative to the source, with its suffix; never empty
    size_bytes: int | None = None
    mtime_ns: int | None = None
    metadata: Metadata | None = None
    explicit_id: str | None = None
    error: ReelscopeError | None = None  # the file cannot be read
    warning: ReelscopeError | None = None  # its sidecar cannot; the video is done without
    path: str | None = None  # where the file is opened, where that is not its uri

    @property
    def names(self) -> tuple[str, str, str, str]:
        """What may be its id, the preferred first: stem, relative path without and with suffix, uri."""
        path = PurePosixPath(self.relative)
        if not path.name:  # `.` and `/`
            return self.relative, self.relative, self.relative, self.uri
        return path.stem, path.with_suffix("").as_posix(), self.relative, self.uri


def scan(source: str, settings: Sources, limit: int | None = None) -> Catalog:
    """List the videos of `source`, without opening a media file; with a limit, the first so many, whose ids are the same.

    Raises UsageError when the source itself is missing or not understood; trouble with one file becomes a failure.
    """
    found = sorted(_find(source, settings), key=lambda item: item.uri)
    catalog = _identify(source, found)
    return replace(catalog, videos=catalog.videos[:limit]) if limit else catalog


def local_path(uri: str) -> Path | None:
    """The path of a local uri (plain or file://); None for anything remote."""
    if uri[:6].lower() == "file:/":
        path = uri[5:]
        if path.startswith("//"):
            path = "/" + path[2:].partition("/")[2]  # what is between is the host
        return Path(unquote(path))
    return Path(uri) if "://" not in uri else None


def _find(source: str, settings: Sources) -> Iterator[_Found]:
    if not _is_utf8(source):
        raise UsageError(f"source {_escaped(source)}: the name is not UTF-8", "Rename the folder or file.")
    path = local_path(source)
    try:
        if path is None:
            yield from _find_remote(source, settings)
        elif manifest := _manifest(source):
            yield from _find_in_manifest(manifest)
        elif path.is_dir():
            yield from _find_in_folder(path, settings)
        elif path.exists():
            yield _local_file(path, path.name, str(path))
        else:
            raise UsageError(f"source {source}: no such file or folder")
    except OSError as error:  # the name is too long, or lies in a folder that is closed to us
        raise UsageError(f"source {source}: {error.strerror or error}") from None


def _manifest(source: str) -> Path | None:
    """The path of a source that is a manifest by its name."""
    path = local_path(source)
    return path if path and path.suffix.lower() in MANIFEST_SUFFIXES and not path.is_dir() else None


def _find_in_folder(folder: Path, settings: Sources) -> Iterator[_Found]:
    extensions = {f".{extension}" for extension in settings.extensions}
    for entry in sorted(_walk(folder)):
        suffix = entry.suffix.lower()
        named_as_media = suffix in extensions
        if not named_as_media and (suffix in IGNORED_SUFFIXES or not _looks_like_media(entry)):
            continue
        yield _local_file(entry, entry.relative_to(folder).as_posix(), str(entry))


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
    if not _is_utf8(uri):
        uri = _escaped(uri)
        unnamed = UnreadableSource(f"{uri}: the file name is not UTF-8", "Rename the file.")
        return _Found(uri, _escaped(relative), error=unnamed)
    where = None if uri == str(path) else str(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        absent = _absent(path, uri, error)
        return _Found(uri, relative, metadata=metadata, explicit_id=explicit_id, error=absent, path=where)
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
    return _Found(uri, relative, status.st_size, status.st_mtime_ns, metadata, explicit_id, problem, warning, where)


def _absent(path: Path, uri: str, error: OSError | ValueError) -> UnreadableSource:
    """Why a path has no status."""
    if isinstance(error, ValueError):
        return UnreadableSource(f"{uri}: {error}", "Correct the path; no file can have this name.")
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return UnreadableSource(f"{uri}: a dangling link")
    return UnreadableSource(f"{uri}: {error.strerror or error}")


def _is_utf8(name: str) -> bool:
    """Whether a file name, as Python decodes it, can be written to a table."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(name: str) -> str:
    r"""A file name with the bytes that are not UTF-8 written as \xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _sidecar(path: Path) -> tuple[Metadata | None, str | None, ReelscopeError | None]:
    sidecar = path.with_suffix(SIDECAR_SUFFIX)
    try:
        if not sidecar.is_file():
            return None, None, None
    except OSError:  # with this suffix the name is too long for a file, so there is none
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
        else:
            yield _local_file(manifest.parent / path, path.as_posix(), row.uri, row.metadata, row.video_id)


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
        yield _Found(uri, name.removeprefix(root.rstrip("/") + "/"), info.get("size"))


def _remote_file(uri: str, metadata: Metadata, video_id: str | None) -> _Found:
    """Ask for the size of one remote file; what is wrong with it becomes its error."""
    path = re.split("[?#]", uri.partition("://")[2])[0].partition("/")[2]  # without the host or bucket
    size_bytes: int | None = None
    problem: ReelscopeError | None = None
    try:
        files, name = fsspec.url_to_fs(uri)
        info = files.info(name)
        size_bytes = info.get("size")
        if info.get("type") == "directory":
            problem = NotAVideo(f"{uri}: a directory, not a file", "Point the source at the directory.")
    except Exception as error:  # fsspec's file systems also raise what their own libraries do
        problem = _unreachable(uri, error)
    return _Found(uri, path.strip("/") or uri, size_bytes, None, metadata, video_id, problem)


def _unreachable(uri: str, error: Exception) -> UnreadableSource:
    """Why a remote file has no size."""
    if isinstance(error, FileNotFoundError):
        return UnreadableSource(f"{uri}: no such object")
    reason = str(error) or type(error).__name__
    if isinstance(error, ImportError):
        return UnreadableSource(
            f"{uri}: {reason}", "Install what the message names, or copy the file to a local folder."
        )
    if isinstance(error, ValueError):
        return UnreadableSource(f"{uri}: {reason}", "Correct the address: a local path, or a URL that fsspec knows.")
    return UnreadableSource(
        f"{uri}: {reason}", "Check the address and your access, or copy the file to a local folder."
    )


def _identify(source: str, found: Iterable[_Found]) -> Catalog:
    """Give each file its id, and refuse those whose id is taken."""
    found = list(found)
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
                size_bytes=item.size_bytes,
                mtime_ns=item.mtime_ns,
                metadata=item.metadata or Metadata(title=item.names[0]),
            )
        )
    return catalog


def _ids(found: list[_Found]) -> list[str]:
    """The explicit id of each file, else the first of its names that no other file has.

    Files that would have one id all go on to their next name, so ids do not depend on the order; one file that is
    listed twice without an explicit id keeps one id, and its second mention is refused.
    """
    explicit = {item.explicit_id for item in found if item.explicit_id is not None}
    names = {item.uri: item.names for item in found if item.explicit_id is None}
    level = dict.fromkeys(names, 0)
    while True:
        chosen = {uri: names[uri][at] for uri, at in level.items()}
        count = Counter(chosen.values())
        shared = [
            uri
            for uri, name in chosen.items()
            if (count[name] > 1 or name in explicit) and level[uri] < len(names[uri]) - 1
        ]
        if not shared:
            return [item.explicit_id or chosen[item.uri] for item in found]
        for uri in shared:
            level[uri] += 1


def failure(video_id: str, uri: str, stage: str, error: BaseException, input_hash: str | None = None) -> Failure:
    """The row of the failures table for an error; its message is one line, whatever the file is called."""
    known = error if isinstance(error, ReelscopeError) else None
    message = known.message if known else f"{uri}: {error}"
    return Failure(
        video_id=video_id,
        uri=uri,
        stage=stage,
        error_type=type(error).__name__,
        message=CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), message),
        advice=known.advice if known else ReelscopeError.advice,
        input_hash=input_hash,
    )
