"""Results of a run on their way: from the cache and the workers to the tables, and counted."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress

from flows.counts import Counts
from flows.plan import Planned
from tasks.addresses import local_path
from tasks.cache import Entry, ResultCache
from tasks.errors import StorageError, UnreadableSource
from tasks.keys import EXTRACTION_STAGES, recorded
from tasks.records import Decoded, Record, Speech, StageOutcome, Texts
from tasks.rows import pictures_of, video_rows
from tasks.sources.catalog import failure
from tasks.tables import Row, Tables, VideoRows

CHANGED = "The next run does it again. Move files into the source when they are complete, with one rename."
RECORDS: dict[str, type[Record]] = {"decode": Decoded, "text": Texts, "speech": Speech}


class Results:
    """Per video, what its stages gave, until its rows are in the tables. Tasks of one batch follow each other; batches run beside each other."""

    def __init__(self, cache: ResultCache, tables: Tables, run_id: str) -> None:
        self.cache, self.tables, self.run_id = cache, tables, run_id
        self.counts = Counts()
        self.published = threading.Event()  # set when a batch was published, for those who analyse meanwhile
        self._outcomes: dict[str, dict[str, StageOutcome]] = {}
        self._missing: dict[str, frozenset[str]] = {}
        self._stored: set[str] = set()  # keys of what this run has put into the cache
        self._storing: dict[str, threading.Lock] = {}  # by video_id: `store_early` and `keep` come at the same time

    def missing(self, planned: Planned) -> frozenset[str]:
        """The stages of a video that the cache does not have; what it has becomes their outcomes."""
        video_id = planned.video.video_id
        if video_id not in self._missing:
            found = {
                stage: self.cache.read(planned.inputs[stage].key(stage), RECORDS[stage]) for stage in EXTRACTION_STAGES
            }
            self._outcomes[video_id] = {
                stage: StageOutcome(
                    stage=stage, result=entry.result, failure=None, wall_s=entry.wall_s, cpu_s=entry.cpu_s
                )
                for stage, entry in found.items()
                if entry
            }
            self._missing[video_id] = frozenset(stage for stage, entry in found.items() if entry is None)
        return self._missing[video_id]

    def look_again(self, planned: Planned) -> None:
        """Forget what the cache did not have: another run has written to it."""
        self._missing.pop(planned.video.video_id, None)
        self._outcomes.pop(planned.video.video_id, None)

    def settled(self, planned: Planned, last: Sequence[StageOutcome]) -> bool:
        """Is nothing more to come of a video? last: what was kept just now; without pictures there is no more."""
        mine = self._outcomes[planned.video.video_id]
        lost = any(outcome.stage == "decode" and outcome.result is None for outcome in last)
        return lost or all(stage in mine for stage in self.missing(planned))

    def believed(self, planned: Planned, outcomes: Sequence[StageOutcome]) -> Sequence[StageOutcome]:
        """What stages gave, or that it is not known of which content: the file was replaced since it was hashed.

        A file that is gone was whole as long as it was read.
        """
        video = planned.video
        path = local_path(video.location)
        if path is None or video.mtime_ns is None:
            return outcomes  # who reads a store compares what it says
        try:
            status = path.stat()
        except OSError:
            return outcomes
        if (status.st_size, status.st_mtime_ns) == (video.size_bytes, video.mtime_ns):
            return outcomes
        changed = UnreadableSource(f"{video.uri}: the file was changed while the run was under way", CHANGED)
        lost = failure(video.video_id, video.uri, "decode", changed)
        return [StageOutcome(stage="decode", result=None, failure=lost, wall_s=0.0, cpu_s=0.0)]

    def store(self, planned: Planned, outcomes: Sequence[StageOutcome]) -> None:
        """Put whole results into the cache, each once. Raises StorageError."""
        with self._storing.setdefault(planned.video.video_id, threading.Lock()):
            for outcome in outcomes:
                if outcome.result is None or outcome.failure is not None:
                    continue
                key = planned.inputs[outcome.stage].key(outcome.stage)
                if key not in self._stored:
                    entry = Entry(
                        stage=outcome.stage, result=outcome.result, wall_s=outcome.wall_s, cpu_s=outcome.cpu_s
                    )
                    self.cache.write(key, entry)
                    self._stored.add(key)

    def store_early(self, planned: Planned, done: Future[list[StageOutcome]]) -> None:
        """The same, as soon as a worker is done: a run that is stopped before its flow began keeps what it has."""
        if not done.cancelled() and done.exception() is None:
            # what cannot be written now is said by `keep`, whose error ends the flow
            with suppress(StorageError):
                self.store(planned, self.believed(planned, done.result()))

    def keep(self, planned: Planned, outcomes: Sequence[StageOutcome]) -> None:
        """Put results into the cache as soon as they are there, and all outcomes where publishing finds them."""
        mine = self._outcomes[planned.video.video_id]
        self.store(planned, outcomes)
        for outcome in outcomes:
            self.counts.stage_seconds[outcome.stage] += outcome.cpu_s
            before = mine.get(outcome.stage)
            if outcome.result is None and before is not None:  # what the cache had is still true
                outcome = before.model_copy(update={"failure": outcome.failure})
            mine[outcome.stage] = outcome

    def publish(self, batch: Sequence[Planned], niches: Mapping[str, Row]) -> None:
        """Put the rows of videos into the tables, and count them. niches: columns from classification, by video_id."""
        rows, failures, cleared = [], [], set[tuple[str, str]]()
        for planned in batch:
            video_id = planned.video.video_id
            outcomes, missing = self._outcomes.pop(video_id), self._missing.pop(video_id)
            self._storing.pop(video_id, None)
            made = self._rows(planned, outcomes)
            made.video.update(niches.get(video_id, {}))
            if made.template is not None and video_id in niches:
                made.template["niche"] = niches[video_id]["niche"]
            self.tables.storage.write_each(pictures_of(planned.video, outcomes))
            rows.append(made)
            failed = [outcome.failure for outcome in outcomes.values() if outcome.failure]
            failures += [item.model_copy(update={"input_hash": planned.input_hash}) for item in failed]
            cleared |= {(video_id, stage) for stage in (*EXTRACTION_STAGES, "template")}
            self._count(video_id, made.video["status"], outcomes, missing)
        self.tables.record_failures(failures, cleared, self.run_id)
        self.tables.publish(rows)
        self.counts.failures += failures
        self.published.set()

    def _rows(self, planned: Planned, outcomes: dict[str, StageOutcome]) -> VideoRows:
        """A video's rows; where none can be made of what its stages gave, that is its failure and no other video's."""
        try:
            return video_rows(planned.video, outcomes, planned.input_hash, recorded(planned.inputs), self.run_id)
        except Exception as error:
            lost = failure(planned.video.video_id, planned.video.uri, "template", error)
            outcomes.clear()
            outcomes["template"] = StageOutcome(stage="template", result=None, failure=lost, wall_s=0.0, cpu_s=0.0)
            return video_rows(planned.video, outcomes, planned.input_hash, recorded(planned.inputs), self.run_id)

    def _count(self, video_id: str, status: str, outcomes: Mapping[str, StageOutcome], missing: frozenset[str]) -> None:
        (self.counts.failed if status == "failed" else self.counts.done if missing else self.counts.reused).add(
            video_id
        )
        self.counts.cache_saved_s += sum(outcome.cpu_s for stage, outcome in outcomes.items() if stage not in missing)
        self.counts.modelled.add(outcomes, missing)
