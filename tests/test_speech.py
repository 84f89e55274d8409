"""Which engine is chosen, what engines say of real and made speech, and that none is asked where nobody speaks."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from test_audio import decode, listen, silence

from tasks import device
from tasks.errors import EngineError
from tasks.extraction import speech, speech_sphinx, whisper_weights
from tasks.extraction.audio import Region
from tasks.extraction.speech import SpeechChoice, choose_speech, load_speech
from tasks.extraction.speech_sphinx import Word, without_noise
from tasks.extraction.speech_whisper import WhisperEngine, without_loops
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
    """A Whisper model of two small layers with random weights, in OpenAI's format."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(1)
    dims = ModelDimensions(
        n_mels=80, n_audio_ctx=1500, n_audio_state=64, n_audio_head=2, n_audio_layer=2,
        n_vocab=51865, n_text_ctx=448, n_text_state=64, n_text_head=2, n_text_layer=2,
    )  # fmt: skip
    model = Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding)  # left uninitialised, else
    path = tmp_path_factory.mktemp("whisper") / "random.pt"
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, path)
    return path


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
    monkeypatch.setattr(whisper_weights, "urlopen", lambda url, timeout: checkpoint.open("rb"))
    options = SpeechSettings(weights_dir=str(tmp_path), model="tiny")
    assert choose_speech(options).engine == "pocketsphinx"  # not what was asked for
    assert list(tmp_path.iterdir()) == []
    digest = whisper_weights._sha256(checkpoint)
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


# ---- Whisper


def whisper_engine(checkpoint: Path, sample_len: int = 4) -> WhisperEngine:
    options = SpeechSettings(engine="whisper", model=str(checkpoint))
    return WhisperEngine(choose_speech(options), options, sample_len=sample_len)


def test_whisper_runs_and_keeps_the_videos_clock(no_cuda: None, checkpoint: Path) -> None:
    pcm = decode("jfk.flac")
    regions = [
        Region("a", 100.0, pcm[: 2 * SAMPLE_RATE]),
        Region("a", 110.0, pcm[5 * SAMPLE_RATE : 6 * SAMPLE_RATE]),
        Region("b", 3.0, pcm[: 2 * SAMPLE_RATE]),
    ]
    engine = whisper_engine(checkpoint)
    asked: list[int] = []
    detect = engine._language
    engine._language = lambda pcm: asked.append(len(pcm)) or detect(pcm)  # type: ignore[method-assign,assignment,func-returns-value]
    found = engine.transcribe(regions, {"a": None, "b": "de"})
    assert asked == [2 * SAMPLE_RATE]  # once for video a, in its longest region
    assert [len(part) > 0 for part in found] == [True, True, True]
    for region, segments in zip(regions, found, strict=True):
        for segment in checked(segments, [region]):
            assert segment.confidence is not None and 0 < segment.confidence <= 1
    assert {segment.language for segment in found[2]} == {"de"}
    assert len({segment.language for segment in found[0] + found[1]}) == 1
    assert engine.transcribe(regions, {"a": None, "b": "de"}) == found


def test_whisper_through_the_front_door(no_cuda: None, checkpoint: Path) -> None:
    options = SpeechSettings(engine="whisper", model=str(checkpoint), language="en")
    choice = choose_speech(options)
    assert choice.model == f"random@{whisper_weights._sha256(checkpoint)[:8]}"
    engine = load_speech(choice, options)
    assert isinstance(engine, WhisperEngine) and load_speech(choice, options) is engine
    assert transcribe(choice, [], 5.0, options).engine == "whisper"


def test_whisper_errors_name_the_file_or_the_language(no_cuda: None, checkpoint: Path, tmp_path: Path) -> None:
    import torch

    other = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(3)}, other)
    with pytest.raises(EngineError, match=r"other\.pt"):
        load_speech(SpeechChoice("whisper", "other", "cpu", None, str(other)), SpeechSettings())
    options = SpeechSettings(language="klingon")
    with pytest.raises(EngineError, match="klingon"):
        load_speech(SpeechChoice("whisper", "random", "cpu", None, str(checkpoint)), options)


def test_loops_are_dropped() -> None:
    def said(text: str) -> Segment:
        return Segment(start_s=0, end_s=1, text=text)

    texts = ["Hello there.", "", "Thank you.", "thank you.", "Thank you.", "so and so and " * 20, "Hello there."]
    assert [segment.text for segment in without_loops([said(text) for text in texts])] == [
        "Hello there.", "Thank you.", "Hello there.",
    ]  # fmt: skip
