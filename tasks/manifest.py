"""Manifests: a table of videos with at least a `uri` column, as CSV, JSON lines or Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

import pyarrow as pa

from tasks.addresses import local_path, masked, path_of, suffix_of
from tasks.errors import UnreadableSource, UsageError
from tasks.records import Metadata
from tasks.remote import as_usage, open_files, told
from tasks.sidecar import metadata_of, text_of

MANIFEST_SUFFIXES = frozenset({".csv", ".jsonl", ".parquet"})


@dataclass(frozen=True)
class ManifestRow:
    uri: str
    video_id: str | None
    metadata: Metadata


def read_manifest(where: str) -> Iterator[ManifestRow]:
    """Rows in the manifest's order; rows without a uri are an error that names the row. where: a path or a URL.

    Raises UsageError when the manifest is missing, unreadable or has no `uri` column.
    """
    table = _read_table(where)
    if "uri" not in table.column_names:
        raise UsageError(f"manifest {where}: no `uri` column; it has {', '.join(table.column_names) or 'none'}")
    number = 1
    for batch in table.to_batches(max_chunksize=10_000):
        for raw in batch.to_pylist():
            uri = text_of(raw.get("uri"))
            if uri is None:
                raise UsageError(f"manifest {where}: row {number} has no uri")
            named = (path_of(masked(uri)) if "://" in uri else uri) or masked(uri)
            stem = PurePosixPath(named).stem or named  # `.` and `/` have none
            yield ManifestRow(uri, text_of(raw.get("video_id")), metadata_of(_plain(raw), stem))
            number += 1


def _plain(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value is not None}


def _read_table(where: str) -> pa.Table:
    import pyarrow.csv as csv
    import pyarrow.json as json
    import pyarrow.parquet as parquet

    try:
        with _opened(where) as file:
            if suffix_of(where) == ".csv":
                head = file.readline().decode("utf-8-sig", "replace")
                file.seek(0)
                # ids and titles that look like numbers or dates stay text
                texts = {name.strip().strip('"'): pa.string() for name in head.split(",")}
                options = csv.ConvertOptions(column_types=texts, strings_can_be_null=True)
                parsing = csv.ParseOptions(newlines_in_values=True)
                return csv.read_csv(file, convert_options=options, parse_options=parsing)
            if suffix_of(where) == ".jsonl":
                return cast(pa.Table, json.read_json(file))
            return cast(pa.Table, parquet.read_table(file))
    except FileNotFoundError:
        raise UsageError(f"manifest {where}: no such file") from None
    except UnreadableSource as error:
        raise as_usage("manifest", error) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"manifest {where}: {error}") from None


def _opened(where: str) -> BinaryIO:
    path = local_path(where)
    if path is not None:
        return path.open("rb")
    files, name = open_files(where)
    with told(where):
        return io.BytesIO(files.cat_file(name))
