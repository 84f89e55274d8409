"""The plan of a run: which videos of a catalog must be extracted, and what each of their stages depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tasks.errors import ReelscopeError, SourceUnreachable, blames_content
from tasks.keys import EXTRACTION_STAGES, StageInputs, stage_inputs, template_hash
from tasks.records import Failure, Video
from tasks.settings import Limits, Settings
from tasks.sources.catalog import Catalog, failure
from tasks.sources.content import ContentHashes
from tasks.sources.retries import patiently
from tasks.tables import Tables


@dataclass(frozen=True)
class Planned:
    """A video whose rows must be made or made anew, and what each of its stages depends on."""

    video: Video  # with its content hash
    inputs: dict[str, StageInputs]

    @property
    def input_hash(self) -> str:
        return template_hash(self.inputs)


@dataclass
class Plan:
    """What there is to do for a source, in the order in which it is done: large files first, so that none comes last alone."""

    todo: list[Planned] = field(default_factory=list)
    unchanged: list[Video] = field(default_factory=list)
    quarantined: list[Video] = field(default_factory=list)  # failed on the same input as often as is allowed
    failures: list[Failure] = field(default_factory=list)  # files that could not even be hashed


def planning(
    catalog: Catalog, tables: Tables, hashes: ContentHashes, models: Mapping[str, str], settings: Settings, plan: Plan
) -> Iterator[Planned]:
    """Compare the catalog with the tables and fill `plan`; gives each video to do as soon as it is known.

    Files are hashed here, those excepted whose path, size and modification time are known, or whose store tells. models: identity per stage.
    """
    known = tables.known()
    attempts: dict[tuple[str, str], int] = {}
    for row in tables.read("failures", ["video_id", "stage", "error_type", "input_hash", "attempts"]).to_pylist():
        if row["stage"] not in ("catalog", "metadata") and blames_content(row["error_type"]):
            key = (row["video_id"], row["input_hash"])
            attempts[key] = max(attempts.get(key, 0), row["attempts"])
    keys = keys_of(models, settings)
    limits, once = settings.limits, settings.limits.model_copy(update={"io_tries": 1})
    for video in sorted(catalog.videos, key=lambda video: (-(video.size_bytes or 0), video.video_id)):
        try:
            planned = inputs_of(video, hashes, models, settings, limits, keys)
            limits = settings.limits
        except ReelscopeError as error:
            if isinstance(error, SourceUnreachable):
                limits = once  # a store that is down shall not make every video wait; one that answers again does
            plan.failures.append(failure(video.video_id, video.uri, "catalog", error))
            continue
        row = known.get(video.video_id, {})
        if row.get("input_hash") == planned.input_hash and row["status"] == "complete":
            plan.unchanged.append(video)
        elif attempts.get((video.video_id, planned.input_hash), 0) >= settings.limits.attempts:
            plan.quarantined.append(video)
        else:
            plan.todo.append(planned)
            yield planned


def inputs_of(
    video: Video,
    hashes: ContentHashes,
    models: Mapping[str, str],
    settings: Settings,
    limits: Limits | None = None,
    keys: Mapping[str, StageInputs] | None = None,
) -> Planned:
    """Raises UnreadableSource for a file that cannot be read, and SourceUnreachable after as many tries as allowed.

    limits: of these tries; those of the settings where it is left out. keys: as `keys_of` gives them, for those who ask
    for many videos.
    """
    content = patiently(
        lambda: hashes.of_video(video, settings.sources), video.video_id, video.uri, limits or settings.limits
    )
    keys = keys or keys_of(models, settings)
    inputs = {stage: keys[stage].model_copy(update={"content": content}) for stage in EXTRACTION_STAGES}
    return Planned(video.model_copy(update={"content_hash": content}), inputs)


def keys_of(models: Mapping[str, str], settings: Settings) -> dict[str, StageInputs]:
    """What the stages of all videos depend on; their content is still to be put in."""
    return {stage: stage_inputs(stage, "", settings, models.get(stage, "")) for stage in EXTRACTION_STAGES}
