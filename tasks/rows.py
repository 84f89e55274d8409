"""The rows of one video in the tables, made of what its stages gave."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from tasks.extraction.template import template_features
from tasks.keys import digest
from tasks.records import Decoded, Metadata, Speech, StageOutcome, Status, Texts, Video
from tasks.sources.content import HASH
from tasks.tables import Row, VideoRows

R = TypeVar("R", Decoded, Texts, Speech)


def metadata_row(video: Video) -> Row:
    """What is known of a video without opening it, as columns of `videos`."""
    metadata: Metadata = video.metadata
    published_at = datetime.fromisoformat(metadata.published_at) if metadata.published_at else None
    return {
        "video_id": video.video_id,
        "uri": video.uri,
        "size_bytes": video.size_bytes,
        "title": metadata.title,
        "description": metadata.description,
        "tags": list(metadata.tags),
        "categories": list(metadata.categories),
        "uploader": metadata.uploader,
        "view_count": metadata.view_count,
        "like_count": metadata.like_count,
        "webpage_url": metadata.webpage_url,
        "published_at": published_at,
    }


def video_rows(
    video: Video, outcomes: Mapping[str, StageOutcome], input_hash: str, inputs: str, run_id: str
) -> VideoRows:
    """All rows of a video. A stage that failed leaves its columns null, and the video `partial`."""
    decoded = _result(outcomes, "decode", Decoded)
    texts = _result(outcomes, "text", Texts)
    speech = _result(outcomes, "speech", Speech)
    row = metadata_row(video) | {
        "content_hash": video.content_hash,
        "status": status_of(outcomes),
        "input_hash": input_hash,
        "inputs": inputs,
        "run_id": run_id,
        "seconds": json.dumps({stage: round(outcome.cpu_s, 3) for stage, outcome in outcomes.items()}),
    }
    if decoded is None:
        return VideoRows(row | dict.fromkeys(_EXTRACTED))
    row |= {
        "duration_s": decoded.duration_s,
        "width": decoded.width,
        "height": decoded.height,
        "fps": decoded.fps,
        "has_audio": decoded.has_audio,
        "coverage": decoded.coverage,
        "text_engine": texts.engine if texts else None,
        "text_model": texts.model if texts else None,
        "speech_engine": speech.engine if speech else None,
        "speech_model": speech.model if speech else None,
        "speech_language": speech.language if speech else None,
        "pictures": list(pictures_of(video, outcomes)),
        "picture_times_s": [picture.time_s for picture in decoded.pictures],
    }
    video_id = video.video_id
    speech = within(speech, decoded.duration_s) if speech else None
    return VideoRows(
        video=row,
        shots=[
            {"video_id": video_id, "shot": number, **shot.model_dump()} for number, shot in enumerate(decoded.shots)
        ],
        texts=[
            {
                "video_id": video_id,
                "engine": texts.engine,
                "zone": text.box.zone,
                **text.model_dump(exclude={"box"}),
                **text.box.model_dump(),
            }
            for text in (texts.texts if texts else ())
            if texts
        ],
        speech=[
            {"video_id": video_id, "engine": speech.engine, **segment.model_dump()}
            for segment in (speech.segments if speech else ())
            if speech
        ],
        template={"video_id": video_id, **template_features(decoded, texts, speech)},
    )


#: Columns of `videos` that only a decoded video has.
_EXTRACTED = [
    "duration_s",
    "width",
    "height",
    "fps",
    "has_audio",
    "coverage",
    "text_engine",
    "text_model",
    "speech_engine",
    "speech_model",
    "speech_language",
    "pictures",
    "picture_times_s",
]


def within(speech: Speech, duration_s: float) -> Speech:
    """What is said while there are pictures: a track may go on when they have ended."""
    heard = [segment for segment in speech.segments if segment.start_s < duration_s]
    cut = (segment.model_copy(update={"end_s": min(segment.end_s, duration_s)}) for segment in heard)
    return speech.model_copy(update={"segments": tuple(cut)})


def status_of(outcomes: Mapping[str, StageOutcome]) -> Status:
    """complete: every stage gave its result whole; failed: nothing could be decoded; partial: anything between."""
    if outcomes.get("decode") is None or outcomes["decode"].result is None:
        return "failed"
    whole = all(
        stage in outcomes and outcomes[stage].result is not None and outcomes[stage].failure is None
        for stage in ("decode", "text", "speech")
    )
    return "complete" if whole else "partial"


def pictures_of(video: Video, outcomes: Mapping[str, StageOutcome]) -> dict[str, bytes]:
    """The video's small pictures: file name relative to OUT -> JPEG. Named by content, so that they are never stale."""
    decoded = _result(outcomes, "decode", Decoded)
    name = video.content_hash or ""
    name = name if HASH.fullmatch(name) else digest(name)  # what a store says of a content is no name for a file
    return {
        f"pictures/{name[:2]}/{name[:24]}-{number:02d}.jpg": base64.b64decode(picture.jpeg_base64)
        for number, picture in enumerate(decoded.pictures if decoded else ())
    }


def _result(outcomes: Mapping[str, StageOutcome], stage: str, kind: type[R]) -> R | None:
    outcome = outcomes.get(stage)
    return kind.model_validate(outcome.result) if outcome and outcome.result is not None else None
