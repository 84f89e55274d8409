"""Shot detection on frames made in memory, and on real clips against their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tasks.extraction.cuts import ContentScore
from tasks.extraction.decode import THUMB_PX, Media
from tasks.extraction.decode import Frame as DecodedFrame
from tasks.extraction.frames import Image, SmallFrame
from tasks.extraction.shots import ShotDetector
from tasks.records import Shot
from tasks.settings import Settings, Shots

MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"
SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"
FPS = 24


def still(seed: int, width: int = 512, height: int = 288) -> Image:
    """A picture with structure at all scales, unlike those of other seeds; larger than a frame, to move over."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((6, 1.0), (14, 0.8), (40, 0.5)):
        noise = rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
        picture += weight * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def view(picture: Image, x: float = 0.5, y: float = 0.5, zoom: float = 1.0) -> Image:
    """A 256x144 frame of a part of `picture`: centre in fractions of the room there is."""
    width, height = 256 / zoom, 144 / zoom
    left, top = x * (picture.shape[1] - width), y * (picture.shape[0] - height)
    matrix = np.float32([[1 / zoom, 0, left], [0, 1 / zoom, top]])
    return cv2.warpAffine(picture, matrix, (256, 144), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)


def scene(seed: int, frames: int) -> list[Image]:
    """A slow pan over a still."""
    picture = still(seed)
    return [view(picture, x=0.3 + 0.05 * index / FPS) for index in range(frames)]


def mix(left: Image, right: Image, share: float) -> Image:
    return cv2.addWeighted(left, 1 - share, right, share, 0)


def small(time_s: float, frame: Image) -> SmallFrame:
    height, width = frame.shape[:2]
    scale = min(1.0, THUMB_PX / max(width, height))
    thumb = cv2.resize(frame, (round(width * scale), round(height * scale)))
    return SmallFrame(time_s, thumb, frame, frame[:, :, 1])


def join(scenes: Sequence[Sequence[Image]]) -> list[Image]:
    return [frame for frames in scenes for frame in frames]


def detect(frames: Iterable[Image], times_s: Sequence[float] | None = None, fps: float = FPS) -> tuple[Shot, ...]:
    frames = list(frames)
    times_s = times_s if times_s is not None else [index / fps for index in range(len(frames))]
    detector = ShotDetector(Shots())
    for time_s, frame in zip(times_s, frames, strict=True):
        detector.push(small(time_s, frame))
    return detector.finish(times_s[-1] + 1 / fps)


def boundaries(shots: Sequence[Shot]) -> list[tuple[float, str | None]]:
    return [(round(shot.start_s, 3), shot.transition) for shot in shots[1:]]


def decoded(path: Path) -> Iterator[SmallFrame]:
    with Media(path, Settings().sources, Settings().decode, sound=False) as media:
        yield from (item.small for item in media if isinstance(item, DecodedFrame))


def test_a_picture_that_did_not_change_scores_nothing_and_the_next_is_compared_with_it() -> None:
    score, other = ContentScore(), ContentScore()
    frames = [frame for frame, _ in zip(decoded(SAMPLES / "smash-burger.mp4"), range(12), strict=False)]
    plain = [score.of(frame) for frame in frames]
    repeated = [other.of(frame) for frame in frames for _ in range(2)]
    assert plain[0] == 0.0 and max(plain) > 0.0
    assert repeated[::2] == plain
    assert set(repeated[1::2]) == {0.0}


def test_half_second_shots_are_cut_to_the_frame_and_announced_at_once() -> None:
    frames = join([scene(seed, 12) for seed in range(8)])
    detector = ShotDetector(Shots())
    announced = [index for index, frame in enumerate(frames) if detector.push(small(index / FPS, frame))]
    shots = detector.finish(len(frames) / FPS)
    assert announced == [12 * index for index in range(1, 8)]
    assert [shot.start_s for shot in shots] == [0.0, *(index / 2 for index in range(1, 8))]
    assert [shot.end_s for shot in shots] == [index / 2 for index in range(1, 9)]
    assert [shot.transition for shot in shots] == [None] + ["cut"] * 7


@pytest.mark.parametrize("flash", [[1.0], [1.0, 1.0, 1.0], [0.9, 0.6, 0.3]])
def test_flashes_are_not_cuts(flash: list[float]) -> None:
    frames = join([scene(1, 48), scene(2, 48)])
    for start in (20, 70):
        for index, share in enumerate(flash, start):
            frames[index] = mix(frames[index], np.full_like(frames[index], 255), share)
    assert boundaries(detect(frames)) == [(2.0, "cut")]


@pytest.mark.parametrize(("frames_shown", "cuts"), [(3, 0), (6, 2)])
def test_another_picture_is_a_shot_if_it_stays_as_long_as_one(frames_shown: int, cuts: int) -> None:
    """A B A: a quarter of a second of B belongs to a montage, an eighth is a glitch."""
    first, other = scene(1, 60), scene(2, frames_shown)
    found = boundaries(detect([*first[:30], *other, *first[30:]]))
    assert found == [(30 / FPS, "cut"), (round((30 + frames_shown) / FPS, 3), "cut")][:cuts]


def test_near_black_pictures_have_no_cuts_between_them() -> None:
    """Hue means nothing there, but the content score counts it."""
    reddish, bluish = (np.full((144, 256, 3), colour, np.uint8) for colour in ((0, 0, 2), (2, 0, 0)))
    frames = [*scene(1, 24), *[reddish] * 12, *[bluish] * 12, *scene(2, 24)]
    assert [time_s for time_s, _ in boundaries(detect(frames))] == [1.0, 2.0]


def test_a_cut_to_a_picture_that_brightens_is_a_cut() -> None:
    dark = [(frame * 0.1).astype(np.uint8) for frame in scene(1, 40)]
    rising = [(frame * min(1.0, 0.35 + index / 40)).astype(np.uint8) for index, frame in enumerate(scene(2, 60))]
    assert boundaries(detect([*dark, *rising])) == [(round(40 / FPS, 3), "cut")]


def test_camera_movement_is_no_cut() -> None:
    rng, picture = np.random.default_rng(5), still(3)
    pan = [view(picture, x=min(1.0, index / 20)) for index in range(40)]
    zoom = [view(picture, zoom=1.0 + 0.03 * index, x=1.0) for index in range(40)]
    shake = [view(picture, *rng.uniform(0.44, 0.56, 2), zoom=1.2) for _ in range(40)]
    for movement in (pan, zoom, shake):
        assert boundaries(detect(movement)) == []
    assert boundaries(detect([*pan, *scene(4, 24)])) == [(round(40 / FPS, 3), "cut")]


@pytest.mark.parametrize("repeats", [2, 4, 5])
def test_repeated_frames_make_no_cuts(repeats: int) -> None:
    rng = np.random.default_rng(7)
    slow = join([[view(still(seed), *rng.uniform(0.45, 0.55, 2)) for _ in range(12)] for seed in (1, 2)])
    shots = detect([frame for frame in slow for _ in range(repeats)], fps=60)
    assert boundaries(shots) == [(round(12 * repeats / 60, 3), "cut")]


@pytest.mark.parametrize("duration_s", [0.3, 0.7, 1.5])
def test_dissolves_have_one_boundary_in_their_middle(duration_s: float) -> None:
    length = round(duration_s * FPS)
    first, second = scene(1, 48 + length), scene(2, 48 + length)
    blend = [mix(first[48 + i], second[i], (i + 1) / (length + 1)) for i in range(length)]
    [(time_s, transition)] = boundaries(detect([*first[:48], *blend, *second[length:]]))
    assert transition == "dissolve"
    assert time_s == pytest.approx(2.0 + duration_s / 2, abs=0.1)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("hold", [0, 8])
def test_fades_have_one_boundary_at_the_black_or_white(colour: int, hold: int) -> None:
    first, second = scene(1, 48), scene(2, 48)
    void = np.full_like(first[0], colour)
    out = [mix(first[index], void, max(0.0, (index - 35) / 12)) for index in range(48)]
    back = [mix(second[index], void, max(0.0, 1 - index / 12)) for index in range(48)]
    [(time_s, transition)] = boundaries(detect([*out, *[void] * hold, *back]))
    assert transition == "fade"
    assert time_s == pytest.approx((48 + hold / 2) / FPS, abs=0.06)


def test_dark_scenes_are_no_fades_and_have_cuts() -> None:
    frames = [(frame * 0.1).astype(np.uint8) for frame in join([scene(seed, 30) for seed in range(4)])]
    assert boundaries(detect(frames)) == [(1.25, "cut"), (2.5, "cut"), (3.75, "cut")]


def test_captions_are_no_cuts_on_plain_cards_and_new_cards_are() -> None:
    frames = []
    for colour in ((150, 60, 40), (40, 60, 170)):
        for text in ("HELLO", "watch this", "now"):
            card = np.full((144, 256, 3), colour, np.uint8)
            cv2.putText(card, text, (20, 120), cv2.FONT_HERSHEY_DUPLEX, 1.0, (255, 255, 255), 2)
            frames += [card] * 15
    assert boundaries(detect(frames)) == [(1.875, "cut")]


def test_landscape_in_portrait_bars() -> None:
    frames = []
    for frame in join([scene(seed, 24) for seed in range(3)]):
        upright = np.zeros((256, 144, 3), np.uint8)
        upright[87:168] = cv2.resize(frame, (144, 81))
        frames.append(upright)
    assert boundaries(detect(frames)) == [(1.0, "cut"), (2.0, "cut")]


def test_times_come_from_the_frames() -> None:
    rng = np.random.default_rng(9)
    frames = join([scene(seed, 30) for seed in range(3)])
    kept = [index for index in range(len(frames)) if index == 0 or rng.random() > 0.35]
    expected = [next(index for index in kept if index >= cut) / FPS for cut in (30, 60)]
    shots = detect([frames[index] for index in kept], [index / FPS for index in kept])
    assert boundaries(shots) == [(round(time_s, 3), "cut") for time_s in expected]


def test_slides_that_stand_for_long() -> None:
    slides = [scene(seed, 1)[0] for seed in range(3)]
    shots = detect([slide for slide in slides for _ in range(3)], [5.0 * index for index in range(9)])
    assert boundaries(shots) == [(15.0, "cut"), (30.0, "cut")]


def test_no_frame_one_frame_and_a_change_of_size() -> None:
    assert ShotDetector(Shots()).finish(3.0) == (Shot(start_s=0.0, end_s=3.0, transition=None),)
    assert len(detect(scene(1, 1))) == 1
    frames = scene(1, 48)
    frames[24:] = [cv2.resize(frame, (192, 108)) for frame in frames[24:]]
    assert len(detect(frames)) == 1


def test_a_long_least_shot_keeps_shots_apart() -> None:
    detector = ShotDetector(Shots(min_shot_s=3.0))
    for index, frame in enumerate(join([scene(seed, 48) for seed in range(6)])):
        detector.push(small(index / FPS, frame))
    shots = detector.finish(12.0)
    assert len(shots) > 1
    assert all(shot.end_s - shot.start_s >= 2.99 for shot in shots)


def test_memory_does_not_grow_with_frames() -> None:
    detector, frame = ShotDetector(Shots()), scene(1, 1)[0]
    for index in range(60 * 20):
        detector.push(small(index / 60, frame))
    assert len(detector._ring) <= 1.6 * 60
    assert len(detector._dissolves._ring.moments) <= 2.6 * 31


REAL = {
    "bbb480.mp4": [(11.875, "cut"), (15.75, "cut"), (23.042, "cut")],
    "psd_testvideo.mp4": [(1.001, "cut"), (6.006, "cut"), (13.146, "fade"), (18.07, "dissolve")],
    "psd_goldeneye-vfr-drop3.mp4": [(3.754, "cut"), (8.759, "cut")],
    "psd_issue-134-rotate.mp4": [(3.754, "cut"), (8.759, "cut")],
    "psd_fades.mp4": [(3.36, "fade"), (6.68, "fade")],
    "dj_video3.mp4": [],
    "car-detection.mp4": [],
}


@pytest.mark.parametrize("name", REAL)
def test_real_clips(name: str) -> None:
    path = MEDIA / name
    if not path.exists():
        pytest.skip(f"real clips are not here: {path}")
    detector, time_s = ShotDetector(Shots()), 0.0
    for frame in decoded(path):
        time_s = frame.time_s
        detector.push(frame)
    found = boundaries(detector.finish(time_s + 0.04))
    assert [transition for _, transition in found] == [transition for _, transition in REAL[name]]
    for (time_s, transition), (expected_s, _) in zip(found, REAL[name], strict=True):
        assert time_s == pytest.approx(expected_s, abs=0.001 if transition == "cut" else 0.05)
