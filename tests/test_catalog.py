"""The catalog: sources of all kinds, ids, metadata, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from tasks.catalog import scan
from tasks.errors import UsageError
from tasks.settings import Sources
from tasks.sidecar import metadata_of, read_sidecar

MP4_HEAD = b"\x00\x00\x00\x18ftypmp42" + bytes(64)


def video(path: Path, content: bytes = MP4_HEAD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


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


def test_limit_and_a_single_file(tmp_path: Path) -> None:
    for name in "abc":
        video(tmp_path / f"{name}.mp4")
    assert [item.video_id for item in scan(str(tmp_path), Sources(), limit=2).videos] == ["a", "b"]
    assert [item.video_id for item in scan(str(tmp_path / "c.mp4"), Sources()).videos] == ["c"]
    assert [item.video_id for item in scan(f"file://{tmp_path}", Sources()).videos] == ["a", "b", "c"]
