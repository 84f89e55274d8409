"""Fetching weight files: whole or not at all, and never waiting for a host that is silent."""

import hashlib
import time
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tasks.errors import EngineError
from tasks.extraction import fetching
from tasks.extraction.fetching import RemoteFile, fetch, unreachable
from tasks.extraction.ocr import choose_ocr
from tasks.extraction.weights import Weights, ensure
from tasks.settings import Text


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def digest(content: bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, content).hexdigest()


@pytest.mark.parametrize("zipped", [False, True])
def test_files_are_fetched_whole_or_not_at_all(server: tuple[Path, str], tmp_path: Path, zipped: bool) -> None:
    folder, address = server
    if zipped:
        with zipfile.ZipFile(folder / "good", "w") as packed:
            packed.writestr("good.pth", b"weights")
    else:
        (folder / "good").write_bytes(b"weights")
    path = tmp_path / "new" / "weights" / "good.pth"
    good = RemoteFile(path, f"{address}/good", "md5", digest(b"weights", "md5"), zipped)
    assert not good.whole
    assert fetch([good]) is None
    assert good.whole and path.read_bytes() == b"weights"

    other = RemoteFile(path, f"{address}/good", "sha256", digest(b"others", "sha256"), zipped)
    reason = fetch([other])
    assert reason and "not the expected content" in reason
    assert [path.name for path in path.parent.iterdir()] == ["good.pth"]
    assert path.read_bytes() == b"weights"


def test_what_a_host_does_not_have_is_said(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    (folder / "page").write_bytes(b"<html>Sign in</html>")
    missing = RemoteFile(tmp_path / "a.pt", f"{address}/nothing", "md5", "")
    page = RemoteFile(tmp_path / "b.pth", f"{address}/page", "md5", "", zipped=True)
    assert "404" in (fetch([missing]) or "")
    assert "zip" in (fetch([page]) or "")
    assert [path.name for path in tmp_path.iterdir()] == ["served"]
    assert unreachable(f"{address}/nothing") is None  # an error is an answer
    assert "refused" in (unreachable("http://127.0.0.1:1") or "")


def test_a_host_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    released = Event()

    def hang(*_: Any, **__: Any) -> None:
        released.wait(30)
        raise OSError("too late")

    monkeypatch.setattr(fetching, "ANSWER_S", 0.1)
    monkeypatch.setattr(fetching, "urlopen", hang)
    file = RemoteFile(tmp_path / "a.pt", "https://host.invalid/a.pt", "md5", "")
    assert "no answer within" in (fetch([file]) or "")
    assert "no answer within" in (unreachable("https://host.invalid") or "")
    assert not released.is_set()
    released.set()


def test_a_host_that_is_too_slow_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Trickle:
        def __enter__(self) -> "Trickle":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, _: int) -> bytes:
            time.sleep(0.01)
            return b"x"

    monkeypatch.setattr(fetching, "FETCH_S", 0.1)
    monkeypatch.setattr(fetching, "urlopen", lambda url, timeout: Trickle())
    reason = fetch([RemoteFile(tmp_path / "a.pt", "https://host.invalid/a.pt", "md5", "")])
    assert reason and "not done within" in reason
    assert not (tmp_path / "a.pt").exists()


def test_easyocrs_weights_are_fetched_once(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = server
    with zipfile.ZipFile(folder / "good.zip", "w") as packed:
        packed.writestr("good.pth", b"weights")
    target = tmp_path / "weights"
    file = RemoteFile(target / "good.pth", f"{address}/good.zip", "md5", digest(b"weights", "md5"), zipped=True)
    weights = Weights(target, (file,), ("en",))
    with pytest.raises(EngineError, match=r"good\.pth"):
        ensure(weights, download=False)
    assert ensure(weights, download=True)
    assert not ensure(weights, download=False)
    assert weights.model == f"good@{digest(b'weights', 'md5')[:8]}"


@pytest.mark.parametrize("download", [False, True])
def test_easyocr_by_name_without_weights_is_an_error_that_helps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, download: bool
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(fetching, "urlopen", refuse)
    with pytest.raises(EngineError) as error:
        choose_ocr(Text(engine="easyocr", weights_dir=str(tmp_path), download=download))
    for part in ("craft_mlt_25k.pth", "english_g2.pth", str(tmp_path), " -c ", "easyocr.Reader(['en']"):
        assert part in error.value.message
    assert ("no route" in error.value.message) == download
    assert "english_g2.zip" in error.value.advice
