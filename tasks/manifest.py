"""Manifests: a table of videos with at least a `uri` column, as CSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from tasks.errors import UsageError
from tasks.records import Metadata
from tasks.sidecar import metadata_of, text_of

MANIFEST_SUFFIXES = frozenset({".csv", ".jsonl", ".parquet"})


@dataclass(frozen=True)
class ManifestRow:
    uri: str
    video_id: str | None
    metadata: Metadata


def read_manifest(path: Path) -> Iterator[ManifestRow]:
    """Rows in the manifest's order; rows without a uri are an error that names the row.

    Raises UsageError when the manifest is missing, unreadable or has no `uri` column.
    """
    table = _read_table(path)
    if "uri" not in table.column_names:
        raise UsageError(f"manifest {path}: no `uri` column; it has {', '.join(table.column_names) or 'none'}")
    number = 1
    for batch in table.to_batches(max_chunksize=10_000):
        for raw in batch.to_pylist():
            uri = text_of(raw.get("uri"))
            if uri is None:
                raise UsageError(f"manifest {path}: row {number} has no uri")
            stem = Path(uri).stem or uri  # `.` and `/` have none
            yield ManifestRow(uri, text_of(raw.get("video_id")), metadata_of(_plain(raw), stem))
            number += 1


def _plain(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value is not None}


def _read_table(path: Path) -> pa.Table:
    import pyarrow.csv as csv
    import pyarrow.json as json
    import pyarrow.parquet as parquet

    try:
        if path.suffix.lower() == ".csv":
            head = path.open("rb").readline().decode("utf-8-sig", "replace")
            # ids and titles that look like numbers or dates stay text
            texts = {name.strip().strip('"'): pa.string() for name in head.split(",")}
            options = csv.ConvertOptions(column_types=texts, strings_can_be_null=True)
            return csv.read_csv(path, convert_options=options, parse_options=csv.ParseOptions(newlines_in_values=True))
        if path.suffix.lower() == ".jsonl":
            return cast(pa.Table, json.read_json(path))
        return cast(pa.Table, parquet.read_table(path))
    except FileNotFoundError:
        raise UsageError(f"manifest {path}: no such file") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"manifest {path}: {error}") from None
