"""The embedded Prefect server's process: `python -m flows.embedded SOCKET PARENT_PID`, the first a file descriptor."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from filelock import FileLock


def follow(parent_pid: int) -> None:
    """End when the run ends, however it ends."""
    while os.getppid() == parent_pid:
        time.sleep(0.5)
    os._exit(0)


def soon_again(app: Any) -> Any:
    """The ASGI app, whose "busy, try again" says when.

    Of two writers at once SQLite refuses one, which is over in milliseconds; a Prefect client that is told nothing
    waits for 2, 4, 8, 16 and 32 s.
    """

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        async def send_on(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == 503:
                message = {**message, "headers": [*message["headers"], (b"retry-after", b"0.5")]}
            await send(message)

        await app(scope, receive, send_on if scope["type"] == "http" else send)

    return answer


def release_once(lock: FileLock, ready: Callable[[], bool]) -> None:
    """The system releases it where we end before."""
    while not ready():
        time.sleep(0.05)
    lock.release()


def main() -> None:
    descriptor, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=follow, args=(parent_pid,), daemon=True).start()
    # what only a server for deployments needs stays off; the rest is what Prefect's own temporary server sets
    os.environ |= {
        "PREFECT_UI_ENABLED": "0",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    }
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import PREFECT_HOME

    server = uvicorn.Server(uvicorn.Config(soon_again(create_app()), log_level="error"))
    # of two servers that bring one database up to date at once, one fails
    starting = FileLock(PREFECT_HOME.value() / ".reelscope-starting.lock", thread_local=False)
    PREFECT_HOME.value().mkdir(parents=True, exist_ok=True)
    starting.acquire()
    threading.Thread(target=release_once, args=(starting, lambda: server.started), daemon=True).start()
    with socket.socket(fileno=descriptor) as listening:  # by the run, so that no request is refused before we answer
        server.run(sockets=[listening])


if __name__ == "__main__":
    main()
