"""Names and manifests of strangers: what leads out of a source, blocks, is huge, or is no text; and what comes of it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from tasks.errors import UnreadableSource, UsageError
from tasks.settings import Sources
from tasks.sources.catalog import Catalog, scan
from tasks.sources.content import ContentHashes
from tasks.sources.files import open_regular
from tasks.sources.sidecar import MAX_ID, MAX_SIDECAR_BYTES, MAX_TEXT, MAX_WORD, MAX_WORDS, read_sidecar
from tests.test_catalog import MP4_HEAD, scan_rows, video


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with one video, and beside it another with one that nobody has named."""
    video(tmp_path / "source" / "good.mp4")
    video(tmp_path / "outside" / "secret.mp4")
    (tmp_path / "outside" / "secret.info.json").write_text('{"title": "a secret"}')
    return tmp_path / "source"


def without_waiting(call: Callable[[], Any]) -> Any:
    """What a call gives or raises; one that waits for ever fails the test and not the suite."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(call())
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert ended, "it waits"
    return ended[0]


def told(catalog: Catalog) -> dict[str, str]:
    return {failure.uri: failure.error_type for failure in catalog.failures}


def test_a_manifest_names_nothing_outside_of_its_folder(source: Path) -> None:
    (source / "link.mp4").symlink_to("../outside/secret.mp4")
    (source / "down").symlink_to("../outside")
    outside = source.parent / "outside" / "secret.mp4"
    uris = ["../outside/secret.mp4", str(outside), f"file://{outside}", "link.mp4", "down/secret.mp4", "/etc/passwd"]
    uris += ["down/../../outside/secret.mp4", "x/../../outside/none.mp4", "/dev/zero", ".."]
    rows = [{"uri": uri} for uri in [*uris, "good.mp4", f"../{source.name}/good.mp4"]]
    catalog = scan_rows(source / "list.jsonl", *rows)
    assert told(catalog) == dict.fromkeys(uris, "OutOfBounds")
    assert {Path(item.location).resolve() for item in catalog.videos} == {source / "good.mp4"}
    assert all("sources.roots" in failure.advice for failure in catalog.failures)
    # it is not said which of them is there
    assert all(f"{failure.uri}: leads out of the source's folder" in failure.message for failure in catalog.failures)
    allowed = scan_rows(source / "list.jsonl", *rows, settings=Sources(roots=(str(outside.parent),)))
    refused = ("/etc/passwd", "/dev/zero", "..", "down/../../outside/secret.mp4")
    assert told(allowed) == dict.fromkeys(refused, "OutOfBounds") | {"x/../../outside/none.mp4": "UnreadableSource"}


def test_a_link_out_of_a_folder_is_a_failure_and_one_within_a_video(source: Path) -> None:
    (source / "out.mp4").symlink_to("../outside/secret.mp4")
    (source / "unnamed").symlink_to("../outside/secret.mp4")
    (source / "folder").symlink_to("../outside")
    (source / "within.mp4").symlink_to("good.mp4")
    (source / "good.info.json").symlink_to("../outside/secret.info.json")
    (source / "loop").symlink_to(".")
    (source / "self.mp4").symlink_to("self.mp4")
    catalog = scan(str(source), Sources())
    assert {item.video_id: item.metadata.title for item in catalog.videos} == {"good": "good", "within": "within"}
    assert told(catalog) == {
        str(source / "out.mp4"): "OutOfBounds",
        str(source / "self.mp4"): "UnreadableSource",
        str(source / "good.mp4"): "OutOfBounds",  # its sidecar alone
    }
    assert {failure.stage for failure in catalog.failures if "good" in failure.uri} == {"metadata"}
    allowed = scan(str(source), Sources(roots=(str(source.parent),)))
    assert {item.video_id: item.metadata.title for item in allowed.videos} == {
        "good": "a secret",
        **{name: name for name in ("out", "unnamed", "within")},
    }
    # what the command itself names is meant
    assert [item.video_id for item in scan(str(source / "out.mp4"), Sources()).videos] == ["out"]


def test_nothing_waits_for_a_pipe_or_opens_a_device(source: Path, tmp_path: Path) -> None:
    for name in ("pipe.mp4", "pipe", "good.info.json", "list.csv"):
        os.mkfifo(source / name)
    for name in ("zero.mp4", "zero"):
        (source / name).symlink_to("/dev/zero")
    catalog = without_waiting(lambda: scan(str(source), Sources(roots=("/dev",))))
    assert [item.video_id for item in catalog.videos] == ["good"]
    assert told(catalog) == {str(source / name): "NotAVideo" for name in ("pipe.mp4", "zero.mp4")}
    refused = without_waiting(lambda: scan(str(source / "list.csv"), Sources()))
    assert isinstance(refused, UsageError)
    assert str(refused).endswith("list.csv: Not a regular file")
    # put there after the scan
    hashes = ContentHashes(tmp_path / "hashes.sqlite")
    assert isinstance(without_waiting(lambda: hashes.of(source / "pipe")), UnreadableSource)
    assert isinstance(without_waiting(lambda: read_sidecar(source / "pipe", "x")), UnreadableSource)
    with pytest.raises(OSError, match="Not a regular file"):
        open_regular(source / "zero")


@pytest.mark.parametrize(
    "uri",
    [
        *("http://169.254.169.254/latest/meta-data/v.mp4", "ssh://host/v.mp4", "ftp://host/v.mp4", "sftp://host/v.mp4"),
        *("local:///etc/passwd", "LOCAL:///etc/passwd", "memory://x/v.mp4", "data://v.mp4", "github://o/v.mp4"),
        *("simplecache::s3://bucket/v.mp4", "zip://v.mp4::file:///x.zip", "blockcache::https://host/v.mp4"),
        *("reference://v.mp4", "s3://bucket/a::https://host/v.mp4", "dir::file:///etc", "git://x", "smb://h/v.mp4"),
    ],
)
def test_no_scheme_works_that_the_settings_do_not_allow(
    source: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    opened: list[str] = []
    monkeypatch.setattr(fsspec, "get_filesystem_class", lambda scheme: opened.append(scheme))
    monkeypatch.setattr(fsspec, "url_to_fs", lambda address, **_: opened.append(address))
    catalog = scan_rows(source / "list.jsonl", {"uri": uri}, {"uri": "good.mp4"})
    assert [item.video_id for item in catalog.videos] == ["good"]
    assert list(told(catalog).values()) == ["OutOfBounds"]
    with pytest.raises(UsageError, match=r"scheme|within another"):
        scan(uri, Sources())
    assert opened == []


def test_without_file_no_local_path_works(source: Path) -> None:
    rows = [{"uri": "good.mp4"}, {"uri": f"file://{source}/good.mp4"}]
    catalog = scan_rows(source / "list.jsonl", *rows, settings=Sources(schemes=("s3",), roots=("/",)))
    assert list(told(catalog).values()) == ["OutOfBounds"] * 2


def test_a_row_beside_a_remote_manifest_stays_below_it() -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    for name in ("lists/in/v.mp4", "lists/other.mp4"):
        files.pipe_file(f"/{name}", MP4_HEAD)
    rows = [{"uri": uri} for uri in ("in/v.mp4", "../other.mp4", "in/../../other.mp4", "/etc/passwd")]
    files.pipe_file("/lists/in/l.jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in rows[1:]))
    files.pipe_file("/lists/l.jsonl", json.dumps(rows[0]).encode())
    settings = Sources(schemes=("memory", "file"))
    assert [item.video_id for item in scan("memory://lists/l.jsonl", settings).videos] == ["v"]
    assert list(told(scan("memory://lists/in/l.jsonl", settings)).values()) == ["OutOfBounds"] * 3


NAMES = (
    *(
        "two\nlines",
        "tab\there",
        "quo\"te's",
        "émoji 🎬🏳️‍🌈",
        "x" * 251,
        " ",
        "-rf",
        "$(reboot)",
        "a;b|c&d",
        "100%s{0}{x}",
    ),
    *(
        "<b>bold",
        "[red]rich[blink]",
        "right\u202eleft",
        "bell\x07esc\x1b[31m",
        "back\\slash",
        "#1 ?x=y",
        "CON",
        "nul",
    ),
    *("Case", "case", "CASE", "e\u0301", "\u00e9"),  # one letter, composed in two ways
)


def test_names_of_all_kinds_are_videos_with_ids_of_their_own(tmp_path: Path) -> None:
    for name in NAMES:
        try:
            video(tmp_path / f"{name}.mp4", MP4_HEAD + name.encode())
        except OSError:
            pytest.skip("this file system takes fewer names")
    if len(list(tmp_path.iterdir())) < len(NAMES):
        pytest.skip("this file system takes some of these names for one")
    catalog = scan(str(tmp_path), Sources())
    assert not catalog.failures
    assert sorted(item.video_id for item in catalog.videos) == sorted(NAMES)
    named = scan_rows(tmp_path / "list.jsonl", *({"uri": f"./{name}.mp4"} for name in NAMES))
    assert {item.video_id for item in named.videos} == set(NAMES)


# Manifests


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"uri,title\nv.mp4,x,y\n", "Expected 2 columns, got 3"),
        ("a.csv", b'uri,title\n"v.mp4,x\n', "Expected 2 columns"),
        ("a.csv", b"uri,title\nv.mp4,caf\xe9\n", "not UTF-8 text"),
        ("a.csv", "uri,title\nv.mp4,t\n".encode("utf-16"), "not UTF-8 text"),
        ("a.csv", b"uri,title\nv.mp4," + b"x" * (40 << 20), "a row is larger than 16 MB"),
        ("a.csv", b"\0" * 64, "no `uri` column"),
        ("a.csv", b"", "no `uri` column"),
        ("a.csv", b"uri" * 5_000_000, "its first line names no columns"),
        ("a.jsonl", b'{"uri": "v.mp4", "title": ' + b"[" * 200_000, "line 1 is nested too deeply"),
        ("a.jsonl", b'{"uri": "v.mp4"}\n{"uri": ' + b'{"a":' * 200_000, "line 2 is nested too deeply"),
        ("a.jsonl", b'{"uri": "v.mp4", "title": "' + b"x" * (17 << 20) + b'"}', "line 1 is larger than 16 MB"),
        ("a.jsonl", b'{"uri": "v.mp4", "view_count": ' + b"9" * 5000 + b"}", "line 1 holds a number that is too long"),
        ("a.jsonl", b'{"uri": "caf\xe9.mp4"}', "not UTF-8 text"),
        ("a.jsonl", b'{"uri": "v.mp4"}\n[1]\n', "line 2 is no JSON object"),
        ("a.jsonl", b'{"uri": "v.mp4"}\n{"uri": \n', "line 2 is no JSON"),
        ("a.jsonl", b'{"uri": "v.mp4"}\n{"uri": ["v.mp4"]}\n', "row 2 has no uri"),
        ("a.parquet", b"PAR1" + bytes(64) + b"PAR1", "a.parquet: "),
    ],
)
def test_what_is_no_manifest_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as refused:
        scan(str(tmp_path / name), Sources())
    assert said in str(refused.value)
    assert len(str(refused.value)) < 500


def test_values_of_wrong_types_are_unknown_and_cost_no_other_row(tmp_path: Path) -> None:
    for name in "abcd":
        video(tmp_path / f"{name}.mp4", name.encode())
    rows: list[dict[str, Any]] = [
        {"uri": "a.mp4", "title": 5, "tags": "x|y", "view_count": "7", "extra": {"deep": [1]}},
        {"uri": "b.mp4", "title": "2020-01-01 00:00:00", "tags": ["z", 3, None, {"a": 1}], "view_count": -1},
        {"uri": "c.mp4", "title": {"a": 1}, "tags": 7, "view_count": float("nan"), "published_at": "yesterday"},
        {"uri": "d.mp4", "title": None, "video_id": "i" * (MAX_ID + 1), "view_count": 10**400, "like_count": "1e400"},
    ]
    catalog = scan_rows(tmp_path / "list.jsonl", *rows)
    assert not catalog.failures
    known = {item.video_id: item.metadata for item in catalog.videos}
    assert {name: metadata.title for name, metadata in known.items()} == {
        "a": "5",
        "b": "2020-01-01 00:00:00",
        "c": "c",
        "d": "d",
    }
    assert [known[name].tags for name in "abcd"] == [("x", "y"), ("z", "3"), (), ()]
    assert [known[name].view_count for name in "abcd"] == [7, None, None, None]


def test_a_text_that_all_rows_of_a_parquet_share_is_not_unpacked(tmp_path: Path) -> None:
    """A file of kilobytes that holds 20 GB of titles: 2,000 rows of one text of 10 MB."""
    video(tmp_path / "v.mp4")
    titles = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * 10_000_000]))
    table = pa.table({"uri": ["v.mp4"] * 2000, "title": titles, "other": titles})
    parquet.write_table(table, tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 1_000_000
    catalog = scan(str(tmp_path / "bomb.parquet"), Sources())
    assert [len(item.metadata.title) for item in catalog.videos] == [MAX_TEXT]
    assert len(catalog.failures) == 1999


def test_other_columns_are_not_read(tmp_path: Path) -> None:
    video(tmp_path / "v.mp4")
    wide = {f"c{number}": "x" for number in range(5000)} | {"uri": "v.mp4", 'quo"ted, name': "y", "title": "T"}
    pd.DataFrame([wide]).to_csv(tmp_path / "wide.csv", index=False)
    assert [item.metadata.title for item in scan(str(tmp_path / "wide.csv"), Sources()).videos] == ["T"]


# Sidecars


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"title": "' + b"x" * MAX_SIDECAR_BYTES + b'"}', "larger than"),
        (b"[" * 1_000_000, "not readable as JSON"),
        (b'{"a":' * 1_000_000, "not readable as JSON"),
        (b"[1, 2]", "a JSON object was expected"),
        (b"\xff\xfe{}", "not readable as JSON"),
        (b'{"view_count": ' + b"9" * 5000 + b"}", "not readable as JSON"),
    ],
)
def test_a_hostile_sidecar_costs_its_metadata(tmp_path: Path, content: bytes, said: str) -> None:
    video(tmp_path / "a.mp4")
    (tmp_path / "a.info.json").write_bytes(content)
    catalog = scan(str(tmp_path), Sources())
    assert [item.metadata.title for item in catalog.videos] == ["a"]
    (failure,) = catalog.failures
    assert failure.stage == "metadata"
    assert said in failure.message
    assert len(failure.message) < 500


def test_a_sidecar_of_100_mb_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.info.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    read: list[int] = []
    real = open_regular

    def opened(path: Path) -> Any:
        file = real(path)
        whole = file.read
        file.read = lambda size=-1: read.append(len(content := whole(size))) or content  # type: ignore[method-assign,func-returns-value]
        return file

    monkeypatch.setattr("tasks.sources.sidecar.open_regular", opened)
    with pytest.raises(UnreadableSource, match="larger than"):
        read_sidecar(path, "a")
    assert sum(read) <= MAX_SIDECAR_BYTES + 1


def test_nan_infinity_and_huge_values_of_a_sidecar_are_unknown_or_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.info.json"
    words = ", ".join([json.dumps("w" * 5000)] * 3000)
    path.write_text(
        f'{{"id": "{"i" * 10_000}", "title": "{"t" * 500_000}", "tags": [{words}], "view_count": NaN, '
        '"like_count": Infinity, "duration": -Infinity, "timestamp": 1e300, "uploader": {"a": 1}, "description": 1e999}'
    )
    video_id, metadata = read_sidecar(path, "stem")
    assert video_id is None
    assert len(metadata.title) == MAX_TEXT
    assert (len(metadata.tags), len(metadata.tags[0])) == (MAX_WORDS, MAX_WORD)
    unknown = (metadata.view_count, metadata.like_count, metadata.duration_s, metadata.published_at, metadata.uploader)
    assert unknown == (None,) * 5
    assert metadata.description == ""
