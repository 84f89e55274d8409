"""Which frames are read for text, and which of their rows."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tasks.extraction.frames import Image, SmallFrame
from tasks.extraction.sampling import Rows, Sampler
from tasks.settings import Sampling

SIZE = (270, 480)
Draw = Callable[[float], Image]


def written(image: Image, text: str, y: int) -> Image:
    image = image.copy()
    for colour, thickness in ((0, 7), (255, 2)):  # white with a dark outline
        cv2.putText(image, text, (60, y), cv2.FONT_HERSHEY_SIMPLEX, 1.0, colour, thickness, cv2.LINE_AA)
    return image


def plain(_: float) -> Image:
    return np.full(SIZE, 90, np.uint8)


def scene(time_s: float) -> Image:
    """Sharp round things that pass by at 90 px a second."""
    image = np.full(SIZE, 120, np.uint8)
    for index in range(60):
        x, y = int(index * 89 - 90 * time_s) % 520 - 20, int(index * 47 + 40 * time_s) % 310 - 20
        cv2.circle(image, (x, y), 5 + index % 11, 30 + index * 37 % 200, -1)
    return image


def reads(draw: Draw, duration_s: float, cuts_s: tuple[float, ...] = (), fps: int = 25) -> list[tuple[float, Rows]]:
    """When a drawn video is read, and which rows."""
    sampler = Sampler(duration_s, Sampling())
    found = []
    for tick in range(round(duration_s * fps)):
        time_s = tick / fps
        luma = draw(time_s)
        frame = SmallFrame(time_s, luma, luma, luma)  # only its luma is looked at
        if sampler.looks(frame, time_s in cuts_s) and (rows := sampler.wants(frame)):
            found.append((time_s, rows))
    assert sampler.samples == len(found)
    return found


def test_a_picture_without_anything_like_text_is_never_read() -> None:
    assert reads(plain, 20.0) == []


def test_a_still_slide_is_read_once_and_then_seldom() -> None:
    times = [time_s for time_s, _ in reads(lambda _: written(plain(0), "one slide", 100), 20.0)]
    assert times == [0.0, pytest.approx(8.0, abs=0.1), pytest.approx(16.0, abs=0.2)]


@pytest.mark.parametrize("background", [plain, scene])
@pytest.mark.parametrize("text", ["watch this", "GO", "3"])
def test_text_that_appears_is_read_at_once_and_only_its_rows(background: Draw, text: str) -> None:
    found = reads(lambda at_s: written(background(at_s), text, 225) if at_s >= 0.8 else background(at_s), 1.5)
    (time_s, (top, bottom, _)) = next((time_s, rows) for time_s, rows in found if time_s >= 0.8)
    assert time_s <= 1.2
    assert 0.55 < top < 0.78 and 0.83 < bottom <= 1.0


def test_words_that_change_fast_are_all_read() -> None:
    words = ["never", "ever", "skip", "this", "part", "again"]
    times = [time_s for time_s, _ in reads(lambda at_s: written(scene(at_s), words[int(at_s / 0.5)], 150), 3.0)]
    for index in range(len(words)):
        assert any(0.5 * index <= time_s < 0.5 * (index + 1) for time_s in times), words[index]


def test_a_scene_that_only_moves_is_read_now_and_then() -> None:
    times = [time_s for time_s, _ in reads(scene, 6.2)]
    assert len(times) == 4
    assert np.diff(times) == pytest.approx([2.0] * 3, abs=0.11)


def test_each_shot_is_read_a_moment_after_its_cut() -> None:
    found = reads(lambda at_s: scene(at_s + (100 if at_s >= 1.0 else 0)), 1.6, cuts_s=(1.0,))
    assert [time_s for time_s, _ in found if time_s >= 1.0] == [pytest.approx(1.16, abs=0.05)]


def test_slides_are_told_from_pictures_that_move() -> None:
    """So that small print is looked for where there may be some: also in the frame that is read right after a cut."""
    slides = reads(lambda at_s: written(plain(0), "first" if at_s < 1 else "second slide", 100), 2.0, cuts_s=(1.0,))
    assert [rows.still for _, rows in slides] == [False, True]  # of the very first frame nothing is known
    assert not any(rows.still for _, rows in reads(scene, 2.5))
