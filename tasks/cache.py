"""The result cache: what each stage gave for each content; a folder of it is Prefect's result storage.

Entries are plain JSON, validated when read: data, never code. (Prefect's own result records name in the file the
serializer that reads them, which may be one that runs code; so only its storage is used, not its records.)
An entry that cannot be read is a miss, and is computed again.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict

from tasks.addresses import ADVICE, REFUSED, local_path, masked
from tasks.errors import StorageError, UnreadableSource, UsageError
from tasks.records import Record
from tasks.sources.identity import modified_s
from tasks.sources.remote import as_storage, as_usage, content_of, has, line_of, pages, reach, told

if TYPE_CHECKING:
    from prefect.filesystems import LocalFileSystem

log = logging.getLogger("reelscope.cache")
#: Where an entry lies below the cache's folder, and what a writer that was killed leaves beside it; see `_path`.
ENTRY = re.compile(r"(?P<stage>[a-z]+)/(?P<start>[0-9a-f]{2})/(?P=start)[0-9a-f]{30}(?P<unfinished>\.\d+-\d+\.tmp)?")


MAX_ENTRY_BYTES = 256 << 20  # of an hour of video there are some megabytes


class Entry(BaseModel):
    """One stage of one content: its result as a dict and what it cost."""

    model_config = ConfigDict(extra="forbid")

    stage: str
    result: dict[str, Any]
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Stored:
    """A file of the cache. used_s: when it was last used or, on a remote file system, written; seconds since 1970.

    finished: False for what a writer has in hand, or has left when it was killed.
    """

    path: str  # below the folder of entries
    stage: str
    size_bytes: int
    used_s: float
    finished: bool


class ResultCache:
    """Entries by key. `location` is a folder or a URL that fsspec understands. Raises UsageError for one with a secret.

    A folder is Prefect's result storage. A store is asked through fsspec, with the paths that Prefect's storage would use:
    its RemoteFileSystem asks several times for each entry, and makes buckets that are not there.
    """

    def __init__(self, location: str) -> None:
        if masked(location) != location:
            raise UsageError(f"cache {masked(location)}: {REFUSED}. {ADVICE}")
        self.location = location
        folder = local_path(location)
        self._folder = folder.expanduser().absolute() / "results" if folder else None
        self._remote_root = location.rstrip("/") + "/results"

    @cached_property
    def _local(self) -> LocalFileSystem:
        # Prefect takes a second to import: those who only plan do not wait for it
        from prefect.filesystems import LocalFileSystem

        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        return LocalFileSystem(basepath=str(self._folder))

    @cached_property
    def _remote(self) -> tuple[Any, str]:
        """The file system of a remote cache, and the path of its entries. Raises UsageError."""
        try:
            return reach(self._remote_root)
        except (UnreadableSource, OSError) as error:
            raise as_usage("cache", error) from None

    def check(self) -> None:
        """Raises UsageError where the cache cannot be opened."""
        try:
            _ = self._local if self._folder is not None else self._remote
        except OSError as error:
            raise UsageError(f"cache {self.location}: {error.strerror or error}") from None

    def has(self, key: str) -> bool:
        """Whether there is an entry; whether it can be believed is known when it is read. Raises StorageError."""
        if self._folder is not None:
            return (self._folder / _path(key)).exists()
        files, root = self._remote
        try:
            with told(self.location):
                return has(files, f"{root}/{_path(key)}")
        except (UnreadableSource, OSError) as error:
            raise as_storage(error) from None

    def read(self, key: str, kind: type[Record]) -> Entry | None:
        """The entry, or None where there is none whose result is a `kind` and can be believed."""
        path = _path(key)
        try:
            content = self._content(path)
            if content is None:
                return None
            entry = Entry.model_validate_json(content)
            kind.model_validate(entry.result)
            self._note_use(path)
            return entry
        except (ValueError, OSError, UnreadableSource) as error:  # pydantic's ValidationError is a ValueError
            reason = str(error).splitlines()[0] if isinstance(error, ValueError) else line_of(error)
            log.warning("cache entry %s cannot be read and is computed again: %s", key, reason)
            return None

    def _content(self, path: str) -> bytes | None:
        """What stands in an entry, with one request of a store; None where there is none."""
        if self._folder is not None:
            try:
                status = (self._folder / path).stat()
                if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_ENTRY_BYTES:
                    raise ValueError("not a file, or too large for an entry")
                return cast(bytes, self._local.read_path(path, _sync=True))  # type: ignore[call-arg]
            except FileNotFoundError:  # another run has pruned it
                return None
        files, root = self._remote
        with told(f"{self._remote_root}/{path}"):
            return content_of(files, f"{root}/{path}")

    def _note_use(self, path: str) -> None:
        """Set the time of access: many file systems are mounted so that reading does not, and pruning goes by it."""
        if self._folder is not None:
            with suppress(OSError):  # a cache that may only be read is still read
                written_ns = (self._folder / path).stat().st_mtime_ns
                os.utime(self._folder / path, ns=(time.time_ns(), written_ns))

    def stored(self) -> Iterator[Stored]:
        """Every file that is an entry by its place and name, in no order; one folder is listed at a time.

        Raises UsageError where the cache is no folder, StorageError where a remote one cannot be listed.
        """
        if self._folder is not None and self._folder.parent.exists() and not self._folder.parent.is_dir():
            raise UsageError(f"cache {self.location}: not a folder")
        if self._folder is None:
            yield from self._stored_remotely()
            return
        for root, folders, names in os.walk(self._folder):
            folders.sort()
            for name in names:
                path = Path(root, name)
                with suppress(FileNotFoundError):  # another run has replaced or pruned it
                    status = path.stat(follow_symlinks=False)
                    used_s = max(status.st_atime, status.st_mtime)
                    yield from _stored(path.relative_to(self._folder).as_posix(), status.st_size, used_s)

    def _stored_remotely(self) -> Iterator[Stored]:
        files, root = self._remote
        try:
            for page in pages(self.location, files, root):
                for _, relative, info in page:
                    written_s = modified_s(info)
                    used_s = time.time() if written_s is None else written_s
                    yield from _stored(relative, info.get("size") or 0, used_s)
        except (UnreadableSource, OSError) as error:
            raise as_storage(error) from None

    def remove(self, stored: Stored) -> None:
        """Remove an entry; one that is gone already is no error. Raises StorageError."""
        try:
            if self._folder is not None:
                (self._folder / stored.path).unlink(missing_ok=True)
                return
            files, root = self._remote
            with told(self.location), suppress(FileNotFoundError):
                files.rm_file(f"{root}/{stored.path}")
        except (UnreadableSource, OSError) as error:
            raise self._lost(error) from error

    def write(self, key: str, entry: Entry) -> None:
        """Raises StorageError."""
        content, path = entry.model_dump_json().encode(), _path(key)
        try:
            if self._folder is None:
                files, root = self._remote
                with told(self._remote_root):
                    files.pipe_file(f"{root}/{path}", content)  # a store shows an object once it is complete
                return
            temporary = f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
            self._local.write_path(temporary, content, _sync=True)  # type: ignore[call-arg]
            os.replace(self._folder / temporary, self._folder / path)
        except (UnreadableSource, OSError) as error:
            raise self._lost(error) from error

    def _lost(self, error: UnreadableSource | OSError) -> StorageError:
        if self._folder is None:
            return as_storage(error)
        return StorageError(f"cache {self.location}: {getattr(error, 'strerror', None) or error}")


def _stored(path: str, size_bytes: int, used_s: float) -> Iterator[Stored]:
    """Nothing for a file that is no entry."""
    if found := ENTRY.fullmatch(path):
        yield Stored(path, found["stage"], size_bytes, used_s, finished=found["unfinished"] is None)


def _path(key: str) -> str:
    """Keys spread over folders, so that no folder holds a million files."""
    stage, digest = key.split("-", 1)
    return f"{stage}/{digest[:2]}/{digest}"
