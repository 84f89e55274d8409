"""The labelled file that a niche model is trained on, checked before any work is done."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from tasks.classification.niches import MAX_NAME_CHARS, RESERVED_NAMES
from tasks.errors import UsageError
from tasks.records import Metadata, Record
from tasks.sources.sidecar import metadata_of, text_of

#: Of each niche: fewer say nothing, and videos of one channel cannot stand on both sides of a validation.
MIN_VIDEOS, MIN_CHANNELS = 5, 2
LABEL_COLUMNS = ("niche", "category")
TEXT_COLUMNS = ("title", "description", "tags")


class Labelled(Record):
    """A video whose niche is known. channel: its uploader, or the video itself where that is unknown."""

    metadata: Metadata
    niche: str
    channel: str
    video_id: str | None


def read_labels(
    path: str, corrections: Mapping[str, str | None], others: Sequence[dict[str, Any]] = ()
) -> list[Labelled]:
    """The labelled videos of a .csv, .jsonl or .parquet file; rows without a label are left out.

    corrections: video_id -> niche, in place of what the file says; None takes the video out. others: rows of `videos`,
    for the text of corrected videos that the file does not have.
    Raises UsageError for a file that cannot be used, and for too few niches or too few videos of one.
    """
    rows = _rows(path)
    columns = set().union(*rows[:1000])
    label = next((name for name in LABEL_COLUMNS if name in columns), None)
    if label is None:
        raise UsageError(
            f"labels {path}: no column `niche` or `category`; it has {', '.join(sorted(columns)) or 'none'}"
        )
    if not set(TEXT_COLUMNS) & columns:
        raise UsageError(
            f"labels {path}: no column `title`, `description` or `tags`, so there is no text to learn from"
        )
    videos, seen = list[Labelled](), set[str | None]()
    for number, row in enumerate(rows, 1):
        video_id = text_of(row.get("video_id"))
        seen.add(video_id)
        niche = corrections[video_id] if video_id is not None and video_id in corrections else text_of(row.get(label))
        if niche is not None:
            _check_name(niche, path, number)
            videos.append(_labelled(row, niche, video_id, number))
    for row in others:
        video_id = row["video_id"]
        niche = corrections.get(video_id)
        if niche is not None and video_id not in seen:
            videos.append(_labelled(row, niche, video_id, len(videos) + 1))
    _check_counts(videos, path)
    return videos


def data_hash(videos: Sequence[Labelled]) -> str:
    """Of what the model is trained on, whatever the order of the rows."""
    said = sorted(json.dumps([video.metadata.model_dump(), video.niche, video.channel]) for video in videos)
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _labelled(row: Mapping[str, Any], niche: str, video_id: str | None, number: int) -> Labelled:
    metadata = metadata_of({key: value for key, value in row.items() if value is not None}, "")
    channel = f"@{metadata.uploader}" if metadata.uploader else f"{video_id or number}"
    return Labelled(metadata=metadata, niche=niche, channel=channel, video_id=video_id)


def _check_name(niche: str, path: str, number: int) -> None:
    if niche.casefold() in RESERVED_NAMES or len(niche) > MAX_NAME_CHARS:
        raise UsageError(f"labels {path} row {number}: {niche[:MAX_NAME_CHARS]!r} can be no niche's name")


def _check_counts(videos: Sequence[Labelled], path: str) -> None:
    counts = Counter(video.niche for video in videos)
    if len(counts) < 2:
        told = f"only {next(iter(counts))!r}" if counts else "none"
        raise UsageError(f"labels {path}: {told} among the labels; a model needs at least two niches to tell apart")
    channels = defaultdict(set)
    for video in videos:
        channels[video.niche].add(video.channel)
    few = [niche for niche in counts if counts[niche] < MIN_VIDEOS or len(channels[niche]) < MIN_CHANNELS]
    if few:
        told = ", ".join(f"{niche!r} has {counts[niche]} of {len(channels[niche])}" for niche in sorted(few)[:5])
        raise UsageError(
            f"labels {path}: at least {MIN_VIDEOS} videos of {MIN_CHANNELS} channels are needed of each niche: {told}; "
            "add some, join niches, or leave these out"
        )


def _rows(path: str) -> list[dict[str, Any]]:
    suffix = Path(path).suffix.lower()
    try:
        if suffix == ".parquet":
            return list(parquet.read_table(path).to_pylist())
        if suffix == ".csv":
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        elif suffix == ".jsonl":
            table = pd.read_json(path, lines=True, dtype=False)
        else:
            raise UsageError(f"labels {path}: a .csv, .jsonl or .parquet file was expected")
    except OSError as error:
        raise UsageError(f"labels {path}: {error.strerror or error}") from None
    except (ValueError, pa.ArrowException) as error:  # of pandas' parsers, too
        raise UsageError(f"labels {path}: cannot be read ({str(error).splitlines()[0]})") from None
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
