"""A file that a source holds, before it has an id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from tasks.errors import ReelscopeError
from tasks.records import Metadata

NAMES = 4  # that a file may be called by; see `Found.names`


@dataclass(frozen=True, slots=True)
class Found:
    """One media file, and what is known of it without opening it."""

    uri: str  # as the source names it, without secrets
    relative: str  # path relative to the source, with its suffix; never empty
    size_bytes: int | None = None
    mtime_ns: int | None = None
    metadata: Metadata | None = None
    explicit_id: str | None = None
    error: ReelscopeError | None = None  # the file cannot be read
    warning: ReelscopeError | None = None  # its sidecar cannot; the video is done without
    path: str | None = None  # where the file is opened, where that is not its uri
    content_hash: str | None = None  # what a store says of its content

    @property
    def names(self) -> tuple[str, str, str, str]:
        """What may be its id, the preferred first: stem, relative path without and with suffix, uri."""
        path = PurePosixPath(self.relative)
        if not path.name:  # `.` and `/`
            return self.relative, self.relative, self.relative, self.uri
        return path.stem, path.with_suffix("").as_posix(), self.relative, self.uri
