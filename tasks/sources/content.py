"""Content hashes of files, computed once and remembered by place, size and modification time."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sqlite3
import threading
from pathlib import Path

from tasks.addresses import local_path, masked
from tasks.errors import UnreadableSource
from tasks.records import Video
from tasks.settings import Sources
from tasks.sources.files import open_regular
from tasks.sources.remote import RemoteFile
from tasks.sources.retries import passes

log = logging.getLogger("reelscope.sources")

HASHED_AT_ONCE = 1 << 20
HASH = re.compile("[0-9a-f]{64}")


class ContentHashes:
    """A small database of known hashes in the local cache folder; many processes and threads may share it."""

    def __init__(self, database: Path) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._connection = _opened(database)
        except sqlite3.OperationalError as error:  # a full disk, a lock: the file itself may be sound
            log.warning("%s: %s; hashes are not remembered", database, error)
            self._connection = _opened(":memory:")
        except sqlite3.DatabaseError:  # it only remembers what can be computed again
            for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
                database.with_name(name).unlink(missing_ok=True)
            self._connection = _opened(database)

    def known(self, place: str, size_bytes: int, mtime_ns: int) -> str | None:
        """None also for what is no hash: the file may be someone else's, and the hash names files."""
        try:
            with self._lock:
                row = self._connection.execute(
                    "select hash from hashes where path = ? and size = ? and mtime_ns = ?",
                    (place, size_bytes, mtime_ns),
                ).fetchone()
        except sqlite3.DatabaseError as error:
            log.warning("a hash could not be looked up and is computed again: %s", error)
            return None
        return row[0] if row and isinstance(row[0], str) and HASH.fullmatch(row[0]) else None

    def _remember(self, place: str, size_bytes: int, mtime_ns: int, computed: str) -> None:
        row = (place, size_bytes, mtime_ns, computed)
        try:
            with self._lock, self._connection as connection:
                connection.execute("insert or replace into hashes values (?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:  # a full disk: it is computed again by the next run
            log.warning("a hash could not be remembered: %s", error)

    def of(self, path: Path) -> str:
        """SHA-256 of the file's content, in hex. Raises UnreadableSource, and what `passes` as it came."""
        path = path.absolute()
        try:
            with open_regular(path) as file:
                status = os.fstat(file.fileno())
                known = self.known(str(path), status.st_size, status.st_mtime_ns)
                if known:
                    return known
                computed = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            if passes(error):
                raise
            raise UnreadableSource(f"{path}: {error.strerror or error}") from None
        self._remember(str(path), status.st_size, status.st_mtime_ns, computed)
        return computed

    def of_video(self, video: Video, sources: Sources) -> str:
        """What the store says of a remote file's content, else the hash of what is streamed of it once.

        Without a time of modification nothing tells that a remote file is still the same: it is streamed each time.
        Raises UnreadableSource, and what `passes` as it came.
        """
        path = local_path(video.location)
        if path is not None:
            return self.of(path)
        if video.content_hash is not None:
            return video.content_hash
        # the address may hold a signature
        place = f"{masked(video.location)} {hashlib.sha256(video.location.encode()).hexdigest()[:32]}"
        if video.size_bytes is not None and video.mtime_ns is not None:
            known = self.known(place, video.size_bytes, video.mtime_ns)
            if known:
                return known
        hashed = hashlib.sha256()
        with RemoteFile(video.location, sources) as file:
            while block := file.read(HASHED_AT_ONCE):
                hashed.update(block)
        computed = hashed.hexdigest()
        if video.size_bytes is not None and video.mtime_ns is not None:
            self._remember(place, video.size_bytes, video.mtime_ns, computed)
        return computed


def _opened(database: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(database, timeout=30, check_same_thread=False)
    try:
        connection.execute("pragma journal_mode=wal")
        connection.execute(
            "pragma synchronous=normal"
        )  # the disk is not waited for: what a power cut takes is computed again
        with connection:
            connection.execute(
                "create table if not exists hashes (path text primary key, size int, mtime_ns int, hash text)"
            )
            columns = [row[1] for row in connection.execute("pragma table_info(hashes)")]
        if columns != ["path", "size", "mtime_ns", "hash"]:
            raise sqlite3.DatabaseError("another program's table")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
