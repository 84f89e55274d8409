"""The catalog: sources of all kinds, ids, metadata, and files that are none."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from tasks.addresses import local_path
from tasks.errors import UsageError
from tasks.extraction.decode import Frame, Media
from tasks.settings import Settings, Sources
from tasks.sources.catalog import Catalog, scan
from tasks.sources.sidecar import metadata_of, read_sidecar

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
MP4_HEAD = b"\x00\x00\x00\x18ftypmp42" + bytes(64)


def video(path: Path, content: bytes = MP4_HEAD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def scan_rows(manifest: Path, *rows: dict[str, str], settings: Sources = Sources()) -> Catalog:
    """The catalog of a manifest with these rows."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return scan(str(manifest), settings)


def test_a_folder_gives_media_and_nothing_else(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4")
    video(tmp_path / "sub" / "b.MOV")
    video(tmp_path / "unnamed")  # known by its first bytes
    video(tmp_path / ".hidden.mp4")
    (tmp_path / "song.flac").write_bytes(b"fLaC" + bytes(8))
    for name in ("a.info.json", "notes.txt", "thumb.jpg"):
        (tmp_path / name).write_text("{}")
    catalog = scan(str(tmp_path), Sources())
    assert [item.video_id for item in catalog.videos] == ["a", "song", "b", "unnamed"]
    assert not catalog.failures
    assert catalog.videos[0].uri == str(tmp_path / "a.mp4")


def test_equal_stems_take_their_path_and_equal_ids_are_failures(tmp_path: Path) -> None:
    video(tmp_path / "x" / "clip.mp4")
    video(tmp_path / "y" / "clip.mp4")
    video(tmp_path / "one.mp4")
    video(tmp_path / "two.mp4")
    for name in ("one", "two"):
        (tmp_path / f"{name}.info.json").write_text('{"id": "same", "title": "T"}')
    catalog = scan(str(tmp_path), Sources())
    assert sorted(item.video_id for item in catalog.videos) == ["same", "x/clip", "y/clip"]
    assert [failure.error_type for failure in catalog.failures] == ["DuplicateVideo"]
    assert "two.mp4" in catalog.failures[0].message


def test_what_is_no_file_is_a_failure_with_advice(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "dir.mp4").mkdir()
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    video(tmp_path / "good.mp4")
    catalog = scan(str(tmp_path), Sources())
    assert [item.video_id for item in catalog.videos] == ["good"]
    assert {failure.video_id: failure.error_type for failure in catalog.failures} == {
        "empty": "NotAVideo",
        "dir": "NotAVideo",
        "gone": "UnreadableSource",
    }
    assert all(failure.advice and failure.uri in failure.message for failure in catalog.failures)


def test_a_bad_sidecar_costs_its_metadata_and_not_the_video(tmp_path: Path) -> None:
    video(tmp_path / "a.mp4")
    (tmp_path / "a.info.json").write_text('{"title": ')
    catalog = scan(str(tmp_path), Sources())
    assert [item.metadata.title for item in catalog.videos] == ["a"]
    assert [failure.stage for failure in catalog.failures] == ["metadata"]
    assert "a.info.json" in catalog.failures[0].message


def test_a_sidecar_as_yt_dlp_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "v.info.json"
    path.write_text(
        json.dumps(
            {
                "id": "abc",
                "title": "A title",
                "description": None,
                "tags": ["one", "two"],
                "categories": ["Food"],
                "channel": "Kitchen",
                "upload_date": "20240229",
                "view_count": 12,
                "like_count": "7",
                "webpage_url": "https://example.com/v",
            }
        )
    )
    video_id, metadata = read_sidecar(path, "v")
    assert video_id == "abc"
    assert metadata.title == "A title"
    assert metadata.description == ""
    assert metadata.tags == ("one", "two")
    assert metadata.uploader == "Kitchen"
    assert metadata.published_at == "2024-02-29T00:00:00+00:00"
    assert (metadata.view_count, metadata.like_count) == (12, 7)


@trials(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(
            ["id", "title", "description", "tags", "categories", "uploader", "upload_date", "timestamp", "view_count"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_whatever_a_sidecar_holds_gives_metadata(raw: dict[str, object]) -> None:
    metadata = metadata_of(raw, "stem")
    assert metadata.title
    assert metadata.view_count is None or metadata.view_count >= 0
    metadata.model_dump_json().encode("utf-8")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_manifests_of_three_kinds(tmp_path: Path, suffix: str) -> None:
    video(tmp_path / "v" / "1.mp4")
    video(tmp_path / "v" / "2.mp4")
    rows = pd.DataFrame(
        {
            "uri": ["v/1.mp4", "v/2.mp4"],
            "video_id": ["007", None],
            "title": ["One, two", "2024-01-01"],
            "tags": ["a|b", "c"],
        }
    )
    path = tmp_path / f"list.{suffix}"
    if suffix == "csv":
        path.write_bytes(b"\xef\xbb\xbf" + rows.to_csv(index=False).replace("\n", "\r\n").encode())  # BOM and CRLF
    elif suffix == "jsonl":
        rows.to_json(path, orient="records", lines=True)
    else:
        rows.to_parquet(path)
    catalog = scan(str(path), Sources())
    assert [(item.video_id, item.metadata.title, item.metadata.tags) for item in catalog.videos] == [
        ("007", "One, two", ("a", "b")),
        ("2", "2024-01-01", ("c",)),
    ]


def test_bad_manifests_are_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "no-uri.csv").write_text("url,title\nx,y\n")
    with pytest.raises(UsageError, match="no `uri` column; it has url, title"):
        scan(str(tmp_path / "no-uri.csv"), Sources())
    with pytest.raises(UsageError, match="no such file"):
        scan(str(tmp_path / "missing.csv"), Sources())
    (tmp_path / "hole.csv").write_text("uri,title\na.mp4,x\n,y\n")
    with pytest.raises(UsageError, match="row 2 has no uri"):
        scan(str(tmp_path / "hole.csv"), Sources())
    with pytest.raises(UsageError, match="no such file or folder"):
        scan(str(tmp_path / "nowhere"), Sources())


def test_a_limit_changes_no_id(tmp_path: Path) -> None:
    video(tmp_path / "x" / "a.mp4")
    video(tmp_path / "y" / "a.mp4")
    assert [item.video_id for item in scan(str(tmp_path), Sources(), limit=1).videos] == ["x/a"]


def test_limit_and_a_single_file(tmp_path: Path) -> None:
    for name in "abc":
        video(tmp_path / f"{name}.mp4")
    assert [item.video_id for item in scan(str(tmp_path), Sources(), limit=2).videos] == ["a", "b"]
    assert [item.video_id for item in scan(str(tmp_path / "c.mp4"), Sources()).videos] == ["c"]
    assert [item.video_id for item in scan(f"file://{tmp_path}", Sources()).videos] == ["a", "b", "c"]


def test_a_source_that_cannot_be_looked_at_is_one_clear_line(tmp_path: Path) -> None:
    for source in ("x" * 300, "x" * 300 + ".csv", "weird://x", "http://[foo", "a\0b"):
        with pytest.raises(UsageError, match="source "):
            scan(source, Sources())
    with pytest.raises(UsageError, match=r"caf\\xe9: the name is not UTF-8"):
        scan(os.fsdecode(b"caf\xe9"), Sources())


@pytest.mark.parametrize(
    ("uri", "error_type", "said", "advised"),
    [
        ("s3://b/k", "UnreadableSource", "s3", "local folder"),
        ("https://127.0.0.1:9/v.mp4", "UnreadableSource", "", "local folder"),
        ("https://[foo", "UnreadableSource", "", "local folder"),
        ("weird://x", "UnreadableSource", "Protocol not known: weird", "a URL that fsspec knows"),
        ("weird://", "UnreadableSource", "Protocol not known: weird", "a URL that fsspec knows"),
        ("memory://nowhere/v.mp4", "UnreadableSource", "no such object", "exists"),
        ("memory://", "NotAVideo", "a directory", "Point the source"),
        (".", "NotAVideo", "a directory", "Rename the directory"),
        ("{folder}", "NotAVideo", "a directory", "Rename the directory"),
        ("..", "OutOfBounds", "out of the source's folder", "sources.roots"),
        ("file://[foo", "OutOfBounds", "out of the source's folder", "sources.roots"),
        ("/", "OutOfBounds", "out of the source's folder", "sources.roots"),
        ("a\0b.mp4", "UnreadableSource", "null byte", "Correct the path"),
        ("x" * 300 + ".mp4", "UnreadableSource", "File name too long", "exists"),
        ("good.mp4/v.mp4", "UnreadableSource", "Not a directory", "exists"),
    ],
)
def test_a_row_that_cannot_be_read_costs_that_row_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, error_type: str, said: str, advised: str
) -> None:
    for extra in ("s3fs", "aiohttp"):  # as where they are not installed
        monkeypatch.setitem(sys.modules, extra, None)
    video(tmp_path / "good.mp4")
    uri = uri.format(folder=tmp_path)
    allowing = Sources(schemes=(*Sources().schemes, "weird", "memory"))
    catalog = scan_rows(tmp_path / "list.jsonl", {"uri": uri}, {"uri": "good.mp4"}, settings=allowing)
    assert [item.video_id for item in catalog.videos] == ["good"]
    (failure,) = catalog.failures
    assert (failure.stage, failure.error_type, failure.uri) == ("catalog", error_type, uri)
    assert failure.message.startswith(uri.replace("\0", "\\x00") + ": ")
    assert said in failure.message
    assert advised in failure.advice
    assert failure.video_id


def test_a_file_name_that_is_not_utf8_is_a_failure(tmp_path: Path) -> None:
    video(tmp_path / "good.mp4")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")).write_bytes(MP4_HEAD)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    catalog = scan(str(tmp_path), Sources())
    assert [item.video_id for item in catalog.videos] == ["good"]
    (failure,) = catalog.failures
    assert (failure.error_type, failure.video_id) == ("UnreadableSource", r"caf\xe9")
    assert failure.uri == str(tmp_path / r"caf\xe9.mp4")
    assert failure.message == f"{failure.uri}: the file name is not UTF-8"
    assert failure.advice == "Rename the file."


def test_control_characters_stay_in_names_and_leave_messages_one_line(tmp_path: Path) -> None:
    video(tmp_path / "two\nlines.mp4")
    (tmp_path / "red\x1b[31m\u2028.mp4").touch()
    catalog = scan(str(tmp_path), Sources())
    assert [item.video_id for item in catalog.videos] == ["two\nlines"]
    (failure,) = catalog.failures
    assert failure.uri == str(tmp_path / "red\x1b[31m\u2028.mp4")
    assert failure.message == f"{tmp_path}/red\\x1b[31m\\u2028.mp4: the file is empty"


def test_a_name_too_long_for_a_sidecar_has_none(tmp_path: Path) -> None:
    video(tmp_path / ("x" * 250 + ".mp4"))
    assert [item.video_id for item in scan(str(tmp_path), Sources()).videos] == ["x" * 250]


def test_equal_stems_in_one_folder_keep_their_suffix(tmp_path: Path) -> None:
    for name in ("IMG_1.mp4", "IMG_1.mov", "x/IMG_1.mp4", "y/a.mp4", "y/a.mov", "b.mp4"):
        video(tmp_path / name)
    catalog = scan(str(tmp_path), Sources())
    assert not catalog.failures
    assert {Path(item.uri).relative_to(tmp_path).as_posix(): item.video_id for item in catalog.videos} == {
        "IMG_1.mov": "IMG_1.mov",
        "IMG_1.mp4": "IMG_1.mp4",
        "b.mp4": "b",
        "x/IMG_1.mp4": "x/IMG_1",
        "y/a.mov": "y/a.mov",
        "y/a.mp4": "y/a.mp4",
    }
    assert {item.metadata.title for item in catalog.videos} == {"IMG_1", "a", "b"}


def test_a_file_without_an_explicit_id_yields_to_one_that_has_it(tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4", "x/three.mp4", "named.mp4", "other.mp4", "third.mp4"):
        video(tmp_path / name)
    for name, video_id in (("named", "one"), ("other", "two"), ("third", "three")):
        (tmp_path / f"{name}.info.json").write_text(json.dumps({"id": video_id}))
    catalog = scan(str(tmp_path), Sources())
    assert not catalog.failures
    assert {Path(item.uri).relative_to(tmp_path).as_posix(): item.video_id for item in catalog.videos} == {
        "named.mp4": "one",
        "one.mp4": "one.mp4",
        "other.mp4": "two",
        "third.mp4": "three",
        "two.mp4": "two.mp4",
        "x/three.mp4": "x/three",
    }


def test_rows_that_name_two_files_alike_get_two_ids_and_one_file_twice_gets_one(tmp_path: Path) -> None:
    video(tmp_path / "v" / "1.mp4")
    whole = tmp_path / "v" / "1.mp4"
    rows = [{"uri": "v/1.mp4"}, {"uri": "v/1.mp4"}, {"uri": str(whole)}, {"uri": f"file://{whole}"}]
    catalog = scan_rows(tmp_path / "list.jsonl", *rows)
    assert sorted(item.video_id for item in catalog.videos) == sorted(["v/1", str(whole), f"file://{whole}"])
    assert [(failure.error_type, failure.uri) for failure in catalog.failures] == [("DuplicateVideo", "v/1.mp4")]


def test_a_manifest_keeps_its_uris_and_says_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = video(tmp_path / "lists" / "v" / "a #1.mp4")
    rows = [
        {"uri": "v/a #1.mp4", "video_id": "relative"},
        {"uri": str(whole), "video_id": "whole"},
        {"uri": f"file://{whole}".replace(" ", "%20"), "video_id": "url"},
    ]
    catalog = scan_rows(Path("lists", "l.jsonl"), *rows)
    assert not catalog.failures
    assert {item.video_id: item.uri for item in catalog.videos} == {row["video_id"]: row["uri"] for row in rows}
    places = {item.video_id: item.location for item in catalog.videos}
    assert places == {"relative": "lists/v/a #1.mp4", "whole": str(whole), "url": str(whole)}
    assert all(local_path(place).read_bytes() == MP4_HEAD for place in places.values())  # type: ignore[union-attr]
    (in_folder,) = scan("lists", Sources()).videos
    assert in_folder.uri == in_folder.location == "lists/v/a #1.mp4"


def test_a_colon_in_a_relative_path_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLES / "smash-burger.mp4", "a:b.mp4")
    with Media(Path("a:b.mp4"), Sources(), Settings().decode) as media:
        assert isinstance(next(iter(media)), Frame)
