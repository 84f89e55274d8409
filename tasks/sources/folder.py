"""Local files of a source: which files of a folder are media, and what is wrong with one that cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import NotAVideo, OutOfBounds, ReelscopeError, UnreadableSource
from tasks.records import Metadata
from tasks.settings import Sources
from tasks.sources.bounds import Bounds
from tasks.sources.files import open_regular
from tasks.sources.found import Found
from tasks.sources.sidecar import SIDECAR_SUFFIX, read_sidecar

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


def media_in(folder: Path, settings: Sources) -> Iterator[Found]:
    """The media below a folder, by their extension or their first bytes. Links to folders are not followed."""
    bounds = Bounds.of(settings, (folder,))
    extensions = {f".{extension}" for extension in settings.extensions}
    for entry in sorted(_walk(folder)):
        suffix = entry.suffix.lower()
        named_as_media = suffix in extensions
        if not named_as_media and (suffix in IGNORED_SUFFIXES or not _looks_like_media(entry, bounds)):
            continue
        yield local_file(entry, entry.relative_to(folder).as_posix(), str(entry), bounds)


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, hidden ones left out; a directory that is named as a file with a suffix is listed itself too."""
    for root, directories, files in os.walk(folder):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in [*files, *(d for d in directories if Path(d).suffix)]:
            if not name.startswith("."):
                yield Path(root, name)


def _looks_like_media(path: Path, bounds: Bounds) -> bool:
    if not bounds.holds(path):
        return False
    try:
        with open_regular(path) as file:
            head = file.read(16)
    except OSError:
        return False
    return any(head[at : at + len(magic)] == magic for at, magic in SIGNATURES)


def local_file(
    path: Path,
    relative: str,
    uri: str,
    bounds: Bounds,
    metadata: Metadata | None = None,
    explicit_id: str | None = None,
) -> Found:
    """Stat one local file; what is wrong with it becomes its error."""
    if not is_utf8(uri):
        uri = escaped(uri)
        unnamed = UnreadableSource(f"{uri}: the file name is not UTF-8", "Rename the file.")
        return Found(uri, escaped(relative), error=unnamed)
    where = None if uri == str(path) else str(path)
    try:
        bounds.check(path, uri)
        status = path.stat()
    except OutOfBounds as error:
        return Found(uri, relative, metadata=metadata, explicit_id=explicit_id, error=error, path=where)
    except (OSError, ValueError) as error:
        absent = _absent(path, uri, error)
        return Found(uri, relative, metadata=metadata, explicit_id=explicit_id, error=absent, path=where)
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
        metadata, explicit_id, warning = _sidecar(path, bounds)
    return Found(uri, relative, status.st_size, status.st_mtime_ns, metadata, explicit_id, problem, warning, where)


def _absent(path: Path, uri: str, error: OSError | ValueError) -> UnreadableSource:
    """Why a path has no status."""
    if isinstance(error, ValueError):
        return UnreadableSource(f"{uri}: {error}", "Correct the path; no file can have this name.")
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return UnreadableSource(f"{uri}: a dangling link")
    return UnreadableSource(f"{uri}: {error.strerror or error}")


def is_utf8(name: str) -> bool:
    """Whether a file name, as Python decodes it, can be written to a table."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(name: str) -> str:
    r"""A file name with the bytes that are not UTF-8 written as \xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _sidecar(path: Path, bounds: Bounds) -> tuple[Metadata | None, str | None, ReelscopeError | None]:
    sidecar = path.with_suffix(SIDECAR_SUFFIX)
    try:
        if not sidecar.is_file():
            return None, None, None
    except OSError:  # with this suffix the name is too long for a file, so there is none
        return None, None, None
    try:
        bounds.check(sidecar, str(sidecar))
        video_id, metadata = read_sidecar(sidecar, path.stem)
    except ReelscopeError as error:
        return None, None, error
    return metadata, video_id, None
