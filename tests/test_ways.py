"""Real video to clusters: clips of known ways of being built are told apart by a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ways import agreement
from tests.conftest import Home
from tests.staged import SPEECH, stage


@pytest.mark.skipif(not SPEECH.exists(), reason="needs speech from ../shared/media")
def test_ways_of_being_built_are_found_in_video(tmp_path: Path, home: Home) -> None:
    stage(tmp_path / "videos", each=3, strays=0, seed=3, seconds=(3.0, 4.0))
    out = tmp_path / "out"
    ran = home.reelscope("run", tmp_path / "videos", "--out", out, "--speech", "none", "--batch-size", "7")
    assert ran.code == 0, ran.stderr
    assert agreement(out)[0] >= 0.75  # of so few clips one may stand elsewhere; benchmarks/ways.py has more of them
