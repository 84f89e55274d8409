"""A run in figures: what `--json` prints, flows return and the UI's summary shows."""

from __future__ import annotations

from typing import Any

from flows.session import Session


def figures_of(run: Session) -> dict[str, Any]:
    counts = run.results.counts
    storage = run.tables.storage
    return {
        "command": run.command,
        "run_id": run.run_id,
        "out": run.out,
        "videos": run.videos,
        "done": len(counts.done),
        "reused": len(counts.reused),
        "failed": len(counts.failed),
        "classified": counts.classified,
        "failures": [failure.model_dump() for failure in counts.failures],
        "stage_seconds": {stage: round(seconds, 3) for stage, seconds in sorted(counts.stage_seconds.items())},
        "cache_saved_s": round(counts.cache_saved_s, 3),
        "gates_saved_s": round(counts.modelled.gates_saved_s, 3),
        "model_s_per_video_hour": counts.modelled.s_per_video_hour,
        "device_busy_share": run.device_busy_share(),
        "report": storage.path("report/index.html") if storage.exists("report/index.html") else None,
    }
