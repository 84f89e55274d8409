"""The tables' columns and types: what users and other programs rely on.

A change of columns raises SCHEMA_VERSION: all files of an OUT have the same columns, which tasks/migration.py sees to.
Times are seconds from the first shown frame, boxes fractions of the upright frame, unknown is null.
"""

from __future__ import annotations

import pyarrow as pa

#: 1: the first, to which columns were added without another number: `inputs` and `classified_inputs` of `videos`,
#: `model_s_per_video_hour` and `forecast_s` of `runs`. 2: those, and one part for all runs.
#: 3: clusters over all niches, lifts with their intervals, trends.
SCHEMA_VERSION = 3
VERSION_KEY = b"reelscope.schema_version"

_text, _real, _count, _flag = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_texts, _reals = pa.list_(pa.string()), pa.list_(pa.float64())
_moment = pa.timestamp("us", tz="UTC")

#: Scalar features of a template, in the order in which people read them.
NUMERIC_FEATURES: tuple[str, ...] = (
    "duration_s",
    "aspect_ratio",
    "shot_count",
    "cuts_per_min",
    "shot_mean_s",
    "shot_median_s",
    "shot_std_s",
    "first_cut_s",
    "motion",
    "brightness",
    "contrast",
    "saturation",
    "colourfulness",
    "sharpness",
    "text_share",
    "text_lines",
    "chars_per_s",
    "text_top_share",
    "text_middle_share",
    "text_bottom_share",
    "first_text_s",
    "speech_share",
    "words_per_min",
    "first_word_s",
    "loudness_db",
    "silence_share",
    "music_share",
    "hook_cuts",
    "hook_motion",
    "hook_text_share",
    "hook_speech_share",
)
#: Curves of a template: ten values, one per tenth of the video.
CURVE_FEATURES: tuple[str, ...] = ("pacing", "motion_curve", "text_curve", "speech_curve")
CURVE_POINTS = 10
COUNT_FEATURES = {"shot_count", "text_lines", "hook_cuts"}


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()), metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()})


def _lift(name: str) -> dict[str, pa.DataType]:
    """How many times the count of the niche's other videos; null where the data do not carry a claim. Then its interval,
    which leaves out 1 where a lift is claimed, and how many videos and uploaders of the cluster stand behind it."""
    return {
        name: _real,
        f"{name}_low": _real,
        f"{name}_high": _real,
        f"{name}_videos": _count,
        f"{name}_uploaders": _count,
    }


_features = {name: _count if name in COUNT_FEATURES else _real for name in NUMERIC_FEATURES}

TABLES: dict[str, pa.Schema] = {
    "videos": _schema(
        video_id=_text,
        uri=_text,
        content_hash=_text,
        size_bytes=_count,
        duration_s=_real,
        width=_count,
        height=_count,
        fps=_real,
        has_audio=_flag,
        title=_text,
        description=_text,
        tags=_texts,
        categories=_texts,
        uploader=_text,
        published_at=_moment,
        view_count=_count,
        like_count=_count,
        webpage_url=_text,
        niche=_text,
        niche_confidence=_real,
        niche_runner_up=_text,
        status=_text,
        coverage=_real,
        text_engine=_text,
        text_model=_text,
        speech_engine=_text,
        speech_model=_text,
        speech_language=_text,
        pictures=_texts,  # files under OUT/pictures, in time order
        picture_times_s=_reals,
        input_hash=_text,  # of everything that extraction depends on
        inputs=_text,  # JSON: the same part by part, stage -> content, settings, code, model; `reelscope why` compares them
        classified_hash=_text,  # of everything that classification depends on
        classified_inputs=_text,  # JSON: the same part by part
        seconds=_text,  # JSON: CPU seconds per stage when it was computed
        run_id=_text,  # the run that wrote the row; its settings and versions stand in `runs`
    ),
    "shots": _schema(video_id=_text, shot=_count, start_s=_real, end_s=_real, transition=_text),
    "texts": _schema(
        video_id=_text,
        text=_text,
        start_s=_real,
        end_s=_real,
        x=_real,
        y=_real,
        width=_real,
        height=_real,
        zone=_text,
        confidence=_real,
        engine=_text,
    ),
    "speech": _schema(
        video_id=_text, start_s=_real, end_s=_real, text=_text, language=_text, confidence=_real, engine=_text
    ),
    "templates": _schema(
        video_id=_text,
        niche=_text,
        cluster_id=_text,
        overall_cluster_id=_text,  # of the clusters over all niches
        **_features,
        **dict.fromkeys(CURVE_FEATURES, _reals),
        dominant_colours=_texts,
        hook_text=_text,
        hook_speech=_text,
        call_to_action=_text,  # the words at the end that ask for something; null if none
        membership_reason=_text,
    ),
    "clusters": _schema(
        cluster_id=_text,
        scope=_text,  # niche: of the videos of its niche; all: of the videos of all niches, and `niche` is "all" too
        niche=_text,
        size=_count,
        label=_text,
        exemplar_video_ids=_texts,
        feature_means=pa.struct([(name, _real) for name in NUMERIC_FEATURES]),
        distinguishing_features=_texts,
        silhouette=_real,  # of the clustering of the niche; null with one cluster
        change=_text,
        **_lift("view_lift"),
        **_lift("like_lift"),
        first_seen_run=_text,
        last_seen_run=_text,
        completeness=_real,  # share of the catalogued videos whose templates were there
    ),
    "niches": _schema(
        niche=_text,
        videos=_count,
        **{f"{name}_{part}": _real for name in NUMERIC_FEATURES for part in ("p10", "median", "p90")},
    ),
    "lifts": _schema(  # of features, where enough is known to ask
        scope=_text,
        niche=_text,
        feature=_text,
        metric=_text,  # view, like
        low=_real,  # the feature's lower and upper quartile; where they are equal p10 and p90
        high=_real,
        lift=_real,  # how many times the count at `low` that at `high` is; null where the data do not carry a claim
        lift_low=_real,  # its interval, which leaves out 1 where a lift is claimed
        lift_high=_real,
        videos=_count,
        uploaders=_count,
    ),
    "trends": _schema(  # a row per run and cluster that had videos then
        run_id=_text,
        cluster_id=_text,
        scope=_text,
        niche=_text,
        size=_count,
        group_videos=_count,  # videos of the niche, or of all niches
        change=_text,
        view_lift=_real,
        like_lift=_real,
        completeness=_real,
    ),
    "failures": _schema(
        video_id=_text,
        uri=_text,
        stage=_text,
        error_type=_text,
        message=_text,
        advice=_text,
        attempts=_count,
        input_hash=_text,
        run_id=_text,
        failed_at=_moment,
    ),
    "runs": _schema(
        run_id=_text,
        started_at=_moment,
        finished_at=_moment,
        command=_text,
        source=_text,
        outcome=_text,  # running, completed, interrupted, failed; killed: it was found dead by a later run
        videos=_count,
        done=_count,
        reused=_count,
        failed=_count,
        completeness=_real,
        settings=_text,
        versions=_text,
        stage_seconds=_text,
        cache_saved_s=_real,
        gates_saved_s=_real,
        model_s_per_video_hour=_real,
        device_busy_share=_real,
        forecast_s=_real,  # wall seconds that were forecast when the run began; null where no run came before
    ),
}
