"""Accuracy against truth: shots, on-screen text, speech and niches, from the tables of an OUT folder.

A truth file is JSON: either {"videos": {NAME: facts}} or {NAME: facts}, NAME being the file's name. Facts that are not
there are not judged. cuts_s, fades_s, dissolves_s: seconds. captions: text, start_s, end_s, zone. text_lines: lines that
can be read `at` a second. speech.has_speech or has_speech, transcript, niche.
"""

from __future__ import annotations

import json
import re
import statistics
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from rapidfuzz.distance import Levenshtein

from tasks.errors import UsageError
from tasks.tables import Row, Tables

GRADUAL_S = 0.5  # a fade or dissolve is found when its centre lies this near
LINE_RATIO = 0.8  # of equal characters, for a row to be a caption's
EDGE_S = 0.3  # rows may begin and end this far from the truth and still count as the caption's time


@dataclass
class Tally:
    """Found, missed and made up."""

    found: int = 0
    missed: int = 0
    extra: int = 0

    @property
    def recall(self) -> float | None:
        total = self.found + self.missed
        return self.found / total if total else None

    @property
    def precision(self) -> float | None:
        total = self.found + self.extra
        return self.found / total if total else None

    @property
    def f1(self) -> float | None:
        total = 2 * self.found + self.missed + self.extra
        return 2 * self.found / total if total else None


@dataclass
class Score:
    """All that was judged; `misses` says in words what was wrong."""

    cuts_exact: Tally = field(default_factory=Tally)
    cuts_1_frame: Tally = field(default_factory=Tally)
    fades: Tally = field(default_factory=Tally)
    dissolves: Tally = field(default_factory=Tally)
    captions: Tally = field(default_factory=Tally)
    lines: Tally = field(default_factory=Tally)
    zones: Tally = field(default_factory=Tally)
    gate: Tally = field(default_factory=Tally)
    niches: Tally = field(default_factory=Tally)
    character_errors: int = 0
    characters: int = 0
    word_errors: int = 0
    words: int = 0
    onset_errors_s: list[float] = field(default_factory=list)
    offset_errors_s: list[float] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)

    @property
    def cer(self) -> float | None:
        return self.character_errors / self.characters if self.characters else None

    @property
    def wer(self) -> float | None:
        return self.word_errors / self.words if self.words else None

    def figures(self) -> dict[str, float | int | None]:
        """Every figure by name; None where there was nothing to judge."""
        edges = [*self.onset_errors_s, *self.offset_errors_s]
        return {
            "cut_f1_exact": self.cuts_exact.f1,
            "cut_f1_1_frame": self.cuts_1_frame.f1,
            "fade_f1": self.fades.f1,
            "dissolve_f1": self.dissolves.f1,
            "caption_recall": self.captions.recall,
            "caption_precision": self.captions.precision,
            "caption_cer": self.cer,
            "caption_zone_accuracy": self.zones.recall,
            "onset_error_median_s": statistics.median(self.onset_errors_s) if self.onset_errors_s else None,
            "offset_error_median_s": statistics.median(self.offset_errors_s) if self.offset_errors_s else None,
            "edge_error_max_s": max(edges, default=None),
            "edges_within_0.3_s": sum(edge <= EDGE_S for edge in edges) / len(edges) if edges else None,
            "lines_found": self.lines.found,
            "lines_missed": self.lines.missed,
            "speech_gate_accuracy": self.gate.recall,
            "wer": self.wer,
            "niche_accuracy": self.niches.recall,
        }


def read_truth(path: Path) -> dict[str, dict[str, Any]]:
    """Facts by file name. Raises UsageError."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"truth {path}: {error}") from None
    videos = raw.get("videos", raw) if isinstance(raw, dict) else None
    if not isinstance(videos, dict) or not all(isinstance(facts, dict) for facts in videos.values()):
        raise UsageError(f"truth {path}: an object of file names was expected")
    return videos


def evaluate(tables: Tables, truth: Mapping[str, Mapping[str, Any]]) -> Score:
    """Judge the videos of the tables that the truth knows by file name. Raises UsageError when it knows none."""
    videos = {PurePosixPath(row["uri"]).name: row for row in tables.read("videos").to_pylist() if row["duration_s"]}
    known = sorted(set(videos) & set(truth))
    if not known:
        raise UsageError(f"no video of {tables.storage.root} is named in the truth")
    rows = {name: _by_video(tables.read(name).to_pylist()) for name in ("shots", "texts", "speech", "templates")}
    score = Score()
    for name in known:
        video, facts = videos[name], truth[name]
        mine = {table: by_video.get(video["video_id"], []) for table, by_video in rows.items()}
        judge_shots(score, name, mine["shots"], facts, video["fps"] or 25.0)
        judge_captions(score, name, mine["texts"], facts)
        judge_lines(score, name, mine["texts"], facts)
        judge_speech(score, name, mine, facts)
        if "niche" in facts:
            right = video["niche"] == facts["niche"]
            _note(score.niches, right)
            if not right:
                score.misses.append(f"{name}: niche {video['niche']} instead of {facts['niche']}")
    return score


def judge_shots(score: Score, name: str, shots: Sequence[Row], facts: Mapping[str, Any], fps: float) -> None:
    """Cuts must be boundaries, whatever is said of their transition; a boundary that is called a cut must be one."""
    boundaries = [(shot["start_s"], shot["transition"]) for shot in shots if shot["transition"] is not None]
    if "cuts_s" in facts:
        for tally, frames in ((score.cuts_exact, 0.5), (score.cuts_1_frame, 1.5)):
            kept = score if tally is score.cuts_exact else Score()
            near = [
                time_s
                for time_s, kind in boundaries
                if kind == "cut" or _is_near(time_s, facts["cuts_s"], frames / fps)
            ]
            _times(kept, tally, name, "cut", near, facts["cuts_s"], frames / fps)
    for kind, tally in (("fade", score.fades), ("dissolve", score.dissolves)):
        if f"{kind}s_s" in facts:
            found = [time_s for time_s, transition in boundaries if transition == kind]
            _times(score, tally, name, kind, found, facts[f"{kind}s_s"], GRADUAL_S)


def _is_near(time_s: float, times_s: Sequence[float], within_s: float) -> bool:
    return any(abs(time_s - other_s) <= within_s for other_s in times_s)


def judge_captions(score: Score, name: str, texts: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """One row per caption: the row of most similar text that overlaps it in time; every other row is made up.

    Of equal texts, the one in its zone and then the one that shares most time with it is the caption's.
    """
    if "captions" not in facts:
        return
    free = list(texts)
    for caption in facts["captions"]:
        overlapping = [row for row in free if row["start_s"] < caption["end_s"] and row["end_s"] > caption["start_s"]]
        best = max(overlapping, key=lambda row: _agreement(row, caption), default=None)
        if best is None or similarity(best["text"], caption["text"]) < LINE_RATIO:
            score.captions.missed += 1
            score.misses.append(f"{name}: caption {caption['text']!r} at {caption['start_s']:.2f} s was not found")
            continue
        free.remove(best)
        score.captions.found += 1
        read, shown = plain(best["text"]), plain(caption["text"])
        score.character_errors += Levenshtein.distance(read, shown)
        score.characters += len(shown)
        _note(score.zones, best["zone"] == caption["zone"])
        onset_s, offset_s = best["start_s"] - caption["start_s"], best["end_s"] - caption["end_s"]
        score.onset_errors_s.append(abs(onset_s))
        score.offset_errors_s.append(abs(offset_s))
        if read != shown or max(abs(onset_s), abs(offset_s)) > EDGE_S or best["zone"] != caption["zone"]:
            score.misses.append(
                f"{name}: caption {caption['text']!r} read as {best['text']!r}, {onset_s:+.2f} s, {offset_s:+.2f} s, {best['zone']}"
            )
    score.captions.extra += len(free)
    score.misses += [
        f"{name}: {row['text']!r} at {row['start_s']:.2f}-{row['end_s']:.2f} s is no caption" for row in free
    ]


def _agreement(row: Row, caption: Mapping[str, Any]) -> tuple[float, bool, float]:
    shared_s = min(row["end_s"], caption["end_s"]) - max(row["start_s"], caption["start_s"])
    return similarity(row["text"], caption["text"]), row["zone"] == caption["zone"], shared_s


def judge_lines(score: Score, name: str, texts: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """Lines that the truth says can be read at a moment."""
    for moment in facts.get("text_lines", []):
        shown = [row["text"] for row in texts if row["start_s"] <= moment["at"] <= row["end_s"]]
        for line in moment["lines"]:
            found = any(similarity(text, line) >= LINE_RATIO for text in shown)
            _note(score.lines, found)
            if not found:
                score.misses.append(f"{name}: line {line!r} at {moment['at']} s was not found")


def judge_speech(score: Score, name: str, mine: Mapping[str, Sequence[Row]], facts: Mapping[str, Any]) -> None:
    spoken = facts.get("speech", facts).get("has_speech")
    heard = any((template["speech_share"] or 0.0) > 0 for template in mine["templates"])
    if spoken is not None:
        _note(score.gate, heard is spoken)
        if heard is not spoken:
            score.misses.append(f"{name}: speech {'heard' if heard else 'not heard'}")
    if "transcript" in facts:
        truth, words = plain_words(facts["transcript"]), plain_words(" ".join(row["text"] for row in mine["speech"]))
        score.word_errors += Levenshtein.distance(words, truth)
        score.words += len(truth)


def similarity(left: str, right: str) -> float:
    return Levenshtein.normalized_similarity(plain(left), plain(right))


def plain(text: str) -> str:
    """Text as it is compared: compatibility forms, lower case, no spaces (engines disagree on them)."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def plain_words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _times(
    score: Score, tally: Tally, name: str, what: str, found_s: Sequence[float], true_s: Sequence[float], within_s: float
) -> None:
    free = list(found_s)
    for time_s in true_s:
        near = min(free, key=lambda found: abs(found - time_s), default=None)
        if near is not None and abs(near - time_s) <= within_s:
            free.remove(near)
            tally.found += 1
        else:
            tally.missed += 1
            score.misses.append(f"{name}: {what} at {time_s:.3f} s was not found")
    tally.extra += len(free)
    score.misses += [f"{name}: {what} at {time_s:.3f} s is none" for time_s in free]


def _note(tally: Tally, right: bool) -> None:
    if right:
        tally.found += 1
    else:
        tally.missed += 1


def _by_video(rows: Sequence[Row]) -> dict[str, list[Row]]:
    by_video: dict[str, list[Row]] = {}
    for row in rows:
        by_video.setdefault(row["video_id"], []).append(row)
    return by_video
