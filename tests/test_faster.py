"""faster-whisper behind the same protocol: its weights, what is said when they are missing, and what it hears."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from tasks.errors import EngineError
from tasks.extraction import faster_weights, fetching, speech, speech_faster
from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechChoice, choose_speech, load_speech
from tasks.extraction.speech_faster import FasterWhisperEngine, compute_type
from tasks.extraction.speech_whisper import WhisperEngine
from tasks.extraction.vad import SAMPLE_RATE
from tasks.records import Segment
from tasks.settings import SpeechSettings
from tests.checkpoints import random_whisper
from tests.toys.hearing import SENTENCES, can_speak, make_whisper, say

installed = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="the extra reelscope[faster] is not installed"
)
VOICE = {"en": "en-us", "es": "es"}


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "cuda_available", lambda: False)


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hugging Face's cache, with nothing in it."""
    if importlib.util.find_spec("huggingface_hub") is not None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper model of two small layers with random weights, as CTranslate2 takes it, in a folder named tiny."""
    from tests.toys.ctranslate import convert

    folder = tmp_path_factory.mktemp("faster")
    return convert(random_whisper(folder / "random.pt"), folder / "tiny")


def settings(**more: Any) -> SpeechSettings:
    return SpeechSettings(engine="faster-whisper", **more)


def noise(length_s: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, round(length_s * SAMPLE_RATE), np.int16)


# ---- the choice


@installed
def test_a_name_is_found_in_the_folder_of_weights(weights: Path) -> None:
    choice = choose_speech(settings(weights_dir=str(weights.parent), model="tiny"))
    assert (choice.engine, choice.device, choice.weights, choice.note) == ("faster-whisper", "cpu", str(weights), None)
    assert choice.model.startswith("tiny@") and choice.model.endswith(" int8")
    other = choose_speech(settings(weights_dir=str(weights.parent), model="tiny", compute_type="float32"))
    assert other.model == choice.model.replace("int8", "float32")  # another key in the cache
    assert choose_speech(settings(model=str(weights))).weights == str(weights)


@installed
def test_a_name_is_found_in_hugging_faces_cache(weights: Path, empty_cache: Path, tmp_path: Path) -> None:
    snapshot = empty_cache / "models--Systran--faster-whisper-tiny" / "snapshots" / ("0" * 40)
    shutil.copytree(weights, snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    choice = choose_speech(settings(weights_dir=str(tmp_path / "none"), model="tiny", download=False))
    assert choice.weights == str(snapshot)
    (snapshot / "config.json").unlink()
    with pytest.raises(EngineError, match=r"tiny"):
        choose_speech(settings(weights_dir=str(tmp_path / "none"), model="tiny", download=False))


@installed
def test_without_a_model_named_one_that_is_there_will_do(weights: Path) -> None:
    choice = choose_speech(settings(weights_dir=str(weights.parent)))
    assert choice.weights == str(weights)
    assert choice.note and "base" in choice.note and "tiny" in choice.note


@installed
def test_auto_never_takes_it(weights: Path) -> None:
    assert choose_speech(SpeechSettings(weights_dir=str(weights.parent), download=False)).engine == "pocketsphinx"


@installed
@pytest.mark.parametrize("download", [False, True])
def test_missing_weights_are_an_error_that_helps(
    download: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(fetching, "urlopen", refuse)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    began = time.monotonic()
    with pytest.raises(EngineError) as caught:
        choose_speech(settings(weights_dir=str(tmp_path), download=download))
    assert time.monotonic() - began < 10  # the promise to users, not a measurement
    message = caught.value.message
    for part in ("model.bin", "tokenizer.json", "vocabulary.json", str(tmp_path / "base"), sys.executable):
        assert part in message
    assert f"faster_whisper.download_model('base', output_dir='{tmp_path / 'base'}')" in message
    assert "config.json" not in message
    assert ("no route to host" in message) == download


@installed
def test_unknown_models_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="'huge'") as caught:
        choose_speech(settings(model="huge"))
    assert "large-v3" in caught.value.advice
    with pytest.raises(EngineError, match=r"model\.bin.*speech\.model"):
        choose_speech(settings(model=str(tmp_path / "own")))


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    faster_weights._repositories.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="faster-whisper is not installed") as caught:
        choose_speech(settings(weights_dir=str(tmp_path)))
    assert "pip install 'reelscope[faster]'" in caught.value.advice


@installed
def test_with_cuda_but_not_its_cublas_it_runs_on_the_cpu(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "cuda_available", lambda: True)
    options = settings(weights_dir=str(weights.parent), model="tiny")
    monkeypatch.setattr(speech_faster, "cublas_loads", lambda: True)
    choice = choose_speech(options)
    assert (choice.device, choice.note) == ("cuda", None) and choice.model.endswith(" float16")
    monkeypatch.setattr(speech_faster, "cublas_loads", lambda: False)
    choice = choose_speech(options)
    assert choice.device == "cpu" and choice.note and "nvidia-cublas-cu12" in choice.note


def test_what_it_computes_in() -> None:
    assert [compute_type(settings(), device) for device in ("cpu", "cuda")] == ["int8", "float16"]
    assert compute_type(settings(compute_type="int8_float16"), "cuda") == "int8_float16"


@pytest.fixture
def hub(weights: Path) -> Iterator[str]:
    """As much of Hugging Face's hub as its client asks for, with one model."""
    commit, repository = "0" * 40, "/Systran/faster-whisper-base"

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.wfile.write(self.answer())

        def answer(self) -> bytes:
            path = weights / self.path.rsplit("/", 1)[1]
            if self.path.startswith(f"/api/models{repository}/tree/"):
                files = [(path.name, path.stat().st_size) for path in weights.iterdir()]
                listed = [{"type": "file", "path": name, "size": size, "oid": name} for name, size in files]
                body = json.dumps(listed).encode()
            elif self.path.startswith(f"/api/models{repository}"):
                body = json.dumps({"id": repository[1:], "sha": commit}).encode()
            elif self.path.startswith(f"{repository}/resolve/") and path.is_file():
                body = path.read_bytes()
            else:
                self.send_error(404)
                return b""
            self.send_response(200)
            self.send_header("ETag", f'"{path.name}"')
            self.send_header("X-Repo-Commit", commit)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return body

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@installed
def test_missing_weights_are_fetched_if_they_may_be(
    hub: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    choice = choose_speech(settings(weights_dir=str(tmp_path)))
    assert choice.weights == str(tmp_path / "base")
    assert choice.note == f"Fetched Whisper's weights {tmp_path / 'base'}."
    assert (tmp_path / "base" / "model.bin").read_bytes() == (weights / "model.bin").read_bytes()
    with pytest.raises(EngineError, match="cannot be fetched now"):
        choose_speech(settings(weights_dir=str(tmp_path), model="small"))


# ---- what it hears


def engine(weights: Path, **more: Any) -> FasterWhisperEngine:
    options = settings(model=str(weights), **more)
    return FasterWhisperEngine(choose_speech(options), options, max_new_tokens=8)


def checked(segments: Sequence[Segment], region: Region) -> Sequence[Segment]:
    for before, after in pairwise(segments):
        assert before.start_s <= after.start_s
    for segment in segments:
        assert segment.text and region.start_s <= segment.start_s <= segment.end_s <= region.end_s
        assert segment.confidence is not None and 0 < segment.confidence <= 1
    return segments


@installed
def test_it_runs_and_keeps_the_videos_clock(weights: Path) -> None:
    regions = [Region("a", 100.0, noise(1, 1)), Region("a", 110.0, noise(2, 2)), Region("b", 3.0, noise(2, 3))]
    listener = engine(weights)
    asked: list[int] = []
    find = listener._language
    listener._language = lambda pcm: asked.append(len(pcm)) or find(pcm)  # type: ignore[method-assign,assignment,func-returns-value]
    languages: dict[str, str | None] = {"b": "de"}
    found = listener.transcribe(regions, languages)
    assert asked == [2 * SAMPLE_RATE]  # once for video a, in its longest region
    assert languages["a"] and languages["b"] == "de"
    assert any(found), "the random model says nothing: the test would show nothing"
    for region, segments in zip(regions, found, strict=True):
        assert {segment.language for segment in checked(segments, region)} <= {languages[region.video_id]}
    assert listener.transcribe(regions[::-1], languages)[::-1] == found  # what was heard before changes nothing
    assert asked == [2 * SAMPLE_RATE]


@installed
@pytest.mark.skipif(not can_speak(), reason="espeak-ng is not installed")
@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_it_hears_what_whisper_hears(kind: str, tmp_path: Path) -> None:
    """The same weights, which really hear, say the same in both engines."""
    from tests.toys.ctranslate import convert

    checkpoint = make_whisper(tmp_path / "toy.pt")
    options = settings(model=str(convert(checkpoint, tmp_path / "toy")), compute_type=kind)
    faster = FasterWhisperEngine(choose_speech(options), options)
    options = SpeechSettings(engine="whisper", model=str(checkpoint))
    whisper = WhisperEngine(choose_speech(options), options)
    said = [(language, sentence) for language in VOICE for sentence in SENTENCES[language][:4]]
    pause = np.zeros(SAMPLE_RATE // 2, np.int16)
    regions = [
        Region(f"video {number}", 10.0 * number, np.concatenate([pause, say(sentence, VOICE[language]), pause]))
        for number, (language, sentence) in enumerate(said)
    ]
    heard, expected = faster.transcribe(regions, {}), whisper.transcribe(regions, {})
    pairs = [(one, other) for (one,), (other,) in zip(heard, expected, strict=True)]
    same = [(one, other) for one, other in pairs if (one.language, one.text) == (other.language, other.text)]
    assert len(same) >= 7  # of 8; another version of espeak-ng, or rounding to int8, may cost a word
    assert sum((one.language, one.text) == each for (one, _), each in zip(pairs, said, strict=True)) >= 7
    for one, other in same:
        assert [one.start_s, one.end_s] == pytest.approx([other.start_s, other.end_s], abs=0.1)
        assert one.confidence == pytest.approx(other.confidence, abs=0.1)


@installed
def test_crumbs_of_sound_are_no_error(weights: Path) -> None:
    listener = engine(weights)
    regions = [Region("v", 1.0, np.zeros(length, np.int16)) for length in (0, 1, 16)]
    assert [len(checked(part, region)) for part, region in zip(listener.transcribe(regions, {}), regions, strict=True)]


@installed
def test_errors_name_the_folder_the_language_or_the_type(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="klingon") as caught:
        engine(weights, language="klingon")
    assert "de, " in caught.value.advice
    with pytest.raises(EngineError, match="float16"):
        engine(weights, compute_type="float16")  # which a CPU does not have
    own = tmp_path / "own"
    shutil.copytree(weights, own)
    os.truncate(own / "model.bin", 1000)
    with pytest.raises(EngineError, match=str(own)):
        engine(own)


@installed
@pytest.mark.parametrize(
    ("device", "given"),
    [("cpu", ("cpu", 0, "int8")), ("cuda", ("cuda", 0, "float16")), ("cuda:1", ("cuda", 1, "float16"))],
)
def test_each_device_gets_its_model(
    device: str, given: tuple[str, int, str], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, str]] = []

    def model(_: str, device: str, device_index: int, compute_type: str) -> None:
        asked.append((device, device_index, compute_type))

    monkeypatch.setattr("faster_whisper.WhisperModel", model)
    FasterWhisperEngine(SpeechChoice("faster-whisper", "tiny", device, None, str(weights)), settings())
    assert asked == [given]


@installed
def test_through_the_front_door(weights: Path) -> None:
    options = settings(model=str(weights), language="en")
    choice = choose_speech(options)
    listener = load_speech(choice, options)
    assert isinstance(listener, FasterWhisperEngine) and load_speech(choice, options) is listener
    assert listener.transcribe([], {}) == []
    assert isinstance(choice, SpeechChoice) and listener.model == choice.model
