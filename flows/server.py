"""The Prefect server that a run talks to: the one that is configured, else an embedded one for as long as the run lasts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ReelscopeError

FLUSH_S = 5.0  # for events that are on their way to the server when a run ends
STARTUP_S = 120.0  # a fresh home migrates its database: 34 s were seen on two busy cores


class EmbeddedServer:
    """A server of our own, in a process that ends with ours. Starting it does not wait until it answers."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the server runs
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.embedded", str(self.port), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).resolve().parents[1],
            start_new_session=True,  # Ctrl-C is for the run, which then tells the server
        )

    def wait(self) -> None:
        """Until it answers. Raises ReelscopeError with the server's own words when it does not."""
        deadline_s = time.monotonic() + STARTUP_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                break
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
        self._process.terminate()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
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
