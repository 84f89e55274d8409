"""A hard night in short: see `tests/hard_night.py`, whose long form is `make night`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hard_night import HardNight

NUMBER = 20


def test_what_finished_is_kept_what_failed_is_said_and_a_second_run_completes_it(tmp_path: Path) -> None:
    night = HardNight(tmp_path / "night", NUMBER, command="extract")
    try:
        night.play(64)
    except PermissionError as error:
        pytest.skip(f"no file system of its own: {error}")
    assert night.faults == []
    assert night.killed
    first, second = night.nights
    assert 0 < len(first.entries) < len(second.entries)
    assert list(second.runs["outcome"])[-1] == "completed"
    assert first.figures == {}
    assert second.figures["reused"] > 0
