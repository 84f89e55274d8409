"""The outlook of a run: what its videos need that the cache does not have, how long they are, and the forecast of it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from flows.forecast import Forecast, Work, forecast, pace, rates
from flows.headers import lengths_s
from flows.plan import Planned
from tasks.cache import ResultCache
from tasks.device import device_count
from tasks.keys import EXTRACTION_STAGES

if TYPE_CHECKING:
    from flows.session import Session

ROWS = 20_000  # the last so many videos tell the rates
SAMPLED = 200  # videos that a run looks at for its forecast, however many it has to do
LOOKERS = 8  # threads that look into the cache


def outlook(run: Session, todo: Sequence[Planned], sampled: int | None = SAMPLED) -> tuple[list[Work], Forecast]:
    """What is known of the videos to do, or of an even sample of them, and the forecast for all."""
    chosen = todo if sampled is None or len(todo) <= sampled else todo[:: -(-len(todo) // sampled)]
    works = works_of(run, chosen)
    past = run.tables.read("videos", ["duration_s", "coverage", "seconds", "inputs"])
    found = rates(past.slice(max(0, len(past) - ROWS)).to_pylist() if works else [], run.models)
    paced = pace(run.tables.read("runs").to_pylist() if works else [], run.backend.on_device)
    cuda = "cuda" in (run.ocr.device, run.speech.device)
    devices = max(1, device_count() if cuda else 1) if run.backend.on_device else 0
    scale = len(todo) / len(chosen) if chosen else 1.0
    return works, forecast(works, found, paced, run.settings.workers, devices, run.settings.sampling, scale)


def works_of(run: Session, todo: Sequence[Planned]) -> list[Work]:
    """Nothing is decoded: of a video that the tables and the source say nothing of, the header is read."""
    rows = run.tables.read("videos", ["content_hash", "duration_s"])
    known = dict(zip(rows["content_hash"].to_pylist(), rows["duration_s"].to_pylist(), strict=True))
    lengths = {
        planned.video.video_id: known.get(planned.video.content_hash or "") or planned.video.metadata.duration_s
        for planned in todo
    }
    untold = [planned.video for planned in todo if not lengths[planned.video.video_id]]
    promised = lengths_s(untold, run.settings)
    lengths |= {video.video_id: length_s for video, length_s in zip(untold, promised, strict=True)}
    with ThreadPoolExecutor(LOOKERS) as lookers:
        missing = lookers.map(lambda planned: _missing(run.cache, planned), todo)
        return [Work(stages, lengths[planned.video.video_id]) for planned, stages in zip(todo, missing, strict=True)]


def _missing(cache: ResultCache, planned: Planned) -> frozenset[str]:
    """Stages that the cache has no entry of; whether an entry can be believed is seen when it is read."""
    return frozenset(stage for stage in EXTRACTION_STAGES if not cache.has(planned.inputs[stage].key(stage)))
