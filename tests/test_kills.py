"""Runs killed with SIGKILL and started again; the long form is `python -m tests.kills --kills 20`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tasks.analysis import summary
from tasks.settings import Analysis
from tasks.tables import Tables
from tests.conftest import Home, copy_samples
from tests.kills import KINDS, Harness

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


@pytest.fixture(scope="module")
def killed(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    """One kill of each kind."""
    base = tmp_path_factory.mktemp("kills")
    source = copy_samples(base / "videos", "cat-vs-cup", "night-city", "smash-burger", "leg-day")
    harness = Harness(home, source, base / "runs", ("--speech", "none"), seed=20)
    harness.do(("worker", "server", "run"))
    return harness


def test_a_kill_of_each_kind_costs_nothing_that_was_finished(killed: Harness) -> None:
    """Tables whole at every moment, each stage finished once, no orphan, and the tables of an undisturbed run."""
    assert killed.faults == []
    assert sorted(kill.kind for kill in killed.kills if kill.landed) == sorted(KINDS)
    assert killed.reads > len(killed.kills)  # between any two kills, and after the last
    assert len(killed.log) == 12 * killed.chains
    assert all(" finished 1 times" in line for line in killed.log)


def test_the_passes_of_a_killed_run_decide_nothing_for_the_next(killed: Harness, tmp_path: Path) -> None:
    """Clusters are compared with those of the last run that came to its end, and are made again."""
    out = str(shutil.copytree(killed.folder / "undisturbed" / "out", tmp_path / "out"))
    tables, settings = Tables(out), Analysis()
    finished = summary.before(tables)
    assert summary.is_current(tables, settings)
    summary.analyse(tables, finished, settings, "lost", 1.0)  # and no report: it was killed
    assert set(tables.read("clusters")["last_seen_run"].to_pylist()) == {"lost"}
    again = summary.before(Tables(out))
    assert (again.clusters.to_pylist(), again.members) == (finished.clusters.to_pylist(), finished.members)
    assert not summary.is_current(tables, settings)
    summary.report(tables)
    assert summary.is_current(tables, settings)
    assert set(summary.before(tables).clusters["last_seen_run"].to_pylist()) == {"lost"}
