"""Migration: the tables of an OUT that an older reelscope wrote, brought to the schema of this one.

Each table's first part is written last. It is the one that is looked at, so that a migration that was killed goes on at
the next start; and readers of a folder take the columns from it, which all parts have at every moment.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pyarrow as pa

from tasks.parts import FIRST, Parts
from tasks.schemas import SCHEMA_VERSION, TABLES, VERSION_KEY

log = logging.getLogger("reelscope.tables")
RUN_PART = "run-"  # what the parts of `runs` are called in version 1: one for each run


def migrate(parts: Parts) -> None:
    """Bring every part to our schema version; with OUT's lock held.

    Columns that were added since are null: what they say was not known then. Raises UsageError for tables of a newer
    version, of which nothing is changed.
    """
    first = {name: part for name in TABLES if (part := next(iter(parts.names(name)), None))}
    versions = {name: parts.version(name, part) for name, part in first.items()}
    outdated = [name for name, version in versions.items() if version < SCHEMA_VERSION]
    if outdated:
        oldest = min(versions.values())
        log.warning("%s: schema version %d is brought to %d", parts.storage.root, oldest, SCHEMA_VERSION)
    own = [part for part in parts.names("runs") if part.startswith(RUN_PART)]
    for name in outdated:
        if name == "runs" and own:  # they are joined below
            continue
        for part in [*parts.names(name)[1:], first[name]]:
            if parts.version(name, part) < SCHEMA_VERSION:
                parts.write(name, part, parts.read(name, part), _kept(parts, name, part))
    if own:
        _join_runs(parts, own)


def _kept(parts: Parts, name: str, part: str) -> dict[bytes, bytes]:
    """What else the file says of itself, such as what the clusters were made of."""
    said = parts.metadata(name) if part == FIRST else {}
    return {key: value for key, value in said.items() if key != VERSION_KEY}


def _join_runs(parts: Parts, own: Sequence[str]) -> None:
    """One part for all runs: a year of nights is not read one file after another."""
    names = parts.names("runs")
    there = [part for part in (FIRST, *own) if part in names]
    rows = {row["run_id"]: row for part in there for row in parts.read("runs", part).to_pylist()}
    ordered = sorted(rows.values(), key=lambda row: row["started_at"])
    parts.write("runs", FIRST, pa.Table.from_pylist(ordered, schema=TABLES["runs"]))
    for part in own:
        parts.storage.remove(f"runs/{part}")
