"""The same evaluation for everything that is measured: rows in, figures out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.evaluation import (
    Score,
    evaluate,
    judge_captions,
    judge_lines,
    judge_shots,
    judge_speech,
    read_truth,
)
from tasks.records import StageOutcome, Video
from tasks.rows import video_rows
from tasks.tables import Row, Tables

Figures = dict[str, float | int | None]
SHOWN = (
    "cut_f1_exact",
    "cut_f1_1_frame",
    "fade_f1",
    "dissolve_f1",
    "caption_recall",
    "caption_precision",
    "caption_cer",
    "caption_zone_accuracy",
    "onset_error_median_s",
    "lines_found",
    "lines_missed",
    "speech_gate_accuracy",
    "wer",
    "wer_recorded_voice",
    "niche_accuracy",
)


def judge_tables(out: Path, truth: Mapping[str, Mapping[str, Any]]) -> Figures:
    """Figures of a finished run of reelscope, over the videos that the truth names."""
    figures = evaluate(Tables(str(out)), truth).figures()
    return figures | {
        "wer_recorded_voice": evaluate(Tables(str(out)), _recorded(truth)).wer if _recorded(truth) else None
    }


def judge_rows(videos: Mapping[str, Mapping[str, Sequence[Row]]], truth: Mapping[str, Mapping[str, Any]]) -> Figures:
    """Figures of rows by file name: shots, texts, speech, and templates with a speech_share."""
    both = {False: Score(), True: Score()}
    for recorded, score in both.items():
        for name, mine in videos.items():
            facts = truth.get(name, {})
            if recorded and name not in _recorded(truth):
                continue
            judge_shots(score, name, mine["shots"], facts, facts.get("fps") or 25.0)
            judge_captions(score, name, mine["texts"], facts)
            judge_lines(score, name, mine["texts"], facts)
            judge_speech(score, name, mine, facts)
    return both[False].figures() | {"wer_recorded_voice": both[True].wer}


def sequential_rows(results: Iterable[Row]) -> dict[str, dict[str, Sequence[Row]]]:
    """What benchmarks.sequential wrote; for it, words are speech: it has no gate of its own."""
    return {
        row["name"]: {name: row[name] for name in ("shots", "texts", "speech")}
        | {"templates": [{"speech_share": 1.0 if row["speech"] else 0.0}]}
        for row in results
    }


def outcome_rows(path: Path, outcomes: Iterable[StageOutcome]) -> dict[str, Sequence[Row]]:
    """What `extract` gave of one file."""
    video = Video(video_id=path.stem, uri=str(path), metadata={"title": path.stem})  # type: ignore[arg-type]
    rows = video_rows(video, {outcome.stage: outcome for outcome in outcomes}, "", "", "")
    return {"shots": rows.shots, "texts": rows.texts, "speech": rows.speech, "templates": [rows.template or {}]}


def truth_of(folder: Path) -> dict[str, dict[str, Any]]:
    return read_truth(folder / "truth.json")


def read_lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _recorded(truth: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Videos with a real voice: what is read of synthetic ones says little about people."""
    return {name: facts for name, facts in truth.items() if facts.get("voice") == "recorded"}
