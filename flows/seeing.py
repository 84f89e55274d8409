"""What a run shows in the Prefect UI: progress and failures while it lasts, a summary and a link to the report at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.figures import figures_of
from flows.hooks import PARTIAL
from flows.session import Session
from tasks.addresses import local_path
from tasks.wording import markdown, shown

MAX_FAILURES_SHOWN = 200
MAX_TURNS_SHOWN = 500


class Following:
    """A bar and a progress artifact for a stage of `total` videos, and a line in the log for each failure."""

    def __init__(self, run: Session, stage: str, total: int) -> None:
        run.progress.begin(
            stage, total, run.backend.cpu.in_progress if stage == "extraction" and total else lambda: 0.0
        )
        self._run, self._stage, self._total, self._done, self._told = run, stage, total, 0, 0
        self._artifact = (
            create_progress_artifact(0.0, key=f"{stage}-progress", description=f"{stage}: {total} videos")
            if total
            else None
        )
        self._tell_failures()

    def advance(self, videos: int) -> None:
        """So many videos more are in the tables."""
        self._done += videos
        if self._artifact is not None:
            update_progress_artifact(self._artifact, 100.0 * self._done / self._total)  # type: ignore[arg-type]
        self._tell_failures()
        get_run_logger().info("%s: %d of %d videos", self._stage, self._done, self._total)

    def _tell_failures(self) -> None:
        """Those that came since it was last asked."""
        failures = self._run.results.counts.failures
        for failure in failures[self._told :]:
            told = (failure.video_id, failure.stage, failure.error_type, failure.message, failure.advice)
            get_run_logger().warning("%s · %s failed: %s: %s (%s)", *map(shown, told))
        self._told = len(failures)


def summarise(run: Session, name: str) -> State[dict[str, Any]]:
    """Leave the summary and the failures in the UI, and end the flow in a state that says how it went."""
    figures = figures_of(run)
    report = _report_url(run.out, figures["report"])
    create_markdown_artifact(
        _markdown(name, figures, report),
        key=f"{name}-summary",
        description=markdown(f"{name} of {run.source or run.out}"),
    )
    if report and name in ("pipeline", "analysis"):
        create_link_artifact(
            report, link_text=shown(f"report of {run.out}"), key=f"{name}-report", description=markdown(report)
        )
    if figures["failures"]:
        rows = [
            {key: shown(failure[key]) for key in ("video_id", "stage", "error_type", "advice", "message")}
            for failure in figures["failures"][:MAX_FAILURES_SHOWN]
        ]
        number = len(figures["failures"])
        words = f"{number} failure{'s' if number != 1 else ''}"
        create_table_artifact(rows, key=f"{name}-failures", description=words)
    if name == "extraction" and figures["device_turns"]:
        turns = figures["device_turns"][-MAX_TURNS_SHOWN:]
        create_table_artifact(turns, key="extraction-device", description="turns on the device")
    total, failed = figures["videos"], figures["failed"]
    if failed:
        return Completed(name=PARTIAL, message=f"{failed}/{total} videos failed", data=figures)
    return Completed(message=f"{figures['done']} done, {figures['reused']} reused", data=figures)


def _report_url(out: str, report: str | None) -> str | None:
    """Where a browser finds the report: a file: URL, or the place of a remote OUT."""
    if report is None:
        return None
    return Path(report).absolute().as_uri() if local_path(out) else quote(f"{out.rstrip('/')}/report/index.html", ":/")


def _markdown(name: str, figures: dict[str, Any], report: str | None) -> str:
    rows = "\n".join(
        f"| {key} | {figures[key]} |" for key in ("videos", "done", "reused", "failed", "classified", "pruned")
    )
    stages = "\n".join(f"| {stage} | {seconds:.1f} |" for stage, seconds in figures["stage_seconds"].items())
    link = f"\nReport: [{markdown(report)}]({report})\n" if report else ""
    return f"# {name} {figures['run_id']}\n\n| | videos |\n|---|---|\n{rows}\n\n| stage | CPU seconds |\n|---|---|\n{stages or '| none | 0 |'}\n{link}"
