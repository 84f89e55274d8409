"""What works, as the report says it: lifts of views and likes with their intervals, and how much was asked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.analysis.material import Material, Row, real
from tasks.analysis.measures import count_of, label_alone, measure_of
from tasks.settings import Analysis

METRICS = {"view": "views", "like": "likes"}
EFFECTS_SHOWN = 40
NEAREST_END, FARTHEST_END = 2.0, 64.0  # the drawn axis reaches at least from half to twice the count
ALL_NICHES = "all niches"


@dataclass(frozen=True)
class Effect:
    """One lift that is claimed. low, at, high: places from 0 to 100 on an axis with 1 in its middle."""

    what: str
    detail: str  # of a feature: the two values that are compared
    cluster_id: str | None
    where: str
    niche: str | None
    metric: str
    lift: float
    interval: tuple[float, float]
    times: str
    span: str
    behind: str
    low: float = 50.0
    at: float = 50.0
    high: float = 50.0


@dataclass(frozen=True)
class Effects:
    """All that is claimed, the clearest ways of building first, then features; and what was asked in words."""

    clusters: list[Effect]
    features: list[Effect]
    left_out: int
    note: str
    ends: tuple[str, str]  # of the axis, in words

    def of_niche(self, niche: str | None) -> list[Effect]:
        return [effect for effect in self.features if effect.niche == niche and effect.where != ALL_NICHES]


def effects(material: Material) -> Effects:
    """What the tables `clusters` and `lifts` claim."""
    rows = [*material.clusters, *material.overall_clusters]
    clusters = [effect for row in rows for effect in _of_cluster(row)]
    features = [_of_feature(row) for row in material.lifts if real(row["lift"]) is not None]
    reach = max([NEAREST_END, *(max(max(item.interval), 1 / min(item.interval)) for item in [*clusters, *features])])
    reach = 2 ** math.ceil(math.log2(min(reach, FARTHEST_END)))
    shown = [sorted(found, key=_clearness)[:EFFECTS_SHOWN] for found in (clusters, features)]
    return Effects(
        clusters=[_placed(effect, reach) for effect in shown[0]],
        features=[_placed(effect, reach) for effect in shown[1]],
        left_out=len(clusters) + len(features) - len(shown[0]) - len(shown[1]),
        note=_note(material, len(clusters) + len(features)),
        ends=(f"1/{reach:.0f}", f"{reach:.0f}"),
    )


def lift_lines(cluster: Row) -> list[str]:
    """Of one cluster: what is claimed, and what was asked but cannot be claimed."""
    others = "all other videos" if cluster["scope"] == "all" else "the niche’s other videos"
    lines = []
    for metric, name in METRICS.items():
        low, high = (real(cluster[f"{metric}_lift_{end}"]) for end in ("low", "high"))
        lift = real(cluster[f"{metric}_lift"])
        if low is None or high is None:
            continue
        if lift is None:
            lines.append(f"{name.capitalize()}: no clear difference ({_span(low, high)} × those of {others}).")
        else:
            behind = _behind(cluster[f"{metric}_lift_videos"], cluster[f"{metric}_lift_uploaders"])
            lines.append(f"{_times(lift)} × the {name} of {others} ({_span(low, high)}; {behind}).")
    return lines


def headline(effect: Effect) -> str:
    """One claim as a sentence. Of a feature the better of its two values comes first."""
    evidence = f"{effect.span}; {effect.behind}"
    if effect.cluster_id is not None:
        return f"{effect.where.capitalize()}: “{effect.what}” has {effect.times} × the {effect.metric} of the other videos ({evidence})."
    return f"{effect.where.capitalize()}: {effect.what.lower()} {effect.detail} goes with {effect.times} × the {effect.metric} ({evidence})."


def _of_cluster(row: Row) -> Iterator[Effect]:
    for metric, name in METRICS.items():
        lift, low, high = (real(row[f"{metric}_lift{end}"]) for end in ("", "_low", "_high"))
        if lift is None or low is None or high is None or row["change"] == "vanished":
            continue
        yield _effect(
            (lift, low, high),
            row,
            name,
            what=row["label"] or row["cluster_id"],
            detail="",
            cluster_id=row["cluster_id"],
            behind=_behind(row[f"{metric}_lift_videos"], row[f"{metric}_lift_uploaders"]),
        )


def _of_feature(row: Row) -> Effect:
    """Turned so that the first value has more views: nobody has to think in fractions."""
    measure = measure_of(row["feature"])
    lift, low, high = (float(row[name]) for name in ("lift", "lift_low", "lift_high"))
    better, worse = row["high"], row["low"]
    if lift < 1:
        lift, low, high, better, worse = 1 / lift, 1 / high, 1 / low, worse, better
    return _effect(
        (lift, low, high),
        row,
        METRICS[row["metric"]],
        what=label_alone(measure),
        detail=f"{measure.say(better)} rather than {measure.say(worse)}",
        cluster_id=None,
        behind=_behind(row["videos"], row["uploaders"]),
    )


def _effect(
    interval: tuple[float, float, float],
    row: Row,
    metric: str,
    *,
    what: str,
    detail: str,
    cluster_id: str | None,
    behind: str,
) -> Effect:
    lift, low, high = interval
    everywhere = row["scope"] == "all"
    where = ALL_NICHES if everywhere else row["niche"] or "no niche"
    return Effect(
        what=what,
        detail=detail,
        cluster_id=cluster_id,
        where=where,
        niche=None if everywhere else row["niche"],
        metric=metric,
        lift=lift,
        interval=(low, high),
        times=_times(lift),
        span=_span(low, high),
        behind=behind,
    )


def _placed(effect: Effect, reach: float) -> Effect:
    low, at, high = (
        round(min(100.0, max(0.0, 50 + 50 * math.log(value) / math.log(reach))), 1)
        for value in (effect.interval[0], effect.lift, effect.interval[1])
    )
    return Effect(**{**vars(effect), "low": low, "at": at, "high": high})


def _clearness(effect: Effect) -> tuple[float, str, str]:
    """The claims that are surely far from 1 first: by the end of the interval that is nearer to 1."""
    low, high = effect.interval
    return (-max(math.log(low), -math.log(high)), effect.where, effect.what)


def _note(material: Material, claimed: int) -> str:
    """How much was asked and how much of it is claimed, or why nothing could be asked."""
    asked = sum(real(value) is not None for value in _intervals(material))
    if not asked:
        known = sum(
            video["view_count"] is not None and video["published_at"] is not None and bool(video["uploader"])
            for video in material.videos
        )
        return (
            f"Views, date and uploader are known of {count_of(known, 'video')} here. To ask what works takes ten videos "
            "of five uploaders on either side of a comparison; sidecars or a manifest bring these numbers."
        )
    settings = json.loads(material.run["settings"]) if material.run and material.run["settings"] else {}
    false_share = settings.get("analysis", {}).get("lift_false_share", Analysis().lift_false_share)
    comparisons = count_of(asked, "comparison")
    if not claimed:
        return f"Of {comparisons} of views and likes none is clear enough to claim: what differs may be chance."
    return (
        f"Of {comparisons} of views and likes, {claimed:,} {'is' if claimed == 1 else 'are'} clear enough to claim; at most {100 * false_share:.0f} % "
        "of such claims are expected to be false. Videos are compared within their niche, at the same age and, where uploaders "
        "have several, with videos of the same uploader. What goes with more views need not be the cause of them."
    )


def _intervals(material: Material) -> Iterable[float | None]:
    for row in (*material.clusters, *material.overall_clusters):
        yield from (row[f"{metric}_lift_low"] for metric in METRICS)
    yield from (row["lift_low"] for row in material.lifts)


def _times(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _span(low: float, high: float) -> str:
    return f"{_times(low)} to {_times(high)}"


def _behind(videos: int | None, uploaders: int | None) -> str:
    return f"{count_of(videos or 0, 'video')} of {count_of(uploaders or 0, 'uploader')}"
