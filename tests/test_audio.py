"""Loudness, silence, music and regions of speech: on real clips, on laid-out speech, and on nothing at all."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.extraction.audio import FLOOR_DB, AudioMeter, Region
from tasks.extraction.pcm import Chunk, Resampler
from tasks.extraction.regions import RegionCutter, quietest
from tasks.extraction.vad import BLOCK, SAMPLE_RATE, VadStream, load_vad
from tasks.records import Sound
from tasks.settings import Audio

MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"
needs_media = pytest.mark.skipif(not MEDIA.is_dir(), reason="shared/media is not here")
Pcm = NDArray[np.int16]


def decode(name: str) -> Pcm:
    """The whole track of a clip, 16 kHz mono; empty without one."""
    if not MEDIA.is_dir():
        pytest.skip("shared/media is not here")
    with av.open(str(MEDIA / name)) as container:
        if not container.streams.audio:
            return np.zeros(0, np.int16)
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        parts = [part.to_ndarray().ravel() for part in frames + resampler.resample(None)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def listen(pcm: Pcm, chunk: int = 4000, start_s: float = 0.0, **options: Any) -> tuple[Sound, list[Region]]:
    meter = AudioMeter(Audio(**options), load_vad(), "v")
    regions: list[Region] = []
    for first in range(0, len(pcm), chunk):
        regions += meter.push(start_s + first / SAMPLE_RATE, pcm[first : first + chunk])
    sound, last = meter.finish()
    return sound, regions + last


def tone(seconds: float, amplitude: float = 8000, hz: float = 440) -> Pcm:
    moments = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.round(amplitude * np.sin(2 * np.pi * hz * moments)).astype(np.int16)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * SAMPLE_RATE), np.int16)


@pytest.fixture(scope="module")
def phrase() -> Pcm:
    """2.3 s of real speech, without the pauses around it."""
    return decode("jfk.flac")[round(0.35 * SAMPLE_RATE) : round(2.2 * SAMPLE_RATE)]


def spans(regions: Sequence[Region]) -> list[tuple[float, float]]:
    return [(region.start_s, region.end_s) for region in regions]


@needs_media
def test_gate_is_right_on_every_labelled_clip() -> None:
    labels = json.loads((MEDIA / "labels.json").read_text())
    heard = {
        name: bool(listen(decode(name))[1]) == label["has_speech"]
        for name, label in labels.items()
        if "has_speech" in label
    }
    assert heard and all(heard.values()), heard


@needs_media
def test_shares_of_real_clips() -> None:
    muted, _ = listen(decode("car-detection.mp4"))
    assert (muted.loudness_db, muted.silence_share, muted.music_share) == (None, 1.0, 0.0)
    assert set(muted.loudness_curve_db) == {FLOOR_DB}
    talk, _ = listen(decode("v2d.mp4"))
    assert talk.silence_share < 0.05 and talk.music_share < 0.1
    assert len(talk.loudness_curve_db) == math.ceil(talk.duration_s)
    music, regions = listen(decode("bbb480.mp4"))
    assert not regions and music.music_share == pytest.approx(1 - music.silence_share)


def test_stream_in_pieces_equals_one_call() -> None:
    pcm = decode("jfk.flac")
    whole, pieces = VadStream(load_vad()), VadStream(load_vad())
    expected = np.concatenate([whole.push(pcm), whole.finish()])
    found = [pieces.push(pcm[first : first + 777]) for first in range(0, len(pcm), 777)]
    np.testing.assert_array_equal(np.concatenate([*found, pieces.finish()]), expected)
    assert len(expected) == math.ceil(len(pcm) / BLOCK)
    assert 0.6 < (expected > 0.5).mean() < 0.75


def frames_of(samples: NDArray[np.float32], rate: int, start_s: float = 0.0, size: int = 1024) -> list[av.AudioFrame]:
    """float32 [channels, n] as a decoder gives it."""
    frames = []
    for first in range(0, samples.shape[1], size):
        part = np.ascontiguousarray(samples[:, first : first + size])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo" if len(samples) == 2 else "mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start_s * rate) + first
        frames.append(frame)
    return frames


def resampled(frames: list[av.AudioFrame]) -> list[Chunk]:
    resampler = Resampler()
    return [chunk for frame in frames for chunk in resampler.push(frame)] + resampler.finish()


def laid_out(chunks: list[Chunk], seconds: float) -> Pcm:
    track = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    for chunk in chunks:
        first = round(chunk.start_s * SAMPLE_RATE)
        track[first : first + len(chunk.pcm)] = chunk.pcm[: len(track) - first]
    return track


def test_resampling_by_the_second_is_that_of_the_whole_to_the_sample() -> None:
    moments = np.arange(round(3.3 * 44_100)) / 44_100
    sound = np.stack([0.5 * np.sin(2 * np.pi * 440 * moments)] * 2).astype(np.float32)
    chunks = resampled(frames_of(sound, 44_100, start_s=0.25))
    assert sum(len(chunk.pcm) for chunk in chunks) == pytest.approx(3.3 * SAMPLE_RATE, abs=2)
    for before, after in pairwise(chunks):
        assert after.start_s == pytest.approx(before.start_s + len(before.pcm) / SAMPLE_RATE, abs=2 / SAMPLE_RATE)
    heard = laid_out(chunks, 3.6)[round(0.5 * SAMPLE_RATE) : 3 * SAMPLE_RATE].astype(float)
    times = np.arange(len(heard)) / SAMPLE_RATE + 0.25  # of the tone, which begins at 0.25 s
    assert np.abs(heard - 16384 * np.sin(2 * np.pi * 440 * times)).max() < 16384 * 2 * np.pi * 440 / SAMPLE_RATE


def test_rate_and_layout_may_change_and_gaps_keep_their_place() -> None:
    loud = np.full((2, 22_050), 0.5, np.float32)
    frames = frames_of(loud, 44_100) + frames_of(loud[:1, :12_000], 24_000, start_s=0.5)
    frames += frames_of(loud[:1, :12_000], 24_000, start_s=2.0)
    track = np.abs(laid_out(resampled(frames), 2.5).astype(float))
    assert track[800 : round(0.95 * SAMPLE_RATE)].min() > 8000
    assert track[round(1.05 * SAMPLE_RATE) : round(1.95 * SAMPLE_RATE)].max() == 0
    assert track[round(2.05 * SAMPLE_RATE) : round(2.45 * SAMPLE_RATE)].min() > 8000


def test_voice_activity_does_not_import_torch() -> None:
    code = "import sys; from tasks.extraction.vad import load_vad; load_vad(); print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "False"


def test_empty_track() -> None:
    sound, regions = AudioMeter(Audio(), load_vad(), "v").finish()
    assert regions == []
    assert (sound.duration_s, sound.loudness_db, sound.silence_share, sound.music_share) == (0.0, None, 1.0, 0.0)
    assert sound.loudness_curve_db == ()


@pytest.mark.parametrize("seconds", [1 / SAMPLE_RATE, 0.01, 0.5, 1.0, 3.7])
def test_loudness_of_a_tone(seconds: float) -> None:
    sound, regions = listen(np.full(round(seconds * SAMPLE_RATE), 16384, np.int16), chunk=333)
    assert regions == []
    assert sound.loudness_db == pytest.approx(-6.02, abs=0.01)
    assert (sound.silence_share, sound.music_share) == (0.0, pytest.approx(1.0))
    assert len(sound.loudness_curve_db) == math.ceil(seconds)


def test_silence_is_counted_in_seconds() -> None:
    sound, _ = listen(np.concatenate([tone(2), silence(3), tone(2, amplitude=30), silence(0.5)]))
    assert sound.silence_share == pytest.approx(5.5 / 7.5)
    assert sound.music_share == pytest.approx(2 / 7.5)


def test_one_region_per_phrase_with_padding(phrase: Pcm) -> None:
    track = np.concatenate([silence(2), phrase, silence(3), phrase, silence(2)])
    length = len(phrase) / SAMPLE_RATE
    sound, regions = listen(track)
    assert len(regions) == 2
    for (start_s, end_s), spoken_s in zip(spans(regions), (2.0, 5.0 + length), strict=True):
        assert start_s == pytest.approx(spoken_s - Audio().pad_s, abs=0.2)
        assert end_s == pytest.approx(spoken_s + length + Audio().pad_s, abs=0.2)
    for region in regions:
        first = round(region.start_s * SAMPLE_RATE)
        np.testing.assert_array_equal(region.pcm, track[first : first + len(region.pcm)])
    assert [(span.start_s, span.end_s) for span in sound.speech_regions] == spans(regions)


def test_near_phrases_are_joined(phrase: Pcm) -> None:
    track = np.concatenate([silence(1), phrase, silence(0.5), phrase, silence(1)])
    assert len(listen(track)[1]) == 1


def test_long_speech_is_split_at_pauses() -> None:
    pcm = np.concatenate([decode("jfk.flac")] * 4)
    _, regions = listen(pcm, min_pause_s=3.0)
    assert len(regions) > 1
    assert all(len(region.pcm) <= 28 * SAMPLE_RATE for region in regions)
    for before, after in pairwise(regions):
        assert after.start_s == pytest.approx(before.end_s)  # nothing is lost between the parts
        around = np.concatenate([before.pcm[-800:], after.pcm[:800]]).astype(float)
        assert np.sqrt((around**2).mean()) < 0.2 * np.sqrt((pcm.astype(float) ** 2).mean())


def test_quietest_place() -> None:
    pcm = tone(10)
    pcm[7 * SAMPLE_RATE : 7 * SAMPLE_RATE + 4000] = 0
    assert 7 * SAMPLE_RATE <= quietest(pcm, 10 * SAMPLE_RATE) <= 7 * SAMPLE_RATE + 4000


def test_clock_starts_with_the_first_shown_frame(phrase: Pcm) -> None:
    track = np.concatenate([silence(1), phrase, silence(2)])
    on_time, (expected,) = listen(track)
    late, (found,) = listen(track, start_s=1.5)
    assert found.start_s == pytest.approx(expected.start_s + 1.5, abs=0.1)
    assert late.duration_s == pytest.approx(on_time.duration_s + 1.5)
    assert late.loudness_curve_db[0] == FLOOR_DB
    early, (found,) = listen(track, start_s=-0.5)
    assert found.start_s == pytest.approx(expected.start_s - 0.5, abs=0.1)
    assert early.duration_s == pytest.approx(on_time.duration_s - 0.5)


def test_gaps_and_overlaps_in_timestamps(phrase: Pcm) -> None:
    length = len(phrase) / SAMPLE_RATE
    meter = AudioMeter(Audio(), load_vad(), "v")
    regions = meter.push(0.0, phrase)
    regions += meter.push(length + 0.03, silence(1))  # 30 ms astray: believed to follow
    regions += meter.push(length + 11, phrase)  # a gap of 10 s
    regions += meter.push(2 * length + 10.5, silence(1))  # half a second of overlap
    sound, last = meter.finish()
    regions += last
    assert len(regions) == 2
    assert regions[1].start_s == pytest.approx(length + 11 - Audio().pad_s, abs=0.2)
    assert sound.duration_s == pytest.approx(2 * length + 11.5, abs=0.001)


def test_broken_clock_does_not_fill_the_memory(phrase: Pcm) -> None:
    meter = AudioMeter(Audio(), load_vad(), "v")
    regions = meter.push(0.0, silence(1)) + meter.push(9e9, phrase) + meter.push(9e9 + 5, silence(1))
    regions += meter.push(0.0, silence(1))  # the clock starts again
    sound, last = meter.finish()
    assert sound.duration_s == pytest.approx(8, abs=0.01)
    assert [round(region.start_s) for region in regions + last] == [1]


def test_memory_stays_flat(phrase: Pcm) -> None:
    meter = AudioMeter(Audio(), load_vad(), "v")
    minute = np.concatenate([phrase, tone(60)])[: 60 * SAMPLE_RATE]
    held = []
    for number in range(6):
        meter.push(60.0 * number, minute)
        held.append(len(meter._cutter._pcm) + len(meter._stream._rest))
    assert max(held) < 9 * SAMPLE_RATE


layouts = st.lists(st.tuples(st.booleans(), st.integers(1, 120)), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    layout=layouts,
    steps=st.lists(st.integers(1, 200), min_size=1, max_size=20),
    pad_s=st.sampled_from([0.0, 0.2, 0.7]),
    min_pause_s=st.sampled_from([0.0, 0.3, 1.0]),
    max_region_s=st.sampled_from([1.5, 4.0, 28.0]),
)
def test_regions_are_ordered_disjoint_bounded_and_the_same_for_any_pieces(
    layout: list[tuple[bool, int]], steps: list[int], pad_s: float, min_pause_s: float, max_region_s: float
) -> None:
    """Speech (True) and pauses of so many blocks each, given in steps of so many blocks."""
    options = Audio(pad_s=pad_s, min_pause_s=min_pause_s, max_region_s=max_region_s)
    probabilities = np.array([speech for speech, blocks in layout for _ in range(blocks)], np.float32)
    pcm = np.arange(len(probabilities) * BLOCK).astype(np.int16)

    def cut(steps: list[int]) -> list[Region]:
        cutter, found, first = RegionCutter(options, "v"), [], 0
        while first < len(probabilities):
            last = first + steps[first % len(steps)]
            cutter.push(pcm[first * BLOCK : last * BLOCK])
            found += cutter.advance(probabilities[first:last])
            first = last
        return found + cutter.finish()

    regions = cut(steps)
    assert spans(regions) == spans(cut([1000]))
    covered = np.zeros(len(pcm), bool)
    end = 0
    for region in regions:
        first = round(region.start_s * SAMPLE_RATE)
        assert first >= end
        end = first + len(region.pcm)
        assert 0 < len(region.pcm) <= max_region_s * SAMPLE_RATE and end <= len(pcm)
        np.testing.assert_array_equal(region.pcm, pcm[first:end])
        covered[first:end] = True
    spoken = np.repeat(probabilities > 0, BLOCK)
    missed = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], spoken & ~covered, [0]]).astype(int))))[::2]
    assert all(length < options.min_speech_s * SAMPLE_RATE for length in missed)  # only short speech is dropped


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 16_000), min_size=1, max_size=8), st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_pieces_of_sound_do_not_change_the_result(steps: list[int], pauses_s: list[int]) -> None:
    speech = decode("jfk.flac")[: 2 * SAMPLE_RATE]
    track = np.concatenate([part for pause_s in pauses_s for part in (silence(pause_s), speech)])
    meter, regions, first, number = AudioMeter(Audio(), load_vad(), "v"), [], 0, 0
    while first < len(track):
        step = max(160, steps[number % len(steps)])
        regions += meter.push(first / SAMPLE_RATE, track[first : first + step])
        first, number = first + step, number + 1
    sound, last = meter.finish()
    expected, expected_regions = listen(track, chunk=len(track))
    assert sound == expected and spans(regions + last) == spans(expected_regions)
