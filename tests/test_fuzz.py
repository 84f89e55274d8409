"""Mutated media through the real pipeline; the long form is `make fuzz`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.conftest import Home
from tests.fuzz import SPLICE, Fuzz, make_seeds
from tests.mutations import MUTATIONS, UNITS, mutated

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
KINDS = [*MUTATIONS, SPLICE]


@linux
def test_every_mutated_file_has_its_row(home: Home, tmp_path: Path) -> None:
    """Each mutation twice: no crashed run, no file without a row or with an error that has no name of ours."""
    fuzz = Fuzz(home, tmp_path, seed=3)
    fuzz.do(2 * len(KINDS))
    assert fuzz.faults == []
    assert len(fuzz.outcomes) == 2 * len(KINDS)
    assert {name.split("-")[1] for name in fuzz.outcomes} == set(KINDS)
    assert "complete" in fuzz.outcomes.values()
    assert any(outcome.startswith("failed") for outcome in fuzz.outcomes.values())
    assert fuzz.most_mb > 0  # the workers were seen


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_seeds(tmp_path_factory.mktemp("fuzz") / "seeds")


def test_containers_are_taken_apart(seeds: list[Path]) -> None:
    assert len({path.suffix for path in seeds}) >= 10
    for path in seeds:
        content = path.read_bytes()
        units = list(UNITS[path.suffix](content))
        assert len(units) > 3, path.name
        assert all(0 <= start < end <= len(content) for start, end in units)


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_seed_gives_the_same_mutation_and_another_one_another(seeds: list[Path], kind: str) -> None:
    for path in seeds:
        content = path.read_bytes()
        first, again, other = (mutated(content, path.suffix, kind, random.Random(seed)) for seed in (1, 1, 2))
        assert first == again
        assert first != content or other != content
