"""On-screen texts over time, read by the real RapidOCR from drawn frames, and the bookkeeping around them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
import pytest

from tasks.extraction import presence
from tasks.extraction.frames import Image
from tasks.extraction.ocr import OcrEngine, Quad, Strip, choose_ocr, load_ocr
from tasks.extraction.sampling import Rows
from tasks.extraction.text import HISTORY_S, TextReader
from tasks.records import Span, Texts
from tasks.settings import Text

WIDTH, HEIGHT = 640, 360
SETTINGS = Text(engine="rapidocr")


@dataclass(frozen=True)
class Caption:
    text: str
    start_s: float
    end_s: float
    y: int = 320
    fade_s: float = 0.0

    def opacity(self, time_s: float) -> float:
        if not self.start_s <= time_s + 1e-6 < self.end_s:
            return 0.0
        since, left = time_s - self.start_s + 0.04, self.end_s - time_s
        return min(1.0, since / self.fade_s, left / self.fade_s) if self.fade_s else 1.0


@cache
def texture() -> Image:
    """Busy, blurred noise, larger than a frame so that it can move."""
    noise = np.random.default_rng(3).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    return cv2.resize(noise, (WIDTH * 2, HEIGHT * 2), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def still(_: float) -> Image:
    return np.full((HEIGHT, WIDTH, 3), (90, 60, 40), np.uint8)


def moving(time_s: float) -> Image:
    """A background that moves, and cuts at 2.5 s."""
    shift = int(time_s * 60) + (300 if time_s >= 2.5 else 0)
    return (texture()[shift % HEIGHT :, shift:][:HEIGHT, :WIDTH] // 2 + 40).astype(np.uint8)


def draw(captions: Sequence[Caption], time_s: float, background: Callable[[float], Image]) -> Image:
    image = background(time_s).astype(np.float32)
    for caption in captions:
        if opacity := caption.opacity(time_s):
            layer = image.astype(np.uint8)
            (width, _), _ = cv2.getTextSize(caption.text, cv2.FONT_HERSHEY_SIMPLEX, 1.1, 3)
            at = ((WIDTH - width) // 2, caption.y)
            cv2.putText(layer, caption.text, at, cv2.FONT_HERSHEY_SIMPLEX, 1.1, (0, 0, 0), 9, cv2.LINE_AA)
            cv2.putText(layer, caption.text, at, cv2.FONT_HERSHEY_SIMPLEX, 1.1, (255, 255, 255), 3, cv2.LINE_AA)
            image = image * (1 - opacity) + layer * opacity
    return image.astype(np.uint8)


def luma_of(frame: Image) -> Image:
    return cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (480, 270))  # type: ignore[return-value]


def watch(
    captions: Sequence[Caption],
    duration_s: float,
    background: Callable[[float], Image] = still,
    samples_s: Sequence[float] | None = None,
    windows: Sequence[Span] = (),
) -> Texts:
    """Look at a drawn video ten times a second; read a frame every 0.8 s, or at `samples_s`."""
    reader = TextReader(load_ocr(choose_ocr(SETTINGS), SETTINGS), SETTINGS)
    spans = tuple(windows) or (Span(start_s=0, end_s=duration_s),)
    for tick in range(round(duration_s * 10)):
        time_s = tick / 10
        if not any(span.start_s <= time_s < span.end_s for span in spans):
            continue
        frame = draw(captions, time_s, background)
        reader.see(time_s, luma_of(frame))
        if (tick % 8 == 0) if samples_s is None else time_s in samples_s:
            reader.read(time_s, frame)
    return reader.finish(spans)


def assert_rows(texts: Texts, captions: Sequence[Caption], within_s: float = 0.3) -> None:
    rows = {row.text: row for row in texts.texts}
    assert sorted(row.text for row in texts.texts) == sorted(caption.text for caption in captions)
    for caption in captions:
        row = rows[caption.text]
        assert row.start_s == pytest.approx(caption.start_s, abs=within_s), caption
        assert row.end_s == pytest.approx(caption.end_s, abs=within_s), caption


def test_captions_that_pop_in_follow_each_other_and_fade() -> None:
    captions = [
        Caption("watch until the end", 0.0, 6.0, y=50),
        Caption("never skip this", 0.5, 1.7),
        Caption("step one: flour", 1.7, 3.1),
        Caption("step two: butter", 3.1, 4.4),
        Caption("slow and soft", 4.4, 5.8, y=200, fade_s=0.4),
    ]
    texts = watch(captions, 6.0)
    assert_rows(texts, captions)
    zones = {row.text: row.box.zone for row in texts.texts}
    assert zones == {
        "watch until the end": "top",
        "never skip this": "bottom",
        "step one: flour": "bottom",
        "step two: butter": "bottom",
        "slow and soft": "middle",
    }
    assert [row.start_s for row in texts.texts] == sorted(row.start_s for row in texts.texts)
    assert (texts.engine, texts.frames) == ("rapidocr", 8)


def test_outlined_captions_over_a_moving_picture_and_across_a_cut() -> None:
    captions = [
        Caption("you need to try", 0.5, 2.0),
        Caption("wait for it", 2.0, 3.4),
        Caption("part two", 1.2, 3.8, y=60),
    ]
    assert_rows(watch(captions, 4.0, moving), captions)


def test_numbers_that_count_are_texts_of_their_own() -> None:
    captions = [Caption("day 1", 0.0, 1.2), Caption("day 2", 1.2, 2.4), Caption("day 3", 2.4, 3.6)]
    assert_rows(watch(captions, 3.6), captions)


def test_short_words_and_digits_are_kept_and_symbols_are_not() -> None:
    captions = [Caption("GO", 0.2, 1.4), Caption("3", 1.8, 2.9), Caption("+", 3.2, 4.4)]
    assert [row.text for row in watch(captions, 4.8).texts] == ["GO", "3"]


def test_an_unchanged_text_is_recognised_once() -> None:
    texts = watch([Caption("the same all along", 0.0, 8.0)], 8.0)
    assert (texts.crops, texts.crops_recognised) == (10, 1)
    (row,) = texts.texts
    assert (row.start_s, row.end_s) == (0.0, 8.0)


def test_nothing_seen_and_no_text() -> None:
    engine = load_ocr(choose_ocr(SETTINGS), SETTINGS)
    nothing = TextReader(engine, SETTINGS).finish([])
    assert (nothing.texts, nothing.frames, nothing.crops) == ((), 0, 0)
    assert watch([], 1.0).texts == ()


def test_a_text_has_a_row_in_each_window_and_none_between() -> None:
    windows = [Span(start_s=0, end_s=2), Span(start_s=10, end_s=12), Span(start_s=20, end_s=22)]
    captions = [Caption("my channel", 0.0, 22.0, y=50), Caption("only at first", 1.0, 9.0)]
    texts = watch(captions, 22.0, windows=windows)
    spans = [(row.text, row.start_s, row.end_s) for row in texts.texts]
    assert [span for span in spans if span[0] == "my channel"] == [
        ("my channel", 0.0, 2.0),
        ("my channel", 10.0, 12.0),
        ("my channel", 20.0, 22.0),
    ]
    (first,) = [span for span in spans if span[0] == "only at first"]
    assert first[1] == pytest.approx(1.0, abs=0.1)
    assert first[2] == 2.0


@dataclass
class Scripted:
    """An engine that says what it was told, frame by frame; the crops' shapes are real."""

    script: list[str | None]
    sure: float = 0.99
    name: str = "scripted"
    model: str = "none"
    batch_frames: int = 4
    full_frames: int = 16
    full_crops: int = 16
    batches: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def detect(self, strips: Sequence[Strip]) -> list[list[Quad]]:
        self.batches.append(len(strips))
        words = [self.script.pop(0) for _ in strips]
        self.said += [word for word in words if word is not None]
        quad = np.array([[150, 290], [490, 290], [490, 335], [150, 335]], np.float32)
        return [[] if word is None else [quad] for word in words]

    def recognise(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        return [(self.said.pop(0), self.sure) for _ in crops]


def follow(engine: Scripted, caption: Caption, duration_s: float) -> Texts:
    """Every crop is recognised: the script says what is read."""
    engine_: OcrEngine = engine
    reader = TextReader(engine_, Text(reuse_difference=0.0))
    for tick in range(round(duration_s * 10)):
        frame = draw([caption], tick / 10, still)
        reader.see(tick / 10, luma_of(frame))
        if tick % 5 == 0:
            reader.read(tick / 10, frame)
    return reader.finish([Span(start_s=0, end_s=duration_s)])


def test_a_line_that_was_overlooked_is_not_split() -> None:
    engine = Scripted(["hello there", None, "hello there", "hello there", None, None])
    texts = follow(engine, Caption("hello there", 0.0, 2.0), 3.0)
    (row,) = texts.texts
    assert (row.start_s, row.end_s) == (0.0, pytest.approx(2.0, abs=0.1))
    assert engine.batches == [4, 2]


def test_a_text_overlooked_when_it_came_starts_when_it_came() -> None:
    texts = follow(Scripted([None, None, "hello there", "hello there"]), Caption("hello there", 0.3, 2.0), 2.0)
    (row,) = texts.texts
    assert row.start_s == pytest.approx(0.3, abs=0.1)


def test_the_reading_with_most_confidence_wins() -> None:
    texts = follow(
        Scripted(["hello thare", "hello there", "hello there", "hello there"]), Caption("hello there", 0, 2), 2.0
    )
    assert [row.text for row in texts.texts] == ["hello there"]


def test_words_added_one_by_one_are_one_text() -> None:
    texts = follow(
        Scripted(["hello", "hello there", "hello there all", "hello there all"]), Caption("hello", 0, 2), 2.0
    )
    assert [row.text for row in texts.texts] == ["hello there all"]


def test_an_unsure_reading_is_dropped() -> None:
    assert follow(Scripted(["hello there"] * 4, sure=0.5), Caption("hello there", 0, 2), 2.0).texts == ()


def test_rows_that_are_not_read_keep_their_texts_and_cut_off_lines_are_none() -> None:
    """Only the strip with new text is searched; what is known elsewhere stays, and goes when its edges go."""
    captions = [Caption("my channel", 0.0, 3.0, y=50), Caption("something new", 1.0, 4.0)]
    reader = TextReader(load_ocr(choose_ocr(SETTINGS), SETTINGS), SETTINGS)
    rows = {
        0: Rows(0.0, 1.0),
        12: Rows(0.75, 1.0),
        20: Rows(0.12, 1.0),
        35: Rows(0.75, 1.0),
    }  # 0.12: through the letters at the top
    for tick in range(40):
        frame = draw(captions, tick / 10, still)
        reader.see(tick / 10, luma_of(frame))
        if tick in rows:
            reader.read(tick / 10, frame, rows[tick])
    assert_rows(reader.finish([Span(start_s=0, end_s=4.0)]), captions)


@pytest.mark.parametrize(
    ("said", "kept"), [("0000", False), ("O", False), ("oO 0", False), ("0", True), ("100", True), ("Ooh", True)]
)
def test_rows_of_circles_are_no_text(said: str, kept: bool) -> None:
    texts = follow(Scripted([said] * 4), Caption("hello there", 0, 2), 2.0)
    assert [row.text for row in texts.texts] == ([said] if kept else [])


def test_memory_is_bounded_by_seconds_not_by_the_video() -> None:
    reader = TextReader(Scripted(["on and on"] * 1000, batch_frames=2), Text())
    frame = draw([Caption("on and on", 0, 999)], 0.0, still)
    luma, most = luma_of(frame), 0
    for tick in range(3000):
        reader.see(tick / 10, luma)
        if tick % 20 == 0:
            reader.read(tick / 10, frame)
        most = max(most, len(reader._history))
    assert most <= (HISTORY_S + 2 * 2) * 10 + 1
    assert len(reader._readings) <= 1
    assert len(reader.finish([Span(start_s=0, end_s=300)]).texts) == 1


@pytest.mark.parametrize(
    ("scores", "start_s"),
    [
        ([0.1, 0.1, 0.9, 0.9], 0.15),  # pops in
        ([0.1, 0.1, 0.4, 0.7, 0.95, 1.0], 0.15),  # fades in: its beginning
        ([0.55, 0.55, 0.55, 1.0], 0.25),  # the still picture behind it looks alike
        ([0.7, 0.75, 0.7, 0.72, 1.0], 0.0),  # there all along, over a moving picture
    ],
)
def test_onset(scores: list[float], start_s: float) -> None:
    timed = [(tick / 10, score) for tick, score in enumerate(scores)]
    assert presence.onset(timed).time_s == pytest.approx(start_s)
    backwards = [(-time_s, score) for time_s, score in reversed(timed)]
    change = presence.offset(backwards)
    assert (change.time_s if change else 0.0) == pytest.approx(-start_s)


def test_a_held_frame_ends_when_the_next_one_is_shown() -> None:
    assert presence.onset([(0.0, 0.0), (3.0, 1.0), (6.0, 1.0)]).time_s == 3.0
