"""What tests of whole runs share: a home of their own, and the command as users type it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

#: The same examples in every run, however slow the machine is.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "data" / "samples"


@dataclass
class Ran:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def figures(self) -> dict[str, Any]:
        """The summary that --json prints."""
        return dict(json.loads(self.stdout))


@dataclass
class Home:
    """A user's home: caches and Prefect's database lie in it and nowhere else."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        # no coverage of the parent's server or settings: the command starts as on a new machine
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "REELSCOPE_"))}
        return kept | {
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_PROFILES_PATH": str(self.folder / "profiles.toml"),
            "COLUMNS": "120",
        }

    def start(self, *arguments: str | Path, **more: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flows", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, **pipes, **more)

    def reelscope(self, *arguments: str | Path) -> Ran:
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=280)
        return Ran(process.returncode, stdout, stderr)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A real Prefect server with a database of its own, for flows called in this process."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


def copy_samples(folder: Path, *stems: str) -> Path:
    """Samples with their sidecars, copied into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        for path in SAMPLES.glob(f"{stem}.*"):
            shutil.copy(path, folder)
    return folder
