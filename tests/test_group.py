"""Groups of videos on the device: batches that they share, results that are each one's own."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_extraction import job

from tasks.extraction import group
from tasks.extraction.gathering import Gathering
from tasks.extraction.group import Group
from tasks.extraction.regions import Region
from tasks.extraction.video import extract
from tasks.records import Segment

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
NAMES = ("smash-burger", "leg-day", "night-city")


class Counting:
    """An engine that answers with what it was asked, and remembers its batches."""

    name = model = "counting"
    batch_frames = 1

    def __init__(self, full: int = 8, faulty: Any = None) -> None:
        self.full_frames = self.full_crops = full
        self.faulty = faulty
        self.batches: list[tuple[str, int]] = []

    def _answer(self, kind: str, items: Sequence[Any]) -> list[Any]:
        self.batches.append((kind, len(items)))
        if self.faulty in items:
            raise ValueError(f"{self.faulty} cannot be done")
        return [(kind, item) for item in items]

    def detect(self, strips: Sequence[Any]) -> list[Any]:
        return self._answer("detect", strips)

    def recognise(self, crops: Sequence[Any]) -> list[Any]:
        return self._answer("recognise", crops)


def ask_all(engine: Counting, wishes: Sequence[Sequence[tuple[str, int]]]) -> list[list[Any]]:
    """Each reader asks for so many items of a kind, one wish after the other, in a thread of its own."""
    gathering = Gathering(engine)
    seats = [gathering.seat() for _ in wishes]
    got: list[list[Any]] = [[] for _ in wishes]

    def ask(reader: int) -> None:
        try:
            for number, (kind, count) in enumerate(wishes[reader]):
                items = [(reader, number, item) for item in range(count)]
                got[reader] += getattr(seats[reader], kind)(items)
        except ValueError as error:
            got[reader].append(error)
        finally:
            gathering.leave()

    threads = [threading.Thread(target=ask, args=(reader,), daemon=True) for reader in range(len(wishes))]
    for thread in threads:
        thread.start()
    gathering.serve()
    for thread in threads:
        thread.join(timeout=10)
        assert not thread.is_alive()
    return got


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["detect", "recognise"]), st.integers(0, 5)), max_size=5), max_size=6)
)
def test_everyone_gets_the_answers_to_what_it_asked(wishes: list[list[tuple[str, int]]]) -> None:
    engine = Counting(full=4)
    for reader, answers in enumerate(ask_all(engine, wishes)):
        assert answers == [
            (kind, (reader, number, item))
            for number, (kind, count) in enumerate(wishes[reader])
            for item in range(count)
        ]


def test_no_frame_goes_alone_while_others_wait() -> None:
    engine = Counting(full=100)
    ask_all(engine, [[("detect", 2), ("recognise", 3)]] * 5)
    assert engine.batches == [("detect", 10), ("recognise", 15)]


def test_an_error_is_that_of_the_one_who_brought_it() -> None:
    engine = Counting(full=100, faulty=(1, 0, 0))
    first, second, third = ask_all(engine, [[("detect", 2)]] * 3)
    assert len(first) == len(third) == 2
    assert [type(answer) for answer in second] == [ValueError]


@pytest.fixture(scope="module")
def spooled(tmp_path_factory: pytest.TempPathFactory) -> Group:
    folder = tmp_path_factory.mktemp("spool")
    jobs = [job(SAMPLES / f"{name}.mp4", spool=folder / name) for name in NAMES]
    for each in jobs:
        (decoded,) = extract(each, lambda share: None)
        assert decoded.result
    return Group(tuple(jobs))


@pytest.mark.parametrize("work", [group.read, group.hear])
def test_a_group_gives_what_each_video_gives_alone(spooled: Group, work: Any) -> None:
    together = work(spooled, lambda share: None)
    for each, outcome in zip(spooled.jobs, together, strict=True):
        (alone,) = work(Group((each,)), lambda share: None)
        assert outcome.result and outcome.result == alone.result
        assert outcome.wall_s > 0 and outcome.cpu_s > 0


def test_a_damaged_spool_costs_its_video_alone(spooled: Group, tmp_path: Path) -> None:
    lost = job(SAMPLES / "leg-day.mp4", spool=tmp_path / "none")
    for work in (group.read, group.hear):
        outcomes = work(Group((spooled.jobs[0], lost, spooled.jobs[2])), lambda share: None)
        assert [outcome.failure is None for outcome in outcomes] == [True, False, True]


class Hearing:
    """Says the number of its call; the third region of all cannot be heard."""

    name = model = "hearing"
    batch_s = 1e9

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def transcribe(self, regions: Sequence[Region], languages: Mapping[str, str | None]) -> list[list[Segment]]:
        self.calls.append([region.video_id for region in regions])
        if any(region.video_id == "leg-day" for region in regions):
            raise ValueError("cannot be heard")
        return [
            [Segment(start_s=region.start_s, end_s=region.end_s, text="word", language="en", confidence=None)]
            for region in regions
        ]


def test_speech_of_all_videos_is_one_batch_and_a_fault_is_found_out(
    spooled: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Hearing()
    monkeypatch.setattr(group, "load_speech", lambda *_: engine)
    regions = {
        "smash-burger": [Region("smash-burger", 1.0, np.zeros(16000, np.int16))] * 2,
        "leg-day": [Region("leg-day", 2.0, np.zeros(16000, np.int16))],
        "night-city": [],
    }
    monkeypatch.setattr(group.SpoolReader, "regions", lambda self, video_id: iter(regions[video_id]))
    monkeypatch.setattr(group.SpoolReader, "speaks", property(lambda self: bool(regions[self._folder.name])))
    burger, leg, night = group.hear(spooled, lambda share: None)
    assert engine.calls == [["smash-burger"] * 2 + ["leg-day"], ["smash-burger"] * 2, ["leg-day"]]
    assert burger.result and [segment["text"] for segment in burger.result["segments"]] == ["word", "word"]
    assert leg.failure and "cannot be heard" in leg.failure.message
    assert night.result and night.result["segments"] == []


def test_where_nobody_speaks_no_engine_is_loaded(spooled: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "load_speech", lambda *_: pytest.fail("an engine was loaded"))
    monkeypatch.setattr(group.SpoolReader, "speaks", property(lambda self: False))
    assert all(outcome.result for outcome in group.hear(spooled, lambda share: None))
