"""Section `figures`: the ratios of one video, of text, of speech, of orchestration, and how soon a run begins."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2

from benchmarks import judging, sequential
from benchmarks.comparison import reelscope
from benchmarks.parts import FULL, STAGES, job, plain_pool, run_part
from tasks.evaluation import LINE_RATIO, Score, judge_speech, plain, similarity
from tasks.extraction.video import extract

Say = Callable[[str], None]
DECODED = (
    "mountain-1080",
    "lecture-1080",
    "planets-720",
    "film-720",
    "rabbit-480",
    "pasta-480",
    "phone-360",
    "animation-360",
)
REPEATS = 5
READ_EVERY_S = 0.5
NEAR_S = 0.3  # between a reading and a row that is the same line
SURE = 0.6  # least confidence of the readings that are asked for: reelscope's own
LETTERS = 3  # shorter readings are mostly noise, and counted apart


def run_figures(corpus: Path, quick: Path, home: Path, workers: int, say: Say) -> dict[str, Any]:
    found: dict[str, Any] = {}
    say("decoding and all that needs no model, against ffmpeg")
    with plain_pool(1) as pool:
        clips = [path for stem in DECODED for path in corpus.glob(f"{stem}.mp4")]
        found["decode"] = {path.name: pool.submit(decode_ratio, path).result() for path in clips}
    videos = [quick / name for name in judging.truth_of(quick)]
    say("text, against a frame every 0.5 s")
    found["text"] = _in_turn(text_cost, videos)
    say("speech, against the whole track")
    found["speech"] = _in_turn(speech_cost, videos, judging.truth_of(quick))
    say("from the command to the first open video")
    found["start"] = first_open(quick, home)
    say("orchestration, against a plain pool")
    found["orchestration"] = orchestration(corpus, home, workers)
    say("the cache")
    found["cache"] = cached(quick, home)
    return found


def _in_turn(measure: Callable[..., Any], videos: Sequence[Path], *more: Any) -> list[Any]:
    """Every video in one fresh process with one thread for each library."""
    with plain_pool(1) as pool:
        return [pool.submit(measure, path, *more).result() for path in videos]


def decode_ratio(path: Path) -> dict[str, Any]:
    """CPU of everything that needs no model of text or speech, against `ffmpeg -i FILE -f null -`; first one to warm up."""
    ours_s, theirs_s = [], []
    for _ in range(REPEATS + 1):
        ours_s.append(_cpu_of(lambda: extract(job(path, {}, ("decode",)), lambda share: None)))
        before = os.times()
        subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], check=True, stdin=subprocess.DEVNULL)
        after = os.times()
        theirs_s.append(after.children_user + after.children_system - before.children_user - before.children_system)
    ratios = [ours / theirs for ours, theirs in zip(ours_s[1:], theirs_s[1:], strict=True)]
    return {
        "ours_cpu_s": statistics.median(ours_s[1:]),
        "ffmpeg_cpu_s": statistics.median(theirs_s[1:]),
        "ratios": ratios,
    }


def text_cost(path: Path) -> dict[str, Any]:
    """CPU of the text stage against RapidOCR's defaults on a frame every 0.5 s, and which of its lines were found."""
    from rapidocr import RapidOCR

    reader = RapidOCR(params={"Global.log_level": "error"})
    extract(job(path, {}, ("text",)), lambda share: None)  # the models are loaded now
    outcomes = extract(job(path, {}, STAGES), lambda share: None)
    rows = judging.outcome_rows(path, outcomes)["texts"]
    lines: list[tuple[float, str]] = []
    capture = cv2.VideoCapture(str(path))
    fps, number, frames, spent_s = capture.get(cv2.CAP_PROP_FPS), 0, 0, 0.0
    while capture.grab():
        if number / fps >= frames * READ_EVERY_S:
            _, image = capture.retrieve()
            began_s = time.process_time()
            read: Any = reader(image)
            spent_s += time.process_time() - began_s
            frames += 1
            found = zip(read.txts or (), read.scores or (), strict=True)
            lines += [(number / fps, text) for text, confidence in found if confidence >= SURE]
        number += 1
    capture.release()
    hits = [(text, _is_shown(time_s, text, rows)) for time_s, text in lines]
    words = [hit for text, hit in hits if len(plain(text)) >= LETTERS]
    return {
        "name": path.name,
        "ours_cpu_s": sum(outcome.cpu_s for outcome in outcomes if outcome.stage == "text"),
        "default_cpu_s": spent_s,
        "frames": frames,
        "lines": len(lines),
        "found": sum(hit for _, hit in hits),
        "words": len(words),
        "words_found": sum(words),
    }


def _is_shown(time_s: float, text: str, rows: Sequence[sequential.Row]) -> bool:
    near = [row["text"] for row in rows if row["start_s"] - NEAR_S <= time_s <= row["end_s"] + NEAR_S]
    return any(similarity(shown, text) >= LINE_RATIO for shown in near)


def speech_cost(path: Path, truth: dict[str, Any]) -> dict[str, Any]:
    """CPU from the file to words: gate and limits on, against the whole track with pocketsphinx's defaults."""
    from pocketsphinx import Decoder

    facts = {name: value for name, value in truth.get(path.name, {}).items() if name in ("transcript", "has_speech")}
    listener = Decoder(loglevel="FATAL")
    extract(job(path, {}, ("speech",)), lambda share: None)
    outcomes: list[Any] = []
    ours_s = _cpu_of(lambda: outcomes.extend(extract(job(path, {}, ("speech",)), lambda share: None)))
    words: list[Any] = []
    default_s = _cpu_of(lambda: words.extend(sequential.transcribe(path, listener)))
    said = [segment for outcome in outcomes if outcome.result for segment in outcome.result["segments"]]
    counts: dict[str, int] = {}
    for who, rows in (("ours", said), ("default", words)):
        score = Score()
        judge_speech(score, path.name, {"speech": rows, "templates": []}, facts)
        counts |= {f"{who}_errors": score.word_errors, "words": score.words}
    recorded = truth.get(path.name, {}).get("voice") == "recorded"
    return {"name": path.name, "ours_cpu_s": ours_s, "default_cpu_s": default_s, "recorded": recorded, **counts}


def orchestration(source: Path, home: Path, workers: int) -> dict[str, Any]:
    """Wall of a cold run, and from its first open video on, against the functions of extraction alone in a plain pool."""
    with tempfile.TemporaryDirectory() as folder:
        seen = reelscope(source, Path(folder) / "out", Path(folder) / "cache", home, "--workers", str(workers))
    began_s = time.perf_counter()
    pool = run_part(FULL, source, [source / name for name in judging.truth_of(source)], workers)
    return {
        "pipeline": seen.figures(),
        "pool_wall_s": pool["wall_s"],
        "pool_with_start_wall_s": time.perf_counter() - began_s,
    }


def first_open(source: Path, home: Path) -> dict[str, list[float | None]]:
    """Seconds from the command until a worker holds the first video open, on a home of many runs and on a new one."""
    found: dict[str, list[float | None]] = {"used": [], "fresh": []}
    for _ in range(3):
        for kind in found:
            with tempfile.TemporaryDirectory() as folder:
                base = Path(folder)
                seen = reelscope(source, base / "out", base / "cache", home if kind == "used" else base, "--limit", "1")
            found[kind].append(seen.first_open_s)
    return found


def cached(source: Path, home: Path) -> dict[str, float]:
    """Wall of a cold run, of one into a new folder with the results in the cache, and of the same run again."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        return {
            kind: reelscope(source, base / out, base / "cache", home).wall_s
            for kind, out in (("cold", "a"), ("new folder, cache there", "b"), ("same folder", "b"))
        }


def _cpu_of(what: Callable[[], Any]) -> float:
    """CPU seconds of all threads of this process."""
    began_s = time.process_time()
    what()
    return time.process_time() - began_s
