"""The tables of an OUT folder: Parquet that is complete at every moment.

A video's rows live in the part of the same number in each table (`shots/part-00003.parquet`, ...). New videos go to the
last part until it is full, a video that is done again is replaced where it is; every part is written whole. So a reader
sees each video once, and a part is never larger than PART_VIDEOS videos, however many nights have written it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import blames_content
from tasks.migration import migrate
from tasks.parts import FIRST, Parts, table_of
from tasks.records import Failure
from tasks.schemas import TABLES
from tasks.storage import Storage

PART_VIDEOS = 500  # a part is written anew with every batch that comes to it
PART_RUNS = 1000
#: In OUT while videos are removed: which, so that the next start goes on where a run was killed.
REMOVING = ".removing.json"
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
    ids: dict[str, list[str]] = field(default_factory=dict)  # by part
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
        self.parts = Parts(self.storage)
        self._index = _Index()
        self._ledger: tuple[object, pa.Table] | None = None
        self._thread_lock = threading.RLock()
        self._process_lock = self.storage.lock()
        with self._locked():
            if not read_only:
                migrate(self.parts)
            there = {name: set(self.parts.names(name)) for name in BY_VIDEO}
            #: parts of `videos` whose rows elsewhere are gone: what they hold is made again, from the cache
            self._robbed = {part for part in there["videos"] if any(part not in parts for parts in there.values())}
            if read_only:
                return
            for name in dict.fromkeys((*BY_VIDEO, *TABLES)):  # `videos` is made last: without the others it is robbed
                if not self.parts.names(name):
                    self.parts.write(name, FIRST, TABLES[name].empty_table())
            self._drop_orphans()
            self._finish_removal()
            for folder in (*TABLES, "report"):
                self.storage.sweep(folder)

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A whole table, with its full schema."""
        parts = list(self.each(name, columns))
        return pa.concat_tables(parts) if parts else TABLES[name].empty_table()

    def each(self, name: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """The same part by part: for what does not fit into memory."""
        return (self.parts.read(name, part, columns) for part in self.parts.names(name))

    def known(self) -> dict[str, Row]:
        """Per video: status, input hashes, niche and the seconds it cost."""
        with self._thread_lock:  # each part is whole at every moment; who only looks keeps no other process waiting
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

    def assign(self, rows: pa.Table) -> None:
        """Set columns of `templates` (niche, clusters) for the videos that are there; `rows` has a video_id.

        A part at a time, so that who publishes meanwhile is not kept waiting for long.
        """
        import pandas as pd

        places = pd.Index(rows["video_id"].to_numpy(), dtype=object)
        for part in self.parts.names("templates"):
            with self._locked():
                self._assign_part(part, rows, places)

    def _assign_part(self, part: str, rows: pa.Table, places: Any) -> None:
        """places: the pandas index of the rows' video_ids."""
        columns = [name for name in rows.column_names if name != "video_id"]
        there = self.parts.read("templates", part, ["video_id", *columns])
        at = places.get_indexer(there["video_id"].to_numpy().astype(object))
        taken = rows.take(pa.array(at, mask=at < 0))
        new = {name: pc.if_else(pa.array(at >= 0), taken[name], there[name]) for name in columns}
        if all(new[name].equals(there[name]) for name in columns):
            return
        whole = self.parts.read("templates", part)
        for name in columns:
            whole = whole.set_column(whole.schema.get_field_index(name), whole.schema.field(name), new[name])
        self.parts.write("templates", part, whole)

    def remove(self, video_ids: Iterable[str]) -> None:
        """Take videos out of every table, and their pictures out of OUT. Killed, it goes on at the next start."""
        with self._locked():
            wanted = set(video_ids)
            pictures = self.read("videos", ["video_id", "pictures"]).to_pylist()
            kept = {name for row in pictures if row["video_id"] not in wanted for name in row["pictures"] or ()}
            gone = {name for row in pictures if row["video_id"] in wanted for name in row["pictures"] or ()}
            told = {"video_ids": sorted(wanted), "pictures": sorted(gone - kept)}
            self.storage.write(REMOVING, json.dumps(told).encode())
            self._finish_removal()

    def replace(self, name: str, table: pa.Table, metadata: dict[bytes, bytes] | None = None) -> None:
        """Replace a table that is made anew by each analysis."""
        with self._locked():
            self.parts.write(name, FIRST, table, metadata)

    def metadata(self, name: str) -> dict[bytes, bytes]:
        """The file metadata of a table of one part."""
        return self.parts.metadata(name)

    def record_failures(self, failures: Sequence[Failure], cleared: set[tuple[str, str]], run_id: str) -> None:
        """Add or renew failures, and drop those of stages that have succeeded.

        The same input failing in another run is one attempt more. Failures that the content is not to blame for are
        counted on their own: the count begins anew where they take turns with others.
        """
        with self._locked():
            table = self._failures()
            ids = {item.video_id for item in failures} | {video_id for video_id, _ in cleared}
            touched = pc.is_in(table["video_id"], value_set=pa.array(sorted(ids), pa.string()))
            old = {(row["video_id"], row["stage"]): row for row in table.filter(touched).to_pylist()}
            rows = {key: row for key, row in old.items() if key not in cleared}
            for item in failures:
                key = (item.video_id, item.stage)
                before = old.get(key)
                again = (
                    before is not None
                    and before["input_hash"] == item.input_hash
                    and before["run_id"] != run_id
                    and blames_content(before["error_type"]) == blames_content(item.error_type)
                )
                attempts = (
                    before["attempts"] + 1
                    if before and again
                    else before["attempts"]
                    if before and before["run_id"] == run_id
                    else 1
                )
                rows[key] = item.model_dump() | {"attempts": attempts, "run_id": run_id, "failed_at": datetime.now(UTC)}
            if rows != old:
                others = table.filter(pc.invert(touched))
                new = pa.concat_tables([others, table_of("failures", [rows[key] for key in sorted(rows)])])
                self.replace("failures", new.sort_by([("video_id", "ascending"), ("stage", "ascending")]))

    def _failures(self) -> pa.Table:
        """The table `failures`, read again when another run has written it."""
        stamps = self.storage.stamps("failures", ".parquet")
        if self._ledger is None or self._ledger[0] != stamps:
            self._ledger = stamps, self.read("failures")
        return self._ledger[1]

    def record_run(self, row: Row) -> None:
        """Write or renew the row of one run."""
        with self._locked():
            names = self.parts.names("runs")
            there = {name: self.parts.read("runs", name, ["run_id"])["run_id"].to_pylist() for name in names}
            part = next((name for name, ids in there.items() if row["run_id"] in ids), names[-1])
            if row["run_id"] not in there[part] and len(there[part]) >= PART_RUNS:
                part = _next(part)
            old = self.parts.read("runs", part) if part in there else TABLES["runs"].empty_table()
            others = old.filter(pc.not_equal(old["run_id"], row["run_id"]))
            self.parts.write("runs", part, pa.concat_tables([others, table_of("runs", [row])]))

    def _locked(self) -> _Both:
        return _Both(self._thread_lock, self._process_lock)

    def _drop_orphans(self) -> None:
        """A run that died while it published left rows in the last part whose video is not in `videos`: drop them."""
        parts = {name: self.parts.names(name) for name in BY_VIDEO}
        last = max(max(found) for found in parts.values())
        whole = (
            self.parts.read("videos", last, ["video_id"])["video_id"]
            if last in parts["videos"]
            else pa.array([], pa.string())
        )
        for name in BY_VIDEO[:-1]:
            if last in parts[name]:
                rows = self.parts.read(name, last)
                kept = pc.is_in(
                    rows["video_id"], value_set=whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
                )
                if not pc.all(kept, min_count=0).as_py():
                    self.parts.write(name, last, rows.filter(kept))

    def _finish_removal(self) -> None:
        """Videos that are being removed go from `videos` first, as new ones come there last."""
        if not self.storage.exists(REMOVING):
            return
        told = json.loads(self.storage.read(REMOVING))
        ids = pa.array(told["video_ids"], pa.string())
        for name in (*reversed(BY_VIDEO), "failures"):
            for part in self.parts.names(name):
                if pc.any(pc.is_in(self.parts.read(name, part, ["video_id"])["video_id"], value_set=ids)).as_py():
                    rows = self.parts.read(name, part)
                    self.parts.write(name, part, rows.filter(pc.invert(pc.is_in(rows["video_id"], value_set=ids))))
        for picture in told["pictures"]:
            self.storage.remove(picture)
        self.storage.remove(REMOVING)

    def _refresh(self) -> None:
        """Read again the parts of `videos` that another run has written."""
        index = self._index
        for part, stamp in self.storage.stamps("videos", ".parquet").items():
            if index.stamps.get(part) == stamp:
                continue
            rows = self.parts.read("videos", part, list(self.INDEXED)).to_pylist()
            for video_id in index.ids.get(part, ()):
                del index.part_of[video_id], index.rows[video_id]
            index.ids[part] = [row["video_id"] for row in rows]
            for row in rows:
                if part in self._robbed:
                    row["input_hash"] = None
                index.part_of[row["video_id"]], index.rows[row["video_id"]] = part, row
            index.sizes[part], index.stamps[part] = len(rows), stamp

    def _part_for(self, video_id: str) -> str:
        index = self._index
        if video_id in index.part_of:
            return index.part_of[video_id]
        last = max(index.sizes, default=FIRST)
        if index.sizes.get(last, 0) >= PART_VIDEOS:
            last = _next(last)
        index.part_of[video_id], index.rows[video_id] = last, {}
        index.ids.setdefault(last, []).append(video_id)
        index.sizes[last] = index.sizes.get(last, 0) + 1
        return last

    def _replace(self, name: str, part: str, chosen: Sequence[VideoRows]) -> None:
        old = self.parts.read(name, part) if self.storage.exists(f"{name}/{part}") else TABLES[name].empty_table()
        ids = pa.array([rows.video["video_id"] for rows in chosen], pa.string())
        replaced = pc.is_in(old["video_id"], value_set=ids)
        new: list[Row] = []
        if name == "videos":
            before = {row["video_id"]: row for row in old.filter(replaced).to_pylist()}
            new = [before.get(rows.video["video_id"], {}) | rows.video for rows in chosen]
        elif name == "templates":
            kept = (
                "niche",
                "cluster_id",
                "overall_cluster_id",
                "membership_reason",
            )  # until analysis comes to the video
            before = {row["video_id"]: {key: row[key] for key in kept} for row in old.filter(replaced).to_pylist()}
            new = [
                before.get(rows.video["video_id"], {}) | rows.template for rows in chosen if rows.template is not None
            ]
        else:
            new = [row for rows in chosen for row in getattr(rows, name)]
        self.parts.write(name, part, pa.concat_tables([old.filter(pc.invert(replaced)), table_of(name, new)]))

    def _update_part(self, name: str, part: str, changes: Mapping[str, Row]) -> bool:
        old = self.parts.read(name, part)
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
        self.parts.write(name, part, new)
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


def _next(part: str) -> str:
    return f"part-{int(part[5:10]) + 1:05d}.parquet"
