"""A stand-in for the media work of a run: what the samples gave when they were really extracted, given at once."""

from __future__ import annotations

import heapq
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from flows.plan import Planned, inputs_of
from flows.results import RECORDS
from flows.session import Session
from tasks.errors import DamagedMedia
from tasks.extraction.video import Job
from tasks.keys import EXTRACTION_STAGES
from tasks.records import StageOutcome
from tasks.settings import load_settings
from tasks.sources.catalog import failure
from tasks.sources.content import ContentHashes

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "data" / "samples"
A_FOLDER = 1000  # files
FAILING = 100  # one video in so many is damaged
Outcomes = dict[str, StageOutcome]


class Recorded:
    """Stands where a run's backend stands: its pool gives recorded outcomes at once, and keeps a clock of its workers."""

    on_device, device, turns = False, None, ()

    def __init__(self, recorded: Sequence[Outcomes], workers: int) -> None:
        self._recorded = recorded
        self._free_at_s = [0.0] * workers
        self.submitted = 0

    @property
    def cpu(self) -> Recorded:
        return self

    def submit(self, work: Any, job: Job, stage: str, videos: int = 1) -> Future[list[StageOutcome]]:
        number, self.submitted = self.submitted, self.submitted + 1
        found = self._recorded[number % len(self._recorded)]
        took_s = sum(found[stage].wall_s for stage in job.stages)
        heapq.heappush(self._free_at_s, heapq.heappop(self._free_at_s) + took_s)
        outcomes = [found[stage] for stage in EXTRACTION_STAGES if stage in job.stages]
        if number % FAILING == FAILING - 1:
            lost = failure(job.video_id, job.uri, stage, DamagedMedia(f"{job.uri}: damaged, says the benchmark"))
            outcomes = [StageOutcome(stage="decode", result=None, failure=lost, wall_s=0.1, cpu_s=0.1)]
        done = Future[list[StageOutcome]]()
        done.set_result(outcomes)
        return done

    @property
    def wall_s(self) -> float:
        """When the last worker would be done."""
        return max(self._free_at_s)

    def forget(self, work: Any, job: Job) -> None:
        """Nothing is kept."""

    def in_progress(self) -> float:
        return 0.0

    def waiting(self) -> dict[str, int]:
        return {}

    def spool_of(self, planned: Planned) -> None:
        return None

    def unspool(self, planned: Planned) -> None:
        """Nothing was spooled."""

    def device_busy_share(self, elapsed_s: float) -> None:
        return None

    def stop(self) -> None:
        """No process is there to be ended."""


def recordings(folder: Path, pictures: bool, samples: Path = SAMPLES) -> list[Outcomes]:
    """What each stage of each sample gave when it was really extracted; done where it was not done yet."""
    settings = load_settings(overrides={"cache.dir": str(folder / "cache")})
    command = [sys.executable, "-m", "flows", "extract", samples, "--out", folder / "out"]
    subprocess.run(
        [*command, "--set", f"cache.dir={folder / 'cache'}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    run = Session("extract", str(samples), str(folder / "out"), settings)
    hashes, found = ContentHashes(run.folder / "hashes.sqlite"), []
    for video in run.catalog.videos:
        inputs = inputs_of(video, hashes, run.models, settings).inputs
        outcomes = {}
        for stage in EXTRACTION_STAGES:
            entry = run.cache.read(inputs[stage].key(stage), RECORDS[stage])
            assert entry is not None, f"{video.video_id}: {stage} is not in the cache"
            kept = entry.result if pictures or stage != "decode" else entry.result | {"pictures": []}
            outcomes[stage] = StageOutcome(
                stage=stage, result=kept, failure=None, wall_s=entry.wall_s, cpu_s=entry.cpu_s
            )
        found.append(outcomes)
    return found


def write_source(folder: Path, first: int, videos: int) -> Path:
    """Small files that are videos by their names, each with content of its own and a sample's sidecar."""
    sidecars = [json.loads(path.read_text()) for path in sorted(SAMPLES.glob("*.info.json"))]
    for number in range(first, first + videos):
        below = folder / f"{number // A_FOLDER:04d}"
        if number % A_FOLDER == 0 or number == first:
            below.mkdir(parents=True, exist_ok=True)
        told = sidecars[number % len(sidecars)] | {"id": f"v{number:07d}", "view_count": number}
        (below / f"v{number:07d}.mp4").write_bytes(f"content {number}".encode())
        (below / f"v{number:07d}.info.json").write_text(json.dumps(told))
    return folder
