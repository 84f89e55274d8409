"""Reading once more: which errors of a source may pass, and how long to wait for that."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from tasks.errors import SourceUnreachable
from tasks.settings import Limits
from tasks.wording import shown

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


def passes(error: BaseException) -> bool:
    """Whether what made a read fail may be gone a moment later.

    What FFmpeg itself calls an input/output error does not count: it says so of files that are cut short as well.
    Errors of a disk or store come from the file that it reads through, as Python's.
    """
    if type(error).__module__ == "av.error":
        return False
    if isinstance(error, (ConnectionError, TimeoutError, socket.gaierror)):
        return True
    return isinstance(error, OSError) and error.errno in _PASSING


def patiently(read: Callable[[], T], video_id: str, uri: str, limits: Limits) -> T:
    """What `read` gives, called again after a while where it failed in passing.

    Raises SourceUnreachable when it failed so as often as may be tried, and any other error at once.
    """

    def tell(state: RetryCallState) -> None:
        assert state.outcome and state.next_action
        log.warning(
            "%s · reading failed (%s); try %d of %d in %.1f s",
            shown(video_id),
            shown(_reason(state.outcome.exception())),
            state.attempt_number + 1,
            limits.io_tries,
            state.next_action.sleep,
        )

    trying = Retrying(
        retry=retry_if_exception(passes),
        stop=stop_after_attempt(limits.io_tries),
        wait=wait_exponential(limits.io_wait_s, max=MAX_WAIT_S) + wait_random(0, limits.io_wait_s),
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


def _reason(error: BaseException | None) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
