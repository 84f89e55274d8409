"""Whisper: batches over many videos are as one by one, and each window is decoded as whisper.transcribe would."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import whisper
from checkpoints import random_whisper
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from whisper.decoding import ApplyTimestampRules, DecodingOptions, DecodingResult
from whisper.tokenizer import get_tokenizer

from tasks.errors import EngineError
from tasks.extraction import speech, speech_whisper, whisper_decoding
from tasks.extraction.regions import Region
from tasks.extraction.speech import SpeechChoice, choose_speech, load_speech
from tasks.extraction.speech_whisper import WhisperEngine, without_loops
from tasks.extraction.transcriber import Transcriber
from tasks.extraction.vad import SAMPLE_RATE
from tasks.extraction.whisper_decoding import Hypothesis
from tasks.extraction.whisper_sampling import BatchedTimestampRules, decoding_task
from tasks.records import Segment
from tasks.settings import SpeechSettings

TOKENIZER = get_tokenizer(True, language="en", task="transcribe")
FIRST_STAMP = TOKENIZER.timestamp_begin


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_whisper(tmp_path_factory.mktemp("whisper") / "random.pt")


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "cuda_available", lambda: False)


@pytest.fixture
def engine(checkpoint: Path) -> WhisperEngine:
    options = SpeechSettings(engine="whisper", model=str(checkpoint))
    return WhisperEngine(choose_speech(options), options, sample_len=8)


@pytest.fixture
def greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second try: random weights fail at every temperature."""
    monkeypatch.setattr(whisper_decoding, "TEMPERATURES", (0.0,))


def noise(seconds: float, seed: int) -> NDArray[np.int16]:
    """Noise that grows and fades, so that no two windows of it sound alike."""
    random = np.random.default_rng(seed)
    moments = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    loudness = np.abs(np.sin(moments * random.uniform(1, 9))) * random.uniform(300, 9000)
    return (random.normal(0, 1, len(moments)) * loudness).clip(-32768, 32767).astype(np.int16)


def row(video_id: str, lengths_s: Sequence[float], start_s: float = 3.0, pause_s: float = 4.0) -> list[Region]:
    """Regions of one video, one after the other."""
    regions = []
    for number, length_s in enumerate(lengths_s):
        regions.append(Region(video_id, start_s, noise(length_s, sum(map(ord, video_id)) + number)))
        start_s += length_s + pause_s
    return regions


def checked(found: Sequence[Sequence[Segment]], regions: Sequence[Region]) -> None:
    """Segments are ordered, within their region, and say something."""
    for region, segments in zip(regions, found, strict=True):
        for before, after in pairwise(segments):
            assert before.end_s <= after.start_s
        for segment in segments:
            assert region.start_s <= segment.start_s <= segment.end_s <= region.end_s
            assert segment.text and segment.confidence is not None and 0 <= segment.confidence <= 1


def same(found: Sequence[Sequence[Segment]], other: Sequence[Sequence[Segment]]) -> None:
    """Equal to the last word; a batch's sums may be rounded otherwise."""
    assert [[segment.model_copy(update={"confidence": None}) for segment in part] for part in found] == [
        [segment.model_copy(update={"confidence": None}) for segment in part] for part in other
    ]
    pairs = zip((s for part in found for s in part), (s for part in other for s in part), strict=True)
    assert all(one.confidence == pytest.approx(two.confidence, rel=1e-2) for one, two in pairs)


# ---- loading


def test_through_the_front_door(checkpoint: Path) -> None:
    options = SpeechSettings(engine="whisper", model=str(checkpoint), language="en")
    choice = choose_speech(options)
    assert choice.model == f"random@{hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:8]}"
    engine = load_speech(choice, options)
    assert isinstance(engine, WhisperEngine) and load_speech(choice, options) is engine
    assert Transcriber(choice, options).finish(5.0).engine == "whisper"


def test_errors_name_the_file_or_the_language(checkpoint: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(3)}, other)
    with pytest.raises(EngineError, match=r"other\.pt"):
        load_speech(SpeechChoice("whisper", "other", "cpu", None, str(other)), SpeechSettings())
    options = SpeechSettings(language="klingon")
    with pytest.raises(EngineError, match="klingon"):
        load_speech(SpeechChoice("whisper", "random", "cpu", None, str(checkpoint)), options)


# ---- batches


LAYOUTS = {"a": [2.0, 12.0, 9.0, 28.0, 1.0], "b": [4.0], "c": [0.3, 20.0, 3.0], "d": [28.0, 27.0], "e": [5.0]}


def test_a_batch_over_videos_is_as_one_by_one(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_decoding, "TEMPERATURES", (0.0, 1.0))  # random weights would try them all
    monkeypatch.setattr(speech_whisper, "MOST_PASSES", 3)
    videos = {video_id: row(video_id, lengths_s) for video_id, lengths_s in LAYOUTS.items()}
    given = {"a": None, "b": "de", "c": "en", "d": "de", "e": None}
    engine._batch = 1
    alone = [part for video_id, regions in videos.items() for part in engine.transcribe(regions, {**given})]
    regions = [region for video in videos.values() for region in video]
    engine._batch = 3
    together = engine.transcribe(regions, {**given})
    checked(together, regions)
    same(together, alone)
    texts = {segment.text for part in alone for segment in part}
    assert len(texts) > 4, "the model says the same of everything: this test would see nothing"
    mixed = np.random.default_rng(2).permutation(len(regions))
    order = sorted(range(len(regions)), key=lambda i: (mixed[regions.index(videos[regions[i].video_id][0])], i))
    engine._batch = 16
    same(engine.transcribe([regions[i] for i in order], {**given}), [alone[i] for i in order])


def test_a_lone_region_is_as_whisper_itself(engine: WhisperEngine, greedy: None) -> None:
    for seconds in (0.5, 7.3, 30.0, 47.0):
        region = Region("v", 50.0, noise(seconds, 5))
        (found,) = engine.transcribe([region], {"v": "en"})
        said = whisper.transcribe(
            engine._model,
            region.pcm.astype(np.float32) / 32768,
            language="en",
            temperature=0.0,
            condition_on_previous_text=False,
            fp16=False,
            sample_len=8,
        )
        same([found], [expected(said, region)])
        assert found


def expected(said: dict[str, Any], region: Region) -> list[Segment]:
    return without_loops(
        Segment(
            start_s=min(region.end_s, region.start_s + part["start"]),
            end_s=min(region.end_s, region.start_s + part["end"]),
            text=part["text"].strip(),
            language=said["language"],
            confidence=min(1.0, float(np.exp(part["avg_logprob"]))),
        )
        for part in said["segments"]
    )


def test_each_window_of_a_batch_is_decoded_in_its_language(engine: WhisperEngine, greedy: None) -> None:
    sound = noise(6.0, 1)
    given = {"a": "en", "b": "de", "c": "zh"}
    regions = [Region(video_id, 0.0, sound) for video_id in given]
    together = engine.transcribe(regions, {**given})
    for region, segments in zip(regions, together, strict=True):
        language = given[region.video_id]
        said = whisper.decode(
            engine._model,
            whisper.pad_or_trim(whisper.log_mel_spectrogram(sound / np.float32(32768), padding=400)[:, :600], 3000),
            DecodingOptions(language=language, fp16=False, sample_len=8),
        )
        assert segments[0].confidence == pytest.approx(np.exp(said.avg_logprob), rel=1e-3)
        assert segments[0].language == language
    assert len({segments[0].confidence for segments in together}) == 3


def test_out_of_memory_halves_the_batch(engine: WhisperEngine, greedy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = [region for video_id in "abcdefg" for region in row(video_id, [2.0])]
    languages = dict.fromkeys("abcdefg", "en")
    unhindered = engine.transcribe(regions, {**languages})
    sizes = []

    def narrow(model: Any, features: Any, *rest: Any) -> list[Hypothesis]:
        sizes.append(len(features))
        if len(features) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whisper_decoding.decode(model, features, *rest)

    monkeypatch.setattr(speech_whisper, "decode", narrow)
    engine._batch = 16
    same(engine.transcribe(regions, {**languages}), unhindered)
    assert sizes[:3] == [7, 3, 1]


# ---- what reaches the model


@dataclass
class Watch:
    """Sizes of the batches that the encoder and the search for languages get."""

    encoded: list[int] = field(default_factory=list)
    searched: list[int] = field(default_factory=list)


@pytest.fixture
def watch(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    seen, detect = Watch(), engine._model.detect_language

    def noted(features: Any) -> Any:
        seen.searched.append(len(features))
        return detect(features)

    monkeypatch.setattr(engine._model, "detect_language", noted)
    handle = engine._model.encoder.register_forward_hook(lambda _, given, __: seen.encoded.append(len(given[0])))
    yield seen
    handle.remove()


def whole(text: str = " hello") -> Hypothesis:
    """A window that is one finished segment of two seconds."""
    tokens = (FIRST_STAMP, *TOKENIZER.encode(text), FIRST_STAMP + 100)
    return Hypothesis(tokens, -0.1, 1.0, 0.0, TOKENIZER)


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every window is decoded to one word, in one pass."""
    monkeypatch.setattr(speech_whisper, "decode", lambda model, features, *_: [whole() for _ in features])


def test_a_language_is_found_once_per_video_and_given_ones_are_not_searched(
    engine: WhisperEngine, watch: Watch, content: None
) -> None:
    regions = [region for video_id, lengths_s in LAYOUTS.items() for region in row(video_id, lengths_s)]
    languages: dict[str, str | None] = {"a": None, "b": "de", "d": "fr"}  # nothing is known of c and e
    found = engine.transcribe(regions, languages)
    assert watch.searched == [3]
    assert {languages["b"], languages["d"]} == {"de", "fr"} and set(languages) == set("abcde")
    for region, segments in zip(regions, found, strict=True):
        assert {segment.language for segment in segments} <= {languages[region.video_id]}
    windows = 2 + 1 + 1 + 2 + 1
    assert sum(watch.encoded) == windows, "what the search encoded is not encoded again"
    known = {**languages}
    engine.transcribe(regions[:3], languages)
    assert watch.searched == [3] and languages == known


def test_an_english_model_searches_no_language(tmp_path: Path, greedy: None) -> None:
    options = SpeechSettings(engine="whisper", model=str(random_whisper(tmp_path / "random.en.pt", 51864)))
    english = WhisperEngine(choose_speech(options), options, sample_len=8)
    languages: dict[str, str | None] = {"b": "de"}
    found = english.transcribe([*row("a", [3.0]), *row("b", [4.0])], languages)
    assert languages == {"a": "en", "b": "de"}
    assert all(found)


def test_the_language_is_that_of_the_longest_region(
    engine: WhisperEngine, content: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    encode = speech_whisper.encode

    def noted(passes: Any, model: Any) -> Any:
        asked.extend(each.duration_s for each in passes)
        return encode(passes, model)

    monkeypatch.setattr(speech_whisper, "encode", noted)
    engine.transcribe(row("v", [20.0, 15.0, 28.0, 9.0]), {})
    assert asked[0] == 28.0


def test_where_nobody_speaks_nothing_reaches_the_model(engine: WhisperEngine, watch: Watch) -> None:
    languages: dict[str, str | None] = {"a": None}
    assert engine.transcribe([], languages) == []
    crumbs = [Region("a", 1.0, noise(0.005, 1)), Region("b", 0.0, noise(0, 1))]
    assert engine.transcribe(crumbs, languages) == [[], []]
    assert (watch.encoded, watch.searched, languages) == ([], [], {"a": None})


def test_short_regions_share_a_window(engine: WhisperEngine, watch: Watch, content: None) -> None:
    engine.transcribe(row("v", [2.0] * 24), {"v": "en"})
    assert sum(watch.encoded) == 2  # 12 regions and 11 pauses of half a second are 29.5 s


# ---- guards


Answers = Callable[[float, list[int]], list[Hypothesis]]


def decoded(monkeypatch: pytest.MonkeyPatch, answer: Callable[[int, float], Hypothesis], windows: int) -> Any:
    """What `decode` makes of windows whose hypotheses are given by number and temperature, and what it asked for."""
    asked: list[tuple[float, list[int]]] = []

    def fake(model: Any, features: Any, languages: Any, sample_len: int | None, temperature: float) -> list[Hypothesis]:
        numbers = features[:, 0, 0].int().tolist()
        asked.append((temperature, numbers))
        return [answer(number, temperature) for number in numbers]

    monkeypatch.setattr(whisper_decoding, "_decode", fake)
    features = torch.arange(windows).float()[:, None, None]
    return whisper_decoding.decode(None, features, ["en"] * windows, None), asked


def hypothesis(logprob: float = -0.3, ratio: float = 1.5, no_speech: float = 0.1) -> Hypothesis:
    return Hypothesis((), logprob, ratio, no_speech, TOKENIZER)


def test_only_windows_that_fail_are_tried_at_higher_temperatures(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {1: 0.4, 3: 2.0, 4: 0.2}  # temperatures from which on a window is well decoded; 2: never

    def answer(number: int, temperature: float) -> Hypothesis:
        if temperature >= needed.get(number, 0.0):
            return hypothesis(logprob=-0.3 - temperature / 10)
        return hypothesis(logprob=-1.4) if number == 1 else hypothesis(ratio=2.5)

    found, asked = decoded(monkeypatch, answer, 6)
    assert asked == [
        (0.0, [0, 1, 2, 3, 4, 5]), (0.2, [1, 3, 4]), (0.4, [1, 3]), (0.6, [3]), (0.8, [3]), (1.0, [3]),
    ]  # fmt: skip
    assert [each.logprob for each in found] == pytest.approx([-0.3, -0.34, -0.3, -0.3, -0.32, -0.3])
    assert found[3].compression_ratio == 2.5  # the last try stands


@pytest.mark.parametrize(
    ("logprob", "ratio", "no_speech", "fails", "silence"),
    [
        (-0.9, 2.3, 0.5, False, False),
        (-1.1, 1.0, 0.5, True, False),
        (-0.5, 2.5, 0.5, True, False),
        (-1.1, 3.0, 0.7, False, True),  # improbable and probably no speech: silence, no second try
        (-0.9, 1.0, 0.7, False, False),  # probable in spite of it
        (-1.1, 1.0, float("nan"), True, False),
    ],
)
def test_thresholds_are_whispers(logprob: float, ratio: float, no_speech: float, fails: bool, silence: bool) -> None:
    one = hypothesis(logprob, ratio, no_speech)
    assert (one.fails, one.is_silence) == (fails, silence)


def test_draws_do_not_depend_on_the_batch(engine: WhisperEngine) -> None:
    features = torch.randn(4, 1500, 64, generator=torch.Generator().manual_seed(3)) * 3
    options = DecodingOptions(temperature=1.0, fp16=False, sample_len=12)
    languages = ["en", "de", "fi", "en"]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    together = [result.tokens for result in decoding_task(engine._model, options, languages).run(features)]
    assert torch.equal(torch.get_rng_state(), state), "the process's own random numbers are left alone"
    alone = [
        decoding_task(engine._model, options, languages[i : i + 1]).run(features[i : i + 1])[0].tokens
        for i in (3, 2, 1, 0)
    ][::-1]
    assert together == alone
    assert len(set(map(tuple, together))) > 1
    options = DecodingOptions(fp16=False, sample_len=12)
    greedy = decoding_task(engine._model, options, languages).run(features)
    assert together != [result.tokens for result in greedy]


def test_draws_follow_the_probabilities(engine: WhisperEngine) -> None:
    decoder = decoding_task(engine._model, DecodingOptions(temperature=0.5, fp16=False), ["en"]).decoder
    logits = torch.tensor([[1.0, 0.5, 0.0, -torch.inf]])
    decoder.reset()
    sums, drawn = torch.zeros(1), []
    for _ in range(4000):
        tokens, ended = decoder.update(torch.zeros(1, 1, dtype=torch.long), logits, sums)
        drawn.append(int(tokens[0, -1]))
        assert not ended
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    assert shares == pytest.approx((logits[0] / 0.5).softmax(0).tolist(), abs=0.03)
    assert float(sums) == pytest.approx(float(logits[0].log_softmax(0)[drawn].sum()), rel=1e-4)


# ---- timestamps


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.one_of(st.none(), st.integers(0, 12)))
def test_timestamp_rules_are_whispers_own(seed: int, rows: int, latest_start: int | None) -> None:
    """A vocabulary of 20 words, the end, three special tokens and 16 timestamps; a few steps of a model of dice."""
    tokenizer = SimpleNamespace(eot=20, no_timestamps=23, timestamp_begin=24)
    theirs: Any = ApplyTimestampRules(tokenizer, 2, latest_start)
    ours = BatchedTimestampRules(theirs)
    dice = torch.Generator().manual_seed(seed)
    tokens = torch.zeros(rows, 2, dtype=torch.long)
    for _ in range(12):
        logits = torch.randn(rows, 40, generator=dice) * 3
        logits[:, 24:] += torch.randn(rows, 1, generator=dice) * 3  # now stamps are probable, now words
        one, other = logits.clone(), logits.clone()
        theirs.apply(one, tokens)
        ours.apply(other, tokens)
        assert torch.equal(one, other)
        chosen = one.argmax(dim=-1)
        chosen[tokens[:, -1] == tokenizer.eot] = tokenizer.eot
        tokens = torch.cat([tokens, chosen[:, None]], dim=-1)


@st.composite
def answers(draw: st.DrawFn) -> list[tuple[list[int], float, float]]:
    """Tokens such as Whisper's rules allow, mean log-probability and no-speech probability of a few windows."""
    said = []
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, 50))
        tokens = [FIRST_STAMP + at]
        for _ in range(draw(st.integers(0, 4))):
            tokens += TOKENIZER.encode(f" {draw(st.sampled_from(('one', 'two three', 'four', '')))}")
            end = min(1500, at + draw(st.integers(1, 600)))
            at = min(1500, end + draw(st.sampled_from((0, 0, 7, 200))))
            tokens += [FIRST_STAMP + end, FIRST_STAMP + at]
        ending = draw(st.sampled_from(("open", "bare", "closed", "cut")))
        tokens += {"open": [], "bare": [], "closed": TOKENIZER.encode(" five"), "cut": TOKENIZER.encode(" six")}[ending]
        if ending == "bare":
            tokens = tokens[:-1]
        if ending == "closed":
            tokens.append(FIRST_STAMP + min(1500, at + draw(st.integers(1, 300))))
        said.append((tokens, draw(st.sampled_from((-0.2, -0.9, -1.5))), draw(st.sampled_from((0.1, 0.1, 0.1, 0.8)))))
    return said


@settings(max_examples=80, deadline=None)
@given(answers(), st.sampled_from((0.4, 3.0, 17.77, 30.0, 41.5)))
def test_segments_and_rests_are_whispers_own(said: list[tuple[list[int], float, float]], seconds: float) -> None:
    """The same answers, one after the other, to whisper.transcribe and to the engine."""
    region = Region("v", 70.0, np.zeros(round(seconds * SAMPLE_RATE), np.int16))
    script = [*said, *[([FIRST_STAMP, *TOKENIZER.encode(f" rest {n}"), FIRST_STAMP + 30], -0.1, 0.0) for n in range(9)]]
    theirs, ours = iter(script), iter(script)

    def answer(*_: Any) -> DecodingResult:
        tokens, logprob, no_speech = next(theirs)
        return DecodingResult(
            audio_features=torch.zeros(1), language="en", tokens=tokens, avg_logprob=logprob,
            no_speech_prob=no_speech, compression_ratio=1.0, temperature=0.0,
        )  # fmt: skip

    dims = SimpleNamespace(n_mels=80, n_audio_ctx=1500, n_text_ctx=448)
    model: Any = SimpleNamespace(
        device=torch.device("cpu"), dims=dims, is_multilingual=True, num_languages=99, decode=answer
    )
    samples, options = region.pcm.astype(np.float32), {"condition_on_previous_text": False, "fp16": False}
    expectation = whisper.transcribe(model, samples, language="en", temperature=0.0, **options)
    engine = WhisperEngine.__new__(WhisperEngine)
    engine._model, engine._batch, engine._sample_len, engine._lock = model, 4, None, speech_whisper.Lock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speech_whisper, "encode", lambda passes, model: torch.zeros(len(passes), 1, 1))
        patch.setattr(
            speech_whisper,
            "decode",
            lambda *_: [
                Hypothesis(tuple(tokens), logprob, 1.0, no_speech, TOKENIZER)
                for tokens, logprob, no_speech in [next(ours)]
            ],
        )
        (found,) = engine.transcribe([region], {"v": "en"})
    wanted = expected(expectation, region)
    assert [(segment.text, segment.confidence) for segment in found] == [(one.text, one.confidence) for one in wanted]
    times = [(segment.start_s, segment.end_s) for segment in found]
    assert times == [pytest.approx((one.start_s, one.end_s), abs=1e-6) for one in wanted]
    assert len(list(ours)) == len(list(theirs)), "as many windows were decoded"


def test_what_is_unfinished_is_decoded_on(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was said before it is not decoded again, nor do the other windows wait in vain."""
    heard: list[list[float]] = []
    decode = iter(
        [
            [(0, " one", 250, 250, " tw"), (0, " alone", 100)],  # window of a, window of b
            [(50, " two", 150, 150, " thr")],  # a again, from 5 s on
            [(0, " three", 100)],  # from 8 s on
        ]
    )

    def fake(model: Any, features: Any, *_: Any) -> list[Hypothesis]:
        answers = next(decode)
        assert len(answers) == len(features)
        return [
            Hypothesis(
                tuple(t for p in parts for t in ([FIRST_STAMP + p] if isinstance(p, int) else TOKENIZER.encode(p))),
                -0.1,
                1.0,
                0.0,
                TOKENIZER,
            )
            for parts in answers
        ]

    def encode(passes: Any, model: Any) -> Any:
        heard.append([each.start_s for each in passes])
        return torch.zeros(len(passes), 1, 1)

    monkeypatch.setattr(speech_whisper, "decode", fake)
    monkeypatch.setattr(speech_whisper, "encode", encode)
    regions = [Region("a", 100.0, noise(4, 1)), Region("a", 200.0, noise(6, 2)), Region("b", 7.0, noise(3, 3))]
    found = engine.transcribe(regions, {"a": "en", "b": "en"})
    assert heard == [[0.0, 0.0], [5.0], [8.0]]
    # the window of a: its first region from 0 to 4 s, its second from 4.5 to 10.5 s
    spoken = [[(s.text, round(s.start_s, 3), round(s.end_s, 3)) for s in segments] for segments in found]
    assert spoken == [
        [("one", 100.0, 104.0)],
        [("two", 201.5, 203.5), ("three", 203.5, 205.5)],
        [("alone", 7.0, 9.0)],
    ]


def test_a_model_that_never_ends_is_stopped(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = (FIRST_STAMP, *TOKENIZER.encode(" so"), FIRST_STAMP + 1, FIRST_STAMP + 1, *TOKENIZER.encode(" and"))
    passes = []

    def stammer(model: Any, features: Any, *_: Any) -> list[Hypothesis]:
        passes.append(len(features))
        return [Hypothesis(tokens, -0.1, 1.0, 0.0, TOKENIZER) for _ in features]

    monkeypatch.setattr(speech_whisper, "decode", stammer)
    (found,) = engine.transcribe([Region("v", 0.0, noise(20, 1))], {"v": "en"})
    assert passes == [1] * speech_whisper.MOST_PASSES
    assert [segment.text for segment in found] == ["so", "and"]  # what was unfinished at last is not lost


def test_loops_are_dropped() -> None:
    def said(text: str) -> Segment:
        return Segment(start_s=0, end_s=1, text=text)

    texts = ["Hello there.", "", "Thank you.", "thank you.", "Thank you.", "so and so and " * 20, "Hello there."]
    assert [segment.text for segment in without_loops([said(text) for text in texts])] == [
        "Hello there.", "Thank you.", "Hello there.",
    ]  # fmt: skip
