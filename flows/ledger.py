"""The ledger of a run: what failed or needs no work, and the run's own row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows import metrics
from flows.signs import Signs
from tasks.addresses import masked
from tasks.records import Failure
from tasks.tables import Row
from tasks.versions import versions

if TYPE_CHECKING:
    from flows.session import Session


class Ledger:
    """Keeps `failures` and `runs`, and counts what the run has not to compute. Each note is taken once a run."""

    def __init__(self, run: Session) -> None:
        self._run = run
        self._noted: set[str] = set()
        self.killed = 0  # runs into this OUT that were killed, as far as is known

    def note_catalog(self) -> None:
        """Put down what could not be catalogued, and take out what has been mended."""
        if "catalog" not in self._noted:
            self._noted.add("catalog")
            _ = self._run.gone  # before anything is published
            self._note_failures(self._run.catalog.failures, self._mended())

    def note_niches(self) -> None:
        """Count the videos of a run that classifies alone: those that got a niche, and those that had one."""
        run, counts = self._run, self._run.results.counts
        counts.done |= run.niches.rows.keys()
        counts.reused |= run.niches.by_id.keys() - run.niches.rows.keys()

    def note_plan(self) -> None:
        """Count what needs no work, or gets none any more."""
        self.note_catalog()
        if "plan" in self._noted:
            return
        self._noted.add("plan")
        run = self._run
        _ = run.forecast  # before anything is published
        self._note_failures(run.plan.failures)
        known, counts = run.tables.known(), run.results.counts
        for video in run.plan.unchanged:
            counts.reused.add(video.video_id)
            seconds = known[video.video_id].get("seconds")
            counts.cache_saved_s += sum(json.loads(seconds).values()) if seconds else 0.0
        left_alone = {video.video_id for video in run.plan.quarantined}
        for video_id in left_alone:
            (counts.failed if known[video_id]["status"] == "failed" else counts.reused).add(video_id)
        for row in run.tables.read("failures").to_pylist() if left_alone else []:
            if row["video_id"] in left_alone:
                told = {name: row[name] for name in Failure.model_fields}
                told["message"] += f" (left alone after {row['attempts']} attempts; `reelscope retry` tries again)"
                counts.failures.append(Failure(**told))

    def _mended(self) -> set[tuple[str, str]]:
        """What failed in earlier runs, and is in the catalog now without a failure of its own."""
        run = self._run
        sound = {video.uri for video in run.catalog.videos} - {failure.uri for failure in run.catalog.failures}
        there = run.tables.read("failures", ["video_id", "uri", "stage"]).to_pylist()
        return {
            (row["video_id"], row["stage"])
            for row in there
            if row["stage"] in ("catalog", "metadata") and row["uri"] in sound
        }

    def _note_failures(self, failures: Sequence[Failure], mended: AbstractSet[tuple[str, str]] = frozenset()) -> None:
        run, counts = self._run, self._run.results.counts
        counts.failed |= {failure.video_id for failure in failures if failure.stage == "catalog"}
        counts.failures += failures
        failed = {(failure.video_id, failure.stage) for failure in failures}
        run.tables.record_failures(failures, set(mended) - failed, run.run_id)

    def begin(self) -> None:
        """Write the run's row as it begins, and mend those of runs that were killed: they could not say so."""
        run = self._run
        signs = Signs(run.tables.storage, run.run_id)
        signs.give()
        run.tables.record_run(self._row("running"))
        rows = run.tables.read("runs").to_pylist()
        gone = signs.gone({row["run_id"] for row in rows if row["outcome"] == "running"})
        for row in rows:
            if row["run_id"] in gone:
                run.tables.record_run(row | {"outcome": "killed"})
                signs.take_back(row["run_id"])
        self.killed = sum(row["outcome"] == "killed" for row in rows) + len(gone)

    def record(self, outcome: str) -> None:
        """Write the run's row and metrics: completed, interrupted or failed."""
        self._run.tables.record_run(self._row(outcome))
        metrics.write(self._run, outcome)

    def end(self, outcome: str) -> None:
        """The same for good: no sign of life is expected any more."""
        self.record(outcome)
        Signs(self._run.tables.storage, self._run.run_id).take_back()

    def _row(self, outcome: str) -> Row:
        """What it counts is not known while it runs: should it be killed, nobody would correct the figures."""
        run, counts = self._run, self._run.results.counts
        row = {
            "run_id": run.run_id,
            "started_at": run.started_at,
            "command": run.command,
            "source": masked(run.source) if run.source else None,  # it was not looked at yet
            "outcome": outcome,
            "settings": run.settings.model_dump_json(),
            "versions": json.dumps(versions()),
            "forecast_s": run.forecast_s,
        }
        if outcome == "running":
            return row
        catalogued = run.source is None or "catalog" in run.__dict__  # else the source is what the run failed at
        return row | {
            "finished_at": max(datetime.now(UTC), run.started_at),  # a clock that was set back
            "videos": run.videos if catalogued else None,
            "done": len(counts.done),
            "reused": len(counts.reused),
            "failed": len(counts.failed),
            "completeness": run.completeness() if catalogued else None,
            "stage_seconds": json.dumps(
                {stage: round(seconds, 3) for stage, seconds in sorted(counts.stage_seconds.items())}
            ),
            "cache_saved_s": counts.cache_saved_s,
            "gates_saved_s": counts.modelled.gates_saved_s,
            "model_s_per_video_hour": counts.modelled.s_per_video_hour,
            "device_busy_share": run.device_busy_share(),
        }
