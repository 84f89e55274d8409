"""A preview of a run: what it would do and reuse, how much video that is, and what it will take."""

from __future__ import annotations

from typing import Any

from flows.forecast import minutes
from flows.lines import say
from flows.outlook import outlook
from flows.plan import Plan, planning
from flows.pruning import Gone, gone
from flows.session import looking
from tasks.keys import EXTRACTION_STAGES
from tasks.settings import Settings
from tasks.sources.content import ContentHashes

SHOWN = 20  # videos that are named one by one


def preview(source: str, out: str, settings: Settings, limit: int | None, prune: bool = False) -> dict[str, Any]:
    """The plan in figures. Files are hashed whose hash is not known, and headers read; nothing is computed or written.

    Raises UsageError for a bad source, output or cache.
    """
    run = looking(source, out, settings, limit, prune)
    catalog, plan = run.catalog, Plan()
    hashes = ContentHashes(run.folder / "hashes.sqlite")
    for _ in planning(catalog, run.tables, hashes, run.models, run.settings, plan):
        pass
    told_gone = gone(catalog, run.tables, run.run_id) if prune else Gone()
    works, foreseen = outlook(run, plan.todo, sampled=None)
    todo = [work for work in works if work.stages]
    lengths = [work.duration_s for work in todo if work.duration_s is not None]
    return {
        "source": source,
        "out": out,
        "videos": catalog.found,
        "todo": len(todo),
        "reused": len(plan.unchanged) + len(works) - len(todo),
        "from_cache": len(works) - len(todo),  # of the reused, those whose rows are made again
        "quarantined": [video.video_id for video in plan.quarantined],
        "unreadable": [
            {"video_id": item.video_id, "message": item.message} for item in [*catalog.rejected, *plan.failures]
        ],
        "to_prune": list(told_gone.video_ids),
        "not_pruned": told_gone.why_not,
        "to_classify": len(run.niches.wanting),
        "todo_s": sum(lengths),
        "unknown_lengths": len(todo) - len(lengths),
        "todo_by_stage": {stage: sum(stage in work.stages for work in works) for stage in EXTRACTION_STAGES},
        "workers": settings.workers,
        "text_engine": run.ocr.engine,
        "speech_engine": run.speech.engine,
        "notes": [choice.note for choice in (run.ocr, run.speech) if choice.note],
        "forecast": {
            "wall_s": foreseen.wall_s,
            "device_s": foreseen.device_s,
            "cpu_s": foreseen.cpu_s,
            "runs": foreseen.runs,
            "borrowed": foreseen.borrowed,
            "why_not": foreseen.why_not,
        },
    }


def show(told: dict[str, Any]) -> None:
    quarantined, unreadable, foreseen = told["quarantined"], told["unreadable"], told["forecast"]
    say(
        f"{told['videos']} videos in {told['source']}: {told['todo']} to do, {told['reused']} to reuse, "
        f"{len(quarantined)} quarantined, {len(unreadable)} unreadable; {told['to_classify']} to classify"
    )
    if told["not_pruned"]:
        say(told["not_pruned"])
    if told["to_prune"]:
        say(f"to prune   {len(told['to_prune'])}: no longer in {told['source']}")
    for note in told["notes"]:
        say(note)
    for video_id in quarantined[:SHOWN]:
        say(f"quarantined  {video_id}: left alone until it changes; `reelscope retry` tries it again")
    if len(quarantined) > SHOWN:
        say(f"             and {len(quarantined) - SHOWN} more; --json has them all")
    for item in unreadable[:SHOWN]:
        say(f"unreadable   {item['message']}")
    if len(unreadable) > SHOWN:
        say(f"             and {len(unreadable) - SHOWN} more; --json has them all")
    if told["from_cache"]:
        say(f"from the cache alone: {told['from_cache']} of those to reuse")
    if not told["todo"]:
        say("Nothing is to be extracted.")
        return
    stages = ", ".join(f"{stage} of {videos}" for stage, videos in told["todo_by_stage"].items())
    unknown = f", and {told['unknown_lengths']} of unknown length" if told["unknown_lengths"] else ""
    say(f"to do      {minutes(told['todo_s'])} of video{unknown}; {stages}")
    if foreseen["wall_s"] is None:
        say(f"forecast   none: {foreseen['why_not']}")
        return
    device = f", {minutes(foreseen['device_s'])} on the device" if foreseen["device_s"] is not None else ""
    cpu = ", ".join(f"{stage} {minutes(seconds)}" for stage, seconds in foreseen["cpu_s"].items() if seconds)
    say(
        f"forecast   {minutes(foreseen['wall_s'])} with {told['workers']} workers{device}; "
        f"CPU time: {cpu or 'none'}; going by {foreseen['runs']} past {'run' if foreseen['runs'] == 1 else 'runs'}"
    )
    for stage in foreseen["borrowed"]:
        say(f"           {stage}: nothing was computed with this model yet; the rate is another model's")
