"""A lock in an object store: an object that only one can create, and that is taken over when its holder is gone.

The holder writes it anew again and again. Who waits goes by his own clock: an object that stays the same for longer than
the lease was left by a run that was killed. It is replaced only as it was seen (If-Match), so one of those who wait gets it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Any

from tasks.errors import ReelscopeError, StorageError
from tasks.sources.remote import as_storage, is_s3, line_of, told

log = logging.getLogger("reelscope.storage")

LEASE_S = 30.0  # without a sign of life for so long, a holder is taken for dead
POLL_S = 0.2
TOLD_S = 5.0  # who waits for longer is told
BEATS = 4  # signs of life in a lease


class Lease:
    """Held in `with`, also within itself; one thread at a time. Raises StorageError where the store does not let us."""

    def __init__(self, files: Any, path: str, address: str) -> None:
        self._files, self._path, self._address = files, path, address
        self._depth = 0
        self._tag: object = None  # of the object as we wrote it last
        self._beaten_s = 0.0
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    def check(self) -> None:
        """Raises StorageError when the lock was lost while it was held: another run may be writing."""
        if self._depth and time.monotonic() - self._beaten_s > LEASE_S:
            advice = "Was this machine asleep, or the store out of reach? Run the same command again; it goes on."
            raise StorageError(f"{self._address}: the lock was lost to another run", advice)

    def __enter__(self) -> None:
        if self._depth == 0:
            self._acquire()
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._release()

    def _acquire(self) -> None:
        seen, since_s, told_s = None, time.monotonic(), time.monotonic() + TOLD_S
        while True:
            began_s = time.monotonic()
            try:
                if self._create() or (
                    seen is not None and time.monotonic() - since_s > LEASE_S and self._take_over(seen)
                ):
                    break
                now = self._look()
            except (ReelscopeError, OSError) as error:
                raise as_storage(error) from None
            if now != seen:
                seen, since_s = now, time.monotonic()
            if time.monotonic() > told_s:
                told_s = math.inf
                log.warning(
                    "%s: another run has the tables in hand; waiting until it is done, or silent for %.0f s",
                    self._address,
                    LEASE_S,
                )
            time.sleep(POLL_S * random.uniform(0.5, 1.5))
        self._beaten_s = began_s
        self._ended = threading.Event()
        self._beating = threading.Thread(target=self._beat, args=(self._ended,), name="lease", daemon=True)
        self._beating.start()

    def _release(self) -> None:
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        try:
            with told(self._address):
                if is_s3(self._files):
                    bucket, key, _ = self._files.split_path(self._path)
                    self._files.call_s3("delete_object", Bucket=bucket, Key=key, IfMatch=self._tag)
                elif self._look() == self._tag:
                    self._files.rm_file(self._path)
        except (ReelscopeError, OSError) as error:  # it runs out by itself
            log.warning("the lock is left to run out: %s", line_of(error))

    def _beat(self, ended: threading.Event) -> None:
        """Signs of life until the end, or until one was refused: then the object is another run's."""
        while not ended.wait(LEASE_S / BEATS):
            began_s = time.monotonic()
            try:
                with told(self._address):
                    if not self._take_over(self._tag):
                        self._beaten_s = -LEASE_S
                        return
                self._beaten_s = began_s
            except (ReelscopeError, OSError) as error:
                log.warning("the lock could not be renewed: %s", line_of(error))

    def _create(self) -> bool:
        return self._put(None)

    def _take_over(self, seen: object) -> bool:
        """Write the object anew where it is still as it was seen."""
        return self._put(seen)

    def _put(self, seen: object) -> bool:
        """Write the object, where there is none (None) or the one that was seen; says whether that was so."""
        body = json.dumps({"holder": f"{socket.gethostname()} {os.getpid()}", "beat": uuid.uuid4().hex}).encode()
        with told(self._address):
            try:
                if is_s3(self._files):
                    bucket, key, _ = self._files.split_path(self._path)
                    condition = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen}
                    self._tag = self._files.call_s3("put_object", Bucket=bucket, Key=key, Body=body, **condition)[
                        "ETag"
                    ]
                    return True
                if seen is not None:
                    if self._look() != seen:
                        return False
                    self._files.rm_file(self._path)
                self._files.pipe_file(self._path, body, mode="create")
                self._tag = body
                return True
            except FileExistsError:
                return False
            except FileNotFoundError as error:
                if seen is None:  # no bucket
                    raise
                log.debug("the lock was released meanwhile: %s", error)
                return False
            except OSError as error:
                if _is_refusal(error):
                    return False
                raise

    def _look(self) -> object:
        """What is there now; None where nothing is."""
        with told(self._address):
            try:
                if is_s3(self._files):
                    bucket, key, _ = self._files.split_path(self._path)
                    return self._files.call_s3("head_object", Bucket=bucket, Key=key)["ETag"]
                return self._files.cat_file(self._path)
            except FileNotFoundError:
                return None


def _is_refusal(error: OSError) -> bool:
    """Whether a condition was not met, or two writers met at it; the names are S3's."""
    words = f"{error} {error.__cause__}"
    return any(name in words for name in ("PreconditionFailed", "pre-conditions", "ConditionalRequestConflict"))
