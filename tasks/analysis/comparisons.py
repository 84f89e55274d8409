"""What is asked of views and likes: of every cluster against the rest of its group, and of every feature in every niche."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.analysis.clusters import ALL, NICHE, ClusterResult
from tasks.analysis.lifts import METRICS, Audience, Estimate, Field, Lift, lifts_of
from tasks.analysis.niches import niche_names
from tasks.analysis.templates import Reals, Templates
from tasks.analysis.vectors import FEATURES, known_numbers
from tasks.schemas import NUMERIC_FEATURES, TABLES
from tasks.settings import Analysis

AUDIENCE_COLUMNS = ("video_id", "uploader", "published_at", "view_count", "like_count", "run_id")
QUARTILES, TENTHS = (25, 75), (10, 90)
CLIP_SPANS = 2.0  # beyond the compared values, in their distance: more of a feature counts no more
_DAY_US = 86_400e6

Row = dict[str, Any]


def audience_of(
    videos: pa.Table, video_ids: NDArray[np.object_], read_at: Mapping[str, datetime], now: datetime
) -> Audience:
    """Of these videos. videos: AUDIENCE_COLUMNS at least. read_at: when each run began; `now` stands for a run that is not there.

    A count was read by the run that wrote the video's row, as far as anybody can tell; age is counted until then.
    """
    at = pd.Index(videos["video_id"].to_numpy(), dtype=object).get_indexer(pd.Index(video_ids, dtype=object))
    counts = np.column_stack(
        [_taken(videos[f"{metric}_count"].cast(pa.float64()).to_numpy(), at) for metric in METRICS]
    )
    uploaders = pc.dictionary_encode(videos["uploader"].combine_chunks())
    numbers = pc.fill_null(uploaders.indices, -1).to_numpy().astype(float)
    runs = pc.dictionary_encode(videos["run_id"].combine_chunks())
    moments_us = np.array([_us(read_at.get(run, now)) for run in runs.dictionary.to_pylist()] + [_us(now)])
    read_us = moments_us[pc.fill_null(runs.indices, -1).to_numpy()]
    published_us = videos["published_at"].cast(pa.int64()).cast(pa.float64()).to_numpy()
    codes = np.nan_to_num(_taken(numbers, at), nan=-1.0).astype(np.int64)
    return Audience(counts, _taken((read_us - published_us) / _DAY_US, at), codes)


def _us(moment: datetime) -> float:
    return moment.timestamp() * 1e6


def _taken(values: Reals, at: NDArray[np.intp]) -> Reals:
    found: Reals = np.append(values, np.nan)[at]  # a place of -1 is unknown
    return found


def compared(
    templates: Templates, result: ClusterResult, audience: Audience, settings: Analysis
) -> tuple[pa.Table, pa.Table]:
    """The clusters with their lifts, and the `lifts` table of the features; both families of questions are judged apart."""
    rows: list[Row] = result.clusters.to_pylist()
    features: list[Row] = []
    asked: list[tuple[Row, str, Estimate | None]] = []
    slopes: list[tuple[Row, Estimate]] = []
    codes = pd.factorize(templates.niches, use_na_sentinel=False)[0]
    groups: list[tuple[str, str | None, NDArray[np.intp]]] = [
        (NICHE, niche, np.flatnonzero(templates.niches == niche)) for niche in niche_names(templates)
    ]
    groups.append((ALL, ALL, np.arange(len(templates))))
    for scope, niche, places in groups:
        members = (result.cluster_ids if scope == NICHE else result.overall_ids)[places]
        mine = [row for row in rows if (row["scope"], row["niche"]) == (scope, niche) and row["size"]]
        of_group = audience.of(places)
        fields = {
            metric: Field(of_group.counts[:, number], of_group, codes[places] if scope == ALL else None)
            for number, metric in enumerate(METRICS)
        }
        if not any(len(field.rows) for field in fields.values()):
            continue
        for row in mine:
            inside = members == row["cluster_id"]
            asked += [(row, metric, field.compare(inside)) for metric, field in fields.items()]
        found = _slopes(known_numbers(templates.numbers[places]), fields)
        slopes += [({"scope": scope, "niche": niche, **told}, estimate) for told, estimate in found]
    share = settings.lift_false_share / 2  # of either family
    for (row, metric, _), lift in zip(asked, lifts_of([item for *_, item in asked], share), strict=True):
        row.update(_columns(f"{metric}_lift", lift))
    for (told, _), lift in zip(slopes, lifts_of([item for _, item in slopes], share), strict=True):
        if lift is not None:
            counted = {"videos": lift.videos, "uploaders": lift.uploaders}
            features.append({**told, "lift": lift.claimed, "lift_low": lift.low, "lift_high": lift.high, **counted})
    return (
        pa.Table.from_pylist(rows, schema=TABLES["clusters"]),
        pa.Table.from_pylist(features, schema=TABLES["lifts"]),
    )


def _slopes(numbers: Reals, fields: Mapping[str, Field]) -> list[tuple[Row, Estimate]]:
    """Of each feature and count: how the count grows from the feature's lower quartile to its upper one."""
    found = []
    for at, name in enumerate(NUMERIC_FEATURES):
        for metric, field in fields.items():
            known = numbers[field.rows, at]
            known = known[np.isfinite(known)]
            ends = _ends(known)
            if ends is None:
                continue
            low, high = FEATURES[name].transform(np.array(ends))
            values = (FEATURES[name].transform(numbers[:, at]) - low) / (high - low)
            estimate = field.slope(np.clip(values, -CLIP_SPANS, 1 + CLIP_SPANS))
            if estimate is not None:
                found.append(({"feature": name, "metric": metric, "low": ends[0], "high": ends[1]}, estimate))
    return found


def _ends(known: Reals) -> tuple[float, float] | None:
    """The two values to compare: quartiles, or tenths where half of the videos are alike; None where most are."""
    for percents in (QUARTILES, TENTHS):
        if known.size:
            low, high = np.percentile(known, percents)
            if high - low > 1e-9:
                return float(low), float(high)
    return None


def _columns(name: str, lift: Lift | None) -> Row:
    if lift is None:
        return {}
    return {
        name: lift.claimed,
        f"{name}_low": lift.low,
        f"{name}_high": lift.high,
        f"{name}_videos": lift.videos,
        f"{name}_uploaders": lift.uploaders,
    }
