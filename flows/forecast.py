"""A forecast of a run: from the seconds per stage of videos that were extracted before, and what runs took beyond them.

seconds of a stage = its rate (CPU seconds per second of video, of those that were computed with the same model) x the
seconds of video. Wall seconds = what every run takes to start + a factor x the larger of the CPU seconds per worker,
the longest video, and the seconds on the device; start and factor are such that the runs before come out right.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.keys import EXTRACTION_STAGES
from tasks.settings import Sampling
from tasks.tables import Row

MODEL_STAGES = ("text", "speech")  # that run on the device, where one is used
RUNS = 20  # the last so many are looked at
START_S = 15.0  # most of what a single run took beyond its computing that is taken for its start


@dataclass(frozen=True)
class Work:
    """One video to do. stages: those that the cache does not have. duration_s: None if nothing tells it."""

    stages: frozenset[str]
    duration_s: float | None

    @property
    def passes(self) -> frozenset[str]:
        """Stages whose seconds are spent: text needs the pictures, whose decoding is not kept."""
        return self.stages | ({"decode"} if "text" in self.stages else frozenset())


@dataclass(frozen=True)
class Rates:
    """CPU seconds of a stage per second of video that it looks at.

    borrowed: stages whose rate was measured with another model, for want of one with this.
    """

    s_per_s: Mapping[str, float]
    borrowed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Pace:
    """What the runs before took: wall = start_s + factor x computing. runs: how many tell it.

    device_s_per_s: seconds on the device per second of video whose text or speech is computed; None where none was used.
    """

    start_s: float
    factor: float
    runs: int
    device_s_per_s: float | None = None


@dataclass(frozen=True)
class Forecast:
    """What a run is expected to take, in seconds; wall_s is None where no run came before, and `why_not` says so."""

    wall_s: float | None
    cpu_s: Mapping[str, float]  # per stage
    device_s: float | None
    runs: int
    borrowed: tuple[str, ...]
    why_not: str | None = None


def rates(rows: Iterable[Row], models: Mapping[str, str]) -> Rates:
    """rows: of `videos`, with duration_s, coverage, seconds and inputs. models: identity per stage of the run to come."""
    spent: defaultdict[tuple[str, bool], float] = defaultdict(float)
    seen: defaultdict[tuple[str, bool], float] = defaultdict(float)
    for row in rows:
        if not row["seconds"] or not row["duration_s"]:
            continue
        inputs = json.loads(row["inputs"]) if row["inputs"] else {}
        for stage, seconds in json.loads(row["seconds"]).items():
            key = stage, inputs.get(stage, {}).get("model") == models.get(stage)
            coverage = row["coverage"] if row["coverage"] is not None else 1.0
            spent[key] += seconds
            seen[key] += row["duration_s"] * (coverage if stage == "text" else 1.0)
    found, borrowed = {}, set[str]()
    for stage in EXTRACTION_STAGES:
        same = seen[stage, True] > 0
        if same or seen[stage, False] > 0:
            found[stage] = spent[stage, same] / seen[stage, same]
            borrowed |= set() if same else {stage}
    return Rates(found, frozenset(borrowed))


def pace(runs: Sequence[Row], on_device: bool) -> Pace | None:
    """What the runs before tell of the wall; None where none of them computed anything.

    runs: rows of `runs`. on_device: will the run to come use a device? Runs that did are no measure of one that won't.
    """
    told: list[tuple[float, float]] = []  # wall and computing of each run
    per_hour: list[tuple[float, int]] = []  # seconds of the models for an hour of video, and videos done
    for row in sorted(runs, key=lambda row: row["started_at"], reverse=True):
        used = row["device_busy_share"] is not None
        stages = json.loads(row["stage_seconds"] or "{}")
        if row["outcome"] != "completed" or row["command"] not in ("run", "extract") or not row["done"] or not stages:
            continue
        if used != on_device or len(told) == RUNS:
            continue
        wall_s = (row["finished_at"] - row["started_at"]).total_seconds()
        busy_s = wall_s * (row["device_busy_share"] or 0.0)
        cpu_s = sum(seconds for stage, seconds in stages.items() if not (used and stage in MODEL_STAGES))
        told.append((wall_s, max(cpu_s / min(_workers(row), row["done"]), busy_s)))
        if used and row["model_s_per_video_hour"] is not None:
            per_hour.append((row["model_s_per_video_hour"], row["done"]))
    if not told:
        return None
    start_s = min(wall_s - computing_s for wall_s, computing_s in told)
    start_s = min(max(start_s, 0.0), START_S)
    computing_s = sum(computing for _, computing in told)
    factor = sum(max(wall_s - start_s, 0.0) for wall_s, _ in told) / computing_s if computing_s else 1.0
    videos = sum(done for _, done in per_hour)
    device_s_per_s = sum(hourly * done for hourly, done in per_hour) / videos / 3600 if videos else None
    return Pace(start_s, factor, len(told), device_s_per_s)


def forecast(
    works: Sequence[Work],
    found: Rates,
    paced: Pace | None,
    workers: int,
    devices: int,
    sampling: Sampling,
    scale: float = 1.0,
) -> Forecast:
    """works: the videos to do; one of unknown length is taken to be as long as the others are on average.

    devices: 0 where the models run in the CPU workers. scale: videos to do per video of `works`, where these are a sample.
    """
    lengths = [work.duration_s for work in works if work.duration_s is not None]
    average_s = sum(lengths) / len(lengths) if lengths else None
    if not works or average_s is None or paced is None:
        why_not = "no past run to forecast from" if works and paced is None else "no video's length is known"
        return Forecast(None if works else 0.0, {}, None, 0, (), why_not if works else None)
    cpu_s: dict[str, float] = dict.fromkeys(EXTRACTION_STAGES, 0.0)
    longest_s = modelled_s = 0.0
    for work in works:
        length_s = work.duration_s if work.duration_s is not None else average_s
        seconds = {
            stage: found.s_per_s.get(stage, 0.0) * (searched_s(length_s, sampling) if stage == "text" else length_s)
            for stage in work.passes
        }
        for stage, value in seconds.items():
            cpu_s[stage] += value * scale
        longest_s = max(longest_s, sum(value for stage, value in seconds.items() if _on_cpu(stage, devices)))
        modelled_s += length_s * scale if work.stages & set(MODEL_STAGES) else 0.0
    on_cpu_s = sum(value for stage, value in cpu_s.items() if _on_cpu(stage, devices))
    device_s = modelled_s * paced.device_s_per_s if devices and paced.device_s_per_s is not None else None
    computing_s = max(on_cpu_s / workers, longest_s, (device_s or 0.0) / max(devices, 1))
    wanted = frozenset[str]().union(*(work.stages for work in works))
    return Forecast(
        paced.start_s + paced.factor * computing_s,
        cpu_s,
        device_s,
        paced.runs,
        tuple(stage for stage in EXTRACTION_STAGES if stage in wanted and stage in found.borrowed),
    )


def searched_s(duration_s: float, sampling: Sampling) -> float:
    """How much of a video is searched for text: of a long one three windows only."""
    return duration_s if duration_s <= sampling.windows_over_s else min(duration_s, 3 * sampling.window_s)


def off_by(forecast_s: float | None, took_s: float) -> str | None:
    """One line on how far off a forecast was; None where there was none."""
    if forecast_s is None or took_s <= 0:
        return None
    share = forecast_s / took_s - 1
    return f"took {minutes(took_s)}; the forecast was {minutes(forecast_s)} ({share:+.0%})"


def minutes(seconds: float) -> str:
    """As people say it: 42 s, 3 min 20 s, 5 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _on_cpu(stage: str, devices: int) -> bool:
    return not (devices and stage in MODEL_STAGES)


def _workers(run: Row) -> int:
    """The CPU workers of a past run; one per core is taken to be as many as there are here."""
    pools = json.loads(run["settings"] or "{}").get("pools", {})
    return pools.get("workers") or len(os.sched_getaffinity(0))
