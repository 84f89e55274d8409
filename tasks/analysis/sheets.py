"""The report's contact sheets: per niche its clusters, per cluster its exemplars, its curves and what sets it apart.

The clusters over all niches have the same sheets, against all videos.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from tasks.analysis.changes import NO_NICHE, last_seen
from tasks.analysis.effects import lift_lines
from tasks.analysis.material import Material, Row, pictures_of, real, shape_of
from tasks.analysis.measures import clock, count_of, label_alone, measure_of
from tasks.analysis.nights import Nights, Trend
from tasks.analysis.overview import min_videos, too_few
from tasks.analysis.plots import CurvePair, curve_plot
from tasks.analysis.spreads import Spread, Spreads, SpreadSheet
from tasks.schemas import CURVE_POINTS

EXEMPLARS_SHOWN = 3
STRIP_PICTURES = {"portrait": 10, "square": 8, "landscape": 6}
CURVES = (
    ("pacing", "Pacing: cuts per tenth of the video", False),
    ("text_curve", "On-screen text", True),
    ("speech_curve", "Speech", True),
)


@dataclass(frozen=True)
class Mark:
    """A feature that sets a cluster apart."""

    label: str
    value: str
    comparison: str


@dataclass(frozen=True)
class ExemplarSheet:
    video_id: str
    index: int  # of the video in the page's data
    title: str
    uploader: str | None
    length: str
    reason: str | None
    shape: str
    pictures: list[tuple[str, str]]  # address and time


@dataclass(frozen=True)
class ClusterSheet:
    cluster_id: str
    label: str
    size: int
    share: float  # of the videos of its niche, or of all, 0 to 100
    change: str | None
    lifts: list[str]
    marks: list[Mark]
    exemplars: list[ExemplarSheet]
    plot: Markup | None
    trend: Trend | None
    niches: list[tuple[str, int]]  # of a cluster over all niches: where its videos are from


@dataclass(frozen=True)
class NicheSheet:
    anchor: str
    name: str
    niche: str | None
    videos: int
    notes: list[str]
    clusters: list[ClusterSheet]
    gone: list[str]
    cover: list[tuple[str, str]]  # shape and address
    spreads: dict[str, list[SpreadSheet]]  # per group of features


@dataclass(frozen=True)
class _Group:
    """What a cluster is compared with: the videos of its niche, or all. videos: how many, page or not."""

    name: str  # niche, all
    templates: list[Row]
    videos: int
    column: str  # of templates: the cluster
    spreads: Mapping[str, Spread]


def niche_sheets(material: Material, spreads: Spreads, nights: Nights) -> list[NicheSheet]:
    """One sheet per niche, the largest first, videos without a niche last."""
    videos: dict[str | None, list[Row]] = defaultdict(list)
    clusters: dict[str | None, list[Row]] = defaultdict(list)
    for row in material.videos:
        videos[row["niche"]].append(row)
    for row in material.clusters:
        clusters[row["niche"]].append(row)
    known = material.niche_videos
    sizes = {niche: max(len(videos[niche]), known.get(niche, 0)) for niche in {*videos, *clusters}}
    order = sorted(sizes, key=lambda niche: (niche is None, -sizes[niche], niche or ""))
    sheets = []
    for place, niche in enumerate(order):
        templates = [
            material.templates[row["video_id"]] for row in videos[niche] if row["video_id"] in material.templates
        ]
        group = _Group(
            "niche", templates, max(len(templates), known.get(niche, 0)), "cluster_id", spreads.niches.get(niche, {})
        )
        alive = _by_size(clusters[niche])
        found = [_cluster(material, group, nights, row) for row in alive]
        sheets.append(
            NicheSheet(
                anchor=f"niche-{place}",
                name=niche or NO_NICHE,
                niche=niche,
                videos=sizes[niche],
                notes=_notes(niche, group, len(alive), min_videos(material)),
                clusters=found,
                gone=[
                    f"{row['label'] or row['cluster_id']}{last_seen(material, row)}"
                    for row in clusters[niche]
                    if row["change"] == "vanished"
                ],
                cover=_cover(found, videos[niche]),
                spreads=spreads.sheets(niche) if templates else {},
            )
        )
    return sheets


def overall_sheets(material: Material, spreads: Spreads, nights: Nights) -> list[ClusterSheet]:
    """The clusters over all niches, the largest first; none where there is but one niche or one way of building."""
    templates = list(material.templates.values())
    if len({template["niche"] for template in templates}) < 2:
        return []
    videos = max(len(templates), sum(material.niche_videos.values()))
    group = _Group("all", templates, videos, "overall_cluster_id", spreads.everything)
    alive = _by_size(material.overall_clusters)
    return [_cluster(material, group, nights, row) for row in alive] if len(alive) > 1 else []


def _by_size(clusters: list[Row]) -> list[Row]:
    """Those that are there, the largest first."""
    return sorted((row for row in clusters if row["change"] != "vanished"), key=lambda row: -(row["size"] or 0))


def _notes(niche: str | None, group: _Group, clusters: int, least: int) -> list[str]:
    """What is to be known about the niche's clusters, or why there are none."""
    notes = ["The words of these videos fit no niche well enough."] if niche is None else []
    if not group.templates:
        return [*notes, "None of them has been taken apart yet."]
    if group.videos < least:
        return [*notes, f"{too_few(group.videos)} to tell ways of building apart; more videos of this niche will."]
    if clusters == 0:
        return [*notes, "No clusters yet: they come with the next analysis."]
    if clusters == 1:
        notes.append("They are built too much alike to tell ways of building apart.")
    strays = sum(template["cluster_id"] is None for template in group.templates)
    if strays:
        notes.append(f"{count_of(strays, 'video')} {'is' if strays == 1 else 'are'} in no cluster; the panels say why.")
    return notes


def _cover(sheets: list[ClusterSheet], videos: list[Row]) -> list[tuple[str, str]]:
    """Up to four pictures that stand for the niche: of each cluster's first exemplar, else of its first videos."""
    strips = [(sheet.exemplars[0].shape, sheet.exemplars[0].pictures) for sheet in sheets if sheet.exemplars]
    strips += [(shape_of(row), pictures_of(row)) for row in videos[:8]]
    covers = [(shape, pictures[len(pictures) // 3][0]) for shape, pictures in strips if pictures]
    return list({address: (shape, address) for shape, address in covers}.values())[:4]


def _cluster(material: Material, group: _Group, nights: Nights, row: Row) -> ClusterSheet:
    members = [template for template in group.templates if template[group.column] == row["cluster_id"]]
    size = row["size"] if row["size"] is not None else len(members)
    exemplars = [video_id for video_id in row["exemplar_video_ids"] or () if video_id in material.index]
    niches = Counter(template["niche"] or NO_NICHE for template in members) if group.name == "all" else Counter()
    return ClusterSheet(
        cluster_id=row["cluster_id"],
        label=row["label"] or row["cluster_id"],
        size=size,
        share=round(100 * size / max(size, group.videos, 1), 1),
        change=row["change"],
        lifts=lift_lines(row),
        marks=[_mark(name, members, row, group) for name in (row["distinguishing_features"] or ())[:5]],
        exemplars=[_exemplar(material, video_id, group) for video_id in exemplars[:EXEMPLARS_SHOWN]],
        plot=_curves(members, group.templates),
        trend=nights.trend(row),
        niches=niches.most_common(),
    )


def _mark(name: str, members: list[Row], cluster: Row, group: _Group) -> Mark:
    """Medians beside medians; the mean of the table where the page has none of the cluster's videos."""
    measure, spread = measure_of(name), group.spreads.get(name)
    known = [value for template in members if (value := real(template.get(name))) is not None]
    value = float(np.median(known)) if known else real((cluster["feature_means"] or {}).get(name))
    if value is None:
        return Mark(label_alone(measure), "", "")
    comparison = f"{group.name} {measure.say(spread[1])}" if spread else ""
    return Mark(label_alone(measure), measure.say(value), comparison)


def _exemplar(material: Material, video_id: str, group: _Group) -> ExemplarSheet:
    """The reason is why it is in the cluster of its niche; among all niches the niche stands there."""
    index = material.index[video_id]
    video, template = material.videos[index], material.templates.get(video_id)
    shape, pictures = shape_of(video), pictures_of(video)
    kept = np.linspace(0, len(pictures) - 1, min(len(pictures), STRIP_PICTURES[shape])).round().astype(int)
    return ExemplarSheet(
        video_id=video_id,
        index=index,
        title=video["title"] or video_id,
        uploader=video["uploader"],
        length=clock(video["duration_s"]),
        reason=(video["niche"] or NO_NICHE)
        if group.name == "all"
        else template["membership_reason"]
        if template
        else None,
        shape=shape,
        pictures=[pictures[place] for place in kept],
    )


def _curves(members: list[Row], niche: list[Row]) -> Markup | None:
    pairs = []
    for name, label, is_share in CURVES:
        mine, whole = _mean_curve(members, name), _mean_curve(niche, name)
        if mine is not None and whole is not None:
            pairs.append(CurvePair(label, mine, whole, is_share))
    if not pairs:
        return None
    said = "; ".join(f"{pair.label}: {', '.join(f'{value:.2g}' for value in pair.cluster)}" for pair in pairs)
    return curve_plot(pairs, f"Means of this cluster over the ten tenths of its videos. {said}.")


def _mean_curve(templates: list[Row], name: str) -> list[float] | None:
    curves = [row[name] for row in templates if row[name] is not None and len(row[name]) == CURVE_POINTS]
    if not curves:
        return None
    mean: list[float] = np.nan_to_num(np.asarray(curves, dtype=float)).mean(axis=0).tolist()
    return mean
