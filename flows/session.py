"""A session: what the flows of one run share. The outermost flow opens it; the flows inside find it open."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from flows import metrics
from flows.batches import Batch
from flows.device import Device
from flows.forecast import Forecast
from flows.plan import Plan, Planned, planning
from flows.pools import WorkerPool
from flows.progress import Progress
from flows.results import Results
from tasks.analysis import summary
from tasks.cache import ResultCache
from tasks.catalog import Catalog, local_path, scan
from tasks.classification.niches import niches_of
from tasks.content import ContentHashes
from tasks.device import cuda_available, device_count
from tasks.errors import PoolStopped, UsageError
from tasks.extraction import video as work
from tasks.extraction.ocr import OcrChoice, choose_ocr
from tasks.extraction.speech import SpeechChoice, choose_speech
from tasks.keys import EXTRACTION_STAGES, TextInputs, digest, text_hash, text_inputs
from tasks.records import Failure, Niche, StageOutcome, Video
from tasks.rows import metadata_row
from tasks.settings import Settings, completed
from tasks.storage import private_folder
from tasks.tables import Row, Tables, VideoRows
from tasks.versions import versions

if TYPE_CHECKING:
    from tasks.classification.classifier import Classifier

_active: ContextVar[Session | None] = ContextVar("session", default=None)


class Session:
    """Settings, tables, cache, catalog, plan, pools and results of one run.

    command: the outermost flow: run, classify, extract or analyze. What costs time is made when it is first asked for;
    the catalog, the tables and the cache raise UsageError then for a bad source, output or location.
    """

    def __init__(
        self, command: str, source: str | None, out: str, settings: Settings, limit: int | None = None
    ) -> None:
        self.command, self.source, self.out, self.settings, self.limit = command, source, out, settings, limit
        self.started_at = datetime.now(UTC)
        self.run_id = f"{self.started_at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.niches: dict[str, Row] = {}  # columns of `videos` from classification, by video_id
        self.progress: Progress = Progress()
        self.on_work: Callable[[], None] = lambda: None  # called when there is something to compute
        self._last_pass: float | None = None
        self._noted: set[str] = set()
        self._closed = False

    @cached_property
    def catalog(self) -> Catalog:
        return scan(self.source, self.settings.sources, self.limit) if self.source else Catalog("")

    @cached_property
    def tables(self) -> Tables:
        return Tables(self.out)

    @cached_property
    def results(self) -> Results:
        return Results(self.cache, self.tables, self.run_id)

    @cached_property
    def cache(self) -> ResultCache:
        return ResultCache(self.settings.cache.dir)

    @cached_property
    def before(self) -> summary.Before:
        return summary.before(self.tables)

    @cached_property
    def folder(self) -> Path:
        """Local folder for hashes, locks and spools, even where the cache itself is remote. Raises UsageError."""
        cache = local_path(self.settings.cache.dir)
        folder = cache.expanduser() if cache else Path(platformdirs.user_cache_dir("reelscope"))
        try:
            return private_folder(folder)
        except OSError as error:
            raise UsageError(f"cache {folder}: {error.strerror or error}") from None

    @cached_property
    def ocr(self) -> OcrChoice:
        return choose_ocr(self.settings.text)

    @cached_property
    def speech(self) -> SpeechChoice:
        return choose_speech(self.settings.speech)

    @cached_property
    def classifier(self) -> Classifier:
        from tasks.classification.classifier import load_classifier

        return load_classifier(self.settings.classification)

    @cached_property
    def cpu(self) -> WorkerPool:
        return self._pool("cpu", self.settings.workers)

    @cached_property
    def device(self) -> Device | None:
        """The processes that hold the devices; None where the models run in the CPU processes."""
        if not self.on_device:
            return None
        slots = max(1, device_count() if "cuda" in (self.ocr.device, self.speech.device) else 1)
        pools = [self._pool(f"gpu-{slot}", 1) for slot in range(slots)]
        # every run of this user on this machine sees the same locks, whatever its cache
        locks = private_folder(Path(platformdirs.user_cache_dir("reelscope")))
        return Device(pools, self.settings.pools.batch_size, locks)

    @cached_property
    def on_device(self) -> bool:
        mode = self.settings.pools.gpu
        return mode == "on" or (mode == "auto" and cuda_available() and "cuda" in (self.ocr.device, self.speech.device))

    def _pool(self, name: str, workers: int) -> WorkerPool:
        if self._closed:
            raise PoolStopped("the run was stopped")
        return WorkerPool(name, workers, self.settings.limits.video_s)

    @cached_property
    def spool(self) -> Path:
        """Where decoding leaves what the device reads; what killed runs have left there is removed."""
        spools = private_folder(self.folder / "spool")
        for left in spools.iterdir():
            if not Path("/proc", left.name.split("-")[0]).exists() and Path("/proc").is_dir():
                shutil.rmtree(left, ignore_errors=True)
        return private_folder(spools / f"{os.getpid()}-{self.run_id}")

    def is_spooled(self, planned: Planned) -> bool:
        return (self.spool_of(planned) / "index.json").exists()

    def spool_of(self, planned: Planned) -> Path:
        return self.spool / digest(planned.video.video_id, planned.input_hash)

    @cached_property
    def models(self) -> dict[str, str]:
        """Identity of what computes each stage, part of the cache's keys."""
        vad = f"silero-vad {versions()['silero-vad']}"
        # what the device reads went through the spool, as JPEG of high quality
        read = f"{self.ocr.engine} {self.ocr.model}" + (" spooled" if self.on_device else "")
        return {
            "decode": vad,
            "text": read,
            "speech": f"{vad} {self.speech.engine} {self.speech.model} {self.speech.device}",
        }

    @cached_property
    def plan(self) -> Plan:
        """What there is to do. The first videos are begun at once: the Prefect server takes seconds to start."""
        _ = self.before  # before anything is published
        plan = Plan()
        hashes = ContentHashes(self.folder / "hashes.sqlite")
        for planned in planning(self.catalog, self.tables, hashes, self.models, self.settings, plan):
            if len(plan.todo) <= 2 * self.settings.workers and self.results.missing(planned):
                self.begin(planned)
            if len(plan.todo) == 1:
                self.on_work()
        self._planned = {planned.video.video_id: planned for planned in plan.todo}
        return plan

    @cached_property
    def forecast(self) -> Forecast:
        """What the run will take, going by the runs before; asked for before anything is published."""
        from flows.outlook import outlook

        return outlook(self, self.plan.todo)[1]

    @property
    def forecast_s(self) -> float | None:
        """The wall seconds of the forecast; None where none was made, or nothing was to do."""
        made: Forecast | None = self.__dict__.get("forecast")
        return made.wall_s or None if made else None

    @property
    def took_s(self) -> float:
        """Wall seconds until now."""
        return (datetime.now(UTC) - self.started_at).total_seconds()

    def begin(self, planned: Planned) -> Future[list[StageOutcome]]:
        """Queue what of a video is not in the cache; asked twice, it gives the same future."""
        stages = self.results.missing(planned)
        first = next(stage for stage in EXTRACTION_STAGES if stage in stages)
        future = self.cpu.submit(work.extract, self.job(planned), first)
        future.add_done_callback(lambda done: self.results.store_early(planned, done))
        return future

    def planned(self, batch: Batch) -> list[Planned]:
        return [self._planned[video_id] for video_id in batch.video_ids]

    def job(self, planned: Planned) -> work.Job:
        """What a worker process is told; the same video always gives an equal job."""
        video, stages = planned.video, self.results.missing(planned)
        spool = str(self.spool_of(planned)) if self.on_device else None
        return work.Job(
            video.video_id,
            video.uri,
            str(local_path(video.location)),
            stages,
            self.settings,
            self.ocr,
            self.speech,
            spool,
        )

    def publish(self, batch: Batch) -> None:
        """Put a batch's rows into the tables, and let go of what was held for it."""
        planned = self.planned(batch)
        for item in planned:
            if self.results.missing(item):
                self.cpu.forget(work.extract, self.job(item))
            if self.device:
                shutil.rmtree(self.spool_of(item), ignore_errors=True)
        self.results.publish(planned, self.niches)

    def note_catalog(self) -> None:
        """Put into the ledger what could not be catalogued, and take out what has been mended; once a run."""
        if "catalog" not in self._noted:
            self._noted.add("catalog")
            self._note_failures(self.catalog.failures)

    def note_plan(self) -> None:
        """Count what needs no work, or gets none any more."""
        self.note_catalog()
        if "plan" in self._noted:
            return
        self._noted.add("plan")
        _ = self.forecast  # before anything is published
        self._note_failures(self.plan.failures)
        known, counts = self.tables.known(), self.results.counts
        for video in self.plan.unchanged:
            counts.reused.add(video.video_id)
            seconds = known[video.video_id].get("seconds")
            counts.cache_saved_s += sum(json.loads(seconds).values()) if seconds else 0.0
        left_alone = {video.video_id for video in self.plan.quarantined}
        for video_id in left_alone:
            (counts.failed if known[video_id]["status"] == "failed" else counts.reused).add(video_id)
        for row in self.tables.read("failures").to_pylist() if left_alone else []:
            if row["video_id"] in left_alone:
                told = {name: row[name] for name in Failure.model_fields}
                told["message"] += f" (left alone after {row['attempts']} attempts; `reelscope retry` tries again)"
                counts.failures.append(Failure(**told))

    def _note_failures(self, failures: Sequence[Failure]) -> None:
        counts = self.results.counts
        counts.failed |= {failure.video_id for failure in failures if failure.stage == "catalog"}
        counts.failures += failures
        failed = {(failure.video_id, failure.stage) for failure in failures}
        sound = {video.uri for video in self.catalog.videos} - {failure.uri for failure in failures}
        ledger = self.tables.read("failures", ["video_id", "uri", "stage"]).to_pylist()
        healed = {
            (row["video_id"], row["stage"])
            for row in ledger
            if row["stage"] in ("catalog", "metadata") and row["uri"] in sound
        }
        self.tables.record_failures(failures, healed - failed, self.run_id)

    def classified_hash(self, video: Video) -> str:
        return text_hash(video.metadata, self.classifier.identity, self.settings.classification.min_confidence)

    @cached_property
    def niches_identity(self) -> str:
        return niches_of(self.settings.classification).identity

    def text_inputs(self, video: Video) -> TextInputs:
        confidence = self.settings.classification.min_confidence
        return text_inputs(video.metadata, self.niches_identity, self.classifier.identity, confidence)

    @cached_property
    def unclassified(self) -> list[Video]:
        """The videos whose text, or what it is compared with, changed since their niche was found."""
        known = self.tables.known()
        return [
            video
            for video in self.catalog.videos
            if known.get(video.video_id, {}).get("classified_hash") != self.classified_hash(video)
        ]

    def note_niche(self, video: Video, niche: Niche) -> None:
        self.niches[video.video_id] = {
            "niche": niche.niche,
            "niche_confidence": niche.confidence,
            "niche_runner_up": niche.runner_up,
            "classified_hash": self.classified_hash(video),
            "classified_inputs": self.text_inputs(video).model_dump_json(),
        }

    def publish_niches(self) -> None:
        """Put niches into the rows that are there. Rows of new videos come with their templates; only classification
        alone makes them itself."""
        self.refresh_metadata()
        self.tables.assign({video_id: {"niche": row["niche"]} for video_id, row in self.niches.items()})
        if self.command == "classify":
            known = self.tables.known()
            new = [video for video in self.catalog.videos if video.video_id not in known]
            told: Row = {"status": "classified", "run_id": self.run_id}
            rows = [metadata_row(video) | self.niches[video.video_id] | told for video in new]
            self.tables.publish([VideoRows(row) for row in rows])
        self.results.counts.classified = len(self.niches)

    def refresh_metadata(self) -> bool:
        """Renew titles, views, addresses and niches of the videos that are in the tables; was there anything new?"""
        return self.tables.describe(
            metadata_row(video) | self.niches.get(video.video_id, {}) for video in self.catalog.videos
        )

    def wait_for_templates(self, extracting: Future[Any]) -> bool:
        """True when new templates are there while extraction goes on, not sooner than a pass of analysis is worth."""
        every_s = self.settings.analysis.pass_every_s
        while not extracting.done():
            rested = self._last_pass is None or time.monotonic() - self._last_pass >= every_s
            if rested and self.results.published.wait(timeout=0.2):
                self.results.published.clear()
                self._last_pass = time.monotonic()
                return not extracting.done()
            if not rested:
                time.sleep(0.2)
        return False

    def nothing_to_do(self) -> bool:
        """Does everything that was asked for stand in the tables already?"""
        if self.command == "analyze":
            return False
        stale = self.command != "extract" and bool(self.unclassified)
        todo = self.command != "classify" and bool(self.plan.todo)
        if stale or todo or self.refresh_metadata():
            return False
        return self.command != "run" or summary.is_current(self.tables, self.settings.analysis)

    @property
    def videos(self) -> int:
        """How many videos the run is about: those of its source, or, without one, those of the tables."""
        return self.catalog.found if self.source else len(self.tables.known())

    def completeness(self) -> float:
        """Share of the catalogued videos whose rows are there; 1 where there is no catalog."""
        videos, counts = self.catalog.found, self.results.counts
        return min(1.0, (len(counts.done) + len(counts.reused)) / videos) if videos else 1.0

    def record(self, outcome: str) -> None:
        """Write the run's row and metrics: completed, interrupted or failed."""
        counts = self.results.counts
        self.tables.record_run(
            {
                "run_id": self.run_id,
                "started_at": self.started_at,
                "finished_at": datetime.now(UTC),
                "command": self.command,
                "source": self.source,
                "outcome": outcome,
                "videos": self.videos,
                "done": len(counts.done),
                "reused": len(counts.reused),
                "failed": len(counts.failed),
                "completeness": self.completeness(),
                "settings": self.settings.model_dump_json(),
                "versions": json.dumps(versions()),
                "stage_seconds": json.dumps(
                    {stage: round(seconds, 3) for stage, seconds in sorted(counts.stage_seconds.items())}
                ),
                "cache_saved_s": counts.cache_saved_s,
                "gates_saved_s": counts.modelled.gates_saved_s,
                "model_s_per_video_hour": counts.modelled.s_per_video_hour,
                "device_busy_share": self.device_busy_share(),
                "forecast_s": self.forecast_s,
            }
        )
        metrics.write(self, outcome)

    def device_busy_share(self) -> float | None:
        """Share of the run's time so far in which its devices were at work; None where it used none."""
        device: Device | None = self.__dict__.get("device")
        elapsed_s = (datetime.now(UTC) - self.started_at).total_seconds()
        if device is None or not device.turns or elapsed_s <= 0:
            return None
        return min(1.0, device.busy_s() / (elapsed_s * len(device.pools)))

    def close(self) -> None:
        """End the pools and remove what lay between them."""
        self._closed = True
        for name in ("cpu", "device"):
            working = self.__dict__.get(name)
            if working is not None:
                working.stop()
        if "spool" in self.__dict__:
            shutil.rmtree(self.spool, ignore_errors=True)


@contextmanager
def session(
    command: str, source: str | None, out: str, settings: Settings | None, limit: int | None = None
) -> Iterator[Session]:
    """The open session, or a new one that lasts for the block and leaves a row in `runs`."""
    active = _active.get()
    if active is not None:
        yield active
        return
    with use(Session(command, source, out, completed(settings), limit)) as opened:
        yield opened


@contextmanager
def use(opened: Session) -> Iterator[Session]:
    """Make a session the one that the flows of this block share; record and close it at the end."""
    token = _active.set(opened)
    outcome = "interrupted"  # also by Prefect's signal of a cancelled run, which is no Exception either
    try:
        with metrics.followed(opened):
            yield opened
        outcome = "completed"
    except Exception:
        outcome = "failed"
        raise
    finally:
        _active.reset(token)
        opened.close()
        opened.record(outcome)


def current() -> Session:
    """The session of the flow that is running."""
    active = _active.get()
    if active is None:
        raise RuntimeError("no session is open; call a flow, not its tasks")
    return active
