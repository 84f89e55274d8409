"""The device: turns, groups, whose fault an error is, and that it is held once however many runs there are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import pytest

from flows import device
from flows.device import Device, Turn
from flows.pools import WorkerPool
from tasks.errors import PoolStopped
from tasks.extraction.group import Group
from tasks.extraction.ocr import OcrChoice
from tasks.extraction.speech import SpeechChoice
from tasks.extraction.video import Job
from tasks.records import StageOutcome
from tasks.settings import Settings

OCR, SPEECH = OcrChoice("easyocr", "toy", "cuda", None), SpeechChoice("whisper", "toy", "cuda", None)


def job(name: str) -> Job:
    return Job(name, f"{name}.mp4", f"{name}.mp4", frozenset({"text", "speech"}), Settings(), OCR, SPEECH, "spool")


def act(group: Group, progress: Callable[[float], None]) -> list[StageOutcome]:
    """In the worker: every video takes 50 ms, one called deadly takes the process with it."""
    if any(job.video_id == "deadly" for job in group.jobs):
        os.abort()
    time.sleep(0.05 * len(group.jobs))
    results = [{"id": job.video_id, "together": len(group.jobs), "on": job.ocr.device} for job in group.jobs]
    return [StageOutcome(stage="text", result=result, failure=None, wall_s=0.0, cpu_s=0.0) for result in results]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Device]]:
    monkeypatch.setattr(device, "WORK", {"text": act, "speech": act})
    devices: list[Device] = []

    def make(slots: int = 1, videos: int = 4) -> Device:
        pools = [WorkerPool(f"gpu-{slot}", 1, timeout_s=30.0) for slot in range(slots)]
        devices.append(Device(pools, videos, tmp_path))
        return devices[-1]

    yield make
    for each in devices:
        each.stop()


def overlapping(turns: list[Turn]) -> list[tuple[Turn, Turn]]:
    return [
        (left, right)
        for left, right in combinations(turns, 2)
        if left.started_at < right.ended_at and right.started_at < left.ended_at
    ]


def settled(device: Device, videos: int) -> list[Turn]:
    """The turns, once so many videos had theirs: the last is noted after its outcomes are out."""
    deadline_s = time.monotonic() + 10
    while sum(turn.videos for turn in device.turns) < videos and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return list(device.turns)


def test_the_longer_queue_has_the_next_turn_and_none_overlaps(made: Callable[..., Device]) -> None:
    device = made()
    first = device.submit("text", job("first"))
    futures = [device.submit("speech", job(f"s{number}")) for number in range(9)]
    futures += [device.submit("text", job(f"t{number}")) for number in range(6)]
    assert first.result(timeout=60).result
    assert {future.result(timeout=60).result["id"] for future in futures} == {  # type: ignore[index]
        *(f"s{number}" for number in range(9)),
        *(f"t{number}" for number in range(6)),
    }
    turns = settled(device, 16)
    assert overlapping(turns) == []
    for turn in turns:
        assert turn.waiting[turn.stage] == max(turn.waiting.values())
        assert turn.videos == min(4, turn.waiting[turn.stage])  # never a video alone where others wait
    assert device.busy_s() > 0


def test_a_video_that_costs_the_worker_costs_itself_alone(made: Callable[..., Device]) -> None:
    device = made()
    names = ["hold", "a", "deadly", "b", "c"]
    futures = {name: device.submit("text", job(name)) for name in names}
    outcomes = {name: future.result(timeout=120) for name, future in futures.items()}
    assert {name for name, outcome in outcomes.items() if outcome.failure} == {"deadly"}
    failure = outcomes["deadly"].failure
    assert failure is not None
    assert (failure.video_id, failure.stage, failure.error_type) == ("deadly", "text", "WorkerDied")


def test_two_devices_are_two_slots(made: Callable[..., Device]) -> None:
    device = made(slots=2, videos=1)
    futures = [device.submit("text", job(str(number))) for number in range(12)]
    places = {future.result(timeout=60).result["on"] for future in futures}  # type: ignore[index]
    assert places == {"cuda:0", "cuda:1"}
    turns = settled(device, 12)
    assert overlapping(turns) != []
    for slot in (0, 1):
        assert overlapping([turn for turn in turns if turn.slot == slot]) == []


def test_two_runs_never_hold_one_device_together(made: Callable[..., Device]) -> None:
    one, other = made(videos=1), made(videos=1)
    futures = [each.submit("text", job(str(number))) for number in range(8) for each in (one, other)]
    for future in futures:
        assert future.result(timeout=60).result
    turns = settled(one, 8) + settled(other, 8)
    assert overlapping(turns) == []


def test_who_waits_when_it_is_stopped_is_told(made: Callable[..., Device]) -> None:
    device = made(videos=1)
    futures = [device.submit("text", job(str(number))) for number in range(40)]
    futures[0].result(timeout=60)
    device.stop()
    with pytest.raises(PoolStopped):
        futures[-1].result(timeout=60)
    with pytest.raises(PoolStopped):
        device.submit("text", job("late")).result(timeout=1)
