"""The tables of an OUT folder: Parquet that is complete at every moment.

A video's rows live in the part of the same number in each table (`shots/part-00003.parquet`, ...). New videos go to the
last part until it is full, a video that is done again is replaced where it is; every part is written whole. So a reader
sees each video once, and a part is never larger than PART_VIDEOS videos, however many nights have written it.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from tasks.errors import UsageError
from tasks.records import Failure
from tasks.schemas import SCHEMA_VERSION, TABLES, VERSION_KEY
from tasks.storage import Storage

PART_VIDEOS = 2000
#: In the order in which they are written: a video's row in `videos` appears after its rows elsewhere.
BY_VIDEO = ("shots", "texts", "speech", "templates", "videos")

Row = dict[str, Any]


@dataclass(frozen=True)
class VideoRows:
    """What is to stand in the tables for one video. Columns of `video` that are left out keep what they have."""

    video: Row
    shots: Sequence[Row] = ()
    texts: Sequence[Row] = ()
    speech: Sequence[Row] = ()
    template: Row | None = None


@dataclass
class _Index:
    part_of: dict[str, str] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    stamps: dict[str, object] = field(default_factory=dict)


class Tables:
    """Reads and writes the tables under `out`. Threads and processes may share an OUT.

    read_only: for those who only look; nothing is created or mended, and a table that is missing is empty.
    """

    INDEXED = ("video_id", "status", "input_hash", "classified_hash", "niche", "seconds")

    def __init__(self, out: str, read_only: bool = False) -> None:
        self.storage = Storage(out, read_only)
        self._index = _Index()
        self._thread_lock = threading.RLock()
        self._process_lock = self.storage.lock()
        with self._locked():
            there = {name: set(self._parts(name)) for name in BY_VIDEO}
            #: parts of `videos` whose rows elsewhere are gone: what they hold is made again, from the cache
            self._robbed = {part for part in there["videos"] if any(part not in parts for parts in there.values())}
            for name in dict.fromkeys((*BY_VIDEO, *TABLES)):  # `videos` is made last: without the others it is robbed
                self._check_version(name)
                if not read_only and not self._parts(name):
                    self._write_part(name, "part-00000.parquet", TABLES[name].empty_table())
            if not read_only:
                self._drop_orphans()

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A whole table, with its full schema."""
        parts = [self._read_part(name, part, columns) for part in self._parts(name)]
        return pa.concat_tables(parts) if parts else TABLES[name].empty_table()

    def known(self) -> dict[str, Row]:
        """Per video: status, input hashes, niche and the seconds it cost."""
        with self._locked():
            self._refresh()
            return dict(self._index.rows)

    def publish(self, videos: Sequence[VideoRows]) -> None:
        """Put videos in place of what was there of them."""
        with self._locked():
            self._refresh()
            by_part: dict[str, list[VideoRows]] = {}
            for rows in videos:
                by_part.setdefault(self._part_for(rows.video["video_id"]), []).append(rows)
            for part, chosen in by_part.items():
                for name in BY_VIDEO:
                    self._replace(name, part, chosen)
            self._refresh()

    def describe(self, rows: Iterable[Row]) -> bool:
        """Set columns of `videos` for videos that are there; their rows elsewhere stay. Says whether anything changed."""
        by_id = {row["video_id"]: row for row in rows}
        with self._locked():
            self._refresh()
            parts = sorted({self._index.part_of[video_id] for video_id in by_id if video_id in self._index.part_of})
            changed = [part for part in parts if self._update_part("videos", part, by_id)]
            self._refresh()
            return bool(changed)

    def assign(self, rows: Mapping[str, Row]) -> None:
        """Set columns of `templates` (niche, cluster) for the videos that are there."""
        with self._locked():
            for part in self._parts("templates"):
                self._update_part("templates", part, rows)

    def replace(self, name: str, table: pa.Table, metadata: dict[bytes, bytes] | None = None) -> None:
        """Replace a table that is made anew by each analysis."""
        with self._locked():
            self._write_part(name, "part-00000.parquet", table, metadata)

    def metadata(self, name: str) -> dict[bytes, bytes]:
        """The file metadata of a table of one part."""
        return dict(
            parquet.read_schema(pa.BufferReader(self.storage.read(f"{name}/part-00000.parquet"))).metadata or {}
        )

    def record_failures(self, failures: Sequence[Failure], cleared: set[tuple[str, str]], run_id: str) -> None:
        """Add or renew failures, and drop those of stages that have succeeded. The same input failing again is one attempt more."""
        with self._locked():
            old = {(row["video_id"], row["stage"]): row for row in self.read("failures").to_pylist()}
            rows = {key: row for key, row in old.items() if key not in cleared}
            for item in failures:
                key = (item.video_id, item.stage)
                before = old.get(key)
                again = before is not None and before["input_hash"] == item.input_hash and before["run_id"] != run_id
                attempts = (
                    before["attempts"] + 1
                    if before and again
                    else before["attempts"]
                    if before and before["run_id"] == run_id
                    else 1
                )
                rows[key] = item.model_dump() | {"attempts": attempts, "run_id": run_id, "failed_at": datetime.now(UTC)}
            if rows != old:
                self.replace("failures", _table("failures", [rows[key] for key in sorted(rows)]))

    def record_run(self, row: Row) -> None:
        """Write or renew the row of one run; each run has a part of its own."""
        self._write_part("runs", f"run-{row['run_id']}.parquet", _table("runs", [row]))

    def _locked(self) -> _Both:
        return _Both(self._thread_lock, self._process_lock)

    def _parts(self, name: str) -> list[str]:
        return self.storage.names(name, ".parquet")

    def _read_part(self, name: str, part: str, columns: list[str] | None = None) -> pa.Table:
        source = pa.BufferReader(self.storage.read(f"{name}/{part}"))
        try:
            file = parquet.ParquetFile(source)
            there = file.schema_arrow.names
            table = file.read(columns=None if columns is None else [name for name in columns if name in there])
        except (pa.ArrowException, OSError) as error:
            raise UsageError(
                f"{self.storage.path(f'{name}/{part}')} is damaged ({str(error).splitlines()[0]}); "
                f"remove it, and the next run makes its rows again"
            ) from None
        wanted = TABLES[name] if columns is None else pa.schema([TABLES[name].field(column) for column in columns])
        return _conform(table, wanted)

    def _write_part(self, name: str, part: str, table: pa.Table, metadata: dict[bytes, bytes] | None = None) -> None:
        table = table.replace_schema_metadata({**(TABLES[name].metadata or {}), **(metadata or {})})
        sink = io.BytesIO()
        parquet.write_table(table, sink, compression="zstd")
        self.storage.write(f"{name}/{part}", sink.getvalue())

    def _check_version(self, name: str) -> None:
        for part in self._parts(name)[:1]:
            try:
                found = parquet.read_schema(pa.BufferReader(self.storage.read(f"{name}/{part}"))).metadata or {}
            except pa.ArrowException as error:
                raise UsageError(f"{self.storage.root}/{name}/{part} is not a table of reelscope: {error}") from None
            version = int(found.get(VERSION_KEY, b"0"))
            if version != SCHEMA_VERSION:
                raise UsageError(
                    f"output {self.storage.root} was written with schema version {version}, this is {SCHEMA_VERSION}; choose another --out"
                )

    def _drop_orphans(self) -> None:
        """A run that died while it published left rows in the last part whose video is not in `videos`: drop them."""
        parts = {name: self._parts(name) for name in BY_VIDEO}
        last = max(max(found) for found in parts.values())
        whole = (
            self._read_part("videos", last, ["video_id"])["video_id"]
            if last in parts["videos"]
            else pa.array([], pa.string())
        )
        for name in BY_VIDEO[:-1]:
            if last in parts[name]:
                rows = self._read_part(name, last)
                kept = pc.is_in(
                    rows["video_id"], value_set=whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
                )
                if not pc.all(kept, min_count=0).as_py():
                    self._write_part(name, last, rows.filter(kept))

    def _refresh(self) -> None:
        """Read again the parts of `videos` that another run has written."""
        index = self._index
        for part in self._parts("videos"):
            stamp = self.storage.stamp(f"videos/{part}")
            if index.stamps.get(part) == stamp:
                continue
            rows = self._read_part("videos", part, list(self.INDEXED)).to_pylist()
            for video_id in [video_id for video_id, where in index.part_of.items() if where == part]:
                del index.part_of[video_id], index.rows[video_id]
            for row in rows:
                if part in self._robbed:
                    row["input_hash"] = None
                index.part_of[row["video_id"]], index.rows[row["video_id"]] = part, row
            index.sizes[part], index.stamps[part] = len(rows), stamp

    def _part_for(self, video_id: str) -> str:
        index = self._index
        if video_id in index.part_of:
            return index.part_of[video_id]
        last = max(index.sizes, default="part-00000.parquet")
        if index.sizes.get(last, 0) >= PART_VIDEOS:
            last = f"part-{int(last[5:10]) + 1:05d}.parquet"
        index.part_of[video_id], index.rows[video_id] = last, {}
        index.sizes[last] = index.sizes.get(last, 0) + 1
        return last

    def _replace(self, name: str, part: str, chosen: Sequence[VideoRows]) -> None:
        old = self._read_part(name, part) if self.storage.exists(f"{name}/{part}") else TABLES[name].empty_table()
        ids = pa.array([rows.video["video_id"] for rows in chosen], pa.string())
        replaced = pc.is_in(old["video_id"], value_set=ids)
        new: list[Row] = []
        if name == "videos":
            before = {row["video_id"]: row for row in old.filter(replaced).to_pylist()}
            new = [before.get(rows.video["video_id"], {}) | rows.video for rows in chosen]
        elif name == "templates":
            kept = ("niche", "cluster_id", "membership_reason")  # until analysis comes to the video
            before = {row["video_id"]: {key: row[key] for key in kept} for row in old.filter(replaced).to_pylist()}
            new = [
                before.get(rows.video["video_id"], {}) | rows.template for rows in chosen if rows.template is not None
            ]
        else:
            new = [row for rows in chosen for row in getattr(rows, name)]
        self._write_part(name, part, pa.concat_tables([old.filter(pc.invert(replaced)), _table(name, new)]))

    def _update_part(self, name: str, part: str, changes: Mapping[str, Row]) -> bool:
        old = self._read_part(name, part)
        ids = old["video_id"].to_pylist()
        touched = [video_id for video_id in ids if video_id in changes]
        if not touched:
            return False
        new = old
        for column in {column for video_id in touched for column in changes[video_id]} - {"video_id"}:
            values = [
                changes[video_id].get(column, value) if video_id in changes else value
                for video_id, value in zip(ids, old[column].to_pylist(), strict=True)
            ]
            position = new.schema.get_field_index(column)
            new = new.set_column(
                position, TABLES[name].field(column), pa.array(values, TABLES[name].field(column).type)
            )
        if new.equals(old):
            return False
        self._write_part(name, part, new)
        return True


@dataclass
class _Both:
    """Both locks: of this process's threads, and of the processes that share the folder."""

    thread: Any
    process: Any

    def __enter__(self) -> None:
        self.thread.__enter__()
        self.process.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.process.__exit__(*error)
        self.thread.__exit__(*error)


def _table(name: str, rows: Sequence[Row]) -> pa.Table:
    schema = TABLES[name]
    return pa.Table.from_pylist([{column: row.get(column) for column in schema.names} for row in rows], schema=schema)


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of the schema in its order; a column that an older file lacks is null."""
    columns = [
        table[column.name].cast(column.type) if column.name in table.column_names else pa.nulls(len(table), column.type)
        for column in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
