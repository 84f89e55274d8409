"""Object storage: sources, the result cache and OUT on a real S3-compatible server, with real worker processes."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest

from flows.enquiry import why
from flows.preview import preview
from tasks import lease
from tasks.addresses import has_credentials, masked
from tasks.cache import Entry, ResultCache
from tasks.errors import NotAVideo, StorageError, UnreadableSource, UsageError
from tasks.evaluation import evaluate, read_truth
from tasks.extraction.decode import Frame, Media
from tasks.records import Texts, Video
from tasks.schemas import TABLES
from tasks.settings import Settings, Sources, load_settings
from tasks.sources import listing, remote
from tasks.sources.catalog import Catalog, scan
from tasks.sources.content import ContentHashes
from tasks.sources.identity import identity
from tasks.sources.listing import paired
from tasks.sources.remote import RemoteFile
from tasks.storage import Storage
from tasks.tables import Tables
from tests import s3_server
from tests.clips import write_clip
from tests.conftest import SAMPLES, Home, Ran, copy_samples
from tests.s3_server import SECRET, Store

THREE = ("cat-vs-cup", "night-city", "smash-burger")
SMALL_BLOCKS = Sources(block_mb=0.0625, blocks=2)
IN_MEMORY, OVER_HTTP = Sources(schemes=("memory",)), Sources(schemes=("s3", "http"))
TEXTS = Texts(engine="e", model="m", texts=(), frames=1, crops=0, crops_recognised=0)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with s3_server.running() as running:
        yield running


def put(store: Store, path: str, content: bytes = b"x" * 100) -> str:
    """An object; gives its URL."""
    store.files.pipe_file(f"{store.bucket}/{path}", content)
    return store.url(path)


def only(catalog: Catalog) -> Video:
    (video,) = catalog.videos
    return video


# Addresses


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("s3://AKIA:abc/de+f@bucket/x", "abc/de+f"),
        ("https://user:hunter2@host/v.mp4", "hunter2"),
        ("https://t0ken@host/v.mp4", "t0ken"),
        ("sftp://bob:hunter2@host/v.mp4", "hunter2"),
        ("zip://v.mp4::https://u:hunter2@host/x.zip", "hunter2"),
        ("https://host/v.mp4?X-Amz-Signature=5ecret&id=7", "5ecret"),
        ("cannot read https://host/v.mp4?sig=5ecret: timed out", "5ecret"),
        ("https://host/v.mp4?5ecret", "5ecret"),
    ],
)
def test_what_is_secret_in_an_address_is_not_shown(address: str, secret: str) -> None:
    assert secret in address
    assert secret not in masked(address)
    assert has_credentials(address) == ("?" not in address)


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/a:b@c.mp4",
        "s3://bucket/what?.mp4",
        "s3://arn:aws:s3:us-east-1:1:accesspoint/x@y",
        "https://www.tiktok.com/@user/video/1",
        "https://host:8080/@user/v.mp4?id=7",
        "http://[::1]:80/x@y",
        "abfs://container@account.dfs.core.windows.net/v.mp4",
        "sftp://bob@host/v.mp4",
        "videos/a b@c?.mp4",
    ],
)
def test_what_only_looks_like_a_secret_stays(address: str) -> None:
    assert masked(address) == address
    assert not has_credentials(address)


@pytest.mark.parametrize("place", ["source", "out", "cache", "row"])
def test_an_address_with_credentials_is_refused_without_repeating_them(tmp_path: Path, place: str) -> None:
    address = "s3://AKIA:hunter2@bucket/videos"
    if place == "row":
        (tmp_path / "l.jsonl").write_text(json.dumps({"uri": f"{address}/v.mp4"}))
        (failure,) = scan(str(tmp_path / "l.jsonl"), Sources()).failures
        assert failure.error_type == "UnreadableSource"
        told = failure.model_dump_json()
    else:
        with pytest.raises(UsageError) as refused:
            {
                "source": lambda: scan(address, Sources()),
                "out": lambda: Tables(address),
                "cache": lambda: ResultCache(address),
            }[place]()
        told = str(refused.value)
    assert "s3://***@bucket/videos" in told
    assert "the address holds credentials" in told
    assert "hunter2" not in told
    assert "AKIA:" not in told


def test_s3_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UsageError, match=r"^source s3://b/v: s3:// needs s3fs.*pip install 'reelscope\[s3\]'"):
        scan("s3://b/v", Sources())
    with pytest.raises(UsageError, match=r"^output s3://b/o: .*pip install 'reelscope\[s3\]'"):
        Storage("s3://b/o")
    with pytest.raises(UsageError, match=r"^cache s3://b/c.*pip install 'reelscope\[s3\]'"):
        ResultCache("s3://b/c").check()


# Listing


def test_a_bucket_is_listed_as_a_folder_is(store: Store, tmp_path: Path) -> None:
    names = ["a.mp4", "a.avi", "b.b.mp4", "b.mp4", "x/a.mp4", "Title [id] *?.webm", "über.MOV", "c::d.mp4", "song.flac"]
    sidecars = ["a", "b.b", "Title [id] *?"]
    for name in names:
        put(store, f"folder/{name}")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 100)
    for stem in sidecars:
        told = json.dumps({"title": f"title of {stem}", "tags": ["t"]}).encode()
        put(store, f"folder/{stem}.info.json", told)
        (tmp_path / f"{stem}.info.json").write_bytes(told)
    for name in ("notes.txt", "unnamed", ".hidden.mp4", ".x/y.mp4"):
        put(store, f"folder/{name}")
    put(store, "folder.mp4")  # beside the folder, not in it
    found, local = scan(store.url("folder/"), Sources()), scan(str(tmp_path), Sources())
    assert not found.failures
    assert {video.video_id: video.metadata for video in found.videos} == {
        video.video_id: video.metadata for video in local.videos
    }
    assert {video.uri for video in found.videos} == {store.url(f"folder/{name}") for name in names}
    assert [video.video_id for video in scan(store.url("folder"), Sources(), limit=2).videos] == [
        video.video_id for video in found.videos[:2]
    ]


def test_one_object_is_a_source_with_its_sidecar(store: Store) -> None:
    put(store, "one/v.mp4")
    put(store, "one/v.info.json", b'{"id": "abc", "title": "T"}')
    video = only(scan(store.url("one/v.mp4"), Sources()))
    assert (video.video_id, video.uri, video.metadata.title) == ("abc", store.url("one/v.mp4"), "T")


def test_what_is_wrong_with_an_object_costs_it_alone(store: Store) -> None:
    put(store, "bad/empty.mp4", b"")
    put(store, "bad/good.mp4")
    put(store, "bad/good.info.json", b'{"title": ')
    catalog = scan(store.url("bad"), Sources())
    assert [video.video_id for video in catalog.videos] == ["good"]
    assert {(row.video_id, row.stage, row.error_type) for row in catalog.failures} == {
        ("empty", "catalog", "NotAVideo"),
        ("good", "metadata", "UnreadableSource"),
    }


def test_a_listing_is_taken_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page is asked for before the one before it was consumed, and sidecars on the next page are found."""
    for number in range(25):
        put(store, f"paged/{number:02d}.avi")  # before its sidecar in S3's order
        put(store, f"paged/{number:02d}.info.json", json.dumps({"title": f"T{number}"}).encode())
    real = type(store.files).call_s3
    monkeypatch.setattr(
        type(store.files),
        "call_s3",
        lambda self, method, **more: real(self, method, **({"MaxKeys": 7} | more if "list" in method else more)),
    )
    monkeypatch.setattr(listing, "BATCH", 1)
    store.requests.during()
    media = listing.media_at(store.url("paged"), Sources())
    asked = []
    titles = []
    for found in media:
        titles.append(found.metadata.title if found.metadata else None)
        asked.append(sum("list-type=2" in line and "delimiter" not in line for line in store.requests.lines))
    assert titles == [f"T{number}" for number in range(25)]
    assert asked[0] == 1
    assert asked[-1] == 8
    assert asked == sorted(asked)
    assert all(pages <= 2 + 2 * number // 7 for number, pages in enumerate(asked))


def test_pairing_holds_only_what_may_still_be_wanted() -> None:
    def listed(name: str) -> listing._Listed:
        return listing._Listed(name, name, 1, None, None)

    names = sorted(f"{number:06d}.{suffix}" for number in range(3000) for suffix in ("avi", "info.json", "mp4"))
    held: list[int] = []
    pairs = paired((listed(name) for name in names), frozenset({".avi", ".mp4"}))
    for media, sidecar in pairs:
        assert sidecar is not None
        assert sidecar.relative == media.sidecar
        state = pairs.gi_frame.f_locals  # type: ignore[attr-defined]
        held.append(len(state["waiting"]) + len(state["sidecars"]))
    assert len(held) == 6000
    assert max(held) <= 3
    with pytest.raises(UsageError, match="out of order"):
        list(paired(map(listed, ("b.mp4", "a.mp4")), frozenset({".mp4"})))


def test_a_manifest_in_a_bucket_names_objects_beside_it_and_elsewhere(store: Store, tmp_path: Path) -> None:
    put(store, "lists/v/1.mp4")
    put(store, "lists/2.mp4")
    shutil.copy(SAMPLES / "cat-vs-cup.mp4", tmp_path)
    rows = [
        {"uri": "v/1.mp4", "title": "One"},
        {"uri": store.url("lists/2.mp4"), "video_id": "two"},
        {"uri": str(tmp_path / "cat-vs-cup.mp4")},
        {"uri": "v/none.mp4"},
    ]
    put(store, "lists/l.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    put(store, "lists/l.csv", pd.DataFrame(rows).to_csv(index=False).encode())
    put(store, "lists/l.parquet", pd.DataFrame(rows).to_parquet())
    for suffix in ("jsonl", "csv", "parquet"):
        catalog = scan(store.url(f"lists/l.{suffix}"), Sources(roots=(str(tmp_path),)))
        assert {video.video_id: video.location for video in catalog.videos} == {
            "1": store.url("lists/v/1.mp4"),
            "two": store.url("lists/2.mp4"),
            "cat-vs-cup": str(tmp_path / "cat-vs-cup.mp4"),
        }
        (failure,) = catalog.failures
        assert failure.uri == "v/none.mp4"
        assert "no such object" in failure.message
    put(store, "lists/bad.csv", b"url\nx\n")
    with pytest.raises(UsageError, match="no `uri` column"):
        scan(store.url("lists/bad.csv"), Sources())


# Errors of the store


def test_a_store_that_cannot_be_used_is_one_clear_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"^source s3://no-such-bucket/v: no such bucket\. Check"):
        scan("s3://no-such-bucket/v", Sources())
    with pytest.raises(UsageError, match=r"^source s3://reels/nothing-here: no such object\. Check"):
        scan(store.url("nothing-here"), Sources())
    with pytest.raises(UsageError, match=r"^output s3://no-such-bucket/out: no such bucket\. Check"):
        Tables("s3://no-such-bucket/out")
    with pytest.raises(UsageError, match=r"^cache s3://no-such-bucket/c/results: no such bucket\. Check"):
        ResultCache("s3://no-such-bucket/c").check()
    monkeypatch.setattr(remote, "_OPTIONS", {"s3": remote._OPTIONS["s3"] | {"skip_instance_cache": True}})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"^output s3://reels/out: Could not connect.*:9/reels\"$"):
        Storage(store.url("out"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageError, match=r"^source s3://reels/v: .*credentials.*AWS_ACCESS_KEY_ID"):
        scan(store.url("v"), Sources())


def test_an_object_that_is_forbidden_is_a_failure_with_advice(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    files, _ = remote.open_files(store.url("v.mp4"))

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(files, "info", denied)
    with pytest.raises(UnreadableSource, match=r"^s3://reels/v\.mp4: access denied") as error:
        Media(store.url("v.mp4"), Sources(), Settings().decode)
    assert "AWS_ACCESS_KEY_ID" in error.value.advice


# Identity


def test_what_stores_say_is_an_identity_only_where_it_is_one_of_the_content() -> None:
    tag = "ec1b6cb1f98b945b6fd93f9c1da3bf22"
    of_s3 = {"ETag": f'"{tag}"', "size": 5}
    assert identity("s3://b/x", of_s3) == identity("s3://other/y", of_s3) == f"etag:{tag}:5"
    assert identity("s3://b/x", {"ETag": f'"{tag}-12"', "size": 5}) == f"etag:{tag}-12:5"
    web = {"ETag": '"5f-1a"', "size": 5}  # of a web server: a tag of one address
    assert identity("https://h/x", web) not in (None, identity("https://h/y", web))
    assert identity("https://h/x?sig=1", web) == identity("https://h/x?sig=2", web)
    assert identity("gs://b/x", {"md5Hash": "abc==", "etag": "z", "size": 5}) == "md5:abc==:5"
    for weak in ({"size": 5}, {"ETag": 'W/"5f"', "size": 5}, {"ETag": f'"{tag}"'}, {"ETag": '""', "size": 5}):
        assert identity("https://h/x", weak) is None


def test_a_renamed_object_has_the_same_identity_and_is_not_read_for_it(store: Store, tmp_path: Path) -> None:
    hashes = ContentHashes(tmp_path / "h.sqlite")
    put(store, "named/before.mp4", b"content")
    first = hashes.of_video(only(scan(store.url("named"), Sources())), Sources())
    store.files.mv(f"{store.bucket}/named/before.mp4", f"{store.bucket}/named/after.mp4")
    store.requests.during()
    assert hashes.of_video(only(scan(store.url("named"), Sources())), Sources()) == first
    assert not [line for line in store.requests.during() if ".mp4" in line]
    put(store, "named/after.mp4", b"c0ntent")
    assert hashes.of_video(only(scan(store.url("named"), Sources())), Sources()) != first


def test_without_an_identity_content_is_streamed_once_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    files, opened = fsspec.filesystem("memory"), []
    files.pipe_file("/hashed/v.mp4", b"content" * 1000)
    real = type(files).open
    monkeypatch.setattr(
        type(files), "open", lambda self, path, *a, **k: opened.append(path) or real(self, path, *a, **k)
    )
    hashes = ContentHashes(tmp_path / "h.sqlite")
    video = only(scan("memory://hashed", IN_MEMORY))
    assert video.content_hash is None
    (tmp_path / "v.mp4").write_bytes(b"content" * 1000)
    assert hashes.of_video(video, Sources()) == hashes.of(tmp_path / "v.mp4")
    assert hashes.of_video(video, Sources()) == hashes.of(tmp_path / "v.mp4")
    assert len(opened) == 1
    files.pipe_file("/hashed/v.mp4", b"changed" * 1000)
    assert hashes.of_video(only(scan("memory://hashed", IN_MEMORY)), Sources()) != hashes.of(tmp_path / "v.mp4")
    opened.clear()  # nothing tells when it was written: it is read each time
    unknown = video.model_copy(update={"mtime_ns": None})
    for _ in range(2):
        hashes.of_video(unknown, Sources())
    assert len(opened) == 2


# Reading


def clip(path: Path, seconds: float = 2.0, noise: int = 0, **options: Any) -> Path:
    """Moving bars; noise makes the file large."""
    random = np.random.default_rng(7)
    frames = []
    for number in range(int(25 * seconds)):
        frame = np.full((144, 256, 3), 40, np.uint8)
        frame[:, (5 * number) % 200 : (5 * number) % 200 + 40] = 220
        if noise:
            frame = (frame + random.integers(0, noise, frame.shape)).astype(np.uint8)
        frames.append(frame)
    return write_clip(path, frames, **options)


def frames_of(media: Media) -> list[float]:
    return [item.small.time_s for item in media if isinstance(item, Frame)]


@pytest.mark.parametrize("name", ["index-last.mp4", "index-first.mp4", "v.webm", "v.mkv"])
def test_a_remote_file_is_read_as_a_local_one(store: Store, tmp_path: Path, name: str) -> None:
    path = clip(
        tmp_path / name,
        noise=120,
        crf=4,
        **{"codec": "libvpx", "options": {"deadline": "realtime", "qmax": "8"}} if name.endswith("webm") else {},
    )
    content = path.read_bytes()
    if name.endswith("mp4"):
        assert content.find(b"moov") > content.find(b"mdat")
    if name == "index-first.mp4":
        content = faststart(path)
        assert content.find(b"moov") < content.find(b"mdat")
    assert len(content) > 4 * 65536  # more than is held
    url = put(store, f"read/{name}", content)
    threads = threading.active_count()
    with Media(path, Sources(), Settings().decode) as local:
        wanted = frames_of(local)
    with Media(url, SMALL_BLOCKS, Settings().decode) as media:
        assert frames_of(media) == wanted
        file = media._file
    assert media.damaged == 0
    assert media.path == url
    assert file._file.closed  # type: ignore[union-attr]
    assert threading.active_count() <= threads + 2  # fsspec's own, for all files
    with pytest.raises(UnreadableSource, match="closed"):
        file.read(1)


def faststart(path: Path) -> bytes:
    """The same file with its index before its pictures."""
    import av

    target = path.with_name(f"moved-{path.name}")
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return target.read_bytes()


def test_a_remote_file_never_lies_on_disk_and_little_of_it_in_memory(store: Store, tmp_path: Path) -> None:
    path = clip(tmp_path / "long.mp4", seconds=4, noise=60, crf=4)
    url, size = put(store, "read/long.mp4", path.read_bytes()), path.stat().st_size
    assert size > 20 * 65536
    before = _descriptors()
    with Media(url, SMALL_BLOCKS, Settings().decode) as media:
        cache = media._file._file.cache  # type: ignore[union-attr]
        for number, _ in enumerate(media):
            if number % 10 == 0:
                held = sum(map(len, cache._fetch_block_cached._cache.values()))
                assert held <= (SMALL_BLOCKS.blocks + 1) * 65536
        opened = {str(path.readlink()) for path in _descriptors() - before if path.is_symlink()}
        assert not [name for name in opened if name.startswith("/") and not name.startswith(("/dev", "/proc"))]


def _descriptors() -> set[Path]:
    return {path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


def test_only_allowed_formats_are_read_from_a_store(store: Store) -> None:
    playlist = put(store, "read/list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n")
    with pytest.raises(NotAVideo, match=r"^s3://reels/read/list\.mp4: not a media file"):
        Media(playlist, Sources(), Settings().decode)
    good = put(store, "read/good.mp4", (SAMPLES / "cat-vs-cup.mp4").read_bytes())
    with pytest.raises(Exception, match="good") as error:
        Media(good, Sources(formats=("matroska",)), Settings().decode)
    assert type(error.value).__name__ in ("DamagedMedia", "NotAVideo")


def test_a_place_that_no_object_has_is_an_error_of_ffmpeg_and_none_of_the_store(store: Store) -> None:
    with RemoteFile(put(store, "read/short.mp4", b"short"), SMALL_BLOCKS) as file:
        assert file.seek(-1) < 0
        assert file.read() == b"short"


def test_an_object_that_goes_or_changes_meanwhile_is_said_so(store: Store, tmp_path: Path) -> None:
    path = clip(tmp_path / "v.mkv", seconds=4, noise=60, crf=4)
    url = put(store, "read/changing.mkv", path.read_bytes())
    planned = only(scan(url, Sources())).content_hash
    assert planned
    with (
        pytest.raises(UnreadableSource, match="the object has changed") as changed,
        Media(url, SMALL_BLOCKS, Settings().decode, content=planned) as media,
    ):
        for number, _ in enumerate(media):
            if number == 5:
                put(store, "read/changing.mkv", path.read_bytes()[:-1])
    assert "run the same command again" in changed.value.advice
    with pytest.raises(UnreadableSource, match="changed since the run was planned"):
        Media(url, SMALL_BLOCKS, Settings().decode, content=planned)
    store.files.rm_file(f"{store.bucket}/read/changing.mkv")
    with pytest.raises(UnreadableSource, match="no such object"):
        Media(url, SMALL_BLOCKS, Settings().decode)


# The result cache


def test_an_entry_of_a_remote_cache_is_one_request(store: Store) -> None:
    cache = ResultCache(store.url("cache-alone"))
    cache.check()
    store.requests.during()
    assert cache.read("text-abcdef", Texts) is None
    assert store.requests.during() == ["GET /reels/cache-alone/results/text/ab/abcdef 404"]
    entry = Entry(stage="text", result=TEXTS.model_dump(mode="json"), wall_s=1.0, cpu_s=1.0)
    cache.write("text-abcdef", entry)
    assert store.requests.during() == ["PUT /reels/cache-alone/results/text/ab/abcdef 200"]
    assert cache.read("text-abcdef", Texts) == entry
    assert store.requests.during() == ["GET /reels/cache-alone/results/text/ab/abcdef 200"]
    assert cache.has("text-abcdef")
    assert not cache.has("text-ffffff")
    assert len(store.requests.during()) == 2
    other = ResultCache(store.url("cache-alone"))
    other.write("text-ffffff", entry)
    assert cache.has("text-ffffff")  # no listing is remembered
    put(store, "cache-alone/results/text/ab/abcdef", b'{"stage": ')
    assert cache.read("text-abcdef", Texts) is None


# OUT


def test_two_processes_that_publish_into_one_remote_out_lose_no_row(store: Store) -> None:
    out, context = store.url("shared-out"), multiprocessing.get_context("spawn")
    writers = [context.Process(target=s3_server.publish_many, args=(out, name, 6)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(100)
    assert [writer.exitcode for writer in writers] == [0, 0]
    there = pd.read_parquet(f"{out}/videos")["video_id"]
    assert sorted(there) == sorted(f"{name}-{at}" for name in "ab" for at in range(6))
    assert not store.files.exists(f"{store.bucket}/shared-out/.lock")


def test_the_lock_of_a_killed_run_runs_out_and_of_one_that_lives_does_not(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 1.0)
    monkeypatch.setattr(lease, "TOLD_S", 0.3)
    for address in (store.url("locked"), "memory://locked"):
        storage = Storage(address)
        storage.write("shots/part-00000.parquet", b"there")
        left = Storage(address)
        left._lease._put(None)  # type: ignore[union-attr]  # a run that was killed now
        with storage.lock(), storage.lock():  # also within itself
            pass
        assert "another run has the tables in hand" in caplog.text
        holding, got, released = Storage(address).lock(), [], threading.Event()

        def wait_for_it(storage: Storage = storage, got: list[bool] = got, released: Any = released) -> None:
            with storage.lock():
                got.append(released.is_set())

        with holding:
            waiter = threading.Thread(target=wait_for_it)
            waiter.start()
            waiter.join(2.5)  # longer than the lease: the holder gives signs of life
            assert got == []
            released.set()
        waiter.join(10)
        assert got == [True]


def test_who_has_lost_the_lock_writes_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 0.4)
    storage = Storage(store.url("lost"))
    with storage.lock():
        storage.write("a", b"mine")
        put(store, "lost/.lock", b"of another run")
        deadline = time.monotonic() + 10
        with pytest.raises(StorageError, match="the lock was lost to another run"):
            while time.monotonic() < deadline:
                storage.write("a", b"mine")
                time.sleep(0.05)
    assert store.files.cat_file(f"{store.bucket}/lost/.lock") == b"of another run"


def test_a_store_that_fails_during_a_run_is_a_storage_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(store.url("failing"))

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(storage.files, "pipe_file", denied)
    with pytest.raises(StorageError, match=r"^s3://reels/failing/videos/x: access denied"):
        storage.write("videos/x", b"")


# Signed addresses


def signed(store: Store, key: str) -> str:
    client = boto3.client("s3", endpoint_url=store.endpoint)
    return str(client.generate_presigned_url("get_object", Params={"Bucket": store.bucket, "Key": key}))


def test_a_signed_address_is_read_and_its_signature_kept_to_itself(store: Store) -> None:
    put(store, "signed/v.mp4", (SAMPLES / "cat-vs-cup.mp4").read_bytes())
    address = signed(store, "signed/v.mp4")
    signature = address.partition("Signature=")[2].split("&")[0]
    assert len(signature) > 10
    put(store, "signed/l.jsonl", json.dumps({"uri": address}).encode())
    video = only(scan(store.url("signed/l.jsonl"), OVER_HTTP))
    assert (video.video_id, video.metadata.title) == ("v", "v")
    assert signature not in video.uri
    assert video.content_hash
    with Media(video.location, SMALL_BLOCKS, Settings().decode, content=video.content_hash) as media:
        assert len(frames_of(media)) == 210
        assert signature not in media.path
    store.files.rm_file(f"{store.bucket}/signed/v.mp4")
    (failure,) = scan(store.url("signed/l.jsonl"), OVER_HTTP).failures
    assert signature not in failure.model_dump_json()
    with pytest.raises(UsageError, match="may stand in a manifest") as refused:
        scan(address, Sources())
    assert signature not in str(refused.value)


# Whole runs


@dataclasses.dataclass
class Story:
    """Runs over three clips in a bucket, and one over the same clips on disk."""

    local: Ran
    first: Ran
    again: Ran
    signature: str
    home: Path
    tables: dict[str, pd.DataFrame]
    local_tables: dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def story(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Story:
    base = tmp_path_factory.mktemp("remote")
    home = Home(base / "home")
    copy_samples(base / "videos", *THREE)
    store.upload(base / "videos", "videos")

    options = ("--speech", "pocketsphinx", "--json")

    def run(source: str, command: str = "run") -> Ran:
        more = ("--set", f"cache.dir={store.url('cache')}", "--set", "sources.schemes=s3,http")
        return home.reelscope(command, source, "--out", store.url("out"), *options, *more)

    beside = Home(base / "home-local").start("run", base / "videos", "--out", base / "out", *options)
    first = run(store.url("videos"))
    again = run(store.url("videos"))
    tables = {name: pd.read_parquet(f"{store.url('out')}/{name}") for name in TABLES}
    stdout, stderr = beside.communicate(timeout=280)
    local = Ran(beside.returncode, stdout, stderr)
    local_tables = {name: pd.read_parquet(base / "out" / name) for name in TABLES}
    # into the same OUT: what fails, and an address that only its signature opens
    address = signed(store, "videos/cat-vs-cup.mp4")
    rows = [{"uri": address, "video_id": "signed"}, {"uri": f"s3://{s3_server.KEY}:{SECRET}@reels/videos/x.mp4"}]
    rows += [{"uri": address.replace("cat-vs-cup", "gone"), "video_id": "gone"}]
    put(store, "l.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    manifest = run(store.url("l.jsonl"), "extract")
    assert manifest.code == 0, manifest.stderr
    first.stderr += manifest.stdout + manifest.stderr
    signature = address.partition("Signature=")[2].split("&")[0]
    return Story(local, first, again, signature, home.folder, tables, local_tables)


def test_a_run_from_a_bucket_into_a_bucket_gives_the_tables_of_a_local_run(story: Story, store: Store) -> None:
    assert story.first.code == 0, story.first.stderr
    assert story.local.code == 0, story.local.stderr
    assert (story.first.figures["done"], story.first.figures["failed"]) == (3, 0)
    assert story.first.figures["report"] == store.url("out/report/index.html")
    differ = {
        *("uri", "content_hash", "pictures", "input_hash", "inputs", "run_id", "seconds"),
        *("first_seen_run", "last_seen_run"),
    }
    for name in ("videos", "shots", "texts", "speech", "templates", "clusters", "niches", "failures"):
        mine, local = (
            told[name].drop(columns=list(differ & set(told[name].columns)))
            for told in (story.tables, story.local_tables)
        )
        order = list(mine.columns[:2])
        pd.testing.assert_frame_equal(
            mine.sort_values(order, ignore_index=True), local.sort_values(order, ignore_index=True)
        )
    assert set(story.tables["videos"]["uri"]) == {store.url(f"videos/{name}.mp4") for name in THREE}
    titles = set(story.tables["videos"]["title"])
    assert json.loads((SAMPLES / "night-city.info.json").read_text())["title"] in titles


def test_a_second_run_reuses_everything(story: Story) -> None:
    again = story.again.figures
    assert (again["done"], again["reused"], again["failed"], again["stage_seconds"]) == (0, 3, 0, {})


def test_the_report_lies_beside_its_pictures(story: Story, store: Store) -> None:
    page = store.files.cat_file(f"{store.bucket}/out/report/index.html").decode()
    pictures = [name for names in story.tables["videos"]["pictures"] for name in names]
    assert pictures
    assert all(store.files.exists(f"{store.bucket}/out/{name}") for name in pictures)
    assert any(f"../{name}" in page for name in pictures)
    assert store.files.info(f"{store.bucket}/out/report/index.html")["ContentType"] == "text/html"
    assert not store.files.exists(f"{store.bucket}/out/.before.json")
    assert b"reelscope_videos" in store.files.cat_file(f"{store.bucket}/out/metrics.prom")


def test_secrets_are_nowhere(story: Story, store: Store) -> None:
    """Not in what commands printed, tables, the cache, the report, Prefect's database, nor what a user's home keeps."""
    secrets = [SECRET.encode(), story.signature.encode()]
    videos = pd.read_parquet(f"{store.url('out')}/videos").set_index("video_id")
    assert videos.loc["signed", "status"] == "complete"  # the address was good
    failures = pd.read_parquet(f"{store.url('out')}/failures")
    assert len(failures) == 2
    assert set(failures["error_type"]) == {"UnreadableSource"}
    texts = {"printed": (story.first.stderr + story.first.stdout + story.again.stdout + story.again.stderr).encode()}
    for name in TABLES:
        texts[name] = (
            pd.read_parquet(f"{store.url('out')}/{name}").to_json(default_handler=str, date_format="iso").encode()
        )
    for prefix in ("out", "cache"):
        for path in store.files.find(f"{store.bucket}/{prefix}"):
            texts[path] = store.files.cat_file(path)
    for path in story.home.rglob("*"):
        if path.is_file():
            texts[str(path)] = path.read_bytes()
            if path.suffix in (".db", ".sqlite"):
                with sqlite3.connect(path) as database:
                    texts[f"{path} dumped"] = "\n".join(database.iterdump()).encode()
    assert any(".db" in name for name in texts), sorted(texts)
    assert {name for name, text in texts.items() if any(secret in text for secret in secrets)} == set()
    assert any(b"***" in text for text in texts.values())


def test_the_other_commands_work_on_a_remote_out(
    story: Story, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home, out, cache = Home(story.home), store.url("out"), f"cache.dir={store.url('cache')}"
    told = {"cache.dir": store.url("cache"), "speech.engine": "pocketsphinx", "speech.download": "false"}
    settings = load_settings(overrides=told)
    verdicts = why("night-city", out, store.url("videos"), settings)["stages"]
    assert {stage["verdict"] for stage in verdicts} == {"reused"}
    foreseen = preview(store.url("videos"), out, settings, None)
    assert (foreseen["todo"], foreseen["reused"]) == (0, 3)
    unknown = preview(
        store.url("videos"), store.url("none"), load_settings(overrides=told | {"cache.dir": store.url("n")}), None
    )
    assert unknown["unknown_lengths"] == 0
    assert unknown["todo_s"] == pytest.approx(sum(story.tables["videos"]["duration_s"]), rel=0.05)  # as headers say
    assert evaluate(Tables(out, read_only=True), read_truth(SAMPLES / "truth.json")).figures()["cut_f1_1_frame"] == 1.0
    assert home.reelscope("report", out).stdout.strip() == f"{out}/report/index.html"
    pruned = home.reelscope("cache", "--max-size", "1", "--json", "--set", cache)
    assert pruned.figures["pruned"]["entries"] == pruned.figures["entries"] > 0
    none = home.reelscope("analyze", store.url("nowhere"))
    assert none.code == 2
    assert none.stderr.strip().splitlines()[-1].startswith("reelscope: s3://reels/nowhere: no tables of reelscope here")


def test_two_runs_at_once_into_one_remote_out_lose_no_row(store: Store, story: Story, tmp_path: Path) -> None:
    for number in range(2):
        put(store, f"both-{number}/v{number}.mp4", clip(tmp_path / f"{number}.mp4", seconds=1 + number).read_bytes())
    out, cache = store.url("both"), f"cache.dir={store.url('cache-both')}"
    options = ("--out", out, "--set", cache, "--speech", "none", "--json")
    runs = [Home(story.home).start("run", store.url(f"both-{number}"), *options) for number in range(2)]
    for run in runs:
        _, stderr = run.communicate(timeout=280)
        assert run.returncode == 0, stderr
    there = {name: pd.read_parquet(f"{out}/{name}") for name in TABLES}
    assert len(there["videos"]) == len(there["templates"]) == 2
    assert set(there["videos"]["status"]) == {"complete"}
    assert len(there["runs"]) == 2
    assert set(there["shots"]["video_id"]) == set(there["videos"]["video_id"])
    assert there["clusters"].groupby("scope")["size"].sum().to_dict() == {"niche": 2, "all": 2}
