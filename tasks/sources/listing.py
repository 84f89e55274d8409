"""The listing of a remote source: its media with their sidecars, page by page, never held as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Any, TypeVar

from tasks.addresses import masked, path_of
from tasks.errors import NotAVideo, OutOfBounds, ReelscopeError, UnreadableSource, UsageError
from tasks.records import Metadata
from tasks.settings import Sources
from tasks.sources.bounds import Bounds
from tasks.sources.found import Found
from tasks.sources.identity import Info, identity, modified_s
from tasks.sources.remote import as_usage, is_s3, line_of, open_files, pages, told
from tasks.sources.sidecar import MAX_SIDECAR_BYTES, SIDECAR_SUFFIX, parse_sidecar

READERS = 16  # sidecars, or rows of a manifest, that are asked for at once
BATCH = 256  # files that are in hand while their sidecars are read
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Listed:
    """One file of a listing. relative: its path from the source."""

    path: str  # in its file system
    relative: str
    size_bytes: int | None
    mtime_s: float | None
    content_hash: str | None

    @property
    def stem(self) -> str:
        """Of the relative path, without the suffix: what media and their sidecar share."""
        return self.relative.removesuffix(PurePosixPath(self.relative).suffix)

    @property
    def sidecar(self) -> str:
        return self.stem + SIDECAR_SUFFIX


def media_at(source: str, settings: Sources) -> Iterator[Found]:
    """The media below a URL, or the one file that it is; by extension alone, for nothing is opened.

    Raises UsageError when the source itself cannot be listed.
    """
    extensions = frozenset(f".{extension}" for extension in settings.extensions)
    try:
        files, root = open_files(source)
        with told(source):
            info = files.info(root)
        if info.get("type") == "directory":
            yield from _below(source, files, root, extensions)
        else:
            listed = _listed(source, root, PurePosixPath(path_of(source) or root).name, info)
            sidecar = _Listed(f"{root.removesuffix(listed.relative)}{listed.sidecar}", listed.sidecar, None, None, None)
            yield _with_metadata(files, source, listed, sidecar)
    except (UnreadableSource, OSError) as error:
        raise as_usage("source", error) from None


def _below(source: str, files: Any, root: str, extensions: frozenset[str]) -> Iterator[Found]:
    folder = source.rstrip("/") if source.partition("://")[2].strip("/") else source

    def found(pair: tuple[_Listed, _Listed | None]) -> Found:
        listed, sidecar = pair
        uri = f"{folder}/{listed.relative}" if not folder.endswith("/") else folder + listed.relative
        return _with_metadata(files, uri, listed, sidecar)

    listings: Iterator[Iterable[_Listed]] = (
        [_listed(source, path, relative, info) for path, relative, info in page if not _is_hidden(relative)]
        for page in pages(source, files, root)
    )
    if is_s3(files):  # keys are in order, whatever page they are on
        listings = iter([chain.from_iterable(listings)])
    with ThreadPoolExecutor(READERS) as readers:
        for page in listings:
            for pairs in chunked(paired(page, extensions), BATCH):
                yield from readers.map(found, pairs)


def _is_hidden(relative: str) -> bool:
    """Also what stands for an empty folder."""
    return relative.endswith("/") or any(part.startswith(".") for part in relative.split("/"))


def _listed(source: str, path: str, relative: str, info: Info) -> _Listed:
    return _Listed(path, relative, info.get("size"), modified_s(info), identity(source, info))


def paired(listing: Iterable[_Listed], extensions: frozenset[str]) -> Iterator[tuple[_Listed, _Listed | None]]:
    """The media of a listing that is in order, each with its sidecar; only what may still be wanted is held.

    Between `clip.avi`, `clip.info.json` and `clip.mp4` come only names that begin with `clip.`, so a sidecar is let go of
    after those, and media that come before their sidecar's place wait no longer than to that place.
    Raises UsageError for a listing in another order.
    """
    waiting: list[_Listed] = []
    sidecars: dict[str, _Listed] = {}
    last = ""
    for listed in listing:
        name, last = listed.relative, last or listed.relative
        if name < last:
            raise UsageError(f"source: the store lists {name!r} after {last!r}, out of order; use a manifest")
        last = name
        for media in [media for media in waiting if media.sidecar <= name]:
            waiting.remove(media)
            yield media, listed if media.sidecar == name else None
        sidecars = {stem: sidecar for stem, sidecar in sidecars.items() if name.startswith(f"{stem}.")}
        if name.endswith(SIDECAR_SUFFIX):
            sidecars[name.removesuffix(SIDECAR_SUFFIX)] = listed
        elif PurePosixPath(name).suffix.lower() in extensions:
            if listed.sidecar < name:
                yield listed, sidecars.get(listed.stem)
            else:
                waiting.append(listed)
    yield from ((media, None) for media in waiting)


def _with_metadata(files: Any, uri: str, listed: _Listed, sidecar: _Listed | None) -> Found:
    """What is known of a listed file; a sidecar that cannot be read is a warning."""
    metadata: Metadata | None = None
    explicit_id: str | None = None
    warning: ReelscopeError | None = None
    mtime_ns = None if listed.mtime_s is None else int(listed.mtime_s * 1e9)
    empty = NotAVideo(f"{uri}: the file is empty", "Upload the file again; the last upload wrote nothing.")
    if listed.size_bytes == 0:
        return Found(uri, listed.relative, 0, mtime_ns, error=empty)
    if sidecar is not None:
        where = f"{uri.removesuffix(PurePosixPath(uri).name)}{PurePosixPath(sidecar.relative).name}"
        try:
            explicit_id, metadata = _read(files, where, sidecar, PurePosixPath(listed.relative).stem)
        except (UnreadableSource, OSError) as error:
            warning = error if isinstance(error, ReelscopeError) else UnreadableSource(line_of(error))
    return Found(
        uri,
        listed.relative,
        listed.size_bytes,
        mtime_ns,
        metadata,
        explicit_id,
        warning=warning,
        content_hash=listed.content_hash,
    )


def _read(files: Any, where: str, sidecar: _Listed, stem: str) -> tuple[str | None, Metadata | None]:
    """Id and metadata; nothing where it has gone. Raises UnreadableSource, or OSError where it cannot be read now."""
    content = b""
    if (sidecar.size_bytes or 0) <= MAX_SIDECAR_BYTES:
        with told(where):
            try:
                content = files.cat_file(sidecar.path)
            except FileNotFoundError:
                return None, None
    return parse_sidecar(content, sidecar.size_bytes or len(content), where, stem)


def remote_file(address: str, uri: str, bounds: Bounds, metadata: Metadata | None, video_id: str | None) -> Found:
    """One file of a manifest, as the store describes it; what is wrong with it becomes its error.

    uri: as the manifest names it, where that is not the address.
    """
    shown = masked(uri)
    relative = (path_of(shown) if "://" in shown else shown) or shown
    where = address if address != shown else None
    try:
        bounds.check_address(address)
        if ".." in path_of(address).split("/"):  # some stores take it for the folder above
            raise OutOfBounds(f"{shown}: leads out of its folder", "Write the address without `..`.")
        files, name = open_files(address)
        with told(address):
            info = files.info(name)
            if info.get("type") == "directory":
                raise NotAVideo(f"{shown}: a directory, not a file", "Point the source at the directory.")
            if info.get("size") == 0:
                raise NotAVideo(f"{shown}: the file is empty", "Upload the file again; the last upload wrote nothing.")
    except ReelscopeError as error:
        return Found(shown, relative, None, None, metadata, video_id, error)
    except OSError as error:
        advice = "Check the address and your access, or copy the file to a local folder."
        problem = UnreadableSource(line_of(error), advice)
        return Found(shown, relative, None, None, metadata, video_id, problem)
    listed = _listed(address, name, relative, info)
    mtime_ns = None if listed.mtime_s is None else int(listed.mtime_s * 1e9)
    return Found(
        shown,
        relative,
        listed.size_bytes,
        mtime_ns,
        metadata,
        video_id,
        path=where,
        content_hash=listed.content_hash,
    )


def chunked(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last shorter."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
