"""Section `parts`: what each optimisation brings. The functions of extraction in a plain pool, one of them off at a time."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks import judging
from tasks import models
from tasks.extraction.ocr import choose_ocr
from tasks.extraction.speech import choose_speech
from tasks.extraction.video import Job, extract
from tasks.records import StageOutcome
from tasks.settings import known_keys, load_settings

STAGES = ("decode", "text", "speech")
OWN_LIMITS = {"speech.maxhmmpf": 30_000, "speech.pl_weight": 3.0}  # pocketsphinx's own defaults
NO_LIMIT_PX = 4096  # longer than any frame here
GAPS = [key for key in known_keys() if key.startswith("sampling.") and key.endswith("gap_s")]
ENGINES = {"text.engine": "rapidocr", "speech.engine": "pocketsphinx"}


@dataclass(frozen=True)
class Part:
    """A way to run: with everything on, or with one optimisation off.

    how: all stages in one pass; a pass for each; models loaded for each video.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    how: Literal["one pass", "three passes", "models anew"] = "one pass"
    workers: int | None = None


FULL = Part("everything on")
PARTS = (
    FULL,
    Part("three passes instead of one", how="three passes"),
    Part("a frame every 0.5 s instead of gates", dict.fromkeys(GAPS, 0.5)),
    Part("every crop read anew", {"text.reuse_difference": 0}),
    Part("no limit for the text detector", {"text.detector_px": NO_LIMIT_PX}),
    Part("the whole track to the speech engine", {"audio.vad_threshold": 1e-6, "audio.min_speech_s": 0}),
    Part("pocketsphinx with its own limits", OWN_LIMITS),
    Part("loop filter on", {"decode.skip_loop_filter": False}),
    Part("models loaded for each video", how="models anew"),
    Part("one worker", workers=1),
)


def run_parts(source: Path, rounds: int, workers: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Every part once a round, in an order that turns; ratios are taken within a round."""
    paths = [source / name for name in judging.truth_of(source)]
    found: dict[str, list[dict[str, Any]]] = {part.name: [] for part in PARTS}
    for number in range(rounds):
        for part in [*PARTS[number % len(PARTS) :], *PARTS[: number % len(PARTS)]]:
            say(f"round {number + 1} of {rounds}: {part.name}")
            found[part.name].append(run_part(part, source, paths, part.workers or workers))
    return {"videos": len(paths), "workers": workers, "parts": found}


def run_part(part: Part, source: Path, paths: Sequence[Path], workers: int) -> dict[str, Any]:
    """Wall and CPU seconds, without the start of the processes, and the quality."""
    truth = judging.truth_of(source)
    with plain_pool(workers) as pool:
        began_s = time.perf_counter()
        largest_first = sorted(paths, key=lambda path: -path.stat().st_size)
        futures = [pool.submit(work, job(path, part.settings), part.how) for path in largest_first]
        worked = [future.result() for future in futures]
        wall_s = time.perf_counter() - began_s
    rows = {
        path.name: judging.outcome_rows(path, outcomes)
        for path, (outcomes, _) in zip(largest_first, worked, strict=True)
    }
    return {
        "wall_s": wall_s,
        "cpu_s": sum(cpu_s for _, cpu_s in worked),
        "stage_cpu_s": {
            stage: sum(outcome.cpu_s for outcomes, _ in worked for outcome in outcomes if outcome.stage == stage)
            for stage in STAGES
        },
        "quality": judging.judge_rows(rows, truth),
    }


def job(path: Path, overrides: dict[str, Any], stages: Sequence[str] = STAGES) -> Job:
    settings = load_settings(None, ENGINES | overrides)
    ocr, speech = choose_ocr(settings.text), choose_speech(settings.speech)
    return Job(path.stem, str(path), str(path), frozenset(stages), settings, ocr, speech)


def work(todo: Job, how: str) -> tuple[list[StageOutcome], float]:
    """In a worker: the outcomes of a job, and the CPU seconds of all threads."""
    cpu_s = time.process_time()
    if how == "models anew":
        models._places.clear()
    passes = [{stage} for stage in STAGES] if how == "three passes" else [set(STAGES)]
    outcomes: list[StageOutcome] = []
    for stages in passes:
        alone = Job(**{**todo.__dict__, "stages": frozenset(stages)})
        outcomes += extract(alone, lambda share: None)
    for outcome in outcomes:
        if outcome.failure:
            raise RuntimeError(f"{todo.uri}: {outcome.failure.message}")
    return outcomes, time.process_time() - cpu_s


def plain_pool(workers: int) -> ProcessPoolExecutor:
    """As many processes, one thread for each library, everything imported before it is given back."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread)
    for ready in [pool.submit(time.sleep, 0.5) for _ in range(workers)]:
        ready.result()
    return pool


def one_thread() -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    import cv2
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    cv2.setNumThreads(1)
