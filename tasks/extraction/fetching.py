"""Fetching weight files within bounds: a host that is silent or slow is given up, and a file is whole or not there."""

from __future__ import annotations

import hashlib
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from urllib.error import HTTPError
from urllib.request import urlopen

ANSWER_S = 4.0  # a host that has not answered by then cannot be had
FETCH_S = 60.0  # all files together
_CHUNK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched.

    path: where it belongs.
    url: where it is; where zipped, of an archive that holds it by its name.
    algorithm, digest: what `hashlib` must make of the file's content, in hex.
    """

    path: Path
    url: str
    algorithm: str
    digest: str
    zipped: bool = False

    @property
    def whole(self) -> bool:
        """Whether the file is there, with the content that it should have."""
        return self.path.is_file() and _digest(self.path, self.algorithm) == self.digest


def fetch(files: Sequence[RemoteFile]) -> str | None:
    """Put the files in place within ANSWER_S for the first answer and FETCH_S for all; the reason if that failed."""

    def work(answered: Event, deadline: float) -> None:
        for file in files:
            _fetch(file, answered, deadline)

    return _bounded(work)


def unreachable(url: str) -> str | None:
    """Why the host does not answer within ANSWER_S; None if it does."""

    def work(answered: Event, deadline: float) -> None:
        with suppress(HTTPError):  # an answer, too
            urlopen(url, timeout=ANSWER_S).close()

    return _bounded(work)


def _bounded(work: Callable[[Event, float], None]) -> str | None:
    """Do `work(answered, deadline)`; the reason if it failed. In a thread, because resolving names knows no timeout."""
    answered, done, failures = Event(), Event(), list[str]()
    deadline = time.monotonic() + FETCH_S

    def guarded() -> None:
        try:
            work(answered, deadline)
        except (OSError, ValueError, zipfile.BadZipFile, KeyError) as error:
            failures.append(str(error) or type(error).__name__)
        finally:
            done.set()
            answered.set()

    Thread(target=guarded, name="fetching", daemon=True).start()
    if not answered.wait(ANSWER_S):
        return f"no answer within {ANSWER_S:.0f} s"
    if not done.wait(max(0.0, deadline - time.monotonic())):
        return f"not done within {FETCH_S:.0f} s"
    return failures[0] if failures else None


def _fetch(file: RemoteFile, answered: Event, deadline: float) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.path.parent, prefix=".fetch-") as folder:
        part = Path(folder) / "part"
        with urlopen(file.url, timeout=ANSWER_S) as response, part.open("wb") as target:
            answered.set()
            while block := response.read(_CHUNK):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{file.url}: not done within {FETCH_S:.0f} s")
                target.write(block)
        if file.zipped:
            with zipfile.ZipFile(part) as packed:
                part = Path(packed.extract(file.path.name, folder))
        if _digest(part, file.algorithm) != file.digest:
            raise ValueError(f"{file.url}: not the expected content")
        part.replace(file.path)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()
