"""Look and motion, on frames whose values are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tasks.extraction.colours import colourfulness, dominant_colours
from tasks.extraction.frames import Image, SmallFrame
from tasks.extraction.visual import MAX_POINTS, VisualMeter
from tasks.records import Visual
from tasks.settings import Look


def small(time_s: float, bgr: Image) -> SmallFrame:
    return SmallFrame(time_s, bgr, bgr, cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))


def plain(colour: tuple[int, int, int]) -> Image:
    return np.full((72, 128, 3), colour, np.uint8)


def measure(frames: list[Image], fps: float = 24, cuts_s: tuple[float, ...] = ()) -> Visual:
    meter = VisualMeter(Look())
    for index, frame in enumerate(frames):
        meter.push(small(index / fps, frame))
    return meter.finish(cuts_s)


def test_plain_colours_have_known_values() -> None:
    grey = measure([plain((128, 128, 128))] * 24)
    assert grey.times_s == (0.0, 0.25, 0.5, 0.75)
    assert grey.brightness == pytest.approx([128 / 255] * 4, abs=1e-3)
    for flat in (grey.contrast, grey.saturation, grey.colourfulness, grey.sharpness, grey.motion):
        assert flat == (0.0,) * 4
    assert grey.dominant_colours == ("#808080",)
    red = measure([plain((0, 0, 255))])
    assert red.saturation == (1.0,)
    assert red.brightness == pytest.approx([0.299], abs=2e-3)


def test_contrast_and_sharpness() -> None:
    halves = np.zeros((72, 128, 3), np.uint8)
    halves[:, 64:] = 255
    blurred = cv2.GaussianBlur(halves, (0, 0), 8)
    look, soft = measure([halves]), measure([blurred])
    assert look.contrast == pytest.approx([0.5], abs=1e-3)
    assert look.sharpness[0] > 20 * soft.sharpness[0]


def test_black_bars_leave_saturation_as_it_is() -> None:
    barred = plain((60, 60, 240))
    whole = measure([barred.copy()]).saturation[0]
    barred[:24] = (0, 0, 2)
    assert measure([barred]).saturation[0] == pytest.approx(whole, abs=0.01)


def test_colourfulness_of_grey_and_of_primaries() -> None:
    assert colourfulness(plain((90, 90, 90))) == 0.0
    stripes = np.concatenate([plain((255, 0, 0)), plain((0, 255, 0)), plain((0, 0, 255))])
    assert colourfulness(stripes) > 100


def test_motion_is_per_second_whatever_the_rate_and_leaves_cuts_out() -> None:
    def ramp(fps: int) -> list[Image]:  # 20 levels a second
        return [plain((round(50 + 20 * index / fps),) * 3) for index in range(2 * fps)]

    for fps in (10, 20):
        assert np.mean(measure(ramp(fps), fps).motion) == pytest.approx(20 / 255, rel=0.06)
    dark, bright = [plain((10, 10, 10))] * 30, [plain((240, 240, 240))] * 30
    assert max(measure([*dark, *bright]).motion) > 0.9
    assert max(measure([*dark, *bright], cuts_s=(30 / 24,)).motion) == 0.0


def test_dominant_colours_come_most_frequent_first_and_repeat() -> None:
    frame = plain((200, 30, 30))
    frame[:24] = (20, 200, 20)
    first, again = measure([frame] * 24).dominant_colours, measure([frame] * 24).dominant_colours
    assert first == again == ("#1e1ec8", "#14c814")
    noise = np.random.default_rng(1).integers(0, 256, (4096, 3), dtype=np.uint8)
    assert len(dominant_colours(noise)) == 5
    assert dominant_colours(noise) == dominant_colours(noise)


def test_long_videos_have_bounded_curves() -> None:
    meter, frames = VisualMeter(Look()), [plain((level, level, level)) for level in (80, 82)]
    for index in range(3600 * 4):
        meter.push(small(index / 4, frames[index % 2]))
    visual = meter.finish([1000.0])
    assert MAX_POINTS / 2 <= len(visual.times_s) <= MAX_POINTS
    assert list(visual.times_s) == sorted(visual.times_s) and visual.times_s[-1] > 3590
    assert len(visual.motion) == len(visual.brightness) == len(visual.times_s)
    assert visual.motion[5:] == pytest.approx([4 * 2 / 255] * (len(visual.times_s) - 5), rel=0.02)


def test_nothing_one_frame_gaps_and_a_change_of_size() -> None:
    assert VisualMeter(Look()).finish([]) == Visual(
        times_s=(),
        brightness=(),
        contrast=(),
        saturation=(),
        colourfulness=(),
        sharpness=(),
        motion=(),
        dominant_colours=(),
    )
    assert measure([plain((1, 2, 3))]).motion == (0.0,)
    meter = VisualMeter(Look())
    meter.push(small(0.0, plain((9, 9, 9))))
    meter.push(small(7.3, plain((9, 9, 9))[:, :100].copy()))
    assert meter.finish([]).times_s == (0.0, 7.3)
