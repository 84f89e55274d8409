"""A group of spooled videos on the device: their text, or their speech, in batches that they share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tasks.extraction.gathering import Gathering, Seat
from tasks.extraction.ocr import load_ocr
from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechEngine, as_speech, load_speech
from tasks.extraction.spool import SpoolReader
from tasks.extraction.text import TextReader
from tasks.extraction.video import Job, Progress, Stage
from tasks.records import Segment, Span, StageOutcome


@dataclass(frozen=True)
class Group:
    """Videos that go to the device together; all of them with the same settings and choices."""

    jobs: tuple[Job, ...]

    @property
    def video_id(self) -> str:
        return self.jobs[0].video_id

    @property
    def uri(self) -> str:
        return self.jobs[0].uri if len(self.jobs) == 1 else f"{self.jobs[0].uri} and {len(self.jobs) - 1} more"


def read(group: Group, progress: Progress) -> list[StageOutcome]:
    """The text stage of each video of the group, in its order."""
    stages = [Stage("text") for _ in group.jobs]
    choice, settings = group.jobs[0].ocr, group.jobs[0].settings.text
    try:
        gathering = Gathering(load_ocr(choice, settings))
    except Exception as error:
        for stage in stages:
            stage.error = error
        return [stage.outcome(job) for stage, job in zip(stages, group.jobs, strict=True)]
    seats = [gathering.seat() for _ in group.jobs]

    def read_one(job: Job, stage: Stage, seat: Seat) -> None:
        try:
            with stage.at_work():
                spool = SpoolReader(_folder(job))
                reader = TextReader(seat, settings)
                spool.feed(reader)
                stage.result = reader.finish(spool.windows)
            # in place of the time that it waited for its seat's answers
            stage.wall_s = stage.cpu_s + seat.wall_s
            stage.cpu_s += seat.cpu_s
        finally:
            gathering.leave()

    readers = [
        threading.Thread(target=read_one, args=each, daemon=True)
        for each in zip(group.jobs, stages, seats, strict=True)
    ]
    for reader in readers:
        reader.start()
    gathering.serve()
    for reader in readers:
        reader.join()
    progress(1.0)
    return [stage.outcome(job) for stage, job in zip(stages, group.jobs, strict=True)]


def hear(group: Group, progress: Progress) -> list[StageOutcome]:
    """The speech stage of each video of the group, in its order. Where nobody speaks, no engine is loaded."""
    listeners = {job.video_id: _Listener(job) for job in group.jobs}
    choice, settings = group.jobs[0].speech, group.jobs[0].settings.speech
    speaking = [listener for listener in listeners.values() if listener.speaks]
    try:
        engine = load_speech(choice, settings) if speaking else None
    except Exception as error:
        for listener in speaking:
            listener.stage.error = error
        engine = None
    if engine:
        languages: dict[str, str | None] = dict.fromkeys(listeners, settings.language)
        for batch in _batches(chain.from_iterable(listener.regions() for listener in speaking), engine.batch_s):
            _transcribe(engine, batch, languages, listeners)
    progress(1.0)
    return [listeners[job.video_id].outcome() for job in group.jobs]


class _Listener:
    """One video's share of a group's speech."""

    def __init__(self, job: Job) -> None:
        self.job, self.stage = job, Stage("speech")
        self.segments: list[Sequence[Segment]] = []
        self.heard: list[Span] = []
        with self.stage.at_work():
            self._spool = SpoolReader(_folder(job))

    @property
    def speaks(self) -> bool:
        return self.stage.error is None and self._spool.speaks

    def regions(self) -> Iterator[Region]:
        return self._spool.regions(self.job.video_id)

    def outcome(self) -> StageOutcome:
        if self.stage.error is None:
            self.stage.result = as_speech(self.job.speech, self.segments, self.heard, self._spool.audio_s)
        return self.stage.outcome(self.job)


def _transcribe(
    engine: SpeechEngine,
    regions: Sequence[Region],
    languages: MutableMapping[str, str | None],
    listeners: Mapping[str, _Listener],
) -> None:
    """What a batch says goes to its videos. An error is asked again video by video, to be that of the one it is of."""
    videos = list(dict.fromkeys(region.video_id for region in regions))
    began_s, cpu_s = time.perf_counter(), time.thread_time()
    try:
        found = engine.transcribe(regions, languages)
    except Exception as error:
        if len(videos) == 1:
            listeners[videos[0]].stage.error = error
            return
        for video_id in videos:
            _transcribe(engine, [region for region in regions if region.video_id == video_id], languages, listeners)
        return
    wall_s, used_s = time.perf_counter() - began_s, time.thread_time() - cpu_s
    samples = sum(len(region.pcm) for region in regions)
    for region, segments in zip(regions, found, strict=True):
        listener, share = listeners[region.video_id], len(region.pcm) / samples
        listener.segments.append(segments)
        listener.heard.append(Span(start_s=region.start_s, end_s=region.end_s))
        listener.stage.wall_s += wall_s * share
        listener.stage.cpu_s += used_s * share


def _batches(regions: Iterable[Region], batch_s: float) -> Iterator[list[Region]]:
    """Regions in batches of at least `batch_s` seconds; the last may be shorter."""
    batch: list[Region] = []
    for region in regions:
        batch.append(region)
        if sum(each.end_s - each.start_s for each in batch) >= batch_s:
            yield batch
            batch = []
    if batch:
        yield batch


def _folder(job: Job) -> Path:
    assert job.spool is not None
    return Path(job.spool)
