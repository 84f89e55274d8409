"""An enquiry about one video: which it is, what OUT knows of it, and what a run would do with each of its stages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.compute as pc

from flows.lines import say
from flows.niches import Niches
from flows.plan import inputs_of
from flows.session import Session, looking
from flows.why import Past, Verdict, classification_verdict, extraction_verdicts
from tasks.addresses import local_path
from tasks.errors import UsageError
from tasks.keys import EXTRACTION_STAGES, TEXT_FIELDS
from tasks.records import Video
from tasks.settings import Settings
from tasks.sources.catalog import Catalog, scan
from tasks.sources.content import ContentHashes
from tasks.tables import Row, Tables

COLUMNS = ["video_id", "uri", "status", "run_id", "content_hash", "input_hash", "inputs", "classified_hash"]
COLUMNS += ["classified_inputs", *TEXT_FIELDS]


def why(asked: str, out: str, source: str | None, settings: Settings) -> dict[str, Any]:
    """Per stage of a video: reused or to be redone by a run with these settings, and which input changed.

    asked: video_id, uri, path or file name. source: None for those of the runs into `out`, the last first.
    The one file is hashed, where its hash is not known; nothing else is computed, and nothing is written.
    Raises UsageError for a video that neither the tables nor the source know, or that several are called.
    """
    run = looking(None, out, settings)
    runs = run.tables.read("runs", ["run_id", "started_at", "source", "settings"]).to_pylist()
    rows = run.tables.read("videos", ["video_id", "uri"]).to_pylist()
    where, video = _find(asked, rows, [source] if source else list(_sources(runs)), run)
    past = _past(run.tables, video.video_id, {row["run_id"]: row["settings"] for row in runs})
    niches = Niches(Catalog(where), run.tables, settings.classification)
    niche = classification_verdict(past, niches.hash_of(video), niches.inputs_of(video), video.metadata)
    verdicts = [*_extraction(run, video, past), niche]
    return {
        "video_id": video.video_id,
        "uri": video.uri,
        "source": where,
        "status": past.row.get("status"),
        "text_engine": run.ocr.engine,
        "speech_engine": run.speech.engine,
        "notes": [choice.note for choice in (run.ocr, run.speech) if choice.note],
        "stages": [verdict.figures() for verdict in verdicts],
    }


def show(told: dict[str, Any]) -> None:
    say(f"{told['video_id']}  {told['uri']}  ({told['status'] or 'not in the tables yet'})")
    for note in told["notes"]:
        say(note)
    for stage in told["stages"]:
        say(f"{stage['stage']:15} {stage['verdict']:11} {stage['why']}")


def _extraction(run: Session, video: Video, past: Past) -> list[Verdict]:
    planned = inputs_of(video, ContentHashes(run.folder / "hashes.sqlite"), run.models, run.settings)
    looked = not past.stands(planned.input_hash)
    cached = frozenset(EXTRACTION_STAGES) - run.results.missing(planned) if looked else frozenset()
    values = run.settings.model_dump(mode="json")
    return extraction_verdicts(past, planned, values, cached, run.settings.limits.attempts)


def _past(tables: Tables, video_id: str, settings_of: dict[str, str]) -> Past:
    table = tables.read("videos", COLUMNS)
    rows: list[Row] = table.filter(pc.equal(table["video_id"], video_id)).to_pylist()
    row = rows[0] if rows else {}
    failures = tables.read("failures", ["video_id", "stage", "error_type", "attempts", "input_hash"]).to_pylist()
    return Past(
        row,
        whole=bool(row) and tables.known()[video_id]["input_hash"] == row["input_hash"],
        failures={
            item["stage"]: item
            for item in failures
            if item["video_id"] == video_id and item["stage"] not in ("catalog", "metadata")
        },
        settings=json.loads(settings_of.get(row.get("run_id", ""), "{}")),
    )


def _sources(runs: list[Row]) -> Iterator[str]:
    """The sources of all runs, the last first, each once."""
    latest = sorted((row for row in runs if row["source"]), key=lambda row: row["started_at"], reverse=True)
    yield from dict.fromkeys(row["source"] for row in latest)


def _find(asked: str, rows: list[Row], sources: list[str], run: Session) -> tuple[str, Video]:
    """The video as its source has it now, and the source. What the sources call so goes before what the tables do."""
    if not sources:
        raise UsageError(f"{run.out}: no run here had a source; name it with --source")
    told = _named(asked, ((row["video_id"], row["uri"], row["uri"]) for row in rows))
    gone: list[str] = []
    for source in sources:
        try:
            catalog = scan(source, run.settings.sources)
        except UsageError as error:
            gone.append(error.message)
            continue
        by_id = {video.video_id: video for video in catalog.videos}
        here = _named(asked, ((video.video_id, video.uri, video.location) for video in catalog.videos))
        found = here or [video_id for video_id in told if video_id in by_id]
        if len(found) > 1:
            raise UsageError(f"several videos are called {asked}: {', '.join(sorted(found)[:5])}; give an id or a path")
        if found:
            return source, by_id[found[0]]
        refused = _named(asked, ((item.video_id, item.uri, item.uri) for item in catalog.rejected))
        for item in catalog.rejected:
            if item.video_id in refused:
                raise UsageError(f"{asked} is no video that can be read: {item.message}")
    if len(sources) == len(gone):
        raise UsageError(f"{gone[0]}; name the source with --source")
    if told:
        raise UsageError(
            f"{asked} is in the tables of {run.out} but no longer in {sources[0]}; its rows stay as they are"
        )
    raise UsageError(f"{asked}: neither the tables of {run.out} nor {sources[0]} know such a video")


def _named(asked: str, known: Iterable[tuple[str, str, str]]) -> list[str]:
    """Ids of the videos (id, uri, location) that are called so: by id, else by uri or path, else by file name."""
    path = Path(asked).absolute() if "://" not in asked else None
    ranked: dict[int, list[str]] = {}
    for video_id, uri, location in known:
        local = local_path(location)
        name = PurePosixPath(uri)
        if asked == video_id:
            ranked.setdefault(0, []).append(video_id)
        elif asked == uri or (path and local and local.absolute() == path):
            ranked.setdefault(1, []).append(video_id)
        elif asked in (name.name, name.stem):
            ranked.setdefault(2, []).append(video_id)
    return ranked[min(ranked)] if ranked else []
