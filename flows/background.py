"""A flow that runs beside the one that calls it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

STOP_S = 20.0  # a flow whose work was stopped ends within a second or two; no longer than this is waited for


@contextmanager
def in_background(function: Callable[..., Any], *arguments: Any, stop: Callable[[], None]) -> Iterator[Future[Any]]:
    """Call a flow in a thread of its own, as a child of the flow run that is active here.

    Its error is raised at the end of the block. When the block itself fails, `stop` is called, which must make the
    flow end, and its end is waited for.
    """
    outcome: Future[Any] = Future()
    context = copy_context()

    def run() -> None:
        try:
            outcome.set_result(context.run(function, *arguments))
        except BaseException as error:  # raised again where the block ends
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name=getattr(function, "name", "flow"), daemon=True)
    thread.start()
    try:
        yield outcome
    except BaseException:
        stop()
        thread.join(STOP_S)
        raise
    outcome.result()
