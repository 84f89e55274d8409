"""Which engine is chosen, what engines say of real and made speech, and that none is asked where nobody speaks."""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
import sys
import time
import wave
from collections.abc import MutableMapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checkpoints import random_whisper
from test_audio import decode, listen, silence

from tasks import device
from tasks.errors import EngineError
from tasks.extraction import speech, speech_sphinx, whisper_weights
from tasks.extraction.audio import Region
from tasks.extraction.speech import SpeechChoice, choose_speech, load_speech
from tasks.extraction.speech_sphinx import Word, without_noise
from tasks.extraction.transcriber import Transcriber
from tasks.extraction.vad import SAMPLE_RATE
from tasks.records import Segment, Speech
from tasks.settings import SpeechSettings


def transcribe(choice: SpeechChoice, regions: Sequence[Region], audio_s: float, settings: SpeechSettings) -> Speech:
    """One video's speech, as extraction goes about it."""
    listener = Transcriber(choice, settings)
    for region in regions:
        listener.hear(region)
    return listener.finish(audio_s)


JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
SPHINX = SpeechSettings(engine="pocketsphinx")


def word_error_rate(truth: str, heard: str) -> float:
    expected, found = truth.split(), heard.split()
    costs = list(range(len(found) + 1))
    for row, word in enumerate(expected, 1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(found, 1):
            diagonal, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, diagonal + (word != other)),
            )
    return costs[-1] / len(expected)


def checked(segments: Sequence[Segment], regions: Sequence[Region]) -> list[Segment]:
    """The segments, which must be ordered and lie within regions."""
    for before, after in pairwise(segments):
        assert before.start_s <= after.start_s
    for segment in segments:
        assert segment.text and segment.start_s <= segment.end_s
        assert any(region.start_s <= segment.start_s and segment.end_s <= region.end_s for region in regions)
    return list(segments)


@pytest.fixture
def no_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no internet in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "cuda_available", lambda: False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_whisper(tmp_path_factory.mktemp("whisper") / "random.pt")


# ---- the choice


def test_auto_without_cuda_and_weights_is_pocketsphinx_with_a_note(no_cuda: None, tmp_path: Path) -> None:
    choice = choose_speech(SpeechSettings(weights_dir=str(tmp_path)))
    assert (choice.engine, choice.device) == ("pocketsphinx", "cpu")
    assert choice.note and "base.pt" in choice.note and str(tmp_path) in choice.note


@pytest.mark.parametrize("file", ["base.pt", "tiny.pt"])
def test_auto_without_cuda_takes_weights_that_are_on_disk(
    file: str, no_cuda: None, checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copy(checkpoint, tmp_path / file)
    choice = choose_speech(SpeechSettings(weights_dir=str(tmp_path)))
    assert (choice.engine, choice.device, choice.weights) == ("whisper", "cpu", str(tmp_path / file))
    assert choice.model.startswith(file.removesuffix(".pt") + "@")
    assert (choice.note is None) == (file == "base.pt")


def test_weights_in_whispers_own_cache_folder(
    no_cuda: None, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whisper").mkdir()
    shutil.copy(checkpoint, tmp_path / "whisper" / "small.pt")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choose_speech(SpeechSettings()).weights == str(tmp_path / "whisper" / "small.pt")


def test_half_a_file_is_not_used(no_cuda: None, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "base.pt").write_bytes(checkpoint.read_bytes()[:100_000])
    choice = choose_speech(SpeechSettings(weights_dir=str(tmp_path)))
    assert choice.engine == "pocketsphinx" and choice.note and "damaged" in choice.note


def test_auto_with_cuda_falls_back_when_nothing_can_be_fetched(
    no_internet: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "cuda_available", lambda: True)
    choice = choose_speech(SpeechSettings(weights_dir=str(tmp_path)))
    assert choice.engine == "pocketsphinx"
    assert choice.note and "large-v3-turbo.pt" in choice.note and "no internet" in choice.note


def test_auto_with_cuda_fetches_whole_files_only(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "cuda_available", lambda: True)
    internet = SimpleNamespace(open=lambda url, data, timeout: checkpoint.open("rb"))
    monkeypatch.setattr("urllib.request._opener", internet)  # what urllib.request.install_opener sets
    options = SpeechSettings(weights_dir=str(tmp_path), model="tiny")
    assert choose_speech(options).engine == "pocketsphinx"  # not what was asked for
    assert list(tmp_path.iterdir()) == []
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    monkeypatch.setattr(
        whisper_weights,
        "official_urls",
        lambda: {name: f"https://host.invalid/{digest}/{name}.pt" for name in ("tiny", "base", "small")},
    )
    choice = choose_speech(options)
    assert (choice.engine, choice.device, choice.model) == ("whisper", "cuda", f"tiny@{digest[:8]}")
    assert choice.note and choice.weights and Path(choice.weights).read_bytes() == checkpoint.read_bytes()


@pytest.mark.parametrize(
    ("model", "file"), [("auto", "base.pt"), ("large", "large-v3.pt"), ("/nowhere/own.pt", "own.pt")]
)
def test_named_engine_without_weights_is_an_error_that_helps(
    model: str, file: str, no_cuda: None, no_internet: None, tmp_path: Path
) -> None:
    began = time.monotonic()
    with pytest.raises(EngineError) as caught:
        choose_speech(SpeechSettings(engine="whisper", model=model, weights_dir=str(tmp_path)))
    assert time.monotonic() - began < 10  # the promise to users, not a measurement
    assert file in caught.value.message
    if model != "/nowhere/own.pt":
        assert str(tmp_path) in caught.value.message and "whisper.load_model" in caught.value.message


def test_named_model_is_never_replaced(no_cuda: None, checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(checkpoint, tmp_path / "base.pt")
    options = {"weights_dir": str(tmp_path), "download": False}
    with pytest.raises(EngineError, match=r"small\.pt is missing"):
        choose_speech(SpeechSettings(engine="whisper", model="small", **options))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="'smal'") as caught:
        choose_speech(SpeechSettings(engine="whisper", model="smal", **options))  # type: ignore[arg-type]
    assert "large-v3-turbo" in caught.value.advice


def test_choosing_and_checking_for_cuda_import_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from tasks.extraction.speech import choose_speech; from tasks.settings import SpeechSettings;"
        f"print(choose_speech(SpeechSettings(weights_dir={str(tmp_path)!r})).engine, 'torch' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=root,
        check=True,
        env={"CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.stdout.split() == ["pocketsphinx", "False"]


def test_no_driver_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not device.driver_present()


# ---- nothing to say


@pytest.mark.parametrize("engine", ["none", "pocketsphinx"])
def test_without_a_region_the_engine_is_not_loaded(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.extraction.transcriber.load_speech", lambda *_: pytest.fail("the engine was loaded"))
    options = SpeechSettings(engine=engine)  # type: ignore[arg-type]
    said = transcribe(choose_speech(options), [], 12.0, options)
    assert (said.engine, said.segments, said.language, said.audio_s, said.transcribed_s) == (
        engine,
        (),
        None,
        12.0,
        0.0,
    )


def test_engine_none_says_nothing() -> None:
    options = SpeechSettings(engine="none")
    choice = choose_speech(options)
    assert load_speech(choice, options) is None
    assert transcribe(choice, [Region("v", 1.0, silence(1))], 3.0, options).segments == ()


# ---- one video's regions


class Attentive:
    """An engine that notes what it is given and says its number; it knows a language once it was told or found one."""

    name = model = "attentive"

    def __init__(self, batch_s: float) -> None:
        self.batch_s = batch_s
        self.given: list[list[Region]] = []
        self.searches = 0

    def transcribe(self, regions: Sequence[Region], languages: MutableMapping[str, str | None]) -> list[list[Segment]]:
        self.given.append(list(regions))
        self.searches += languages["v"] is None
        language = languages["v"] = languages["v"] or "fi"
        return [[Segment(start_s=r.start_s, end_s=r.end_s, text=f"{r.start_s}", language=language)] for r in regions]


@pytest.mark.parametrize(("batch_s", "batches"), [(0.0, [1] * 7), (5.0, [3, 3, 1]), (14.0, [7]), (100.0, [7])])
def test_regions_wait_for_a_batch(batch_s: float, batches: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Attentive(batch_s)
    monkeypatch.setattr("tasks.extraction.transcriber.load_speech", lambda *_: engine)
    regions = [Region("v", 10.0 * number, silence(2)) for number in range(7)]
    said = transcribe(SpeechChoice("attentive", "1", "cpu", None), regions, 80.0, SpeechSettings())
    assert [len(batch) for batch in engine.given] == batches
    assert [region for batch in engine.given for region in batch] == regions
    assert [segment.text for segment in said.segments] == [str(region.start_s) for region in regions]
    assert (said.language, engine.searches, said.transcribed_s) == ("fi", 1, 14.0)


def test_a_given_language_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Attentive(0.0)
    monkeypatch.setattr("tasks.extraction.transcriber.load_speech", lambda *_: engine)
    regions = [Region("v", 0.0, silence(1)), Region("v", 5.0, silence(1))]
    said = transcribe(SpeechChoice("attentive", "1", "cpu", None), regions, 9.0, SpeechSettings(language="sv"))
    assert (said.language, engine.searches) == ("sv", 0)


# ---- pocketsphinx


def test_jfk() -> None:
    sound, regions = listen(decode("jfk.flac"))
    choice = choose_speech(SPHINX)
    said = transcribe(choice, regions, sound.duration_s, SPHINX)
    segments = checked(said.segments, regions)
    assert word_error_rate(JFK, " ".join(segment.text for segment in segments)) <= 0.23  # the whole track by defaults
    assert segments[0].start_s == pytest.approx(0.35, abs=0.15)
    assert segments[-1].end_s == pytest.approx(10.5, abs=0.3)
    assert (said.language, said.engine) == ("en", "pocketsphinx")
    assert 7 < said.transcribed_s <= said.audio_s


def test_what_was_heard_before_changes_nothing() -> None:
    engine = load_speech(choose_speech(SPHINX), SPHINX)
    assert engine is not None
    pcm = decode("jfk.flac")
    regions = [Region("v", 0.0, pcm[: 5 * SAMPLE_RATE // 2]), Region("w", 0.0, pcm[5 * SAMPLE_RATE : 7 * SAMPLE_RATE])]
    alone = engine.transcribe(regions, {})
    assert alone[0]
    assert engine.transcribe(regions[::-1], {}) == alone[::-1]


def test_quiet_speech_between_silences_is_heard() -> None:
    pcm = np.concatenate([silence(3), decode("jfk.flac") // 10, silence(3)]).astype(np.int16)
    sound, regions = listen(pcm)
    said = transcribe(choose_speech(SPHINX), regions, sound.duration_s, SPHINX)
    assert word_error_rate(JFK, " ".join(segment.text for segment in checked(said.segments, regions))) < 0.5
    assert said.transcribed_s < 12  # of 17 s: silence never reaches the decoder


def test_limits_of_the_search_reach_the_decoder() -> None:
    regions = listen(decode("jfk.flac"))[1]
    heard = []
    for options in (SPHINX, SPHINX.model_copy(update={"pl_weight": 40.0}), SPHINX.model_copy(update={"maxhmmpf": 100})):
        engine = load_speech(choose_speech(options), options)
        assert engine is not None
        found = engine.transcribe(regions, {})
        heard.append(word_error_rate(JFK, " ".join(segment.text for part in found for segment in part)))
    assert heard[0] < min(heard[1:])


def test_noise_and_crumbs_of_sound_give_no_words() -> None:
    engine = load_speech(choose_speech(SPHINX), SPHINX)
    assert engine is not None
    music = decode("bbb480.mp4")[: 8 * SAMPLE_RATE]
    regions = [Region("v", 0.0, pcm) for pcm in (music, silence(0.001), silence(0))]
    assert engine.transcribe(regions, {}) == [[], [], []]


def test_other_languages_get_no_english_words() -> None:
    engine = load_speech(choose_speech(SPHINX), SPHINX)
    assert engine is not None
    regions = listen(decode("jfk.flac"))[1]
    assert engine.transcribe(regions, {"v": "zh"}) == [[] for _ in regions]


def test_words_become_segments_at_pauses() -> None:
    words = [Word("a", 0.0, 0.2), Word("b", 0.7, 0.9), Word("c", 1.41, 1.6)]
    found = [(segment.text, segment.start_s, segment.end_s) for segment in speech_sphinx.segments(words)]
    assert found == [("a b", 0.0, 0.9), ("c", 1.41, 1.6)]


def test_drawn_out_words_are_noise() -> None:
    spoken = [Word("a", 0, 0.2), Word("b", 0.2, 0.4), Word("c", 0.4, 0.6)]
    assert without_noise([*spoken, Word("d", 0.6, 1.9)]) == spoken
    assert without_noise([Word("a", 0, 0.6), Word("b", 1, 1.6), Word("c", 2, 2.5)]) == []
    assert without_noise([]) == []


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_regions_and_words_of_made_speech_are_in_their_place(tmp_path: Path) -> None:
    phrases = ["welcome to the kitchen my friends", "today we are making bread", "thank you very much for watching"]
    track, truth, position = [silence(1.3)], [], 1.3
    for number, phrase in enumerate(phrases):
        path = tmp_path / f"{number}.wav"
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", str(path), phrase], check=True)
        pcm = _spoken(path)
        truth.append((position, position + len(pcm) / SAMPLE_RATE))
        track += [pcm, silence(2.5)]
        position += len(pcm) / SAMPLE_RATE + 2.5
    sound, regions = listen(np.concatenate(track), pad_s=0.2)
    assert len(regions) == len(truth)
    for region, (start_s, end_s) in zip(regions, truth, strict=True):
        assert region.start_s == pytest.approx(start_s, abs=0.3)
        assert region.end_s == pytest.approx(end_s, abs=0.3)
    said = transcribe(choose_speech(SPHINX), regions, sound.duration_s, SPHINX)
    checked(said.segments, regions)
    for start_s, _ in truth:
        assert any(segment.start_s == pytest.approx(start_s, abs=0.3) for segment in said.segments)


def _spoken(path: Path) -> np.ndarray:
    """A wave file's samples at 16 kHz, without the silence around them."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        rate = file.getframerate()
    moments = np.arange(0, len(pcm) / rate, 1 / SAMPLE_RATE)
    pcm = np.interp(moments, np.arange(len(pcm)) / rate, pcm).astype(np.int16)
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 300)
    return pcm[loud[0] : loud[-1] + 1]
