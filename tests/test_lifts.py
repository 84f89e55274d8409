"""Lifts: found where one way of being built has more views, and not claimed where there is nothing to claim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tasks.analysis.clusters import ClusterResult, cluster_templates
from tasks.analysis.comparisons import audience_of, compared
from tasks.analysis.earlier import MEMBERS, Before
from tasks.analysis.lifts import MIN_VIDEOS, Audience, Estimate, Field, lifts_of
from tasks.analysis.templates import Templates, gathered
from tasks.schemas import TABLES
from tasks.settings import Analysis
from tests.populations import multitude

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SHARE = 0.05
NOTHING = Before(TABLES["clusters"].empty_table(), pa.table({name: pa.array([], pa.string()) for name in MEMBERS}))


def audience(
    size: int, seed: int, favoured: np.ndarray[Any, Any] | None = None, times: float = 1.0, uploaders: int = 60
) -> Audience:
    """Counts that grow with age, differ between uploaders and are `times` as high where `favoured`."""
    generator = np.random.default_rng(seed)
    of = generator.integers(0, uploaders, size)
    age_days = np.exp(generator.uniform(0, 6, size))
    logs = 6 + 0.6 * np.log1p(age_days) + generator.normal(0, 1, uploaders)[of] + generator.normal(0, 1, size)
    if favoured is not None:
        logs = logs + np.log(times) * favoured
    views = np.floor(np.exp(logs))
    return Audience(np.column_stack([views, np.floor(views * 0.05)]), age_days, of)


def kinds(size: int, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed + 1000).integers(0, 5, size)


def built(seed: int, size: int = 400) -> tuple[Templates, ClusterResult]:
    templates = gathered([multitude(size, seed, stray_share=0.05)])
    return templates, cluster_templates(templates, NOTHING, "night-1", Analysis(), 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_twice_the_views_are_found_and_nothing_else_is_much_more(seed: int) -> None:
    templates, result = built(seed)
    favoured = np.array([str(video_id).startswith("story") for video_id in templates.video_ids])
    clusters, lifts = compared(templates, result, audience(len(templates), seed, favoured, 2.0), Analysis())
    assert clusters.schema.equals(TABLES["clusters"]) and lifts.schema.equals(TABLES["lifts"])
    winner = pd.Series(result.cluster_ids[favoured]).mode()[0]
    rows = {row["cluster_id"]: row for row in clusters.to_pylist() if row["scope"] == "niche"}
    assert 1.4 < rows[winner]["view_lift"] < 2.8
    assert rows[winner]["view_lift_low"] < 2 < rows[winner]["view_lift_high"] and rows[winner]["view_lift_low"] > 1
    assert rows[winner]["view_lift_videos"] == rows[winner]["size"]
    assert 5 <= rows[winner]["view_lift_uploaders"] <= 60
    assert all(row["view_lift"] is None or row["view_lift"] < 1 for name, row in rows.items() if name != winner)
    claimed = [row for row in lifts.to_pylist() if row["lift"] is not None]
    assert claimed  # of what sets stories apart
    for row in claimed:
        assert row["low"] < row["high"] and not row["lift_low"] <= 1 <= row["lift_high"]


def test_nothing_is_claimed_where_there_is_nothing() -> None:
    templates, result = built(0, 300)
    false = 0
    for seed in range(20):
        clusters, lifts = compared(templates, result, audience(len(templates), seed), Analysis())
        rows = [*clusters.to_pylist(), *({"view_lift": row["lift"], "like_lift": None} for row in lifts.to_pylist())]
        false += any(row["view_lift"] is not None or row["like_lift"] is not None for row in rows)
    assert false <= 3


def test_false_claims_are_as_rare_as_the_setting_says() -> None:
    false = 0
    for seed in range(200):
        kind, heard = kinds(200, seed), audience(200, seed)
        field = Field(heard.counts[:, 0], heard)
        claims = lifts_of([field.compare(kind == number) for number in range(5)], SHARE)
        false += any(lift is not None and lift.claimed is not None for lift in claims)
    assert false / 200 <= 2 * SHARE


def test_uploaders_who_are_seen_by_many_do_not_lift_what_they_like() -> None:
    """A way of building that only the large uploaders prefer: compared within uploaders it is worth nothing."""
    effects = []
    for seed in range(20):
        generator = np.random.default_rng(seed)
        heard = audience(600, seed, uploaders=30)
        large = generator.normal(0, 1.5, 30)
        logs = np.log1p(heard.counts[:, 0]) + large[heard.uploaders]
        members = generator.random(600) < np.where(large[heard.uploaders] > 0, 0.7, 0.3)
        estimate = Field(np.exp(logs), heard).compare(members)
        assert estimate is not None
        effects.append(estimate.effect)
    assert abs(np.mean(effects)) < 0.15  # naive means would differ by a factor of 2.5


def test_age_does_not_lift() -> None:
    heard = audience(400, 1)
    old = heard.ages_days > np.median(heard.ages_days)
    members = np.where(np.random.default_rng(1).random(400) < 0.9, old, ~old)
    estimate = Field(heard.counts[:, 0], heard).compare(members)
    assert estimate is not None and abs(estimate.effect) < 2.5 * estimate.error
    naive = np.log1p(heard.counts[:, 0])
    assert naive[members].mean() - naive[~members].mean() > 0.5


def test_too_little_to_go_by_says_nothing() -> None:
    heard, kind = audience(200, 3), kinds(200, 3)
    members = kind == 0
    assert Field(heard.counts[:, 0], heard).compare(members) is not None

    def estimate(counts: Any = heard.counts[:, 0], **changed: Any) -> Estimate | None:
        told = {"counts": heard.counts, "ages_days": heard.ages_days, "uploaders": heard.uploaders, **changed}
        return Field(counts, Audience(**told)).compare(members)

    nothing = np.full(200, np.nan)
    assert estimate(nothing) is None
    assert estimate(ages_days=nothing) is None
    assert estimate(uploaders=np.full(200, -1)) is None
    assert estimate(uploaders=np.zeros(200, dtype=np.int64)) is None  # one uploader is no sample of uploaders
    assert estimate(uploaders=np.where(members, 0, heard.uploaders)) is None
    few = np.where(np.cumsum(members) < MIN_VIDEOS, heard.counts[:, 0], np.where(members, np.nan, heard.counts[:, 0]))
    assert estimate(few) is None
    assert estimate(np.zeros(200)) is None or lifts_of([estimate(np.zeros(200))], SHARE)[0].claimed is None  # type: ignore[union-attr]


def test_intervals_leave_out_one_where_a_lift_is_claimed_and_nowhere_else() -> None:
    made = [Estimate(effect, 0.2, 30.0, 40, 20) for effect in (1.2, 0.9, 0.62, 0.5, 0.4, 0.1, 0.0, -0.2, -0.8)]
    lifts = lifts_of([*made, None], SHARE)
    assert lifts[-1] is None
    for lift in lifts[:-1]:
        assert lift is not None
        assert (lift.claimed is not None) == (not lift.low <= 1 <= lift.high)
    assert [lift.claimed is not None for lift in lifts[:-1] if lift] == [True] * 4 + [False] * 4 + [True]
    assert lifts_of([], SHARE) == []


def test_counts_age_and_uploader_are_read_from_the_videos() -> None:
    rows = [
        {"video_id": "b", "uploader": "x", "published_at": NOW - timedelta(days=10), "view_count": 7, "run_id": "r"},
        {"video_id": "a", "uploader": None, "published_at": NOW - timedelta(days=10), "like_count": 3, "run_id": "?"},
        {"video_id": "c", "uploader": "x", "published_at": None, "view_count": 0, "run_id": None},
    ]
    videos = pa.Table.from_pylist(rows, schema=TABLES["videos"])
    ids = np.array(["a", "b", "c", "not there"], dtype=object)
    found = audience_of(videos, ids, {"r": NOW - timedelta(days=4)}, NOW)
    np.testing.assert_allclose(found.ages_days, [10, 6, np.nan, np.nan])
    np.testing.assert_allclose(found.counts, [[np.nan, 3], [7, np.nan], [0, np.nan], [np.nan, np.nan]])
    assert found.uploaders.tolist() == [-1, 0, 0, -1]
