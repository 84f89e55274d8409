"""Content hashes of files, computed once and remembered by path, size and modification time."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from tasks.errors import UnreadableSource
from tasks.retries import passes


class ContentHashes:
    """A small database of known hashes in the local cache folder; many processes may share it."""

    def __init__(self, database: Path) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        self._database = database
        try:
            self._create()
        except sqlite3.DatabaseError:  # it only remembers what can be computed again
            database.unlink()
            self._create()

    def _create(self) -> None:
        with closing(self._connect()) as connection, connection:
            connection.execute("pragma journal_mode=wal")
            connection.execute(
                "create table if not exists hashes (path text primary key, size int, mtime_ns int, hash text)"
            )

    def known(self, path: Path, size_bytes: int, mtime_ns: int) -> str | None:
        with closing(self._connect()) as connection:
            row = connection.execute(
                "select hash from hashes where path = ? and size = ? and mtime_ns = ?",
                (str(path), size_bytes, mtime_ns),
            ).fetchone()
        return row[0] if row else None

    def of(self, path: Path) -> str:
        """SHA-256 of the file's content, in hex. Raises UnreadableSource, and what `passes` as it came."""
        path = path.absolute()
        try:
            with path.open("rb") as file:
                status = path.stat()
                known = self.known(path, status.st_size, status.st_mtime_ns)
                if known:
                    return known
                computed = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            if passes(error):
                raise
            raise UnreadableSource(f"{path}: {error.strerror or error}") from None
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "insert or replace into hashes values (?, ?, ?, ?)",
                (str(path), status.st_size, status.st_mtime_ns, computed),
            )
        return computed

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._database, timeout=30)
