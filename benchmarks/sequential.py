"""The design that reelscope replaces: one video after another, each tool used as its manual says, nothing shared.

    python -m benchmarks.sequential VIDEO ... --out RESULTS.jsonl

Shots by PySceneDetect's `detect` over the file; thirty evenly spaced frames, from a second open, read by RapidOCR; look
from a third; the whole audio track through pocketsphinx. Models are loaded for each video, engines run with their
defaults, nothing is kept. It shares engines with reelscope and none of its code.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FRAMES = 30  # read for text, of each video
LOOK_EVERY = 5  # frames
ALIKE = 0.8  # of equal characters, for two readings in a row to be one text
SAME_PLACE = 0.3  # overlap of their boxes (intersection over union)
RATE = 16_000

Row = dict[str, Any]


@dataclass
class Clock:
    """Wall and CPU seconds of each stage; CPU of all threads of the process."""

    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    @contextmanager
    def at(self, stage: str) -> Iterator[None]:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        yield
        spent = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}
        self.seconds[stage] = spent


def process(path: Path) -> Row:
    """Everything of one video: shots, texts, speech and look as rows, and the seconds of each stage."""
    clock = Clock()
    with clock.at("load"):
        from pocketsphinx import Decoder
        from rapidocr import RapidOCR

        reader = RapidOCR(params={"Global.log_level": "error"})
        listener = Decoder(loglevel="FATAL")
    with clock.at("shots"):
        shots = find_shots(path)
    with clock.at("text"):
        texts = read_text(path, reader)
    with clock.at("look"):
        look = measure_look(path)
    with clock.at("speech"):
        speech = transcribe(path, listener)
    return {
        "name": path.name,
        "seconds": clock.seconds,
        "shots": shots,
        "texts": texts,
        "speech": speech,
        "look": look,
    }


def find_shots(path: Path) -> list[Row]:
    from scenedetect import ContentDetector, detect

    scenes = detect(str(path), ContentDetector(), start_in_scene=True)
    return [
        {"start_s": start.seconds, "end_s": end.seconds, "transition": "cut" if k else None}
        for k, (start, end) in enumerate(scenes)
    ]


def read_text(path: Path, reader: Callable[..., Any]) -> list[Row]:
    """What is read in evenly spaced frames, as rows from first to last sight."""
    capture = cv2.VideoCapture(str(path))
    count, fps = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)
    seen: list[tuple[float, list[Row]]] = []
    for number in np.unique(np.linspace(0, max(0, count - 1), FRAMES).astype(int)):
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(number))
        good, image = capture.read()
        if good:
            seen.append((float(number / fps), lines_of(reader(image), image.shape[1], image.shape[0])))
    capture.release()
    return timeline(seen, count / fps)


def lines_of(read: Any, width: int, height: int) -> list[Row]:
    """RapidOCR's output of a frame -> text, box as fractions of the frame, and confidence."""
    if read.boxes is None:
        return []
    lines = []
    for quad, text, confidence in zip(read.boxes, read.txts, read.scores, strict=True):
        left, top = np.min(quad, axis=0) / (width, height)
        right, bottom = np.max(quad, axis=0) / (width, height)
        box = {"x": float(left), "y": float(top), "width": float(right - left), "height": float(bottom - top)}
        lines.append({"text": text, "confidence": float(confidence)} | box)
    return lines


def timeline(seen: list[tuple[float, list[Row]]], duration_s: float) -> list[Row]:
    """Lines that stay from frame to frame become one row each, which reaches half way to the frames without it."""
    middles = [(a + b) / 2 for (a, _), (b, _) in itertools.pairwise(seen)]
    begins_s, ends_s = [0.0, *middles], [*middles, duration_s]
    rows: list[Row] = []
    before: list[Row] = []
    for (_, lines), begin_s, end_s in zip(seen, begins_s, ends_s, strict=True):
        now: list[Row] = []
        for line in lines:
            row = next((row for row in before if row not in now and is_same(row, line)), None)
            if row is None:
                row = line | {"start_s": begin_s, "zone": zone_of(line)}
                rows.append(row)
            elif line["confidence"] > row["confidence"]:
                row |= {"text": line["text"], "confidence": line["confidence"]}
            row["end_s"] = end_s
            now.append(row)
        before = now
    return rows


def is_same(row: Row, line: Row) -> bool:
    from rapidfuzz.distance import Levenshtein

    return overlap(row, line) > SAME_PLACE and Levenshtein.normalized_similarity(row["text"], line["text"]) >= ALIKE


def overlap(a: Row, b: Row) -> float:
    width = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    height = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    shared = float(max(0.0, width) * max(0.0, height))
    return shared / (a["width"] * a["height"] + b["width"] * b["height"] - shared)


def zone_of(line: Row) -> str:
    middle = line["y"] + line["height"] / 2
    return "top" if middle < 1 / 3 else "bottom" if middle >= 2 / 3 else "middle"


def measure_look(path: Path) -> dict[str, float | None]:
    """Mean brightness, saturation and motion (0 to 1) of every fifth frame."""
    capture = cv2.VideoCapture(str(path))
    brightness, saturation, motion = [], [], []
    before: NDArray[Any] | None = None
    number = 0
    while capture.grab():
        if number % LOOK_EVERY == 0:
            _, image = capture.retrieve()
            hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            brightness.append(float(hsv[..., 2].mean()) / 255)
            saturation.append(float(hsv[..., 1].mean()) / 255)
            if before is not None:
                motion.append(float(cv2.absdiff(grey, before).mean()) / 255)
            before = grey
        number += 1
    capture.release()
    curves = {"brightness": brightness, "saturation": saturation, "motion": motion}
    return {name: float(np.mean(values)) if values else None for name, values in curves.items()}


def transcribe(path: Path, listener: Any) -> list[Row]:
    """The words of the whole track."""
    samples = audio_of(path)
    if samples is None or not len(samples):
        return []
    listener.start_utt()
    listener.process_raw(samples.tobytes(), False, True)
    listener.end_utt()
    if listener.hyp() is None:
        return []
    return [
        {"start_s": word.start_frame / 100, "end_s": (word.end_frame + 1) / 100, "text": word.word.split("(")[0]}
        for word in listener.seg()
        if not word.word.startswith(("<", "["))
    ]


def audio_of(path: Path) -> NDArray[np.int16] | None:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [*container.decode(audio=0), None]
        blocks = [part.to_ndarray().reshape(-1) for frame in frames for part in resampler.resample(frame)]
    return np.concatenate(blocks).astype(np.int16) if blocks else None


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sequential", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="file that gets a line of JSON per video")
    options = parser.parse_args()
    with options.out.open("w", encoding="utf-8") as file:
        for path in options.videos:
            file.write(json.dumps(process(path), ensure_ascii=False) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
