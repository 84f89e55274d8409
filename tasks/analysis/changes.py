"""What is new since the run before: videos, failures, clusters, and which of them grew."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.analysis.material import Material, Row, pictures_of, shape_of
from tasks.analysis.measures import count_of
from tasks.analysis.nights import Nights

NO_NICHE = "No niche"
NEW_SHOWN = 8


@dataclass(frozen=True)
class NewVideo:
    video_id: str
    title: str
    shape: str
    picture: str | None


@dataclass(frozen=True)
class Mover:
    """A cluster whose share of its niche changed. way: growing or shrinking."""

    way: str
    name: str
    cluster_id: str
    words: str


@dataclass(frozen=True)
class Changes:
    """Empty throughout where there was no run before."""

    since: str | None
    sentences: list[str]
    videos: list[NewVideo]
    more_videos: int
    clusters: list[tuple[str, list[str]]]  # kind of change, names of the clusters
    movers: list[Mover]


def changes(material: Material, nights: Nights) -> Changes:
    """`sentences` and `videos` are of the last run, `clusters` and `movers` against the run before it."""
    done = [row for row in material.videos if is_of_last_run(material, row)]
    if len(done) == len(material.videos):  # the first run, or everything done again: nothing stands out
        done = []
    sentences = []
    grown = nights.grown()
    if grown is not None and grown[0] != grown[1]:
        sentences.append(f"Templates of {count_of(grown[1], 'video')}, {grown[0]:,} in the run before.")
    if done:
        sentences.append(f"{count_of(len(done), 'video')} of this page {_were(len(done))} done in the last run.")
    failed = sum(is_of_last_run(material, row) and (row["attempts"] or 1) <= 1 for row in material.failures)
    if failed and len(material.run_moments) > 1:
        sentences.append(f"{count_of(failed, 'failure')} {_were(failed)} not there before.")
    return Changes(
        since=nights.since,
        sentences=sentences,
        videos=[_new_video(row) for row in done[:NEW_SHOWN]],
        more_videos=max(0, len(done) - NEW_SHOWN),
        clusters=_clusters(material),
        movers=[
            Mover(
                "growing" if trend.gained > 0 else "shrinking", cluster_name(row), row["cluster_id"] or "", trend.words
            )
            for row, trend in nights.movers([row for row in material.clusters if row["change"] != "vanished"])
        ],
    )


def is_of_last_run(material: Material, row: Row) -> bool:
    return material.run is not None and row["run_id"] is not None and row["run_id"] == material.run["run_id"]


def cluster_name(cluster: Row) -> str:
    return f"{cluster['label'] or cluster['cluster_id']} ({cluster['niche'] or NO_NICHE})"


def last_seen(material: Material, cluster: Row) -> str:
    """Since when a vanished cluster is gone, in words; nothing for the others."""
    when = material.run_moments.get(cluster["last_seen_run"])
    return f", last seen on {when}" if cluster["change"] == "vanished" and when else ""


def _clusters(material: Material) -> list[tuple[str, list[str]]]:
    """Clusters that are not as they were when they were last looked for; nothing when all were found for the first time."""
    named: dict[str, list[str]] = {}
    for row in material.clusters:
        named.setdefault(row["change"] or "kept", []).append(f"{cluster_name(row)}{last_seen(material, row)}")
    if set(named) == {"new"}:
        return []
    return [(change, named[change]) for change in ("new", "split", "merged", "vanished") if change in named]


def _new_video(video: Row) -> NewVideo:
    pictures = pictures_of(video)
    picture = pictures[len(pictures) // 3][0] if pictures else None
    return NewVideo(video["video_id"], video["title"] or video["video_id"], shape_of(video), picture)


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
