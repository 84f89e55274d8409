"""The Prefect server that a run talks to: the one that is configured, else an embedded one for as long as the run lasts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ReelscopeError

FLUSH_S = 5.0  # for events that are on their way to the server when a run ends
RESTARTS = 5  # of a server that is killed again and again
STARTUP_S = 120.0  # a fresh home migrates its database: 34 s were seen on two busy cores


class EmbeddedServer:
    """A server of our own, in a process that ends with ours. Starting it does not wait until it answers.

    When it is killed, as by a system that is short of memory, it is started again: its database is on disk and its socket
    is ours, so that requests wait for it meanwhile and are not refused.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the server runs
        self._lock = threading.Lock()
        self._stopping = False
        self._ended = threading.Event()  # set when it is not started again
        self._process = self._started()
        threading.Thread(target=self._keep, daemon=True).start()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.embedded", str(self._socket.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).resolve().parents[1],
            pass_fds=(self._socket.fileno(),),
            start_new_session=True,  # Ctrl-C is for the run, which then tells the server
        )

    def _keep(self) -> None:
        for _ in range(RESTARTS):
            killed = self._process.wait() < 0
            with self._lock:
                if self._stopping or not killed:
                    break
                self._process = self._started()
        else:
            self._process.wait()
        self._ended.set()
        self._socket.close()

    def wait(self) -> None:
        """Until it answers. Raises ReelscopeError with the server's own words when it does not."""
        deadline_s = time.monotonic() + STARTUP_S
        while time.monotonic() < deadline_s and not self._ended.is_set():
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self._log.seek(0)
        words = self._log.read().decode(errors="replace").strip().splitlines()[-5:]
        raise ReelscopeError(
            "the embedded Prefect server did not start: " + " | ".join(words),
            "Start one with `prefect server start`, set PREFECT_API_URL to its address, and run again.",
        )

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            self._process.terminate()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ended.wait()
        self._log.close()


def configured_server() -> str | None:
    """The API of a server that the environment or the active Prefect profile names."""
    if os.environ.get("PREFECT_API_URL"):
        return os.environ["PREFECT_API_URL"]
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() or None


@contextmanager
def prefect_api(server: EmbeddedServer | None) -> Iterator[None]:
    """Flows called inside talk to the embedded server, or to the configured one where there is none."""
    if server is None:
        yield
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    server.wait()
    # each flow waits up to a second for its heart to stop, and this server ends with the run that it would watch
    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        try:
            yield
        finally:
            # at the end of the process there would be no server to send to, and Prefect would try for a minute
            APILogHandler().flush()
            EventsWorker.drain_all(timeout=FLUSH_S)
