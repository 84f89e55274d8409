"""A session: what the flows of one run share. The outermost flow opens it; the flows inside find it open."""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from flows.batches import Batch
from flows.pools import WorkerPool
from flows.progress import Progress
from tasks.analysis import summary
from tasks.cache import Entry, ResultCache
from tasks.catalog import Catalog, failure, local_path, scan
from tasks.content import ContentHashes
from tasks.device import cuda_available
from tasks.errors import ReelscopeError, UnreadableSource
from tasks.extraction import video as work
from tasks.keys import EXTRACTION_STAGES, StageInputs, stage_inputs, template_hash, text_hash
from tasks.records import Failure, Niche, StageOutcome, Video
from tasks.rows import metadata_row, pictures_of, video_rows
from tasks.settings import Settings
from tasks.storage import private_folder
from tasks.tables import Row, Tables, VideoRows
from tasks.versions import versions

if TYPE_CHECKING:
    from tasks.classification.classifier import Classifier
    from tasks.extraction.ocr import OcrChoice
    from tasks.extraction.speech import SpeechChoice

log = logging.getLogger("reelscope")
_active: ContextVar[Session | None] = ContextVar("session", default=None)


@dataclass(frozen=True)
class Planned:
    """A video whose rows must be made or made anew, and what each of its stages depends on."""

    video: Video
    inputs: dict[str, StageInputs]

    @property
    def input_hash(self) -> str:
        return template_hash(self.inputs)


@dataclass
class Plan:
    """What there is to do for a source, in the order in which it is done: large files first, so that none comes last alone."""

    todo: list[Planned] = field(default_factory=list)
    unchanged: list[Video] = field(default_factory=list)
    quarantined: list[Video] = field(default_factory=list)  # failed on the same input as often as is allowed
    failures: list[Failure] = field(default_factory=list)


@dataclass
class Counts:
    """What a run has done so far. A video is done, reused or failed; a partial one is done and has failures."""

    done: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    classified: int = 0
    batches: int = 0
    stage_seconds: Counter[str] = field(default_factory=Counter)  # CPU seconds of what was computed
    cache_saved_s: float = 0.0
    gates_saved_s: float = 0.0
    device_s: float = 0.0


class Session:
    """Settings, tables, cache, catalog, pools and counts of one run. Raises UsageError for a bad source or output."""

    def __init__(self, command: str, source: str | None, out: str, settings: Settings, limit: int | None = None) -> None:
        self.command, self.source, self.out, self.settings, self.limit = command, source, out, settings, limit
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.started_at = datetime.now(UTC)
        self.tables = Tables(out)
        self.cache = ResultCache(settings.cache.dir)
        self.counts = Counts()
        self.niches: dict[str, Row] = {}  # columns of `videos` from classification, by video_id
        self.outcomes: dict[str, dict[str, StageOutcome]] = {}  # by video_id and stage, until they are published
        self.published = threading.Event()  # set when a batch was published, for those who analyse meanwhile
        self.progress: Progress = Progress()
        self._last_pass: float | None = None
        self._missing: dict[str, frozenset[str]] = {}
        self._planned: dict[str, Planned] = {}

    @cached_property
    def before(self) -> summary.Before:
        return summary.before(self.tables)

    @cached_property
    def folder(self) -> Path:
        """Local folder for hashes and spools, even where the cache itself is remote."""
        cache = local_path(self.settings.cache.dir)
        return private_folder(cache.expanduser() if cache else Path(platformdirs.user_cache_dir("reelscope")))

    @cached_property
    def catalog(self) -> Catalog:
        return scan(self.source, self.settings.sources, self.limit) if self.source else Catalog("")

    @cached_property
    def hashes(self) -> ContentHashes:
        return ContentHashes(self.folder / "hashes.sqlite")

    @cached_property
    def ocr(self) -> OcrChoice:
        from tasks.extraction.ocr import choose_ocr

        return choose_ocr(self.settings.text)

    @cached_property
    def speech(self) -> SpeechChoice:
        from tasks.extraction.speech import choose_speech

        return choose_speech(self.settings.speech)

    @cached_property
    def classifier(self) -> Classifier:
        from tasks.classification.classifier import load_classifier

        return load_classifier(self.settings.classification)

    @cached_property
    def cpu(self) -> WorkerPool:
        return WorkerPool("cpu", self.settings.workers, self.settings.limits.video_s)

    @cached_property
    def gpu(self) -> WorkerPool | None:
        """The one process that holds the device; None where the models run in the CPU processes."""
        mode = self.settings.pools.gpu
        wanted = mode == "on" or (mode == "auto" and cuda_available() and "cuda" in (self.ocr.device, self.speech.device))
        return WorkerPool("gpu", 1, self.settings.limits.video_s) if wanted else None

    @cached_property
    def spool(self) -> Path:
        return private_folder(self.folder / "spool" / f"{os.getpid()}-{self.run_id}")

    @cached_property
    def plan(self) -> Plan:
        """Compare the catalog with the tables. Files are hashed here, the ones that are known excepted."""
        known = self.tables.known()
        failures = self.tables.read("failures", ["video_id", "stage", "input_hash", "attempts"]).to_pylist()
        attempts = {(row["video_id"], row["input_hash"]): row["attempts"] for row in failures if row["stage"] in EXTRACTION_STAGES}
        plan = Plan(failures=list(self.catalog.failures))
        for video in sorted(self.catalog.videos, key=lambda video: (-(video.size_bytes or 0), video.video_id)):
            try:
                planned = self._inputs_of(video)
            except ReelscopeError as error:
                plan.failures.append(failure(video.video_id, video.uri, "catalog", error))
                continue
            row = known.get(video.video_id, {})
            if row.get("input_hash") == planned.input_hash and row["status"] == "complete":
                plan.unchanged.append(video)
            elif attempts.get((video.video_id, planned.input_hash), 0) >= self.settings.limits.attempts:
                plan.quarantined.append(video)
            else:
                plan.todo.append(planned)
                self._planned[video.video_id] = planned
                if len(plan.todo) <= 2 * self.settings.workers:
                    self.head_start(planned)
        return plan

    def _inputs_of(self, video: Video) -> Planned:
        path = local_path(video.uri)
        if path is None:
            raise UnreadableSource(f"{video.uri}: remote files cannot be read yet", "Copy the file to a local folder.")
        content = self.hashes.of(path)
        models = {"decode": "", "text": f"{self.ocr.engine} {self.ocr.model}", "speech": f"{self.speech.engine} {self.speech.model}"}
        inputs = {stage: stage_inputs(stage, content, self.settings, models[stage]) for stage in EXTRACTION_STAGES}
        return Planned(video.model_copy(update={"content_hash": content}), inputs)

    def planned(self, batch: Batch) -> list[Planned]:
        return [self._planned[video_id] for video_id in batch.video_ids]

    def head_start(self, planned: Planned) -> None:
        """Begin with a video before the flow that asks for it runs: the Prefect server takes seconds to start."""
        if self.missing(planned):
            self.cpu.submit(work.extract, self.job(planned))

    def missing(self, planned: Planned) -> frozenset[str]:
        """The stages of a video that the cache does not have; what it has becomes their outcomes."""
        video_id = planned.video.video_id
        if video_id not in self._missing:
            entries = {stage: self.cache.read(planned.inputs[stage].key(stage)) for stage in EXTRACTION_STAGES}
            self.outcomes[video_id] = {
                stage: StageOutcome(stage=stage, result=entry.result, failure=None, wall_s=entry.wall_s, cpu_s=entry.cpu_s)
                for stage, entry in entries.items()
                if entry
            }
            self._missing[video_id] = frozenset(stage for stage, entry in entries.items() if entry is None)
        return self._missing[video_id]

    def job(self, planned: Planned) -> work.Job:
        """What a worker process is told; the same video always gives an equal job."""
        video = planned.video
        spool = str(self.spool / planned.input_hash) if self.gpu else None
        path = str(local_path(video.uri))
        return work.Job(video.video_id, video.uri, path, self.missing(planned), self.settings, self.ocr, self.speech, spool)

    def spooled(self, planned: Planned) -> bool:
        """Has decoding left something for the models to read?"""
        return (self.spool / planned.input_hash / "index.json").exists()

    def keep(self, planned: Planned, outcomes: Sequence[StageOutcome]) -> None:
        """Put results into the cache as soon as they are there, and all outcomes where publishing finds them."""
        for outcome in outcomes:
            if outcome.result is not None and outcome.failure is None:
                entry = Entry(stage=outcome.stage, result=outcome.result, wall_s=outcome.wall_s, cpu_s=outcome.cpu_s)
                self.cache.write(planned.inputs[outcome.stage].key(outcome.stage), entry)
            self.counts.stage_seconds[outcome.stage] += outcome.cpu_s
            before = self.outcomes[planned.video.video_id].get(outcome.stage)
            if outcome.result is None and before is not None:  # what the cache had is still true
                outcome = before.model_copy(update={"failure": outcome.failure})
            self.outcomes[planned.video.video_id][outcome.stage] = outcome

    def publish(self, batch: Sequence[Planned]) -> None:
        """Put the rows of videos into the tables, and count them."""
        rows, failures, cleared = [], [], set[tuple[str, str]]()
        for planned in batch:
            video_id = planned.video.video_id
            if self._missing[video_id]:
                self.cpu.forget(work.extract, self.job(planned))
            outcomes, missing = self.outcomes.pop(video_id), self._missing.pop(video_id)
            made = video_rows(planned.video, outcomes, planned.input_hash, self.run_id)
            made.video.update(self.niches.get(video_id, {}))
            for name, jpeg in pictures_of(planned.video, outcomes).items():
                self.tables.storage.write(name, jpeg)
            rows.append(made)
            failed = [outcome.failure for outcome in outcomes.values() if outcome.failure]
            failures += [failure.model_copy(update={"input_hash": planned.input_hash}) for failure in failed]
            cleared |= {(video_id, stage) for stage in ("catalog", *outcomes)}
            self._count(video_id, made.video["status"], outcomes, missing)
            if self._opened("spool"):
                shutil.rmtree(self.spool / planned.input_hash, ignore_errors=True)
        self.tables.record_failures(failures, cleared, self.run_id)
        self.tables.publish(rows)
        self.counts.failures += failures
        self.published.set()

    def _count(self, video_id: str, status: str, outcomes: dict[str, StageOutcome], missing: frozenset[str]) -> None:
        counts = self.counts
        (counts.failed if status == "failed" else counts.done if missing else counts.reused).add(video_id)
        for stage, outcome in outcomes.items():
            if stage not in missing:
                counts.cache_saved_s += outcome.cpu_s
        speech = outcomes.get("speech")
        if speech and speech.result and speech.result["transcribed_s"] > 0:
            silent_s = speech.result["audio_s"] - speech.result["transcribed_s"]
            counts.gates_saved_s += max(0.0, silent_s) * speech.cpu_s / speech.result["transcribed_s"]

    def note_unchanged(self) -> None:
        """Count what needs no work, and put into the ledger what could not be catalogued."""
        known = self.tables.known()
        for video in self.plan.unchanged:
            self.counts.reused.add(video.video_id)
            seconds = known[video.video_id].get("seconds")
            self.counts.cache_saved_s += sum(json.loads(seconds).values()) if seconds else 0.0
        self.counts.failed |= {video.video_id for video in self.plan.quarantined}
        self.counts.failed |= {failure.video_id for failure in self.plan.failures}
        self.counts.failures += self.plan.failures
        self.tables.record_failures(self.plan.failures, set(), self.run_id)

    def classified_hash(self, video: Video) -> str:
        return text_hash(video.metadata, self.classifier.identity, self.settings.classification.min_confidence)

    @cached_property
    def unclassified(self) -> list[Video]:
        """The videos whose text, or what it is compared with, changed since their niche was found."""
        known = self.tables.known()
        return [video for video in self.catalog.videos if known.get(video.video_id, {}).get("classified_hash") != self.classified_hash(video)]

    def note_niche(self, video: Video, niche: Niche) -> None:
        self.niches[video.video_id] = {
            "niche": niche.niche,
            "niche_confidence": niche.confidence,
            "niche_runner_up": niche.runner_up,
            "classified_hash": self.classified_hash(video),
        }

    def videos(self, batch: Batch) -> list[Video]:
        by_id = {video.video_id: video for video in self.catalog.videos}
        return [by_id[video_id] for video_id in batch.video_ids]

    def publish_niches(self) -> None:
        """Put niches into the rows that are there. Alone, classification makes the rows; else they come with the templates."""
        known = self.tables.known()
        by_id = {video.video_id: video for video in self.catalog.videos}
        # views and likes change without the text: they are renewed for all that is known
        self.tables.describe(metadata_row(video) | self.niches.get(video_id, {}) for video_id, video in by_id.items() if video_id in known)
        if self.command == "classify":
            new = [video_id for video_id in self.niches if video_id not in known]
            self.tables.publish([VideoRows(metadata_row(by_id[video_id]) | self.niches[video_id] | {"status": "classified", "run_id": self.run_id}) for video_id in new])
        self.counts.classified = len(self.niches)

    def wait_for_templates(self, extracting: Future[Any]) -> bool:
        """True when new templates are there while extraction goes on, not sooner than a pass of analysis is worth."""
        passed = self._last_pass
        while not extracting.done():
            rested = passed is None or time.monotonic() - passed >= self.settings.analysis.pass_every_s
            if rested and self.published.wait(timeout=0.2):
                self.published.clear()
                self._last_pass = time.monotonic()
                return not extracting.done()
            if not rested:
                time.sleep(0.2)
        return False

    @property
    def idle(self) -> bool:
        """Is there nothing to compute? Then everything that was asked for stands in the tables."""
        if self.command == "analyze":
            return False
        stale = self.command != "extract" and bool(self.unclassified)
        todo = self.command != "classify" and bool(self.plan.todo)
        return not stale and not todo and (self.command != "run" or summary.is_current(self.tables, self.settings.analysis))

    def completeness(self) -> float:
        """Share of the catalogued videos whose rows are there; 1 where there is no catalog."""
        videos = len(self.catalog.videos)
        return min(1.0, (len(self.counts.done) + len(self.counts.reused)) / videos) if videos else 1.0

    def record(self, outcome: str) -> Row:
        """Write the run's row, and return it."""
        counts = self.counts
        videos = len(self.catalog.videos) + len(self.catalog.failures)
        row: Row = {
            "run_id": self.run_id,
            "started_at": self.started_at,
            "finished_at": datetime.now(UTC),
            "command": self.command,
            "source": self.source,
            "outcome": outcome,
            "videos": videos,
            "done": len(counts.done),
            "reused": len(counts.reused),
            "failed": len(counts.failed),
            "completeness": (len(counts.done) + len(counts.reused)) / videos if videos else 1.0,
            "settings": self.settings.model_dump_json(),
            "versions": json.dumps(versions()),
            "stage_seconds": json.dumps({stage: round(seconds, 3) for stage, seconds in sorted(counts.stage_seconds.items())}),
            "cache_saved_s": counts.cache_saved_s,
            "gates_saved_s": counts.gates_saved_s,
            "device_busy_share": self.device_busy_share(),
        }
        self.tables.record_run(row)
        return row

    def device_busy_share(self) -> float | None:
        elapsed_s = (datetime.now(UTC) - self.started_at).total_seconds()
        return min(1.0, self.counts.device_s / elapsed_s) if self._opened("gpu") and self.gpu and elapsed_s > 0 else None

    def close(self) -> None:
        """End the pools and remove what lay between them."""
        for name in ("cpu", "gpu"):
            pool = self.__dict__.get(name)
            if pool is not None:
                pool.stop()
        if self._opened("spool"):
            shutil.rmtree(self.spool, ignore_errors=True)

    def _opened(self, name: str) -> bool:
        return name in self.__dict__


@contextmanager
def session(command: str, source: str | None, out: str, settings: Settings, limit: int | None = None) -> Iterator[Session]:
    """The open session, or a new one that lasts for the block and leaves a row in `runs`."""
    active = _active.get()
    if active is not None:
        yield active
        return
    opened = Session(command, source, out, settings, limit)
    with use(opened):
        yield opened


@contextmanager
def use(opened: Session) -> Iterator[Session]:
    """Make a session the one that the flows of this block share; record and close it at the end."""
    token = _active.set(opened)
    outcome = "failed"
    try:
        yield opened
        outcome = "completed"
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        _active.reset(token)
        opened.close()
        opened.record(outcome)


def current() -> Session:
    active = _active.get()
    if active is None:
        raise RuntimeError("no session is open; call a flow, not its tasks")
    return active
