"""Hostile media: every threat ends in a row, in a worker that keeps its time and memory, and nothing else is opened."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from flows.pools import WorkerPool
from tasks.errors import MediaError
from tasks.extraction import decode
from tasks.extraction.decode import Media
from tasks.extraction.ocr import OcrChoice
from tasks.extraction.opening import SourceFile
from tasks.extraction.speech import SpeechChoice
from tasks.extraction.video import Job, extract
from tasks.records import Decoded, StageOutcome
from tasks.settings import Settings
from tests import hostile
from tests.hostile import THREATS, Threat

SETTINGS = Settings()
LIMIT_MB = 1000
VIDEO_S = 40.0


def job(path: Path) -> Job:
    ocr, speech = OcrChoice("rapidocr", "any", "cpu", None), SpeechChoice("none", "any", "cpu", None)
    return Job(path.name, str(path), str(path), frozenset({"decode"}), SETTINGS, ocr, speech)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[StageOutcome]]]:
    """What came of each, two workers having had them all; by the threat's name."""
    made = dict(hostile.numbered(tmp_path_factory.mktemp("hostile")))
    pool = WorkerPool("hostile", 2, VIDEO_S, LIMIT_MB)
    try:
        waiting = {threat.name: pool.submit(extract, job(path), "decode") for threat, path in made.items()}
        yield {name: future.result(timeout=200) for name, future in waiting.items()}
    finally:
        pool.stop()


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: threat.name)
def test_each_threat_ends_as_it_should(outcomes: dict[str, list[StageOutcome]], threat: Threat) -> None:
    (outcome,) = outcomes[threat.name]
    failure = outcome.failure
    assert (failure.error_type if failure else None) == threat.error, failure
    assert (outcome.result is not None) is threat.kept
    if failure:
        assert threat.name in failure.message
        assert failure.advice
    if threat.name in ("16k.mov", "15k.mov", "15k-untold.mov"):
        assert failure
        assert "limits.pixels" in failure.advice
    if outcome.result:
        decoded = Decoded.model_validate(outcome.result)
        assert 0 < decoded.duration_s <= SETTINGS.limits.duration_s
        assert decoded.sound is None or decoded.sound.duration_s <= SETTINGS.limits.duration_s + 3600


def test_a_file_without_end_is_ended_from_outside(tmp_path: Path) -> None:
    """Four megabytes that say a million frames: decoding goes on for minutes, and for as long as it may."""
    path = tmp_path / "endless.mov"
    hostile.looping(path, 1_000_000)
    pool = WorkerPool("hostile", 1, 4.0, LIMIT_MB)
    try:
        (outcome,) = pool.submit(extract, job(path), "decode").result(timeout=60)
    finally:
        pool.stop()
    assert outcome.failure
    assert (outcome.failure.error_type, outcome.failure.stage) == ("VideoTimeout", "decode")
    assert "endless.mov" in outcome.failure.message
    assert "limits.video_s" in outcome.failure.advice


@pytest.mark.parametrize("at", [-1, -(2**62)])
def test_a_place_that_no_file_has_is_an_error_of_ffmpeg_and_none_of_the_disk(tmp_path: Path, at: int) -> None:
    """A damaged fragment names such places; the OSError was a failure without advice, tried again as if it could pass."""
    (tmp_path / "any").write_bytes(b"any")
    with SourceFile(tmp_path / "any") as file:
        assert file.seek(at) == -errno.EINVAL
        assert file.read() == b"any"


def test_a_stream_that_comes_in_the_midst_costs_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV 18 flushes it at the end like the others, which it knows since the file was opened, and finds no such stream."""
    path = hostile.clip(tmp_path / "clip.mkv")

    class Grown:
        def __init__(self, container: Any) -> None:
            self._container = container

        def demux(self, streams: list[Any]) -> Iterator[Any]:
            yield from (packet for packet in self._container.demux(streams) if packet.size)
            raise IndexError("list index out of range")

        def __getattr__(self, name: str) -> Any:
            return getattr(self._container, name)

    real = decode.opened
    whole, _ = frames_of(path)
    monkeypatch.setattr(decode, "opened", lambda *given: Grown(real(*given)))
    assert frames_of(path) == (whole, 0)


def frames_of(path: Path) -> tuple[int, int]:
    """Frames, and what was damaged."""
    with Media(path, SETTINGS.sources, SETTINGS.decode) as media:
        list(media)
        return media.frames, media.damaged


class Lure:
    """An address and a file that wait to be opened, and say whether they were."""

    def __init__(self, folder: Path) -> None:
        self.opened = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._server.getsockname()[1]}/a.ts"
        self.path = folder / "lure.mp4"
        os.mkfifo(self.path)
        for wait in (self._listen, self._write):
            threading.Thread(target=wait, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:  # the test is over
                return
            self.opened.set()
            connection.close()

    def _write(self) -> None:
        with self.path.open("wb"):  # waits for somebody who reads
            self.opened.set()

    def was_opened(self, within_s: float) -> bool:
        return self.opened.wait(within_s)

    def close(self) -> None:
        self._server.close()
        os.close(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK))  # lets the writer go


@pytest.fixture()
def lure(tmp_path: Path) -> Iterator[Lure]:
    lure = Lure(tmp_path)
    yield lure
    lure.close()


def references(folder: Path, lure: Lure) -> dict[str, Path]:
    """Files that name the lure in each way that FFmpeg knows."""
    made = {}
    for kind, where in (("address", lure.address), ("path", str(lure.path)), ("file", f"file:{lure.path}")):
        for name, content in hostile.playlists(where).items():
            path = made[f"{kind} {name}"] = folder / f"{kind}-{name}"
            path.write_bytes(content)
        for alias in (False, True):
            path = folder / f"{kind}-{alias}.mp4"
            made[f"{kind} {'alias' if alias else 'url'}"] = hostile.referring(path, where, alias)
    return made


@pytest.mark.parametrize("formats", [SETTINGS.sources.formats, ("mov", "mp4", "hls", "dash", "concat", "sdp", "rtsp")])
def test_nothing_that_a_file_names_is_opened(tmp_path: Path, lure: Lure, formats: tuple[str, ...]) -> None:
    """Not even where the settings allow formats that name other files."""
    sources = SETTINGS.sources.model_copy(update={"formats": formats})
    for name, path in references(tmp_path, lure).items():
        try:
            with Media(path, sources, SETTINGS.decode) as media:
                list(media)
        except MediaError as error:
            assert path.name in error.message
        else:
            assert name.endswith("url")  # FFmpeg knows no such reference, and takes the pictures that are in the file
    assert not lure.was_opened(0.2)


@pytest.mark.parametrize("name", ["address concat.mkv", "path concat.mkv", "path alias"])
def test_ffmpeg_would_open_it(tmp_path: Path, lure: Lure, name: str) -> None:
    """What the test above is worth: with its restrictions lifted, FFmpeg takes the bait."""
    lifted = {"protocol_whitelist": "file,http,tcp", "enable_drefs": "1", "use_absolute_path": "1", "safe": "0"}
    path = references(tmp_path, lure)[name]
    try:
        with path.open("rb") as file, av.open(file, options=lifted) as container:
            list(container.decode(video=0))
    except (av.FFmpegError, IndexError):
        pass
    assert lure.was_opened(5.0)
