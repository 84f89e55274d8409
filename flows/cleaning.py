"""Cleaning: how large the result cache is, and taking out what is old or too much.

Safe beside a run: an entry that vanishes is a miss, and is computed again when it is wanted again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ByteSize, TypeAdapter, ValidationError

from flows.lines import say
from tasks.cache import ResultCache, Stored
from tasks.errors import UsageError

SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
LEFT_S = 86_400.0  # nobody writes an entry for so long: what is unfinished by then was left by a run that was killed


@dataclass
class Sum:
    """Entries of one stage."""

    entries: int = 0
    size_bytes: int = 0

    def add(self, stored: Stored) -> None:
        self.entries += 1
        self.size_bytes += stored.size_bytes


@dataclass
class Census:
    """What a cache holds, and what of it is pruned."""

    stages: dict[str, Sum] = field(default_factory=dict)
    oldest_s: float | None = None  # last use of the entry that was not used for longest, seconds since 1970
    newest_s: float | None = None
    pruned: Sum = field(default_factory=Sum)

    @property
    def total(self) -> Sum:
        return Sum(sum(s.entries for s in self.stages.values()), sum(s.size_bytes for s in self.stages.values()))

    def add(self, stored: Stored) -> None:
        self.stages.setdefault(stored.stage, Sum()).add(stored)
        self.oldest_s = min(stored.used_s, self.oldest_s or stored.used_s)
        self.newest_s = max(stored.used_s, self.newest_s or stored.used_s)


def clean(cache: ResultCache, older_than_s: float | None, max_size_bytes: int | None, dry_run: bool) -> Census:
    """Count a cache, and prune it if a bound is given. The census is that before pruning. Raises StorageError."""
    census = Census()
    if older_than_s is None and max_size_bytes is None:
        for stored in cache.stored():
            if stored.finished:
                census.add(stored)
        return census
    found = list(cache.stored())
    for stored in found:
        if stored.finished:
            census.add(stored)
    for stored in to_prune(found, time.time(), older_than_s, max_size_bytes):
        if not dry_run:
            cache.remove(stored)
        census.pruned.add(stored)
    return census


def to_prune(
    found: Iterable[Stored], now_s: float, older_than_s: float | None, max_size_bytes: int | None
) -> list[Stored]:
    """Entries that were not used for so long, then of the others those that were not used for longest until the rest
    is small enough; and what killed runs have left unfinished."""
    entries = sorted((stored for stored in found if stored.finished), key=lambda stored: (stored.used_s, stored.path))
    left = [stored for stored in found if not stored.finished and now_s - stored.used_s > LEFT_S]
    size_bytes = sum(stored.size_bytes for stored in entries)
    pruned = []
    for stored in entries:
        too_old = older_than_s is not None and now_s - stored.used_s > older_than_s
        too_much = max_size_bytes is not None and size_bytes > max_size_bytes
        if not (too_old or too_much):
            break
        pruned.append(stored)
        size_bytes -= stored.size_bytes
    return left + pruned


def age_s(words: str) -> float:
    """30d, 12h, 2w, 90min, 45s -> seconds. Raises UsageError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", words.lower())
    if not found or found[2] not in SECONDS:
        raise UsageError(f"--older-than {words}: an age was expected, e.g. 30d, 12h or 2w")
    return float(found[1]) * SECONDS[found[2]]


def size_bytes(words: str) -> int:
    """5GB, 500 MiB, 1000000 -> bytes. Raises UsageError."""
    try:
        size = TypeAdapter(ByteSize).validate_python(words.strip())
    except ValidationError:
        size = None
    if size is None or size < 0:
        raise UsageError(f"--max-size {words}: a size was expected, e.g. 5GB or 500MiB")
    return int(size)


def figures(cache: ResultCache, census: Census, dry_run: bool) -> dict[str, Any]:
    return {
        "location": cache.location,
        "entries": census.total.entries,
        "size_bytes": census.total.size_bytes,
        "stages": {stage: vars(held) for stage, held in sorted(census.stages.items())},
        "oldest": _moment(census.oldest_s),
        "newest": _moment(census.newest_s),
        "pruned": vars(census.pruned),
        "dry_run": dry_run,
    }


def show(told: dict[str, Any]) -> None:
    say(f"{told['location']}: {told['entries']} entries, {_human(told['size_bytes'])}")
    for stage, held in told["stages"].items():
        say(f"{stage:10} {held['entries']:8} entries {_human(held['size_bytes']):>10}")
    if told["entries"]:
        say(f"last used  {told['oldest']} (oldest) to {told['newest']} (newest)")
    if told["pruned"]["entries"]:
        verb = "would be removed" if told["dry_run"] else "removed"
        say(f"{verb}: {told['pruned']['entries']} entries, {_human(told['pruned']['size_bytes'])}")


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _human(size: int) -> str:
    return ByteSize(size).human_readable(decimal=True)
