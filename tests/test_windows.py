"""Packing into windows and the way back to the videos' clocks, over thousands of random layouts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.extraction.regions import Region
from tasks.extraction.vad import SAMPLE_RATE
from tasks.extraction.windows import GAP, WINDOW, Window, pack

SOUND = np.int16(7)
lengths = st.one_of(st.integers(1, WINDOW), st.integers(1, 3 * SAMPLE_RATE), st.just(WINDOW), st.just(WINDOW - GAP))


@st.composite
def layouts(draw: st.DrawFn) -> list[Region]:
    """Regions of up to four videos, mixed; each video's in order and apart from each other."""
    clocks = [draw(st.integers(0, 10**9)) for _ in range(draw(st.integers(1, 4)))]
    regions = []
    for _ in range(draw(st.integers(0, 20))):
        video, length = draw(st.integers(0, len(clocks) - 1)), draw(lengths)
        regions.append(Region(f"video {video}", clocks[video] / SAMPLE_RATE, np.broadcast_to(SOUND, length)))
        clocks[video] += length + draw(st.integers(0, 100 * SAMPLE_RATE))
    return regions


@settings(max_examples=1000, deadline=None)
@given(layouts())
def test_each_region_is_in_one_window_of_its_video(regions: list[Region]) -> None:
    windows = pack(regions)
    packed = [piece for window in windows for piece in window.pieces]
    assert sorted(piece.index for piece in packed) == list(range(len(regions)))
    assert all(piece.region is regions[piece.index] for piece in packed)
    last: dict[str, Window] = {}
    for window in windows:
        assert {piece.region.video_id for piece in window.pieces} == {window.video_id}
        assert window.pieces[0].offset == 0 and window.length <= WINDOW
        for before, after in pairwise(window.pieces):
            assert before.index < after.index and after.offset == before.end + GAP
        if before_it := last.get(window.video_id):
            first = window.pieces[0]
            assert before_it.pieces[-1].index < first.index
            assert before_it.length + GAP + len(first.region.pcm) > WINDOW  # there was no room for it
        last[window.video_id] = window
    firsts = [window.pieces[0].index for window in windows]
    assert firsts == sorted(firsts)


@settings(max_examples=1000, deadline=None)
@given(layouts(), st.lists(st.floats(0, 33), min_size=2, max_size=14))
def test_segments_stay_in_order_and_each_within_one_region(regions: list[Region], times_s: list[float]) -> None:
    for window in pack(regions):
        placed = [(segment, window.place(*segment)) for segment in pairwise(sorted(times_s))]
        shared = [_shared(window, *segment) for segment, _ in placed]
        for (_, place), overlaps in zip(placed, shared, strict=True):
            region = regions[place.index]
            assert region.start_s <= place.start_s <= place.end_s <= region.end_s
            assert overlaps[place.index] >= max(overlaps.values()) - 1e-9
        for (_, before), (_, after) in pairwise(placed):
            assert (before.index, before.end_s) <= (after.index, after.start_s)


def _shared(window: Window, start_s: float, end_s: float) -> dict[int, float]:
    """Seconds that a stretch of the window shares with each region of it."""
    return {
        piece.index: max(0.0, min(end_s, piece.end / SAMPLE_RATE) - max(start_s, piece.offset / SAMPLE_RATE))
        for piece in window.pieces
    }


@settings(max_examples=1000, deadline=None)
@given(layouts(), st.floats(0, 1), st.floats(0, 1))
def test_times_inside_a_region_come_back(regions: list[Region], one: float, other: float) -> None:
    first, second = sorted((one, other))
    for window in pack(regions):
        for piece in window.pieces:
            length_s = len(piece.region.pcm) / SAMPLE_RATE
            offset_s = piece.offset / SAMPLE_RATE
            place = window.place(offset_s + first * length_s, offset_s + second * length_s)
            assert place.index == piece.index
            assert abs(place.start_s - (piece.region.start_s + first * length_s)) < 1e-6
            assert abs(place.end_s - (piece.region.start_s + second * length_s)) < 1e-6


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=12))
def test_the_sound_is_that_of_the_regions_and_silence_between(sizes: list[int]) -> None:
    random = np.random.default_rng(sum(sizes))
    regions = [Region("v", 10.0 * i, random.integers(-32768, 32767, n).astype(np.int16)) for i, n in enumerate(sizes)]
    (window,) = pack(regions)
    sound = window.samples()
    assert sound.dtype == np.float32 and sound.shape == (window.length,)
    for piece in window.pieces:
        assert np.array_equal(sound[piece.offset : piece.end] * 32768, piece.region.pcm)
        sound[piece.offset : piece.end] = 0
    assert not sound.any()


def test_a_region_longer_than_a_window_is_alone() -> None:
    regions = [Region("v", at, np.broadcast_to(SOUND, n)) for at, n in ((0.0, 5), (10.0, WINDOW + 1), (60.0, 5))]
    assert [[piece.index for piece in window.pieces] for window in pack(regions)] == [[0], [1], [2]]
    assert [window.longest for window in pack(regions)] == [5, WINDOW + 1, 5]


def test_what_is_said_between_regions_goes_to_the_nearer() -> None:
    second = np.broadcast_to(SOUND, SAMPLE_RATE)
    (window,) = pack([Region("v", 100.0, second), Region("v", 200.0, second)])  # in the window: 0 to 1 s, 1.5 to 2.5 s
    early, late, both = window.place(1.1, 1.2), window.place(1.3, 1.4), window.place(0.6, 2.4)
    assert (early.index, early.start_s, early.end_s) == (0, 101.0, 101.0)
    assert (late.index, late.start_s, late.end_s) == (1, 200.0, 200.0)
    assert (both.index, both.start_s, round(both.end_s, 6)) == (1, 200.0, 200.9)
