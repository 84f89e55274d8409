"""Hard cuts: PySceneDetect's content score and adaptive ratio, checked against flashes and camera movement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from scenedetect import ContentDetector, FrameTimecode

from tasks.extraction.frames import Image, SmallFrame
from tasks.extraction.moments import (
    ALIKE,
    UNIFORM_LEVELS,
    Moment,
    difference,
    likeness,
    spreads,
    tint_change,
    weighed_likeness,
    within_bars,
)
from tasks.settings import Shots

WINDOW_FRAMES = 2  # AdaptiveDetector's window on each side
WINDOW_S = 0.26  # two drawings of an animation on threes (24 fps) are this far apart
REPEATED = 0.5  # content score below which a frame repeats the one before, codec noise included
TINT = 18.0  # tint change between neighbouring frames that camera and lights never make: two title cards
LEAST_LEVELS = 1.5  # mean difference (0..255) below which two pictures are both black to the eye, whatever their hues
BACK_LIKENESS = 0.6  # the picture is back after a flash if it is so much like the one before it,
STRUCTURED = 12.0  # standard deviation of luma that a flash, however dirty, does not have
DETOUR_SHARE = 0.75  # two shots differ by less than this share of the way over the frames between them: a detour
_UNTIMED = FrameTimecode(0, fps=25.0)  # the score knows no time: only the statistics that we do not keep would
BACK_SHARE = 0.5  # and differs from it by less than this share of what the frames between do


class ContentScore(ContentDetector):  # type: ignore[misc]  # it is untyped to mypy
    """PySceneDetect's ContentDetector, fed frame by frame for its score alone, as its own AdaptiveDetector uses it."""

    def __init__(self) -> None:
        super().__init__()
        self._thumb: Image | None = None

    def of(self, frame: SmallFrame) -> float:
        """Mean absolute difference of hue, saturation and value (0..255) to the frame before; 0 for the first."""
        if frame.thumb is self._thumb:  # nothing changed
            return 0.0
        self._thumb = frame.thumb
        return float(self._calculate_frame_score(_UNTIMED, frame.thumb))


def adaptive_ratio(moments: Sequence[Moment], index: int) -> tuple[float, float]:
    """The score at `index` over the mean of its neighbours' and over the busier side's quietest, at most 255 each.

    Source: PySceneDetect 0.7, `AdaptiveDetector` (the first figure), with one change: repeated frames of a slow source
    that was stretched to a higher rate do not count as neighbours, or every new picture would stand out. The second
    figure tells a cut from the start and the end of a fast camera movement, which have a quiet side.
    """
    score, time_s = moments[index].score, moments[index].time_s
    after = _neighbours(islice(moments, index + 1, None), time_s)
    before = _neighbours((moments[place] for place in range(index - 1, 0, -1)), time_s)
    mean = sum(before + after) / len(before + after) if before or after else 0.0
    return _ratio(score, mean), _ratio(score, max(min(side, default=0.0) for side in (before, after)))


def _ratio(score: float, mean: float) -> float:
    return min(255.0, score / mean) if mean > 1e-5 else 255.0


def _neighbours(side: Iterable[Moment], time_s: float) -> list[float]:
    """Scores of the two nearest moving frames of one side (nearest first); of the two nearest if it stands still."""
    near: list[float] = []
    moving: list[float] = []
    for moment in side:
        if abs(moment.time_s - time_s) > WINDOW_S or len(moving) == WINDOW_FRAMES:
            break
        near.append(moment.score)
        if moment.score >= REPEATED:
            moving.append(moment.score)
    return moving if len(moving) == WINDOW_FRAMES else near[:WINDOW_FRAMES]


def stands_out(score: float, ratio: float, busier_ratio: float, settings: Shots) -> bool:
    """Whether content score and adaptive ratios together can be a cut's."""
    return (
        (score >= settings.content_threshold and busier_ratio >= settings.content_ratio)
        or (score >= settings.adaptive_floor and ratio >= settings.adaptive_ratio)
        or (score >= settings.soft_floor and ratio >= settings.soft_ratio)
    )


def is_new_picture(before: Moment, after: Moment) -> bool:
    """Whether two neighbouring frames show different pictures: structure or tint changed, and in more than one zone.

    Camera movement keeps the structure, a change of exposure the tint. The limit on likeness rises with the content
    score (of `after`).
    """
    left, right = within_bars(before, after)
    if difference(left, right) < LEAST_LEVELS or not spreads(left, right):
        return False
    limit = ALIKE + 0.15 * min(1.0, max(0.0, (after.score - 27.0) / 40.0))
    return weighed_likeness(left, right) < limit or tint_change(left, right) > TINT


def is_flash(moments: Sequence[Moment], index: int, flash_s: float, min_shot_s: float) -> bool:
    """Whether the change at `index` is part of a flash: some picture from before it is back within `flash_s`.

    Compares across the flash, every earlier frame with every later one at most `flash_s` (and one frame) apart. Another
    picture that is shown in between for `min_shot_s` or longer is a shot of a fast montage, and no flash.
    """
    longest_s = flash_s + moments[index].time_s - moments[index - 1].time_s
    start = next(place for place, moment in enumerate(moments) if moments[index].time_s - moment.time_s <= longest_s)
    return any(_flashes(moments, place, index, longest_s, min_shot_s) for place in range(start, index))


def _flashes(moments: Sequence[Moment], place: int, index: int, longest_s: float, min_shot_s: float) -> bool:
    before, farthest = moments[place], 0.0
    aways: list[float] = []
    for later in range(place + 1, len(moments)):
        after = moments[later]
        if after.time_s - before.time_s > longest_s:
            return False
        away = difference(before, after)
        back = later >= index and away <= BACK_SHARE * farthest and farthest >= UNIFORM_LEVELS
        if back and likeness(*within_bars(before, after)) >= BACK_LIKENESS:
            between = [moments[place + 1 + i] for i, far in enumerate(aways) if far > BACK_SHARE * farthest]
            lasts_s = after.time_s - between[0].time_s
            return lasts_s < min_shot_s - 1e-3 or not _is_other_shot(before, between[len(between) // 2])
        farthest = max(farthest, away)
        aways.append(away)
    return False


def _is_other_shot(before: Moment, between: Moment) -> bool:
    """Whether a picture has a structure of its own; a flash is empty, or the same picture in other light."""
    return between.deviation >= STRUCTURED and weighed_likeness(*within_bars(before, between)) < BACK_LIKENESS


class CutFinder:
    """Hard cuts in a stream of moments. `found` holds (time_s, score) of each."""

    def __init__(self, settings: Shots) -> None:
        self.settings = settings
        self.found: list[tuple[float, float]] = []
        self._open: list[Moment] = []  # candidates whose future has not been seen yet

    def push(self, moments: Sequence[Moment]) -> bool:
        """Takes the ring buffer with the newest frame last; True where that frame may begin a shot."""
        newest = moments[-1]
        while self._open and newest.time_s - self._open[0].time_s > max(WINDOW_S, self.settings.flash_s):
            self._decide(self._open.pop(0), moments)
        if newest.score < self.settings.soft_floor or len(moments) < 2:
            return False
        ratio, busier_ratio = adaptive_ratio(moments, len(moments) - 1)
        if not stands_out(newest.score, 2 * ratio, busier_ratio, self.settings):  # the side not seen yet may be at rest
            return False
        if not is_new_picture(moments[-2], newest):
            return False
        self._open.append(newest)
        return stands_out(newest.score, ratio, busier_ratio, self.settings)

    def finish(self, moments: Sequence[Moment]) -> None:
        """Decides what is still open; nothing comes after."""
        while self._open:
            self._decide(self._open.pop(0), moments)

    def _decide(self, candidate: Moment, moments: Sequence[Moment]) -> None:
        index = next(index for index, moment in enumerate(moments) if moment is candidate)
        if not stands_out(candidate.score, *adaptive_ratio(moments, index), self.settings):
            return
        if is_flash(moments, index, self.settings.flash_s, self.settings.min_shot_s):
            return
        cut = (candidate.time_s, candidate.score)
        if not self.found or candidate.time_s - self.found[-1][0] >= self.settings.min_shot_s - 1e-3:
            self.found.append(cut)
        elif self._replaces(candidate, moments):
            self.found[-1] = cut

    def _replaces(self, candidate: Moment, moments: Sequence[Moment]) -> bool:
        """Whether a second change within `min_shot_s` is the cut, rather than the first.

        It is after a detour, such as white frames between two shots. After a blend of both shots, as conversion of the
        frame rate leaves it, the first one is, unless the second is much stronger.
        """
        time_s, score = self.found[-1]
        index = next((index for index, moment in enumerate(moments) if moment.time_s == time_s), 0)
        if index == 0:  # a long `min_shot_s`: the first change has left the ring buffer
            return candidate.score > score
        before, first = moments[index - 1], moments[index]
        way = difference(before, first) + difference(first, candidate)
        return difference(before, candidate) < DETOUR_SHARE * way or candidate.score > 1.5 * score
