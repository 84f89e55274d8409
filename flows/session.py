"""A session: what the flows of one run share. The outermost flow opens it; the flows inside find it open."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from flows import distributed, metrics
from flows.backend import Backend
from flows.batches import Batch
from flows.claims import Claims
from flows.forecast import Forecast
from flows.ledger import Ledger
from flows.niches import Niches
from flows.plan import Plan, Planned, planning
from flows.pools import settle
from flows.progress import Progress
from flows.pruning import Gone, gone
from flows.results import Results
from tasks.addresses import local_path
from tasks.analysis import summary
from tasks.cache import ResultCache
from tasks.errors import PoolStopped, UsageError
from tasks.extraction import video as work
from tasks.extraction.ocr import OcrChoice, choose_ocr
from tasks.extraction.speech import SpeechChoice, choose_speech
from tasks.keys import EXTRACTION_STAGES
from tasks.records import StageOutcome
from tasks.settings import Settings, completed
from tasks.sources.catalog import Catalog, scan
from tasks.sources.content import ContentHashes
from tasks.storage import keep_others_out, private_folder
from tasks.tables import Tables
from tasks.versions import versions

T = TypeVar("T")
#: The passes of analysis begin so many times as far apart as the last one took.
REST = 5.0

_active: ContextVar[Session | None] = ContextVar("session", default=None)


class Session:
    """Settings, tables, cache, catalog, plan, pools and results of one run.

    command: the outermost flow: run, classify, extract or analyze. What costs time is made when it is first asked for;
    the catalog, the tables and the cache raise UsageError then for a bad source, output or location.
    """

    def __init__(
        self,
        command: str,
        source: str | None,
        out: str,
        settings: Settings,
        limit: int | None = None,
        prune: bool = False,
    ) -> None:
        if prune and limit is not None:
            raise UsageError("--prune with --limit: what is beyond the limit would be taken to be gone; leave one out")
        self.command, self.source, self.out, self.limit = command, source, out, limit
        self.prune = prune
        self.distributed = settings.pools.runner == "ray" and command in ("run", "extract")
        self.settings = distributed.joined(settings) if self.distributed else settings
        self.started_at, self._began_s = datetime.now(UTC), time.monotonic()
        self.run_id = f"{self.started_at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.progress: Progress = Progress()
        self.on_work: Callable[[], None] = lambda: None  # called when there is something to compute
        self._last_pass: float | None = None
        self._begun: dict[str, Future[list[StageOutcome]]] = {}  # by video_id
        self._beginning = threading.Lock()
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
    def gone(self) -> Gone:
        """The videos that the source no longer has; with `prune` they are taken out of the tables when this is asked for."""
        if not self.prune:
            return Gone()
        _ = self.before  # before anything is removed
        found = gone(self.catalog, self.tables, self.run_id)
        if found.why_not:
            self.progress.say(found.why_not)
        if found.video_ids:
            self.tables.remove(found.video_ids)
        return found

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
        return self._choose(choose_ocr, self.settings.text)

    @cached_property
    def speech(self) -> SpeechChoice:
        return self._choose(choose_speech, self.settings.speech)

    def _choose(self, choose: Callable[[Any], T], settings: Any) -> T:
        """Engines are chosen where they will run."""
        return distributed.there(choose, settings) if self.distributed else choose(settings)

    @cached_property
    def niches(self) -> Niches:
        return Niches(self.catalog, self.tables, self.settings.classification)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self)

    @cached_property
    def backend(self) -> Backend:
        if self._closed:
            raise PoolStopped("the run was stopped")
        kind = distributed.RayBackend if self.distributed else Backend
        return kind(self.settings, self.ocr, self.speech, self.folder, self.run_id)

    @cached_property
    def claims(self) -> Claims:
        return Claims(self.folder)

    @cached_property
    def models(self) -> dict[str, str]:
        """Identity of what computes each stage, part of the cache's keys."""
        vad = f"silero-vad {versions()['silero-vad']}"
        # what the device reads went through the spool, as JPEG of high quality
        read = f"{self.ocr.engine} {self.ocr.model}" + (" spooled" if self.backend.on_device else "")
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
        """Wall seconds until now, also where the clock was set meanwhile."""
        return time.monotonic() - self._began_s

    def begin(self, planned: Planned) -> Future[list[StageOutcome]]:
        """Queue what of a video is not in the cache; asked twice, it gives the same future.

        A video that another run has in hand is waited for: then what that run gave is in the cache.
        """
        video_id = planned.video.video_id
        with self._beginning:
            if video_id not in self._begun:
                begun = self._begun[video_id] = Future[list[StageOutcome]]()
                if self.claims.take(planned.input_hash):
                    self._go_on(planned, begun)
                else:
                    self.claims.when_free(planned.input_hash, lambda: self._go_on(planned, begun))
            return self._begun[video_id]

    def _go_on(self, planned: Planned, begun: Future[list[StageOutcome]]) -> None:
        """The video is claimed. What a run that had it in hand before has left undone is done here."""
        try:
            self.results.look_again(planned)  # it may have ended since we looked
            if self.results.missing(planned):
                self._submit(planned).add_done_callback(lambda done: _pass_on(done, begun))
            else:
                self.claims.release(planned.input_hash)
                settle(begun, [])
        except Exception as error:  # the run was stopped: who waits must learn of it
            settle(begun, error=error)

    def _submit(self, planned: Planned) -> Future[list[StageOutcome]]:
        stages = self.results.missing(planned)
        first = next(stage for stage in EXTRACTION_STAGES if stage in stages)
        future = self.backend.cpu.submit(work.extract, self.job(planned), first)
        future.add_done_callback(lambda done: self.results.store_early(planned, done))
        return future

    def keep(self, planned: Planned, outcomes: Sequence[StageOutcome]) -> None:
        """Keep what stages gave; a video that has them all is no longer claimed."""
        outcomes = self.results.believed(planned, outcomes)
        self.results.keep(planned, outcomes)
        if self.results.settled(planned, outcomes):
            self.claims.release(planned.input_hash)

    def planned(self, batch: Batch) -> list[Planned]:
        return [self._planned[video_id] for video_id in batch.video_ids]

    def job(self, planned: Planned) -> work.Job:
        """What a worker process is told; the same video always gives an equal job."""
        video, spool = planned.video, self.backend.spool_of(planned)
        return work.Job(
            video.video_id,
            video.uri,
            str(local_path(video.location) or video.location),
            self.results.missing(planned),
            self.settings,
            self.ocr,
            self.speech,
            str(spool) if spool else None,
            video.content_hash,
        )

    def publish(self, batch: Batch) -> None:
        """Put a batch's rows into the tables, and let go of what was held for it."""
        planned = self.planned(batch)
        for item in planned:
            if self.results.missing(item):
                self.backend.cpu.forget(work.extract, self.job(item))
                self.backend.unspool(item)
            self._begun.pop(item.video.video_id, None)
            self.claims.release(item.input_hash)
        self.results.publish(planned, self.niches.rows)

    def wait_for_templates(self, extracting: Future[Any]) -> bool:
        """True when new templates are there while extraction goes on, not sooner than a pass of analysis is worth."""
        every_s = self.settings.analysis.pass_every_s
        if self._last_pass is not None:  # over 100,000 videos a pass takes minutes
            every_s = max(every_s, REST * (time.monotonic() - self._last_pass))
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
        stale = self.command != "extract" and bool(self.niches.wanting)
        todo = self.command != "classify" and bool(self.plan.todo)
        if stale or todo or self.niches.refresh():
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

    def device_busy_share(self) -> float | None:
        """Share of the run's time so far in which its devices were at work; None where it used none."""
        return self.backend.device_busy_share(self.took_s) if "backend" in self.__dict__ else None

    def close(self) -> None:
        """End the pools, and let other runs have what this one had claimed."""
        self._closed = True
        if "backend" in self.__dict__:
            self.backend.stop()
        if "claims" in self.__dict__:
            self.claims.release_all()
        for begun in tuple(self._begun.values()):
            settle(begun, error=PoolStopped("the run was stopped"))


def _pass_on(done: Future[list[StageOutcome]], begun: Future[list[StageOutcome]]) -> None:
    """What came of one future is what comes of the other."""
    error = done.exception()
    settle(begun, None if error else done.result(), error)


def looking(source: str | None, out: str, settings: Settings, limit: int | None = None, prune: bool = False) -> Session:
    """A session for those who only look: its tables are read, nothing is fetched, and no pool is started.

    Weights that are missing are not fetched, so that `auto` may choose another engine than the run would; the choice's
    note says so.
    """
    text = settings.text.model_copy(update={"download": False})
    speech = settings.speech.model_copy(update={"download": False})
    opened = Session("run", source, out, settings.model_copy(update={"text": text, "speech": speech}), limit, prune)
    opened.tables = Tables(out, read_only=True)
    return opened


@contextmanager
def session(
    command: str,
    source: str | None,
    out: str,
    settings: Settings | None,
    limit: int | None = None,
    prune: bool = False,
) -> Iterator[Session]:
    """The open session, or a new one that lasts for the block and leaves a row in `runs`."""
    active = _active.get()
    if active is not None:
        yield active
        return
    with use(Session(command, source, out, completed(settings), limit, prune)) as opened:
        yield opened


@contextmanager
def use(opened: Session) -> Iterator[Session]:
    """Make a session the one that the flows of this block share; record and close it at the end."""
    keep_others_out()
    token = _active.set(opened)
    outcome = "interrupted"  # also by Prefect's signal of a cancelled run, which is no Exception either
    try:
        opened.ledger.begin()
        with metrics.followed(opened):
            yield opened
        outcome = "completed"
    except Exception:
        outcome = "failed"
        raise
    finally:
        _active.reset(token)
        opened.close()
        opened.ledger.end(outcome)


def current() -> Session:
    """The session of the flow that is running."""
    active = _active.get()
    if active is None:
        raise RuntimeError("no session is open; call a flow, not its tasks")
    return active
