"""What a run shows in the Prefect UI: progress while it lasts, a summary and the failures at its end."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.figures import figures_of
from flows.session import Session

MAX_FAILURES_SHOWN = 200
MAX_TURNS_SHOWN = 500


class Following:
    """A bar and a progress artifact for a stage of `total` videos."""

    def __init__(self, run: Session, stage: str, total: int) -> None:
        run.progress.begin(stage, total, run.cpu.in_progress if stage == "extraction" and total else lambda: 0.0)
        self._total, self._done = total, 0
        self._artifact = (
            create_progress_artifact(0.0, key=f"{stage}-progress", description=f"{stage}: {total} videos")
            if total
            else None
        )

    def advance(self, videos: int) -> None:
        """So many videos more are in the tables."""
        self._done += videos
        if self._artifact is not None:
            update_progress_artifact(self._artifact, 100.0 * self._done / self._total)  # type: ignore[arg-type]


def summarise(run: Session, name: str) -> State[dict[str, Any]]:
    """Leave the summary and the failures in the UI, and end the flow in a state that says how it went."""
    figures = figures_of(run)
    create_markdown_artifact(
        _markdown(name, figures), key=f"{name}-summary", description=f"{name} of {run.source or run.out}"
    )
    if figures["failures"]:
        shown = [
            {key: failure[key] for key in ("video_id", "stage", "error_type", "message", "advice")}
            for failure in figures["failures"][:MAX_FAILURES_SHOWN]
        ]
        create_table_artifact(shown, key=f"{name}-failures", description=f"{len(figures['failures'])} failures")
    if name == "extraction" and run.device and run.device.turns:
        turns = [
            {
                "device": turn.slot,
                "stage": turn.stage,
                "videos": turn.videos,
                "from": turn.started_at.isoformat(timespec="milliseconds"),
                "to": turn.ended_at.isoformat(timespec="milliseconds"),
                "waiting": ", ".join(f"{stage} {videos}" for stage, videos in turn.waiting.items()),
            }
            for turn in run.device.turns[-MAX_TURNS_SHOWN:]
        ]
        create_table_artifact(turns, key="extraction-device", description="turns on the device")
    total, failed = figures["videos"], figures["failed"]
    if failed:
        return Completed(name="PartiallyCompleted", message=f"{failed}/{total} videos failed", data=figures)
    return Completed(message=f"{figures['done']} done, {figures['reused']} reused", data=figures)


def _markdown(name: str, figures: dict[str, Any]) -> str:
    rows = "\n".join(f"| {key} | {figures[key]} |" for key in ("videos", "done", "reused", "failed", "classified"))
    stages = "\n".join(f"| {stage} | {seconds:.1f} |" for stage, seconds in figures["stage_seconds"].items())
    report = f"\nReport: `{figures['report']}`\n" if figures["report"] else ""
    return f"# {name} {figures['run_id']}\n\n| | videos |\n|---|---|\n{rows}\n\n| stage | CPU seconds |\n|---|---|\n{stages or '| none | 0 |'}\n{report}"
