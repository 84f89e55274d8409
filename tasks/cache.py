"""The result cache: what each stage gave for each content, kept in Prefect's result storage.

Entries are plain JSON, validated when read: data, never code. (Prefect's own result records name in the file the
serializer that reads them, which may be one that runs code; so only its storage is used, not its records.)
An entry that cannot be read is a miss, and is computed again.
"""

from __future__ import annotations

import logging
import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import fsspec
from pydantic import BaseModel, ConfigDict

from tasks.catalog import local_path
from tasks.errors import StorageError, UsageError
from tasks.records import Record

if TYPE_CHECKING:
    from prefect.filesystems import LocalFileSystem, RemoteFileSystem

log = logging.getLogger("reelscope.cache")


class Entry(BaseModel):
    """One stage of one content: its result as a dict and what it cost."""

    model_config = ConfigDict(extra="forbid")

    stage: str
    result: dict[str, Any]
    wall_s: float
    cpu_s: float


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
        """The file system of a remote cache, and the path of its entries."""
        return fsspec.url_to_fs(self.location.rstrip("/") + "/results")

    def check(self) -> None:
        """Raises UsageError where the cache cannot be opened."""
        try:
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            _ = self._storage
            if self._folder is None:
                fsspec.url_to_fs(self.location)
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
            return entry
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:  # pydantic's ValidationError is a ValueError
            log.warning("cache entry %s cannot be read and is computed again: %s", key, str(error).splitlines()[0])
            return None

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


def _path(key: str) -> str:
    """Keys spread over folders, so that no folder holds a million files."""
    stage, digest = key.split("-", 1)
    return f"{stage}/{digest[:2]}/{digest}"
