"""What the report says first: how much there is, what the last run did, what failed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from tasks.analysis.material import Material, Row, moment, real
from tasks.analysis.measures import clock, count_of
from tasks.settings import Analysis

FAILURES_SHOWN = 500


@dataclass(frozen=True)
class Tile:
    value: str
    label: str


@dataclass(frozen=True)
class Overview:
    tiles: list[Tile]
    sentences: list[str]
    failures: list[Row]
    failures_left_out: int


def overview(material: Material) -> Overview:
    return Overview(
        tiles=_tiles(material),
        sentences=_sentences(material),
        failures=[{**row, "when": moment(row["failed_at"])} for row in material.failures[:FAILURES_SHOWN]],
        failures_left_out=max(0, len(material.failures) - FAILURES_SHOWN),
    )


def min_videos(material: Material) -> int:
    """Fewest videos of a niche that are clustered, as the last run had it set."""
    settings = json.loads(material.run["settings"]) if material.run and material.run["settings"] else {}
    return int(settings.get("analysis", {}).get("min_videos", Analysis().min_videos))


def too_few(videos: int) -> str:
    return f"{count_of(videos, 'video')} {'is' if videos == 1 else 'are'} too few"


def _tiles(material: Material) -> list[Tile]:
    niches = len({row["niche"] for row in material.videos if row["niche"] is not None})
    ways = sum(row["change"] != "vanished" for row in material.clusters)
    long = material.seconds >= 3600
    tiles = [
        _counted(material.video_count, "video", "videos"),
        Tile(f"{material.seconds / 3600:,.1f}", "hours") if long else Tile(clock(material.seconds), "minutes"),
        _counted(niches, "niche", "niches"),
        _counted(ways, "way of building", "ways of building"),
        _counted(len(material.failures), "failure", "failures"),
    ]
    complete = real(material.run["completeness"]) if material.run and material.video_count else None
    return tiles if complete is None else [*tiles, Tile(f"{math.floor(100 * complete)} %", "complete")]


def _counted(number: int, one: str, many: str) -> Tile:
    return Tile(f"{number:,}", one if number == 1 else many)


def _sentences(material: Material) -> list[str]:
    said = [_run_sentence(material.run)] if material.run else []
    known = len(material.templates)
    if not material.video_count and not material.failures:
        return [*said, "No videos yet: reelscope run SOURCE --out OUT reads a folder of videos into this report."]
    if not known:
        return [*said, "No video has been taken apart yet, so there are no ways of building videos to show."]
    if known < min_videos(material):
        return [*said, f"{too_few(known)} to find ways of building videos; ten or more of one niche tell most."]
    return said


def _run_sentence(run: Row) -> str:
    """When the last run was, how long it took and what it did, as far as its row says."""
    started, finished = run["started_at"], run["finished_at"]
    counts = [f"{run[name]:,} {name}" for name in ("done", "reused", "failed") if run[name] is not None]
    what = f": {', '.join(counts)}" if run["videos"] and counts else ""
    name = f"run ({run['command']})" if run["command"] not in (None, "run") else "run"
    if run["outcome"] == "killed":
        return f"The {name} of {moment(started)} was killed; the next one goes on from what it finished."
    if finished is None:
        return f"The {name} of {moment(started)} is under way, or was stopped{what}. This is what it has so far."
    took = f" and took {_span((finished - started).total_seconds())}" if started else ""
    ended = "" if run["outcome"] in (None, "completed") else f" Its outcome: {run['outcome']}."
    return f"The last {name} ended on {moment(finished)}{took}{what}.{ended}"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
