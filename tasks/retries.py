"""Reading once more: which errors of a source may pass, and how long to wait for that."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from tasks.errors import SourceUnreachable
from tasks.settings import Limits

T = TypeVar("T")

log = logging.getLogger("reelscope.sources")

MAX_WAIT_S = 60.0
#: A disk, share or network that fails may work again; a file that is missing, forbidden or no file does not.
_PASSING = {
    getattr(errno, name)
    for name in (
        *("EIO", "EREMOTEIO", "EAGAIN", "EINTR", "EBUSY", "ENOLINK", "ECOMM", "ESTALE", "ETIMEDOUT", "ENOBUFS"),
        *("ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "ENOTCONN", "EPIPE", "ESHUTDOWN"),
        *("ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH"),
        *("EMFILE", "ENFILE"),
    )
    if hasattr(errno, name)
}
#: The same as the clients of object stores and web servers say it, by the modules that have it.
_CLIENTS = {
    "aiohttp": ("ClientConnectionError", "ClientPayloadError"),
    "botocore.exceptions": ("HTTPClientError", "ConnectionError", "IncompleteReadError"),
    "urllib3.exceptions": ("ProtocolError", "TimeoutError"),
}
_BUSY = {429, 500, 502, 503, 504}  # HTTP


def passes(error: BaseException) -> bool:
    """Whether what made a read fail may be gone a moment later.

    What FFmpeg itself calls an input/output error does not count: it says so of files that are cut short as well.
    Errors of the disk come from the file that it reads through, as Python's.
    """
    if type(error).__module__ == "av.error":
        return False
    if isinstance(error, (*_of_clients(), ConnectionError, TimeoutError, socket.gaierror)):
        return True
    if isinstance(error, OSError):
        return error.errno in _PASSING
    return getattr(error, "status", None) in _BUSY


def patiently(read: Callable[[], T], video_id: str, uri: str, limits: Limits) -> T:
    """What `read` gives, called again after a while where it failed in passing.

    Raises SourceUnreachable when it failed so as often as may be tried, and any other error at once.
    """

    def tell(state: RetryCallState) -> None:
        assert state.outcome and state.next_action
        log.warning(
            "%s · reading failed (%s); try %d of %d in %.1f s",
            video_id,
            _reason(state.outcome.exception()),
            state.attempt_number + 1,
            limits.io_tries,
            state.next_action.sleep,
        )

    trying = Retrying(
        retry=retry_if_exception(passes),
        stop=stop_after_attempt(limits.io_tries),
        wait=wait_exponential_jitter(limits.io_wait_s, MAX_WAIT_S, jitter=limits.io_wait_s),
        before_sleep=tell,
        reraise=True,
    )
    try:
        return trying(read)
    except Exception as error:
        if not passes(error):
            raise
        times = "once" if limits.io_tries == 1 else f"{limits.io_tries} times"
        raise SourceUnreachable(f"{uri}: {_reason(error)}; tried {times}") from error


def _of_clients() -> Iterator[type[BaseException]]:
    """Of the clients that are in use: none is imported for its errors' sake."""
    for name, kinds in _CLIENTS.items():
        if module := sys.modules.get(name):
            yield from (getattr(module, kind) for kind in kinds)


def _reason(error: BaseException | None) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
