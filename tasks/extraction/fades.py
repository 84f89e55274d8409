"""Fades through black and through white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.extraction.moments import ALIKE, UNIFORM_LUMA, Moment, weighed_likeness
from tasks.records import Transition

RAMP_S = 0.5  # how far before and after the black its brightness is compared
LONG_BLACK_S = 0.8  # a longer black belongs to the shot before; the next one begins where its own picture appears
DEEP_SHARE = 1 / 6  # share of the threshold below which the black is at its deepest
RAMP_SHARE = 0.7  # the frame next to the black is darker than this share of the scene, or it was a hard cut


@dataclass(frozen=True)
class Gradual:
    """A transition that takes time."""

    start_s: float
    middle_s: float
    end_s: float
    transition: Transition
    residual: float = 0.0  # how badly it fits the model, 0 for perfectly; for choosing between overlapping ones


@dataclass
class _Dip:
    """A span of frames near the target colour."""

    start_s: float
    ramp_in: bool
    scene: Moment | None  # the picture before the fade out
    deep_start_s: float | None = None
    deep_end_s: float | None = None
    even: bool = False  # an empty picture was reached, so it is no dark scene
    end_s: float | None = None


class FadeFinder:
    """Fades in a stream of moments, after PySceneDetect 0.7's `ThresholdDetector` with times from PTS.

    One finder looks for black, another (`inverted`) for white. Beyond the threshold a fade must be gradual on both
    sides (on a hard side the shot begins with a cut, at that frame) and reach an empty picture, which dark scenes never
    do; the boundary lies in the middle of the darkest part, unless that is long. A white dip that comes back to the
    same picture is a flash. `found` holds the fades.
    """

    def __init__(self, fade_luma: float, inverted: bool = False) -> None:
        self.fade_luma = fade_luma
        self.inverted = inverted
        self.found: list[Gradual] = []
        self._dip: _Dip | None = None

    def push(self, moments: Sequence[Moment]) -> None:
        """Takes the ring buffer with the newest frame last."""
        newest = moments[-1]
        distance = self._distance(newest)
        dip = self._dip
        seen = dip is not None and dip.end_s is not None and newest.time_s - dip.end_s > RAMP_S
        if seen or (dip is not None and dip.end_s is not None and distance < self.fade_luma):
            self._close(moments)
            dip = None
        if distance < self.fade_luma:
            if dip is None:
                dip = self._dip = self._begin(moments)
            dip.even = dip.even or newest.is_even(255 if self.inverted else 0)
            if distance < self.fade_luma * DEEP_SHARE:
                dip.deep_start_s = newest.time_s if dip.deep_start_s is None else dip.deep_start_s
                dip.deep_end_s = None
        if dip is not None and dip.end_s is None:
            if dip.deep_start_s is not None and dip.deep_end_s is None and distance >= self.fade_luma * DEEP_SHARE:
                dip.deep_end_s = newest.time_s
            if distance >= self.fade_luma:
                dip.end_s = newest.time_s

    def finish(self, moments: Sequence[Moment]) -> None:
        """Decides a fade whose way back is still being watched; one that never comes back is no boundary."""
        if self._dip is not None and self._dip.end_s is not None:
            self._close(moments)

    def _distance(self, moment: Moment) -> float:
        return 255.0 - moment.luma if self.inverted else moment.luma

    def _begin(self, moments: Sequence[Moment]) -> _Dip:
        start_s = moments[-1].time_s
        before = [moment for moment in moments if start_s - RAMP_S <= moment.time_s < start_s]
        if not before:
            return _Dip(start_s, ramp_in=False, scene=None)
        scene = max(before, key=self._distance)
        return _Dip(start_s, self._distance(before[-1]) <= RAMP_SHARE * self._distance(scene), scene)

    def _close(self, moments: Sequence[Moment]) -> None:
        dip, self._dip = self._dip, None
        assert dip is not None and dip.end_s is not None
        after = [moment for moment in moments if dip.end_s <= moment.time_s <= dip.end_s + RAMP_S]
        if dip.scene is None or not after or not dip.even:
            return
        scene = max(after, key=self._distance)
        ramp_out = self._distance(after[0]) <= RAMP_SHARE * self._distance(scene)
        if not (dip.ramp_in and ramp_out) or (self.inverted and _is_flash(dip.scene, scene)):
            return
        first_s = dip.start_s if dip.deep_start_s is None else dip.deep_start_s
        last_s = dip.end_s if dip.deep_end_s is None else dip.deep_end_s
        boundary_s = last_s if last_s - first_s > LONG_BLACK_S else (first_s + last_s) / 2
        self.found.append(Gradual(dip.scene.time_s, boundary_s, scene.time_s, "fade"))


def _is_flash(before: Moment, after: Moment) -> bool:
    structure = max(before.deviation, after.deviation)
    return structure < UNIFORM_LUMA or weighed_likeness(before, after) >= ALIKE
