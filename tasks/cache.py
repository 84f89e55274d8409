"""The result cache: what each stage gave for each content, kept in Prefect's result storage.

Entries are plain JSON, validated when read: data, never code. (Prefect's own result records name in the file the
serializer that reads them, which may be one that runs code; so only its storage is used, not its records.)
An entry that cannot be read is a miss, and is computed again.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import fsspec
from pydantic import BaseModel, ConfigDict

from tasks.catalog import local_path
from tasks.errors import StorageError, UsageError
from tasks.records import Record

if TYPE_CHECKING:
    from prefect.filesystems import LocalFileSystem, RemoteFileSystem

log = logging.getLogger("reelscope.cache")
#: Where an entry lies below the cache's folder, and what a writer that was killed leaves beside it; see `_path`.
ENTRY = re.compile(r"(?P<stage>[a-z]+)/(?P<start>[0-9a-f]{2})/(?P=start)[0-9a-f]{30}(?P<unfinished>\.\d+-\d+\.tmp)?")


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
    """Entries by key. `location` is a folder or a URL that fsspec understands."""

    def __init__(self, location: str) -> None:
        self.location = location
        folder = local_path(location)
        self._folder = folder.expanduser().absolute() / "results" if folder else None

    @cached_property
    def _storage(self) -> LocalFileSystem | RemoteFileSystem:
        # Prefect takes a second to import: those who only plan do not wait for it
        from prefect.filesystems import LocalFileSystem, RemoteFileSystem

        if self._folder is None:
            return RemoteFileSystem(basepath=self.location.rstrip("/") + "/results")
        self._folder.mkdir(parents=True, exist_ok=True)
        return LocalFileSystem(basepath=str(self._folder))

    @cached_property
    def _remote(self) -> tuple[fsspec.AbstractFileSystem, str]:
        """The file system of a remote cache, and the path of its entries. Raises UsageError."""
        try:
            files, root = fsspec.url_to_fs(self.location.rstrip("/") + "/results")
        except (OSError, ImportError, ValueError) as error:
            raise UsageError(f"cache {self.location}: {getattr(error, 'strerror', None) or error}") from None
        return files, root

    def check(self) -> None:
        """Raises UsageError where the cache cannot be opened."""
        try:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            _ = self._storage if self._folder is not None else self._remote
        except (OSError, ImportError, ValueError) as error:
            raise UsageError(f"cache {self.location}: {getattr(error, 'strerror', None) or error}") from None

    def has(self, key: str) -> bool:
        """Whether there is an entry; whether it can be believed is known when it is read."""
        if self._folder is not None:
            return (self._folder / _path(key)).exists()
        files, root = self._remote
        return bool(files.exists(f"{root}/{_path(key)}"))

    def read(self, key: str, kind: type[Record]) -> Entry | None:
        """The entry, or None where there is none whose result is a `kind` and can be believed."""
        path = _path(key)
        if self._folder is not None and not (self._folder / path).exists():
            return None
        try:
            content = cast(bytes, self._storage.read_path(path, _sync=True))  # type: ignore[call-arg]
            entry = Entry.model_validate_json(content)
            kind.model_validate(entry.result)
            self._note_use(path)
            return entry
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:  # pydantic's ValidationError is a ValueError
            log.warning("cache entry %s cannot be read and is computed again: %s", key, str(error).splitlines()[0])
            return None

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
            try:
                yield from self._stored_remotely()
            except OSError as error:
                raise StorageError(f"cache {self.location}: {error.strerror or error}") from error
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
        for folder, _, infos in files.walk(root, detail=True):
            for name, info in infos.items():
                path = f"{folder}/{name}".removeprefix(files._strip_protocol(root)).strip("/")
                yield from _stored(path, info.get("size") or 0, _modified_s(info))

    def remove(self, stored: Stored) -> None:
        """Remove an entry; one that is gone already is no error. Raises StorageError."""
        try:
            if self._folder is not None:
                (self._folder / stored.path).unlink(missing_ok=True)
            else:
                files, root = self._remote
                with suppress(FileNotFoundError):
                    files.rm_file(f"{root}/{stored.path}")
        except OSError as error:
            raise StorageError(f"cache {self.location}: {error.strerror or error}") from error

    def write(self, key: str, entry: Entry) -> None:
        """Raises StorageError."""
        content, path = entry.model_dump_json().encode(), _path(key)
        temporary = path if self._folder is None else f"{path}.{os.getpid()}-{threading.get_ident()}.tmp"
        try:
            self._storage.write_path(temporary, content, _sync=True)  # type: ignore[call-arg]
            if self._folder is not None:  # an object store shows whole objects only; a folder does not
                os.replace(self._folder / temporary, self._folder / path)
        except OSError as error:
            raise StorageError(f"cache {self.location}: {error.strerror or error}") from error


def _stored(path: str, size_bytes: int, used_s: float) -> Iterator[Stored]:
    """Nothing for a file that is no entry."""
    if found := ENTRY.fullmatch(path):
        yield Stored(path, found["stage"], size_bytes, used_s, finished=found["unfinished"] is None)


def _modified_s(info: Mapping[str, Any]) -> float:
    """When a remote file was written; file systems name it in their own ways. Now, where none of them is known."""
    for name in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = info.get(name)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, (int, float)):
            return float(value)
    return time.time()


def _path(key: str) -> str:
    """Keys spread over folders, so that no folder holds a million files."""
    stage, digest = key.split("-", 1)
    return f"{stage}/{digest[:2]}/{digest}"
