"""Shots: where one ends and the next begins, and how."""

from __future__ import annotations

from tasks.extraction.cuts import ContentScore, CutFinder
from tasks.extraction.dissolves import DissolveFinder
from tasks.extraction.fades import FadeFinder, Gradual
from tasks.extraction.frames import SmallFrame
from tasks.extraction.moments import Moment
from tasks.records import Shot, Transition
from tasks.settings import Shots

RING_S = 1.2  # what cuts and fades look back on, beyond flash_s; dissolves keep their own, thinner ring
JUMP = 1.5  # a cut of so many times the threshold is no part of a dissolve: what fitted as one brightens beside the cut
RING_FRAMES = 8  # and never fewer frames than this, however far apart they are


class ShotDetector:
    """Finds shots in a stream of frames.

    PySceneDetect 0.7's algorithms (ContentDetector's score, AdaptiveDetector's ratio, ThresholdDetector's fades) over
    one pass, with times from PTS and all windows in seconds; a change also has to show a new picture
    (`cuts.is_new_picture`), so flashes, camera movement and captions are not cuts; dissolves are fitted
    (`dissolves.fit_blend`). Memory is the ring buffers (under 3 MB at 60 fps) and the boundaries found.
    """

    def __init__(self, settings: Shots) -> None:
        self.settings = settings
        self._cuts = CutFinder(settings)
        self._fades = (FadeFinder(settings.fade_luma), FadeFinder(settings.fade_luma, inverted=True))
        self._dissolves = DissolveFinder(settings.fade_luma)
        self._ring: list[Moment] = []
        self._score = ContentScore()

    def push(self, frame: SmallFrame) -> bool:
        """Takes the next frame; True where a hard cut may just have begun (a few of these are flashes)."""
        moment = Moment.of(frame, self._score.of(frame))
        self._ring.append(moment)
        for fades in self._fades:
            fades.push(self._ring)
        self._dissolves.push(moment)
        may_be_cut = self._cuts.push(self._ring)
        oldest_s = moment.time_s - RING_S - self.settings.flash_s
        while len(self._ring) > RING_FRAMES and self._ring[0].time_s < oldest_s:
            del self._ring[0]
        return may_be_cut

    def finish(self, end_s: float) -> tuple[Shot, ...]:
        """The shots from 0.0 to `end_s` (seconds): contiguous, in order, at least one."""
        self._cuts.finish(self._ring)
        for fades in self._fades:
            fades.finish(self._ring)
        fades_found = [fade for fades in self._fades for fade in fades.found]
        jumps_s = [time_s for time_s, score in self._cuts.found if score >= JUMP * self.settings.content_threshold]
        dissolves = [
            blend
            for blend in self._dissolves.found
            if not any(_overlap(blend, fade) for fade in fades_found)
            and not any(blend.start_s < time_s < blend.end_s for time_s in jumps_s)
        ]
        boundaries = arbitrate(self._cuts.found, [*fades_found, *dissolves], self.settings.min_shot_s, end_s)
        starts: list[tuple[float, Transition | None]] = [(0.0, None), *boundaries]
        ends = [start_s for start_s, _ in boundaries] + [end_s]
        return tuple(
            Shot(start_s=start_s, end_s=shot_end_s, transition=transition)
            for (start_s, transition), shot_end_s in zip(starts, ends, strict=True)
        )


def arbitrate(
    cuts: list[tuple[float, float]], graduals: list[Gradual], min_shot_s: float, end_s: float
) -> list[tuple[float, Transition]]:
    """The boundaries that stand, in order: no cut inside a gradual transition, no shot shorter than `min_shot_s`.

    cuts: (time_s, content score). Of two boundaries that are too near the clearer one stays: a gradual one before a
    cut, a cut of higher score before one of lower.
    """
    ranked: list[tuple[float, float, Transition]] = [(256.0, each.middle_s, each.transition) for each in graduals]
    for time_s, score in cuts:
        if not any(each.start_s <= time_s <= each.end_s for each in graduals):
            ranked.append((score, time_s, "cut"))
    shortest_s = max(min_shot_s - 1e-3, 1e-3)  # times are rounded to the stream's time base
    kept: list[tuple[float, Transition]] = []
    for _, time_s, transition in sorted(ranked, key=lambda item: (-item[0], item[1])):
        others_s = [0.0, end_s, *(kept_s for kept_s, _ in kept)]
        if 0.0 < time_s < end_s and all(abs(time_s - other_s) >= shortest_s for other_s in others_s):
            kept.append((time_s, transition))
    return sorted(kept)


def _overlap(left: Gradual, right: Gradual) -> bool:
    return left.start_s < right.end_s and right.start_s < left.end_s
