"""Sidecars: the NAME.info.json that yt-dlp writes beside a video."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.errors import UnreadableSource
from tasks.records import Metadata
from tasks.sources.files import open_regular

SIDECAR_SUFFIX = ".info.json"
MAX_SIDECAR_BYTES = 20_000_000  # yt-dlp's largest, with every format and subtitle, stay below 2 MB
MAX_TEXT = 100_000  # characters of a text
MAX_ID = 500  # characters of an id; it stands in every table and in what people read
MAX_WORDS, MAX_WORD = 1000, 1000  # tags or categories, and characters of one
AGAIN = "Download the sidecar again, or remove it."


def read_sidecar(path: Path, stem: str) -> tuple[str | None, Metadata]:
    """The id (None if the sidecar has none) and metadata; a wrong type in one field leaves that field unknown.

    Raises UnreadableSource when the file as a whole is not a JSON object.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MAX_SIDECAR_BYTES + 1)
    except OSError as error:
        raise UnreadableSource(f"{path}: not readable as JSON ({error.strerror or error})", AGAIN) from None
    return parse_sidecar(content, len(content), str(path), stem)


def parse_sidecar(content: bytes, size_bytes: int, where: str, stem: str) -> tuple[str | None, Metadata]:
    """The same of what was read already; one that is too large need not have been."""
    if size_bytes > MAX_SIDECAR_BYTES:
        raise UnreadableSource(
            f"{where}: larger than {MAX_SIDECAR_BYTES} bytes", "Replace the sidecar; it is not yt-dlp's."
        )
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableSource(f"{where}: not readable as JSON ({error})", AGAIN) from None
    if not isinstance(raw, dict):
        raise UnreadableSource(f"{where}: a JSON object was expected", AGAIN)
    metadata = metadata_of(raw, stem)
    return id_of(raw.get("id")), metadata


def metadata_of(raw: dict[str, Any], fallback_title: str) -> Metadata:
    """Metadata from yt-dlp's names or a manifest's."""
    return Metadata(
        title=text_of(raw.get("title")) or fallback_title,
        description=text_of(raw.get("description")) or "",
        tags=words_of(raw.get("tags")),
        categories=words_of(raw.get("categories")),
        uploader=text_of(raw.get("uploader")) or text_of(raw.get("channel")),
        published_at=_moment(raw),
        view_count=count_of(raw.get("view_count")),
        like_count=count_of(raw.get("like_count")),
        webpage_url=text_of(raw.get("webpage_url")),
        duration_s=_seconds(raw.get("duration")),
    )


def text_of(value: Any) -> str | None:
    """A string, or a whole number as a string; anything else is unknown."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**MAX_ID else None
    if not isinstance(value, str):
        return None
    return _writable(value[: 2 * MAX_TEXT]).strip()[:MAX_TEXT] or None


def _writable(text: str) -> str:
    """Without lone surrogates, which cannot be written to Parquet."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def id_of(value: Any) -> str | None:
    """An id; what is too long to be one is unknown."""
    found = text_of(value)
    return found if found and len(found) <= MAX_ID else None


def words_of(value: Any) -> tuple[str, ...]:
    """A list of strings, or one string separated by | or ,"""
    if isinstance(value, str):
        parts = _writable(value).split("|" if "|" in value else ",", MAX_WORDS)[:MAX_WORDS]
        return tuple(word[:MAX_WORD] for word in map(str.strip, parts) if word)
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(word[:MAX_WORD] for word in (text_of(item) for item in value[:MAX_WORDS]) if word)


def count_of(value: Any) -> int | None:
    """A count that is a number or written as one; negative, NaN and infinite are unknown."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if 0 <= number < 2**62 else None


def _seconds(value: Any) -> float | None:
    """A length that is a number or written as one, above zero and finite."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < math.inf else None


def _moment(raw: dict[str, Any]) -> str | None:
    """published_at (ISO), timestamp (seconds) or upload_date (YYYYMMDD) as ISO 8601 in UTC."""
    try:
        if isinstance(raw.get("published_at"), str):
            moment = datetime.fromisoformat(raw["published_at"])
        elif isinstance(raw.get("published_at"), datetime):
            moment = raw["published_at"]
        elif isinstance(raw.get("timestamp"), (int, float)):
            moment = datetime.fromtimestamp(raw["timestamp"], UTC)
        elif isinstance(raw.get("upload_date"), (str, int)):
            moment = datetime.strptime(str(raw["upload_date"]), "%Y%m%d")
        else:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
