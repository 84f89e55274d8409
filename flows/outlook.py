"""The outlook of a run: what its videos need that the cache does not have, how long they are, and the forecast of it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from flows.forecast import Forecast, Work, forecast, pace, rates
from flows.plan import Planned
from tasks.addresses import local_path
from tasks.cache import ResultCache
from tasks.device import device_count
from tasks.errors import ReelscopeError
from tasks.keys import EXTRACTION_STAGES
from tasks.records import Video
from tasks.settings import Settings

if TYPE_CHECKING:
    from flows.session import Session

ROWS = 20_000  # the last so many videos tell the rates
SAMPLED = 200  # videos that a run looks at for its forecast, however many it has to do
HEADER_MB = 0.25  # that are asked of a remote file at once for its header
LOOKERS = 8  # threads that look into headers and the cache


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

    def look(planned: Planned) -> Work:
        video = planned.video
        length_s = known.get(video.content_hash or "") or video.metadata.duration_s or header_s(video, run.settings)
        return Work(_missing(run.cache, planned), length_s)

    with ThreadPoolExecutor(LOOKERS) as lookers:
        return list(lookers.map(look, todo))


def header_s(video: Video, settings: Settings) -> float | None:
    """The length that a file's header promises; None where it promises none or cannot be read."""
    from tasks.extraction.decode import Media

    sources = settings.sources.model_copy(update={"block_mb": HEADER_MB})
    try:
        place = local_path(video.location) or video.location
        with Media(place, sources, settings.decode, sound=False) as media:
            return media.expected_duration_s
    except (ReelscopeError, OSError):  # why it cannot be read is said when it is extracted
        return None


def _missing(cache: ResultCache, planned: Planned) -> frozenset[str]:
    """Stages that the cache has no entry of; whether an entry can be believed is seen when it is read."""
    return frozenset(stage for stage in EXTRACTION_STAGES if not cache.has(planned.inputs[stage].key(stage)))
