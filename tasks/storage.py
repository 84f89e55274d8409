"""Where OUT lies: a local folder, or a URL that fsspec understands. Files are written whole or not at all."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePosixPath

import fsspec
from filelock import FileLock

from tasks.catalog import local_path
from tasks.errors import StorageError, UsageError


class Storage:
    """Files below one root. Raises UsageError when the root cannot be written; read_only: it need not even be there."""

    def __init__(self, root: str, read_only: bool = False) -> None:
        self.root, self.read_only = root, read_only
        folder = local_path(root)
        self.folder = folder.expanduser().absolute() if folder else None
        try:
            self.files, self._base = fsspec.url_to_fs(str(self.folder) if self.folder else root)
            if self.folder and read_only and self.folder.exists() and not self.folder.is_dir():
                raise NotADirectoryError(20, "Not a directory")
            if self.folder and not read_only:
                self.folder.mkdir(parents=True, exist_ok=True)
                if not os.access(self.folder, os.W_OK):
                    raise PermissionError(13, "Permission denied")
        except (OSError, ImportError, ValueError) as error:
            raise UsageError(f"output {root}: {getattr(error, 'strerror', None) or error}") from None

    def path(self, name: str) -> str:
        return f"{self._base.rstrip('/')}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole: a reader sees the old content or the new, never a part. Raises StorageError."""
        try:
            if self.folder is None:
                self.files.pipe_file(self.path(name), content)  # an object store shows an object once it is complete
            else:
                _write_whole(self.folder / name, content)
        except OSError as error:
            raise StorageError(f"{self.path(name)}: {error.strerror or error}") from error

    def read(self, name: str) -> bytes:
        content = self.files.cat_file(self.path(name))
        assert isinstance(content, bytes)
        return content

    def exists(self, name: str) -> bool:
        return bool(self.files.exists(self.path(name)))

    def names(self, folder: str, suffix: str) -> list[str]:
        """Names of the files in a folder, sorted; none where the folder is missing."""
        try:
            listing = self.files.ls(self.path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(
            name for name in (PurePosixPath(path).name for path in listing) if name.endswith(suffix) and name[0] != "."
        )

    def stamp(self, name: str) -> tuple[object, ...]:
        """Changes whenever the file does."""
        if self.folder is not None:
            status = (self.folder / name).stat()
            return status.st_mtime_ns, status.st_size, status.st_ino
        self.files.invalidate_cache()
        info = self.files.info(self.path(name))
        return info.get("etag", info.get("ETag")), info.get("size"), str(info.get("LastModified"))

    def lock(self) -> AbstractContextManager[object]:
        """Held while tables are changed, so that two runs into one folder do not lose each other's rows."""
        return FileLock(str(self.folder / ".lock")) if self.folder and not self.read_only else nullcontext()


def _write_whole(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # readers of Parquet folders pass over names that begin with a dot
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def private_folder(path: Path) -> Path:
    """A folder that only its owner may read or write."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
