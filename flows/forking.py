"""The process that worker processes are forked from: it imports once what all of them need, and shares it with them."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

PRELOADED = ["flows.cli", "tasks.extraction.video"]
SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def forking() -> BaseContext:
    """How worker processes come to be: forked from a server without threads, or started afresh where that is not safe.

    The server is a process of its own because ours has threads, Prefect's among them, and those do not survive a fork.
    """
    return multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")


def prepare_forking() -> None:
    """Start the server and its imports now, beside our own: it then has them when the first worker is asked for."""
    context = forking()
    if context.get_start_method() != "forkserver":
        return
    context.set_forkserver_preload(PRELOADED)  # type: ignore[attr-defined]  # typeshed knows it of the default context
    before = {name: os.environ.get(name) for name in SINGLE}
    os.environ.update(SINGLE)  # numpy starts its threads on import, and the server shall have none
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
