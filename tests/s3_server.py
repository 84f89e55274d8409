"""A real S3-compatible server on loopback (moto's), for tests that talk to it as users' commands do."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from tasks.tables import Tables, VideoRows

SECRET = "sEcReT-aCcEsS-kEy-of-the-tests"
KEY = "AKIDTESTS"
COLOURS = re.compile("\x1b\\[[0-9;]*m")
#: No other place may give credentials: neither a user's files nor a cloud machine's metadata.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@dataclass
class Requests(logging.Handler):
    """What the server was asked, as `METHOD /path?query STATUS`, newest last."""

    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        parts = COLOURS.sub("", record.getMessage()).split('"')
        if len(parts) > 2:
            self.lines.append(f"{parts[1].removesuffix(' HTTP/1.1')} {parts[2].split()[0]}")

    def during(self) -> list[str]:
        """Those since it was last asked."""
        told, self.lines[:] = list(self.lines), []
        return told


@dataclass
class Store:
    """A running server with an empty bucket."""

    endpoint: str
    requests: Requests
    bucket: str = "reels"

    @cached_property
    def files(self) -> Any:
        return fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)

    def url(self, path: str = "") -> str:
        return f"s3://{self.bucket}/{path}"

    def upload(self, folder: Path, to: str) -> str:
        """Put the files of a folder below a prefix; gives its URL."""
        for path in sorted(folder.iterdir()):
            self.files.pipe_file(f"{self.bucket}/{to}/{path.name}", path.read_bytes())
        return self.url(to)


@contextmanager
def running() -> Iterator[Store]:
    """The server, and the environment in which clients of this process, and of those it starts, find it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    requests = Requests()
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "AWS_ENDPOINT_URL")}
    log = logging.getLogger("werkzeug")
    level, passed_on = log.level, log.propagate
    log.addHandler(requests)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        host, port = server.get_host_and_port()
        os.environ.update(ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"})
        store = Store(os.environ["AWS_ENDPOINT_URL"], requests)
        store.files.mkdir(store.bucket)
        yield store
    finally:
        server.stop()
        log.removeHandler(requests)
        log.setLevel(level)
        log.propagate = passed_on
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def publish_many(out: str, name: str, number: int) -> None:
    """What a process does that writes into an OUT beside others; here, so that it starts with few imports."""
    tables = Tables(out)
    for at in range(number):
        tables.publish([VideoRows({"video_id": f"{name}-{at}", "uri": f"{name}-{at}.mp4", "status": "complete"})])
