"""Manifests: a table of videos with at least a `uri` column, as CSV, JSON lines or Parquet.

It is read a batch of rows at a time, of the known columns alone, so that its size costs no memory. A value of a wrong type
is unknown; what is no table at all is refused.
"""

from __future__ import annotations

import csv as headings
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from tasks.addresses import local_path, masked, path_of, suffix_of
from tasks.errors import UnreadableSource, UsageError
from tasks.records import Metadata
from tasks.sources.files import open_regular
from tasks.sources.remote import as_usage, open_files, told
from tasks.sources.sidecar import MAX_TEXT, id_of, metadata_of, text_of

MANIFEST_SUFFIXES = frozenset({".csv", ".jsonl", ".parquet"})
#: Columns that are read; others may be there.
COLUMNS = frozenset(
    [
        *("uri", "video_id", "title", "description", "tags", "categories", "uploader", "channel"),
        *("published_at", "timestamp", "upload_date", "view_count", "like_count", "webpage_url", "duration"),
    ]
)
MAX_ROW_BYTES = 16 << 20  # a description has 5,000 characters, and all tags 500
BATCH = 1000


@dataclass(frozen=True)
class ManifestRow:
    uri: str
    video_id: str | None
    metadata: Metadata


def read_manifest(where: str) -> Iterator[ManifestRow]:
    """Rows in the manifest's order; rows without a uri are an error that names the row. where: a path or a URL.

    Raises UsageError when the manifest is missing, unreadable or has no `uri` column.
    """
    for number, raw in enumerate(_rows(where), 1):
        uri = text_of(raw.get("uri"))
        if uri is None:
            raise UsageError(f"manifest {where}: row {number} has no uri")
        named = (path_of(masked(uri)) if "://" in uri else uri) or masked(uri)
        stem = PurePosixPath(named).stem or named  # `.` and `/` have none
        known = {key: value for key, value in raw.items() if value is not None}
        yield ManifestRow(uri, id_of(raw.get("video_id")), metadata_of(known, stem))


def _rows(where: str) -> Iterator[dict[str, Any]]:
    kinds = {".csv": _csv_rows, ".jsonl": _json_rows, ".parquet": _parquet_rows}
    try:
        with _opened(where) as file:
            yield from kinds[suffix_of(where)](file, where)
    except FileNotFoundError:
        raise UsageError(f"manifest {where}: no such file") from None
    except UnreadableSource as error:
        raise as_usage("manifest", error) from None
    except UnicodeDecodeError:
        raise UsageError(f"manifest {where}: not UTF-8 text; save it as UTF-8") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(getattr(error, "strerror", None) or error)
        if "straddling object" in reason:
            reason = f"a row is larger than {MAX_ROW_BYTES >> 20} MB, or a quote is not closed"
        elif "invalid UTF8" in reason:
            reason = "not UTF-8 text; save it as UTF-8"
        raise UsageError(f"manifest {where}: {reason}") from None


def _csv_rows(file: BinaryIO, where: str) -> Iterator[dict[str, Any]]:
    import pyarrow.csv as csv

    head = file.readline(MAX_ROW_BYTES)
    file.seek(0)
    try:
        names = next(headings.reader([head.decode("utf-8-sig")]), [])
    except headings.Error as error:
        raise UsageError(f"manifest {where}: its first line names no columns ({error})") from None
    _check(names, where)
    # ids and titles that look like numbers or dates stay text
    texts = dict.fromkeys(COLUMNS & set(names), pa.string())
    # a title may be `NA`
    options = csv.ConvertOptions(
        column_types=texts, include_columns=sorted(texts), null_values=[""], strings_can_be_null=True
    )
    parsing = csv.ParseOptions(newlines_in_values=True)
    reading = csv.ReadOptions(block_size=MAX_ROW_BYTES)
    for batch in csv.open_csv(file, convert_options=options, parse_options=parsing, read_options=reading):
        for number in range(0, len(batch), BATCH):
            yield from batch.slice(number, BATCH).to_pylist()


def _json_rows(file: BinaryIO, where: str) -> Iterator[dict[str, Any]]:
    """By Python's own reader: pyarrow's ends the process where a line is nested deeply, and wants one type of a column."""
    named = False
    for number in range(1, 1 << 62):
        line = file.readline(MAX_ROW_BYTES + 1)
        if not line:
            break
        if len(line) > MAX_ROW_BYTES:
            raise UsageError(f"manifest {where}: line {number} is larger than {MAX_ROW_BYTES >> 20} MB")
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode())
        except RecursionError:
            raise UsageError(f"manifest {where}: line {number} is nested too deeply") from None
        except json.JSONDecodeError as error:
            raise UsageError(f"manifest {where}: line {number} is no JSON ({error.msg})") from None
        except UnicodeDecodeError:
            raise
        except ValueError:  # an integer of more digits than Python reads
            raise UsageError(f"manifest {where}: line {number} holds a number that is too long") from None
        if not isinstance(row, dict):
            raise UsageError(f"manifest {where}: line {number} is no JSON object")
        if not named:
            _check(row, where)
            named = True
        yield {name: row[name] for name in COLUMNS & row.keys()}


def _parquet_rows(file: BinaryIO, where: str) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as parquet

    schema = parquet.read_schema(file)
    names = [name for name in dict.fromkeys(schema.names) if name in COLUMNS]
    _check(schema.names, where)
    # a text that many rows share is stored once, and stays so
    texts = [name for name in names if pa.types.is_string(schema.field(name).type)]
    whole = parquet.ParquetFile(file, read_dictionary=texts)
    for batch in whole.iter_batches(BATCH, columns=names):
        yield from pa.RecordBatch.from_arrays(
            [_cut(column) for column in batch.columns], names=batch.schema.names
        ).to_pylist()


def _cut(column: pa.Array) -> pa.Array:
    """Texts no longer than they are kept."""
    if pa.types.is_dictionary(column.type):
        short = pc.utf8_slice_codeunits(column.dictionary, 0, MAX_TEXT)
        return pa.DictionaryArray.from_arrays(column.indices, short)
    return column


def _check(names: Any, where: str) -> None:
    if "uri" not in names:
        shown = ", ".join(map(str, list(names)[:20])) or "none"
        raise UsageError(f"manifest {where}: no `uri` column; it has {shown}")


def _opened(where: str) -> BinaryIO:
    path = local_path(where)
    if path is not None:
        return open_regular(path)
    files, name = open_files(where)
    with told(where):
        return io.BytesIO(files.cat_file(name))
