"""What is installed is pinned and can be audited; what listens, listens on loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flows.server import EmbeddedServer
from tests.conftest import ROOT


def wanted(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> None:
    """Everything that a distribution asks for here, with what that asks for, as far as it is installed."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for line in requirements:
        requirement = Requirement(line)
        if not requirement.marker or any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            wanted(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)


def test_constraints_pin_everything_that_is_installed() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines)  # nothing else stands there
    pinned = {canonicalize_name(name) for name in pins}
    seen: set[tuple[str, frozenset[str]]] = set()
    wanted("reelscope", frozenset(["dev"]), seen)
    names = {name for name, _ in seen} - {"reelscope", "pip", "setuptools", "wheel"}
    installed = {name for name in names if Path(str(distribution_path(name))).exists()}
    assert len(installed) > 100
    assert sorted(installed - pinned) == []


def distribution_path(name: str) -> Path:
    try:
        return Path(str(distribution(name).locate_file("")))
    except PackageNotFoundError:
        return Path("/nonexistent")


def test_an_audit_that_cannot_ask_fails_and_says_so() -> None:
    if not (Path(sys.executable).parent / "pip-audit").exists():
        pytest.skip("pip-audit is not installed")
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", makefile, re.M)
    assert recipe
    command = recipe[1].replace("\t@", "").replace("$(BIN)", str(Path(sys.executable).parent))
    nowhere = "http://127.0.0.1:9"
    environment = os.environ | {"HTTPS_PROXY": nowhere, "https_proxy": nowhere, "NO_PROXY": "", "no_proxy": ""}
    ran = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 1, ran.stdout
    assert "audit: FAILED" in ran.stderr


def test_servers_listen_on_loopback() -> None:
    from prefect.settings import PREFECT_SERVER_API_HOST

    assert PREFECT_SERVER_API_HOST.default() == "127.0.0.1"
    server = EmbeddedServer()
    try:
        assert server.url.startswith("http://127.0.0.1:")
        assert server._socket.getsockname()[0] == "127.0.0.1"
    finally:
        server.stop()
    composed = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    published = {name: service["ports"] for name, service in composed["services"].items() if "ports" in service}
    assert set(published) == {"server"}
    assert all(str(port).startswith("127.0.0.1:") for port in published["server"])
