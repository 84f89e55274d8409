"""A run in figures: what `--json` prints, flows return and the UI's summary shows."""

from __future__ import annotations

from typing import Any

from flows.session import Session


def figures_of(run: Session) -> dict[str, Any]:
    counts = run.results.counts
    storage, gone = run.tables.storage, run.gone
    return {
        "command": run.command,
        "run_id": run.run_id,
        "source": run.source,
        "out": run.out,
        "videos": run.videos,
        "done": len(counts.done),
        "reused": len(counts.reused),
        "failed": len(counts.failed),
        "classified": counts.classified,
        "pruned": len(gone.video_ids),
        "not_pruned": gone.why_not,
        "failures": [failure.model_dump() for failure in counts.failures],
        "stage_seconds": {stage: round(seconds, 3) for stage, seconds in sorted(counts.stage_seconds.items())},
        "cache_saved_s": round(counts.cache_saved_s, 3),
        "gates_saved_s": round(counts.modelled.gates_saved_s, 3),
        "model_s_per_video_hour": counts.modelled.s_per_video_hour,
        "device_busy_share": run.device_busy_share(),
        "forecast_s": run.forecast_s,
        "took_s": round(run.took_s, 3),
        "device_turns": _turns(run),
        "report": storage.path("report/index.html") if storage.exists("report/index.html") else None,
    }


def _turns(run: Session) -> list[dict[str, Any]]:
    """Who held a device from when to when, and how many videos waited for each stage then; empty without a device."""
    backend = run.__dict__.get("backend")
    return [
        {
            "device": turn.slot,
            "stage": turn.stage,
            "videos": turn.videos,
            "from": turn.started_at.isoformat(timespec="milliseconds"),
            "to": turn.ended_at.isoformat(timespec="milliseconds"),
            "waiting": ", ".join(f"{stage} {videos}" for stage, videos in turn.waiting.items()),
        }
        for turn in (backend.turns if backend else [])
    ]
