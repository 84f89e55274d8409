"""Clusters of templates: found, worded, and the same from night to night."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score, pairwise_distances, silhouette_score

from tasks.analysis.clusters import cluster_templates
from tasks.analysis.earlier import MEMBERS, Before
from tasks.analysis.labels import LABEL_WORDS
from tasks.analysis.lineage import Current, Former, Ids, Link, links
from tasks.analysis.niches import niche_table
from tasks.analysis.partition import NONE, _Silhouette, _without_small
from tasks.analysis.templates import Templates, gathered
from tasks.schemas import NUMERIC_FEATURES, TABLES
from tasks.settings import Analysis
from tests.populations import KINDS, NEAR_KINDS, frame, kinds_of, population, random_kinds, unknown

SETTINGS = Analysis()
NOTHING = Before(TABLES["clusters"].empty_table(), pa.table({name: pa.array([], pa.string()) for name in MEMBERS}))


@dataclass(frozen=True)
class Night:
    """What a night left. clusters: of the niches; overall: over all niches."""

    assignments: pd.DataFrame
    clusters: pd.DataFrame
    overall: pd.DataFrame
    before: Before


def gathered_of(templates: pd.DataFrame) -> Templates:
    return gathered([pa.Table.from_pandas(templates, schema=TABLES["templates"], preserve_index=False)])


def clustered(
    templates: pd.DataFrame, before: Night | None = None, run_id: str = "night-1", settings: Analysis = SETTINGS
) -> Night:
    result = cluster_templates(
        gathered_of(templates), before.before if before else NOTHING, run_id, settings, completeness=1.0
    )
    assert result.clusters.schema.equals(TABLES["clusters"])
    columns = (sorted(templates["video_id"]), result.cluster_ids, result.overall_ids, result.reasons)
    names = (*MEMBERS, "membership_reason")
    members = pa.table([pa.array(column, pa.string()) for column in columns], names=names)
    assert members["membership_reason"].null_count == 0
    clusters = result.clusters.to_pandas()
    of_niches, overall = (clusters[clusters["scope"] == scope] for scope in ("niche", "all"))
    assert set(overall["niche"]) <= {"all"}
    return Night(
        members.to_pandas(),
        of_niches.reset_index(drop=True),
        overall.reset_index(drop=True),
        Before(result.clusters, members.select(MEMBERS)),
    )


def agreement(result: Night) -> float:
    return float(
        adjusted_rand_score(kinds_of(result.assignments["video_id"]), result.assignments["cluster_id"].fillna("none"))
    )


def of_kind(result: Night, kind: str) -> set[str | None]:
    ids = result.assignments[result.assignments["video_id"].str.contains(kind)]["cluster_id"]
    return set(ids.dropna())


@pytest.mark.parametrize("seed", range(4))
def test_ways_of_being_built_are_found(seed: int) -> None:
    result = clustered(population(dict.fromkeys(KINDS, 40), seed, strays=22))
    assert agreement(result) >= 0.9
    strays = result.assignments[result.assignments["video_id"].str.contains("stray")]
    assert strays["cluster_id"].isna().mean() >= 0.8
    assert strays["membership_reason"].str.startswith("far from every cluster").mean() >= 0.8
    assert (result.clusters["change"] == "new").all()
    assert result.clusters["size"].sum() == result.assignments["cluster_id"].notna().sum()


def test_kinds_of_very_different_size() -> None:
    result = clustered(population(dict(zip(KINDS, (100, 60, 30, 15, 8), strict=True)), 5, strays=20))
    assert agreement(result) >= 0.9


@pytest.mark.parametrize("seed", range(3))
def test_near_and_random_ways_are_found(seed: int) -> None:
    for kinds in (NEAR_KINDS, random_kinds(seed)):
        assert agreement(clustered(population(dict.fromkeys(kinds, 40), seed, strays=22, kinds=kinds))) >= 0.9


def test_ways_that_niches_share_are_found_over_all_niches() -> None:
    rows = [
        population({"story": 20, "music edit": 20}, 1, niche="pets", prefix="pets "),
        population({"story": 20, "silent demo": 20}, 2, niche="cooking", prefix="cooking "),
        population({"silent demo": 5}, 3, niche=None, prefix="odd "),
    ]
    first = clustered(pd.concat(rows))
    found = first.assignments.assign(kind=[kind.split(" ", 1)[1] for kind in kinds_of(first.assignments["video_id"])])
    assert adjusted_rand_score(found["kind"], found["overall_cluster_id"].fillna("none")) >= 0.95
    assert first.overall["size"].sum() == found["overall_cluster_id"].notna().sum()
    assert set(first.overall["cluster_id"]) == {"all-1", "all-2", "all-3"}
    assert first.overall["label"].is_unique and (first.overall["change"] == "new").all()
    again = clustered(pd.concat(rows), first, "night-2")
    assert (again.overall["change"] == "kept").all()
    pd.testing.assert_frame_equal(first.assignments, again.assignments)


def test_the_same_video_twice_is_no_way_of_building() -> None:
    rows = population({"story": 12}, 1)
    twice = pd.concat([rows, rows.assign(video_id="again " + rows["video_id"])])
    assert len(clustered(twice).clusters) == 1


def test_a_niche_called_all_keeps_to_itself() -> None:
    rows = pd.concat(
        [population({"story": 6, "music edit": 6}, 1, niche=niche, prefix=f"{niche} ") for niche in ("all", "x")]
    )
    first = clustered(rows)
    ids = [*first.clusters["cluster_id"], *first.overall["cluster_id"]]
    assert len(ids) == len(set(ids)) == 6
    again = clustered(rows, first, "night-2")
    assert (again.clusters["change"] == "kept").all() and (again.overall["change"] == "kept").all()


@pytest.mark.parametrize("kind", ["music edit", "list of tips", "story"])
def test_one_way_of_being_built_is_one_cluster(kind: str) -> None:
    assert len(clustered(population({kind: 60}, 5)).clusters) == 1


def test_the_order_of_rows_does_not_matter() -> None:
    templates = population(dict.fromkeys(KINDS, 20), 3, strays=11)
    first, second = clustered(templates), clustered(templates.sample(frac=1, random_state=7))
    pd.testing.assert_frame_equal(first.assignments, second.assignments)
    for night in (first.clusters, first.overall), (second.clusters, second.overall):
        pd.testing.assert_frame_equal(night[0], first.clusters)
        pd.testing.assert_frame_equal(night[1], first.overall)


def test_the_silhouette_of_cuts_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(60, 4))
    points[:25] += 3
    distances = pairwise_distances(points)
    tree, silhouette = linkage(points, method="ward"), _Silhouette(distances)
    for parts in range(2, 20):
        labels = _without_small(fcluster(tree, parts, criterion="maxclust"), 2)
        members = labels != NONE
        expected = silhouette_score(distances[np.ix_(members, members)], labels[members], metric="precomputed")
        assert silhouette.mean(labels) == pytest.approx(expected)


def test_many_videos_are_clustered_from_a_sample() -> None:
    templates = population(dict.fromkeys(KINDS, 150), 3, strays=40)
    settings = Analysis(tree_videos=200)
    results = [clustered(rows, settings=settings) for rows in (templates, templates.sample(frac=1, random_state=2))]
    assert agreement(results[0]) >= 0.9
    pd.testing.assert_frame_equal(results[0].assignments, results[1].assignments)


def test_labels_tell_clusters_apart() -> None:
    result = clustered(population(dict.fromkeys(KINDS, 40), 1))
    labels = result.clusters["label"]
    assert labels.is_unique
    by_kind = {
        kind: labels[result.clusters["cluster_id"].isin(of_kind(result, kind))].str.cat(sep="; ") for kind in KINDS
    }
    assert "music throughout" in by_kind["music edit"]
    assert "text at the bottom" in by_kind["talking head"]
    assert "silent" in by_kind["silent demo"]
    for features in result.clusters["distinguishing_features"]:
        assert len(features) == LABEL_WORDS and set(features) <= set(NUMERIC_FEATURES)


def test_exemplars_are_members() -> None:
    result = clustered(population(dict.fromkeys(KINDS, 12), 1))
    members = dict(zip(result.assignments["video_id"], result.assignments["cluster_id"], strict=True))
    for row in result.clusters.to_dict("records"):
        assert len(row["exemplar_video_ids"]) == 5
        assert {members[video_id] for video_id in row["exemplar_video_ids"]} == {row["cluster_id"]}


@pytest.mark.parametrize("seed", range(4))
def test_three_nights(seed: int) -> None:
    kinds = list(KINDS)
    first_rows = population(dict.fromkeys(kinds[:4], 40), seed, strays=18)
    gone = first_rows["video_id"].str.contains("music edit")
    second_rows = pd.concat(
        [first_rows[~gone], population({kinds[0]: 10, kinds[4]: 30}, seed + 100, strays=2, prefix="second ")]
    )
    third_rows = pd.concat([second_rows, population({kinds[2]: 5}, seed + 200, prefix="third ")])
    first = clustered(first_rows)
    second = clustered(second_rows, first, "night-2")
    third = clustered(third_rows, second, "night-3")
    for kind in ("talking head", "list of tips", "silent demo"):
        assert of_kind(first, kind) == of_kind(second, kind) == of_kind(third, kind)
        assert len(of_kind(first, kind)) == 1
    [vanished], [appeared] = of_kind(first, "music edit"), of_kind(second, "story")
    assert appeared not in set(first.clusters["cluster_id"])
    change = second.clusters.set_index("cluster_id")
    assert change["change"].value_counts().to_dict() == {"kept": 3, "new": 1, "vanished": 1}
    assert change.loc[vanished, ["change", "size", "last_seen_run"]].tolist() == ["vanished", 0, "night-1"]
    assert change.loc[appeared, ["change", "first_seen_run"]].tolist() == ["new", "night-2"]
    after = third.clusters.set_index("cluster_id")
    assert after.loc[appeared, ["change", "first_seen_run", "last_seen_run"]].tolist() == ["kept", "night-2", "night-3"]
    assert after.loc[vanished, "change"] == "vanished"


def test_other_videos_of_the_same_kinds_keep_the_ids() -> None:
    first = clustered(population(dict.fromkeys(KINDS, 40), 0))
    second = clustered(population(dict.fromkeys(KINDS, 40), 1, prefix="other "), first, "night-2")
    for kind in KINDS:
        assert of_kind(first, kind) == of_kind(second, kind)
    assert (second.clusters["change"] == "kept").all()


def test_passes_within_a_run_keep_what_was_new() -> None:
    templates = population(dict.fromkeys(KINDS, 20), 0)
    first = clustered(templates[::2], run_id="night-1")
    second = clustered(templates, first, "night-1")
    assert set(second.clusters["change"]) == {"new"}
    assert set(first.clusters["cluster_id"]) == set(second.clusters["cluster_id"])


def test_niches_are_clustered_apart_and_null_is_a_group_of_its_own() -> None:
    templates = pd.concat(
        [
            population({"story": 6, "music edit": 6}, 1, niche=niche, prefix=str(niche))
            for niche in ("DIY & crafts", "pets", None)
        ]
    )
    result = clustered(templates)
    assert result.clusters["niche"].isna().sum() == 2
    assert set(result.clusters["cluster_id"]) == {
        f"{stem}-{number}" for stem in ("diy-crafts", "pets", "unclassified") for number in (1, 2)
    }


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_videos_say_so(count: int) -> None:
    result = clustered(population({"story": count}))
    assert len(result.clusters) == min(count, 1)
    if count:
        assert result.clusters["label"][0].count(",") == 2
        assert (result.assignments["membership_reason"] == f"too few videos to tell apart ({count})").all()


def test_nothing_known_and_nothing_there() -> None:
    assert clustered(frame([])).clusters.empty
    result = clustered(frame([unknown("a"), unknown("b", None), unknown("c")]))
    assert result.assignments["cluster_id"].isna().all()
    assert result.assignments["membership_reason"].str.contains("too little is known").all()
    same = frame(
        [
            {**unknown(str(number)), "brightness": 0.5, "contrast": 0.2, **dict.fromkeys(list(NUMERIC_FEATURES)[:8], 3)}
            for number in range(20)
        ]
    )
    assert clustered(same).clusters["size"].tolist() == [20]


def test_all_videos_gone_leaves_vanished_clusters() -> None:
    first = clustered(population(dict.fromkeys(KINDS, 10), 0))
    second = clustered(frame([]), first, "night-2")
    assert (second.clusters["change"] == "vanished").all() and len(second.clusters) == len(first.clusters)
    third = clustered(frame([]), second, "night-3")
    pd.testing.assert_frame_equal(second.clusters, third.clusters)


def linked(now: list[Current], before: list[Former], shared: list[list[int]]) -> list[Link]:
    return links(now, before, np.array(shared, dtype=np.int64).reshape(len(before), len(now)))


def test_split_and_merged() -> None:
    whole = Former("a-1", 20, {}, False)
    left, right = Current(12, {}), Current(8, {})
    assert linked([left, right], [whole], [[12, 8]]) == [Link("a-1", "split"), Link(None, "split")]
    halves = [Former("a-1", 12, {}, False), Former("a-2", 8, {}, False)]
    assert linked([Current(20, {})], halves, [[12], [8]]) == [Link("a-1", "merged")]
    assert linked([Current(12, {})], halves[:1], [[12]]) == [Link("a-1", "kept")]
    assert linked([Current(0, {})], halves, [[0], [0]]) == [Link(None, "new")]
    assert linked([], halves, []) == [] and linked([left, right], [], []) == [Link(None, "new")] * 2


def test_ids_are_never_given_twice() -> None:
    numbers = Ids(["cooking-7", "cooking-2", "odd", "diy-crafts-3"])
    assert [
        numbers.next("cooking"),
        numbers.next("DIY & crafts"),
        numbers.next(None),
        numbers.next("料理"),
        numbers.next("!?"),
    ] == [
        "cooking-8",
        "diy-crafts-4",
        "unclassified-1",
        "料理-1",
        "niche-1",
    ]


def test_niche_table() -> None:
    templates = pd.concat(
        [
            population({"story": 11}),
            population({"music edit": 3}, niche=None, prefix="x "),
            frame([unknown("u", "pets")]),
        ]
    )
    made = niche_table(gathered_of(templates))
    assert made.schema.equals(TABLES["niches"])
    table = made.to_pandas()
    assert table["niche"].fillna("-").tolist() == ["cooking", "pets", "-"]
    assert table["videos"].tolist() == [11, 1, 3]
    assert table["duration_s_median"][0] == pytest.approx(np.median(population({"story": 11})["duration_s"]))
    assert table["duration_s_p10"][0] < table["duration_s_median"][0] < table["duration_s_p90"][0]
    assert pd.isna(table["duration_s_median"][1])
    assert niche_table(gathered_of(frame([]))).shape == (0, len(TABLES["niches"].names))
