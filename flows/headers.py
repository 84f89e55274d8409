"""Headers of videos: how long each promises to be. Worker processes read them: a header can do harm like any other part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flows.pools import WorkerPool
from tasks.addresses import local_path
from tasks.records import StageOutcome, Video
from tasks.settings import Settings

HEADER_S = 20.0  # that reading one may take
HEADER_MB = 0.25  # that are asked of a remote file at once
READERS = 4  # processes; they wait for disks and stores


@dataclass(frozen=True)
class Header:
    """One header to read, as it is sent to a worker process."""

    video_id: str
    uri: str
    path: str
    settings: Settings


def lengths_s(videos: Sequence[Video], settings: Settings) -> list[float | None]:
    """The length that each header promises; None where it promises none, cannot be read, or harms who reads it."""
    if not videos:
        return []
    sources = settings.sources.model_copy(update={"block_mb": HEADER_MB})
    asked = settings.model_copy(update={"sources": sources})
    pool = WorkerPool("headers", min(READERS, len(videos)), HEADER_S, settings.limits.worker_mb)
    try:
        headers = [
            Header(video.video_id, video.uri, str(local_path(video.location) or video.location), asked)
            for video in videos
        ]
        read = [pool.submit(read_header, header, "decode") for header in headers]
        found = [future.result()[0].result for future in read]
    finally:
        pool.stop()
    return [result["length_s"] if result else None for result in found]


def read_header(header: Header, progress: Callable[[float], None]) -> list[StageOutcome]:
    """In a worker: the length in `result`; why a file cannot be read is said when it is extracted."""
    from tasks.extraction.decode import Media

    settings = header.settings
    length_s = None
    try:
        with Media(header.path, settings.sources, settings.decode, sound=False, limits=settings.limits) as media:
            length_s = media.expected_duration_s
    except Exception:  # whatever a stranger's header does to FFmpeg: nothing is known of it
        length_s = None
    return [StageOutcome(stage="decode", result={"length_s": length_s}, failure=None, wall_s=0.0, cpu_s=0.0)]
