"""Where OUT lies: a local folder, or a URL that fsspec understands. Files are written whole or not at all."""

from __future__ import annotations

import mimetypes
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from typing import Any, cast

import fsspec
from filelock import FileLock

from tasks.addresses import ADVICE, REFUSED, local_path, masked
from tasks.errors import StorageError, UnreadableSource, UsageError
from tasks.lease import Lease
from tasks.sources.identity import modified_s
from tasks.sources.remote import as_storage, as_usage, content_of, has, is_s3, reach, told

Stamp = tuple[object, ...]
WRITERS = 12
TEMPORARY = ".tmp"
LEFT_S = 600.0  # a file is written in seconds; its writer's number says nothing on a folder that machines share


class Storage:
    """Files below one root. Raises UsageError when the root cannot be written; read_only: it need not even be there.

    What is asked of a store is asked anew each time, for other runs write there too.
    """

    def __init__(self, root: str, read_only: bool = False) -> None:
        if masked(root) != root:
            raise UsageError(f"output {masked(root)}: {REFUSED}. {ADVICE}")
        self.root, self.read_only = root, read_only
        folder = local_path(root)
        self.folder = folder.expanduser().absolute() if folder else None
        try:
            if self.folder:
                self.files, self._base = fsspec.url_to_fs(str(self.folder))
                if read_only and self.folder.exists() and not self.folder.is_dir():
                    raise NotADirectoryError(20, "Not a directory")
                if not read_only:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    if not os.access(self.folder, os.W_OK):
                        raise PermissionError(13, "Permission denied")
        except (OSError, ImportError, ValueError) as error:
            raise UsageError(f"output {root}: {getattr(error, 'strerror', None) or error}") from None
        if self.folder is None:
            try:
                self.files, self._base = reach(root)
            except (UnreadableSource, OSError) as error:
                raise as_usage("output", error) from None
        self._lease = None if self.folder else Lease(self.files, self._in_store(".lock"), self.path(".lock"))
        if self._lease and not read_only:
            try:
                with self._lease:  # may we write at all?
                    pass
            except StorageError as error:
                raise as_usage("output", error) from None

    def path(self, name: str) -> str:
        """A file's path or URL, as people and programs outside find it."""
        return str(self.folder / name) if self.folder else f"{self.root.rstrip('/')}/{name}"

    def _in_store(self, name: str) -> str:
        return f"{self._base.rstrip('/')}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole: a reader sees the old content or the new, never a part. Raises StorageError."""
        if self.folder is not None:
            try:
                _write_whole(self.folder / name, content)
            except OSError as error:
                raise StorageError(f"{self.path(name)}: {error.strerror or error}") from error
            return
        if self._lease:
            self._lease.check()
        kind = mimetypes.guess_type(name)[0] if is_s3(self.files) else None  # browsers show a page only if it says so
        with self._stored(name):
            self.files.pipe_file(self._in_store(name), content, **({"ContentType": kind} if kind else {}))

    def write_each(self, contents: Mapping[str, bytes]) -> None:
        """Write files by name, many at a time where each takes a request. Raises StorageError."""
        with ThreadPoolExecutor(1 if self.folder else WRITERS) as writers:
            for _ in writers.map(self.write, contents.keys(), contents.values()):
                pass

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError, and StorageError where a store does not give it."""
        if self.folder is not None:
            return (self.folder / name).read_bytes()
        with self._stored(name):
            found = content_of(self.files, self._in_store(name))
        if found is None:
            raise FileNotFoundError(2, "No such object", self.path(name))
        return found

    def exists(self, name: str) -> bool:
        if self.folder is not None:
            return (self.folder / name).exists()
        with self._stored(name):
            return has(self.files, self._in_store(name))

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error. Raises StorageError."""
        if self.folder is not None:
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(f"{self.path(name)}: {error.strerror or error}") from error
            return
        with self._stored(name), suppress(FileNotFoundError):
            self.files.rm_file(self._in_store(name))

    def sweep(self, folder: str) -> None:
        """Remove what writers that were killed have left in a folder: files that took no byte for LEFT_S."""
        if self.folder is None:
            return  # an object is there once it is complete
        before_s = time.time() - LEFT_S
        for left in (self.folder / folder).glob(f".*{TEMPORARY}"):
            with suppress(FileNotFoundError):  # its writer has finished, or another run was faster
                if left.stat().st_mtime < before_s:
                    left.unlink()

    def names(self, folder: str, suffix: str) -> list[str]:
        """Names of the files in a folder, sorted; none where the folder is missing."""
        return sorted(self.stamps(folder, suffix))

    def stamps(self, folder: str, suffix: str) -> dict[str, Stamp]:
        """The files of a folder, with what changes whenever one does; none where the folder is missing."""
        found: dict[str, Stamp] = {}
        if self.folder is not None:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder / folder) as entries:
                for entry in entries:
                    if entry.name.endswith(suffix) and not entry.name.startswith("."):
                        with suppress(FileNotFoundError):  # another run has replaced it
                            status = entry.stat()
                            found[entry.name] = (status.st_mtime_ns, status.st_size, status.st_ino)
            return found
        with self._stored(folder), suppress(FileNotFoundError):
            for info in self.files.ls(self._in_store(folder), detail=True):
                name = PurePosixPath(info["name"]).name
                if name.endswith(suffix) and not name.startswith("."):
                    found[name] = _stamp(info)
        return found

    def modified_s(self, folder: str, suffix: str) -> dict[str, float]:
        """When each file of a folder was written, in seconds since 1970 by the clock of the disk or store; as `stamps`."""
        stamps = self.stamps(folder, suffix)
        if self.folder is not None:
            return {name: stamp[0] / 1e9 for name, stamp in stamps.items() if isinstance(stamp[0], int)}
        return {name: stamp[2] for name, stamp in stamps.items() if isinstance(stamp[2], float)}

    def lock(self) -> AbstractContextManager[object]:
        """Held while tables are changed, so that two runs into one folder do not lose each other's rows."""
        if self.read_only:
            return nullcontext()
        return FileLock(str(self.folder / ".lock")) if self.folder else cast(Lease, self._lease)

    @contextmanager
    def _stored(self, name: str) -> Iterator[None]:
        try:
            with told(self.path(name)):
                yield
        except (UnreadableSource, OSError) as error:
            raise as_storage(error) from error


def _stamp(info: Mapping[str, Any]) -> Stamp:
    tag = next((info[name] for name in ("ETag", "etag", "generation", "md5Hash") if name in info), None)
    return tag, info.get("size"), modified_s(info)


def _write_whole(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # readers of Parquet folders pass over names that begin with a dot
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def keep_others_out() -> None:
    """What this process and those below it write from now on is writable by its owner and group at most, whatever the
    umask is."""
    os.umask(os.umask(0o077) | stat.S_IWOTH)


def private_folder(path: Path) -> Path:
    """A folder that only its owner may read or write."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
