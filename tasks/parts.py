"""Parts: the Parquet files that the tables of an OUT folder consist of, one schema for all of a table."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from tasks.errors import UsageError
from tasks.schemas import SCHEMA_VERSION, TABLES, VERSION_KEY
from tasks.storage import Storage

FIRST = "part-00000.parquet"


class Parts:
    """Reads and writes whole parts. What an older version wrote is read as this one has it; of a newer one nothing is."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def names(self, table: str) -> list[str]:
        """The parts of a table, sorted."""
        return self.storage.names(table, ".parquet")

    def version(self, table: str, part: str) -> int:
        """The schema version of a part. Raises UsageError for a newer one than ours, and for what is no part of ours."""
        try:
            schema = parquet.read_schema(pa.BufferReader(self.storage.read(f"{table}/{part}")))
        except pa.ArrowException as error:
            raise UsageError(f"{self.storage.root}/{table}/{part} is not a table of reelscope: {error}") from None
        return self._readable(schema, table, part)

    def metadata(self, table: str) -> dict[bytes, bytes]:
        """The file metadata of a table's first part."""
        return dict(parquet.read_schema(pa.BufferReader(self.storage.read(f"{table}/{FIRST}"))).metadata or {})

    def read(self, table: str, part: str, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a part in our schema; without its file metadata. Raises UsageError where it cannot be read."""
        wanted = TABLES[table] if columns is None else pa.schema([TABLES[table].field(column) for column in columns])
        try:
            file = parquet.ParquetFile(pa.BufferReader(self.storage.read(f"{table}/{part}")))
            self._readable(file.schema_arrow, table, part)
            rows = file.read(columns=[name for name in wanted.names if name in file.schema_arrow.names])
        except (pa.ArrowException, OSError) as error:
            raise UsageError(
                f"{self.storage.path(f'{table}/{part}')} is damaged ({str(error).splitlines()[0]}); "
                f"remove it, and the next run makes its rows again"
            ) from None
        return conform(rows, wanted)

    def write(self, table: str, part: str, rows: pa.Table, metadata: Mapping[bytes, bytes] | None = None) -> None:
        """Write a part whole, with our schema version. metadata: more for the file's. Raises StorageError."""
        rows = rows.replace_schema_metadata({**(TABLES[table].metadata or {}), **(metadata or {})})
        sink = io.BytesIO()
        parquet.write_table(rows, sink, compression="zstd")
        self.storage.write(f"{table}/{part}", sink.getvalue())

    def _readable(self, schema: pa.Schema, table: str, part: str) -> int:
        found = (schema.metadata or {}).get(VERSION_KEY)
        if found is None:
            raise UsageError(f"{self.storage.root}/{table}/{part} is not a table of reelscope: no schema version")
        if int(found) > SCHEMA_VERSION:
            raise UsageError(
                f"output {self.storage.root} was written by a newer reelscope: its schema version is {int(found)}, "
                f"this one knows up to {SCHEMA_VERSION}; upgrade reelscope, or choose another --out"
            )
        return int(found)


def table_of(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table of ours; a column that a row does not name is null."""
    schema = TABLES[name]
    columns = [pa.array([row.get(column.name) for row in rows], column.type) for column in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of the schema in its order; a column that an older version did not have is null."""
    columns = [
        rows[column.name].cast(column.type) if column.name in rows.column_names else pa.nulls(len(rows), column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
