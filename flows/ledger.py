"""The ledger of a run: what failed or needs no work, and the run's own row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows import metrics
from tasks.records import Failure
from tasks.versions import versions

if TYPE_CHECKING:
    from flows.session import Session


class Ledger:
    """Keeps `failures` and `runs`, and counts what the run has not to compute. Each note is taken once a run."""

    def __init__(self, run: Session) -> None:
        self._run = run
        self._noted: set[str] = set()

    def note_catalog(self) -> None:
        """Put down what could not be catalogued, and take out what has been mended."""
        if "catalog" not in self._noted:
            self._noted.add("catalog")
            _ = self._run.gone  # before anything is published
            self._note_failures(self._run.catalog.failures)

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

    def _note_failures(self, failures: Sequence[Failure]) -> None:
        run, counts = self._run, self._run.results.counts
        counts.failed |= {failure.video_id for failure in failures if failure.stage == "catalog"}
        counts.failures += failures
        failed = {(failure.video_id, failure.stage) for failure in failures}
        sound = {video.uri for video in run.catalog.videos} - {failure.uri for failure in failures}
        there = run.tables.read("failures", ["video_id", "uri", "stage"]).to_pylist()
        healed = {
            (row["video_id"], row["stage"])
            for row in there
            if row["stage"] in ("catalog", "metadata") and row["uri"] in sound
        }
        run.tables.record_failures(failures, healed - failed, run.run_id)

    def record(self, outcome: str) -> None:
        """Write the run's row and metrics: completed, interrupted or failed."""
        run, counts = self._run, self._run.results.counts
        run.tables.record_run(
            {
                "run_id": run.run_id,
                "started_at": run.started_at,
                "finished_at": datetime.now(UTC),
                "command": run.command,
                "source": run.source,
                "outcome": outcome,
                "videos": run.videos,
                "done": len(counts.done),
                "reused": len(counts.reused),
                "failed": len(counts.failed),
                "completeness": run.completeness(),
                "settings": run.settings.model_dump_json(),
                "versions": json.dumps(versions()),
                "stage_seconds": json.dumps(
                    {stage: round(seconds, 3) for stage, seconds in sorted(counts.stage_seconds.items())}
                ),
                "cache_saved_s": counts.cache_saved_s,
                "gates_saved_s": counts.modelled.gates_saved_s,
                "model_s_per_video_hour": counts.modelled.s_per_video_hour,
                "device_busy_share": run.device_busy_share(),
                "forecast_s": run.forecast_s,
            }
        )
        metrics.write(run, outcome)
