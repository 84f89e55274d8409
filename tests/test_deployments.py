"""Deployments: what `make deployments` leaves on a server, what its form explains, and files that other tools read."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.conftest import ROOT, Home, copy_samples

FILE = ROOT / "deployments" / "prefect.yaml"
NAMES = ["ad-hoc", "analyze", "classify", "extract", "nightly"]


def declared() -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in yaml.safe_load(FILE.read_text())["deployments"]}


def tool(name: str) -> str:
    """A linter of the environment that runs the tests."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed; `pip install 'reelscope[dev]'` brings it")
    return found


def succeeds(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_form_explains_each_parameter(name: str) -> None:
    from prefect.utilities.callables import parameter_schema_from_entrypoint

    deployment = declared()[name]
    schema = parameter_schema_from_entrypoint(str(ROOT / deployment["entrypoint"]))
    assert all(field.get("description") for field in schema.properties.values()), schema.properties
    assert set(schema.required) <= set(deployment["parameters"]) <= set(schema.properties)
    assert schema.properties["out"]["type"] == "string"
    assert {"$ref": "#/definitions/Settings"} in schema.properties["settings"]["anyOf"]


def test_settings_given_in_part_leave_the_environment_its_say(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.settings import Settings, completed

    monkeypatch.setenv("REELSCOPE_CACHE__DIR", "elsewhere")
    settings = completed(Settings.model_validate({"speech": {"engine": "none"}}))
    assert (settings.speech.engine, settings.cache.dir) == ("none", "elsewhere")
    assert completed(None).cache.dir == "elsewhere"


def test_deploying_twice_leaves_one_of_each(prefect_server: None) -> None:
    from prefect import get_client
    from prefect.settings import get_current_settings

    environment = get_current_settings().to_environment_variables(exclude_unset=True)
    for device_pool in ("cpu", "gpu"):
        succeeds(
            sys.executable,
            ROOT / "deployments" / "deploy.py",
            **environment | {"DEVICE_POOL": device_pool, "NOTIFY_URL": "http://127.0.0.1:9/hook", "GPU_RUNS": "3"},
        )
    with get_client(sync_client=True) as client:
        deployments = {item.name: item for item in client.read_deployments()}
        limits = {pool.name: pool.concurrency_limit for pool in client.read_work_pools() if pool.type == "process"}
        automations = [item.name for item in client.read_automations()]
    assert {name: item.work_pool_name for name, item in sorted(deployments.items())} == {
        "ad-hoc": "gpu",
        "analyze": "cpu",
        "classify": "cpu",
        "extract": "gpu",
        "nightly": "gpu",
    }
    assert limits == {"cpu": 2, "gpu": 3}
    assert sorted(automations) == [
        "reelscope: analyze after extract",
        "reelscope: crashed when its heartbeats stop",
        "reelscope: tell of failed, crashed and partial runs",
    ]
    nightly = deployments["nightly"]
    assert [schedule.schedule.cron for schedule in nightly.schedules] == ["0 2 * * *"]  # type: ignore[union-attr]
    assert nightly.parameters == {"source": "data/samples", "out": "out"}
    assert nightly.job_variables["env"] == {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}


def test_a_server_must_be_named(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, ROOT / "deployments" / "deploy.py"],
        env=kept | {"PREFECT_HOME": str(tmp_path), "PREFECT_PROFILES_PATH": str(tmp_path / "profiles.toml")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "PREFECT_API_URL" in done.stderr


def test_no_end_of_a_run_is_taken_for_a_lost_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events carry names of states: the automation must know ours, and each of Prefect's that is final."""
    from prefect import states

    from flows.analysis import analysis
    from flows.classification import classification
    from flows.extraction import extraction
    from flows.hooks import PARTIAL
    from flows.pipeline import pipeline

    monkeypatch.syspath_prepend(str(ROOT / "deployments"))
    from automations import OURS, lost_runs  # type: ignore[import-not-found]

    trigger = lost_runs().trigger
    assert {flow.name for flow in (pipeline, classification, extraction, analysis)} == set(
        OURS["prefect.resource.name"]
    )
    made = [states.Completed(), states.Failed(), states.Crashed(), states.Cancelled()]
    assert {f"prefect.flow-run.{name}" for name in (PARTIAL, *(state.name for state in made))} <= trigger.expect


@contextmanager
def heard() -> Iterator[io.StringIO]:
    """What is said in the logs of flow runs."""
    words = io.StringIO()
    handler = logging.StreamHandler(words)
    logger = logging.getLogger("prefect.flow_runs")
    logger.addHandler(handler)
    try:
        yield words
    finally:
        logger.removeHandler(handler)


def test_hooks_say_what_happened_and_what_to_do(prefect_server: None) -> None:
    from prefect.client.schemas.objects import FlowRun
    from prefect.states import Cancelled, Completed, Crashed, Failed

    from flows.hooks import HOOKS, PARTIAL
    from flows.pipeline import pipeline
    from tasks.errors import UsageError

    def said(hook: str, state: Any, inside: bool = False) -> str:
        run = FlowRun(
            flow_id=uuid4(), name="nightly", parameters={"out": "here"}, parent_task_run_id=uuid4() if inside else None
        )
        with heard() as words:
            for function in HOOKS[hook]:
                function(flow=pipeline, flow_run=run, state=state)  # by name, as workers call them
        return words.getvalue()

    partial = Completed(name=PARTIAL, message="3/20 videos failed", data={"run_id": "r1"})
    assert "3/20 videos failed (run r1) into here" in said("on_completion", partial)
    assert "reelscope retry --out here" in said("on_completion", partial)
    assert said("on_completion", partial, inside=True) == said("on_completion", Completed()) == ""
    assert UsageError.advice in said("on_failure", Failed(message="no such folder", data=UsageError("no such folder")))
    assert "crashed: killed. What was finished is kept" in said("on_crashed", Crashed(message="killed"))
    assert "cancelled" in said("on_cancellation", Cancelled())


def test_a_server_that_stays_keeps_the_logs_of_a_command(prefect_server: None, home: Home, tmp_path: Path) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterLevel
    from prefect.client.schemas.sorting import LogSort
    from prefect.settings import get_current_settings

    source = copy_samples(tmp_path / "videos", "night-city")
    (source / "words.mp4").write_text("these are words\n" * 40)
    server = get_current_settings().to_environment_variables(exclude_unset=True)
    command = [sys.executable, "-m", "flows", "extract", source, "--out", tmp_path / "out", "--speech", "none"]
    done = subprocess.run(
        command, cwd=ROOT, env=home.environment | {"PREFECT_API_URL": server["PREFECT_API_URL"]}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert b"flow run" not in done.stderr.lower()
    with get_client(sync_client=True) as client:
        warnings = LogFilter(level=LogFilterLevel(ge_=logging.WARNING))
        kept = [log.message for log in client.read_logs(warnings, sort=LogSort.TIMESTAMP_DESC)]
    assert [words for words in kept if words.startswith("words · decode failed: NotAVideo")]


def test_the_compose_file_follows_its_specification() -> None:
    check = tool("check-jsonschema")
    succeeds(check, "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yaml")


def test_the_linter_finds_nothing_in_the_dockerfile() -> None:
    succeeds(tool("hadolint"), ROOT / "Dockerfile")


def test_prefect_understands_what_the_compose_file_sets() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    told = {
        name: re.sub(r"\$\{\w+(?::-([^}]*))?\}", lambda found: found[1] or "secret", value)
        for name, value in services["server"]["environment"].items()
    }
    code = (
        "import json; from prefect.settings import get_current_settings as now; s = now().server;"
        "vacuum = s.services.db_vacuum; print(json.dumps([sorted(vacuum.enabled_vacuum_types),"
        "vacuum.retention_period.days, s.events.retention_period.days,"
        "vacuum.event_retention_overrides['prefect.flow-run.heartbeat'].days,"
        "s.database.connection_url.get_secret_value(), s.ui.api_url]))"
    )
    kinds, runs_days, events_days, heartbeats_days, database, ui = json.loads(
        succeeds(sys.executable, "-c", code, **told)
    )
    assert "flow_runs" in kinds
    assert (runs_days, events_days, heartbeats_days) == (90, 14, 2)
    assert database == "postgresql+asyncpg://prefect:secret@database:5432/prefect"
    assert ui == "http://127.0.0.1:4200/api"


def test_containers_have_what_they_need() -> None:
    """Files that the image copies are let through to its build, and each variant that is asked for is there."""
    docker = (ROOT / "Dockerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (.+)$", docker, re.M) for name in line.split()[:-1]}
    assert {f"!{name}" for name in copied} <= set((ROOT / ".dockerignore").read_text().split())
    assert all((ROOT / name).exists() for name in copied)
    services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    variants = {item["build"]["args"]["VARIANT"] for item in services.values() if "build" in item}
    assert variants == {"cpu", "cuda"} == set(re.findall(r"AS base-(\w+)", docker))
