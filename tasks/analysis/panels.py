"""The data from which the page's script builds the table of videos and their panels."""

from __future__ import annotations

import re
from typing import Any

from tasks.analysis.changes import is_of_last_run
from tasks.analysis.material import Material, Row, day, pictures_of, rounded, shape_of, web_link
from tasks.analysis.measures import measure_of
from tasks.analysis.spreads import Spreads
from tasks.schemas import NUMERIC_FEATURES

PARTS_SHOWN = 400  # shots, texts or segments of one video; the tables have them all
DESCRIPTION_CHARS = 1_500
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def table_rows(material: Material) -> list[list[Any]]:
    """Per video the values of its row, in the order in which report.js names them."""
    return [_table_row(material, video, material.templates.get(video["video_id"], {})) for video in material.videos]


def cluster_names(material: Material) -> dict[str, str]:
    """The label of each cluster by its id, of one niche and over all niches."""
    return {row["cluster_id"]: row["label"] for row in (*material.clusters, *material.overall_clusters) if row["label"]}


def _table_row(material: Material, video: Row, template: Row) -> list[Any]:
    pictures = pictures_of(video)
    return [
        video["video_id"],
        video["title"] or video["video_id"],
        video["uploader"],
        video["niche"],
        rounded(video["niche_confidence"], 2),
        template.get("cluster_id"),
        template.get("overall_cluster_id"),
        rounded(video["duration_s"], 2),
        template.get("shot_count"),
        rounded(template.get("cuts_per_min"), 1),
        rounded(template.get("text_share"), 3),
        rounded(template.get("speech_share"), 3),
        video["status"],
        pictures[len(pictures) // 3][0] if pictures else None,
        shape_of(video),
        video["view_count"],
        int(is_of_last_run(material, video)),
    ]


def details(material: Material, spreads: Spreads) -> list[Row]:
    """Per video, in the order of `table_rows`, what its panel shows; what is unknown or empty is left out."""
    every = (_detail(material, spreads, video) for video in material.videos)
    return [{name: value for name, value in detail.items() if value not in (None, [], {}, "")} for detail in every]


def _detail(material: Material, spreads: Spreads, video: Row) -> Row:
    video_id = video["video_id"]
    template = material.templates.get(video_id, {})
    names = NUMERIC_FEATURES if template else ()
    parts = {
        "shots": [[*_times(row), row["transition"]] for row in material.shots.get(video_id, [])],
        "texts": [
            [*_times(row), row["text"] or "", row["zone"], rounded(row["confidence"], 2)]
            for row in material.texts.get(video_id, [])
        ],
        "speech": [[*_times(row), row["text"] or ""] for row in material.speech.get(video_id, [])],
    }
    return {
        **{name: rows[:PARTS_SHOWN] for name, rows in parts.items()},
        "leftOut": {name: len(rows) - PARTS_SHOWN for name, rows in parts.items() if len(rows) > PARTS_SHOWN},
        "pictures": [list(picture) for picture in pictures_of(video)],
        "about": _about(video),
        "link": web_link(video["webpage_url"]),
        "description": _shortened(video["description"] or ""),
        "tags": video["tags"],
        "coverage": rounded(video["coverage"], 3),
        "colours": [colour for colour in template.get("dominant_colours") or () if _COLOUR.fullmatch(colour)],
        "hookText": template.get("hook_text"),
        "hookSpeech": template.get("hook_speech"),
        "callToAction": template.get("call_to_action"),
        "reason": template.get("membership_reason"),
        "features": [[measure_of(name).say(template[name]), spreads.place(name, template[name])] for name in names],
    }


def _times(row: Row) -> list[float | None]:
    return [rounded(row["start_s"], 2), rounded(row["end_s"], 2)]


def _about(video: Row) -> list[list[str]]:
    """Facts of the video as pairs of a name and a value."""
    engines = {
        kind: " ".join(part for part in (video[f"{kind}_engine"], video[f"{kind}_model"]) if part)
        for kind in ("text", "speech")
    }
    facts = {
        "Published": day(video["published_at"]),
        "Views": f"{video['view_count']:,}" if video["view_count"] is not None else None,
        "Likes": f"{video['like_count']:,}" if video["like_count"] is not None else None,
        "Picture": f"{video['width']} × {video['height']}" if video["width"] and video["height"] else None,
        "Frames per second": f"{video['fps']:.4g}" if video["fps"] else None,
        "Next nearest niche": video["niche_runner_up"],
        "Language": video["speech_language"],
        "Text read by": engines["text"],
        "Speech heard by": engines["speech"],
        "File": video["uri"],
        "Id": video["video_id"],
    }
    return [[name, value] for name, value in facts.items() if value]


def _shortened(text: str) -> str:
    return text if len(text) <= DESCRIPTION_CHARS else text[:DESCRIPTION_CHARS] + " …"


def feature_names() -> list[list[str]]:
    """Label and group of each feature, in the order of a detail's `features`."""
    return [[measure_of(name).label, measure_of(name).group] for name in NUMERIC_FEATURES]


def niche_places(spreads: Spreads) -> dict[str, list[Any]]:
    """Per niche ("" for none) and feature: the places of p10, median and p90, and the median in words."""
    return {
        niche or "": [
            [*places, measure_of(name).say(known[name][1])]
            if (places := spreads.places(name, known.get(name)))
            else None
            for name in NUMERIC_FEATURES
        ]
        for niche, known in spreads.niches.items()
    }
