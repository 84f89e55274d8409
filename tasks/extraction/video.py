"""Extraction of one video: one pass over the file feeds every stage that is asked for."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av

from tasks.errors import DamagedMedia, MediaError, MemoryExceeded, StorageError, TooLong
from tasks.extraction.audio import AudioMeter, Region
from tasks.extraction.decode import Chunk, Frame, Media, skip_loop_filter
from tasks.extraction.ocr import OcrChoice, load_ocr
from tasks.extraction.pictures import PictureBook
from tasks.extraction.sampling import Sampler
from tasks.extraction.shots import ShotDetector
from tasks.extraction.speech import SpeechChoice
from tasks.extraction.spool import SpoolWriter
from tasks.extraction.text import TextReader
from tasks.extraction.transcriber import Transcriber
from tasks.extraction.vad import load_vad
from tasks.extraction.visual import VisualMeter
from tasks.records import Decoded, Failure, Record, StageOutcome
from tasks.settings import Settings
from tasks.sources.catalog import failure
from tasks.sources.retries import patiently

SHORT_SHARE = 0.9  # of the declared duration; what ends before is said to be cut short
SHORT_S = 1.0
_FULL = {errno.ENOSPC, errno.EDQUOT}

Progress = Callable[[float], None]  # called with the share of the video that is done


@dataclass(frozen=True)
class Job:
    """One video to extract, as it is sent to a worker process.

    stages: which of decode, text, speech are wanted; the others are known already.
    path: of a local file, or the address of a remote one; content: the identity that it must still have.
    spool: folder for pictures and speech where the models run in another process; None: they run in this one.
    """

    video_id: str
    uri: str
    path: str
    stages: frozenset[str]
    settings: Settings
    ocr: OcrChoice
    speech: SpeechChoice
    spool: str | None = None
    content: str | None = None


@dataclass
class Stage:
    """The time one stage took and its first error; after an error it is passed over."""

    name: str
    error: Exception | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    result: Record | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        try:
            yield
        except Exception as error:
            self.error = error
        finally:
            self.wall_s += time.perf_counter() - wall_s
            self.cpu_s += time.thread_time() - cpu_s

    def outcome(self, job: Job) -> StageOutcome:
        return StageOutcome(
            stage=self.name,
            result=self.result.model_dump(mode="json") if self.result else None,
            failure=_failure(job, self.name, self.error) if self.error else None,
            wall_s=self.wall_s,
            cpu_s=self.cpu_s,
        )


@dataclass
class _Pass:
    """Everything that one pass over a file feeds."""

    job: Job
    media: Media
    stages: dict[str, Stage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        job, settings = self.job, self.job.settings
        self.stages = {name: Stage(name) for name in ("decode", "text", "speech") if name in job.stages}
        self.shots = ShotDetector(settings.shots)
        self.visual = VisualMeter(settings.look)
        self.sampler = Sampler(self.media.expected_duration_s, settings.sampling)
        self.pictures = PictureBook(settings.decode.pictures)
        self.sound = AudioMeter(settings.audio, load_vad(), job.video_id, settings.limits.duration_s)
        self.spool = SpoolWriter(Path(job.spool)) if job.spool else None
        self.reader: TextReader | SpoolWriter | None = None
        self.listener: Transcriber | SpoolWriter | None = None
        if text := self.stages.get("text"):
            with text.at_work():
                self.reader = self.spool or TextReader(load_ocr(job.ocr, settings.text), settings.text)
        if speech := self.stages.get("speech"):
            with speech.at_work():
                self.listener = self.spool or Transcriber(job.speech, settings.speech)

    def see(self, frame: Frame) -> None:
        cut = self.shots.push(frame.small)
        self.visual.push(frame.small)
        self.pictures.push(frame.small, cut)
        if self.sampler.looks(frame.small, cut):
            rows = self.sampler.wants(frame.small)
            text = self.stages.get("text")
            if text and self.reader and text.error is None:
                full = frame.full() if rows else None
                with text.at_work():
                    self.reader.see(frame.small.time_s, frame.small.luma)
                    if rows and full is not None:
                        self.reader.read(frame.small.time_s, full, rows)
        frame.small.release()

    def hear(self, regions: list[Region]) -> None:
        speech = self.stages.get("speech")
        for region in regions:
            if speech and self.listener and speech.error is None:
                with speech.at_work():
                    self.listener.hear(region)

    def finish(self) -> None:
        end_s = self.media.duration_s
        sound, regions = self.sound.finish()
        self.hear(regions)
        windows = self.sampler.sampled(end_s)
        audio_s = sound.duration_s if self.media.has_audio else 0.0
        if self.spool:
            self.spool.close(windows, audio_s)
        if (text := self.stages.get("text")) and isinstance(self.reader, TextReader) and text.error is None:
            with text.at_work():
                text.result = self.reader.finish(windows)
        if (speech := self.stages.get("speech")) and isinstance(self.listener, Transcriber) and speech.error is None:
            with speech.at_work():
                speech.result = self.listener.finish(audio_s)
        if decode := self.stages.get("decode"):
            shots = self.shots.finish(end_s)
            decode.result = Decoded(
                duration_s=end_s,
                width=self.media.width,
                height=self.media.height,
                fps=self.media.fps,
                has_audio=self.media.has_audio,
                frames=self.media.frames,
                damaged_frames=self.media.damaged,
                shots=shots,
                visual=self.visual.finish([shot.start_s for shot in shots[1:]]),
                sound=sound if self.media.has_audio else None,
                windows=windows,
                samples=self.sampler.samples,
                pictures=self.pictures.finish(),
            )
            decode.error = _damage(self.job, self.media)


def extract(job: Job, progress: Progress) -> list[StageOutcome]:
    """The outcomes of the job's stages; those of text and speech follow from `group` where there is a spool.

    Raises nothing for a bad video: a file that cannot be decoded gives one outcome, the failure of decode. A source
    that cannot be read in passing has a new pass after a while, which begins with nothing of the last.
    """
    wall_s, cpu_s = time.perf_counter(), time.thread_time()
    try:
        stages = patiently(lambda: _one_pass(job, progress), job.video_id, job.uri, job.settings.limits)
    except Exception as error:  # whatever a stranger's file makes the decoder do, it is a row in failures
        spent = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.thread_time() - cpu_s}
        return [StageOutcome(stage="decode", result=None, failure=_failure(job, "decode", error), **spent)]
    progress(1.0)
    return [stage.outcome(job) for stage in stages if stage.result or stage.error]


def _one_pass(job: Job, progress: Progress) -> list[Stage]:
    """The stages of one pass over the file. After an error nothing of it is left, the spool included."""
    wall_s, cpu_s = time.perf_counter(), time.thread_time()
    pictures = bool(job.stages & {"decode", "text"})
    sound = bool(job.stages & {"decode", "speech"})
    settings = job.settings
    with Media(job.path, settings.sources, settings.decode, pictures, sound, job.content, settings.limits) as media:
        if settings.decode.skip_loop_filter:
            skip_loop_filter(media)
        passing = _Pass(job, media)
        expected_s = media.expected_duration_s
        try:
            for item in media:
                if isinstance(item, Chunk):
                    passing.hear(passing.sound.push(item.start_s, item.pcm))
                else:
                    passing.see(item)
                    if expected_s:
                        progress(min(1.0, item.small.time_s / expected_s))
            passing.finish()
        except BaseException:
            if passing.spool:
                passing.spool.discard()
            raise
    stages = passing.stages
    if decode := stages.get("decode"):
        others = [stage for stage in stages.values() if stage is not decode]
        decode.wall_s = time.perf_counter() - wall_s - sum(stage.wall_s for stage in others)
        decode.cpu_s = time.thread_time() - cpu_s - sum(stage.cpu_s for stage in others)
    return list(stages.values())


def _damage(job: Job, media: Media) -> MediaError | None:
    """What to say of a file that gave less than it should."""
    if media.too_long:
        return TooLong(f"{job.uri}: longer than {job.settings.limits.duration_s:.0f} s; what comes later is left out")
    decoded_s, declared_s = media.missing_s or (0.0, 0.0)
    if declared_s and decoded_s < min(declared_s * SHORT_SHARE, declared_s - SHORT_S):
        return DamagedMedia(
            f"{job.uri}: only {decoded_s:.1f} of {declared_s:.1f} s could be decoded; what was there is kept"
        )
    if media.damaged > job.settings.limits.damaged_share * (media.frames + media.damaged):
        return DamagedMedia(
            f"{job.uri}: {media.damaged} of {media.frames + media.damaged} packets could not be decoded"
        )
    if media.silenced:
        return DamagedMedia(f"{job.uri}: nothing of its sound could be decoded; what else was there is kept")
    return None


def _failure(job: Job, stage: str, error: BaseException) -> Failure:
    if isinstance(error, OSError) and error.errno in _FULL:
        error = StorageError(f"{job.uri}: {error.strerror}, where decoding leaves what the models read ({job.spool})")
    elif isinstance(error, MemoryError):
        error = MemoryExceeded(f"{job.uri}: more memory is asked for than there is")
    elif isinstance(error, av.FFmpegError):
        error = DamagedMedia(f"{job.uri}: cannot be decoded ({error})")
    return failure(job.video_id, job.uri, stage, error)
