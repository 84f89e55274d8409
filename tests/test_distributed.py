"""A run over a Ray cluster of two nodes on this machine, one with a GPU that is only declared: its tables are a local run's."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, Home, Ran, copy_samples
from tests.kills import OF_THE_RUN, differences

STEMS = ("cat-vs-cup", "code-tip", "planet-facts")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the head of two nodes; who joins must have the token."""
    pytest.importorskip("ray")
    import ray._private.services as services

    head = f"{services.get_node_ip_address()}:{free_port()}"
    start = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--block",
        "--num-cpus=1",
        "--object-store-memory=100000000",
    ]
    started: list[subprocess.Popen[bytes]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT))  # where nodes find this project, as an installation would
        folder = tmp_path_factory.mktemp("nodes")
        try:
            for name, options in {
                "head": ["--head", f"--port={head.partition(':')[2]}", "--include-dashboard=false"],
                "with-gpu": [f"--address={head}", "--num-gpus=1"],
            }.items():
                log = (folder / name).open("wb")
                started.append(subprocess.Popen([*start, *options], stdout=log, stderr=log, start_new_session=True))
                until(lambda name=name: "Ray runtime started" in (folder / name).read_text())
            yield head
        finally:
            for process in reversed(started):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=60)


def free_port() -> int:
    with socket.create_server(("", 0)) as held:
        return int(held.getsockname()[1])


def until(ready: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_samples(tmp_path_factory.mktemp("distributed") / "videos", *STEMS)
    (folder / "broken.mp4").write_bytes((folder / f"{STEMS[0]}.mp4").read_bytes()[:2000])
    return folder


def run(home: Home, videos: Path, name: str, *options: str) -> tuple[Ran, Path]:
    out = videos.parent / name
    cache = f"cache.dir={videos.parent / f'{name}-cache'}"
    return home.reelscope("run", os.path.relpath(videos, ROOT), "--out", out, "--set", cache, "--json", *options), out


def test_the_tables_are_those_of_a_local_run(home: Home, cluster: str, videos: Path) -> None:
    options = ("--set", "pools.gpu=on", "--speech", "pocketsphinx", "--batch-size", "2")
    there, out = run(home, videos, "there", *options, "--runner", "ray", "--set", f"pools.address={cluster}")
    here, undisturbed = run(home, videos, "here", *options)
    assert (there.code, here.code) == (0, 0), there.stderr + here.stderr
    assert there.figures["done"] == len(STEMS)
    assert [(item["video_id"], item["error_type"]) for item in there.figures["failures"]] == [
        (item["video_id"], item["error_type"]) for item in here.figures["failures"]
    ]
    assert differences(out, undisturbed, OF_THE_RUN | {"message"}) == []  # nodes call a file by its whole path
    assert sum(turn["videos"] for turn in there.figures["device_turns"]) == 2 * len(STEMS)
    again, _ = run(home, videos, "there", *options, "--runner", "ray", "--set", f"pools.address={cluster}")
    assert (again.figures["done"], again.figures["reused"]) == (0, len(STEMS))


def test_the_limits_hold_on_the_nodes(home: Home, cluster: str, videos: Path) -> None:
    limits = ("--set", "limits.video_s=0.5", "--runner", "ray", "--set", f"pools.address={cluster}")
    ran, out = run(home, videos, "late", "--limit", "2", *limits)
    assert ran.code == 0, ran.stderr
    failures = pd.read_parquet(out / "failures")
    assert set(failures["error_type"]) <= {"VideoTimeout", "NotAVideo", "DamagedMedia"}
    assert "VideoTimeout" in set(failures["error_type"])


def test_where_no_cluster_answers_one_line_says_so(home: Home, videos: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    ran, _ = run(home, videos, "nowhere", "--runner", "ray", "--set", f"pools.address={address}")
    assert ran.code == 2
    assert ran.stderr.startswith(f"reelscope: no Ray cluster at '{address}'")
    assert len(ran.stderr.splitlines()) == 1
