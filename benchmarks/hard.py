"""The hard set: short clips of the kinds that reading goes wrong on, made anew from a seed, with their exact truth.

    python -m benchmarks.hard [NAME ...] --out FOLDER [--seed N ...]

Seeds 1 to 3 are for tuning; the figures in benchmarks/quality.py are judged by seeds 11 and 12, which nothing was
tuned on. The same seed and versions give the same pictures and sound. Spans of the real clips serve as backgrounds
where ../shared/media is, drawn scenes where it is not. Needs espeak-ng.

A caption is true from the first frame that shows any of it (the start of its fade, its first word) to the last.
"""

from __future__ import annotations

import argparse
import bisect
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks import captioned, edited, formats
from benchmarks.clip import SLACK_S, Clip
from benchmarks.lettering import lay
from benchmarks.noises import record, transcript
from tests.clips import turn_clip, write_clip

JUDGED = (11, 12)
Maker = Callable[[str, np.random.Generator], Clip]
MAKERS: tuple[Maker, ...] = (
    captioned.karaoke,
    captioned.quick,
    captioned.capitals,
    captioned.spoken_word,
    captioned.typed,
    captioned.faded,
    captioned.restless,
    captioned.foliage,
    captioned.countdown,
    captioned.listed,
    captioned.timer,
    captioned.wobbly,
    edited.montage,
    edited.beats,
    edited.flashes,
    edited.dark,
    edited.film,
    edited.mixed,
    edited.whip,
    edited.jumps,
    formats.screen,
    formats.phone,
    formats.av1,
    formats.ten_bits,
    formats.blurred,
    formats.low,
    formats.small,
    formats.speech,
)


def write(seed: int, maker: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Write one clip into the folder; its file name and its facts for truth.json."""
    os.environ["SVT_LOG"] = "1"  # or the AV1 encoder talks on stderr
    rng = np.random.default_rng([seed, *maker.encode()])
    clip = {make.__name__: make for make in MAKERS}[maker](maker.replace("_", "-"), rng)
    path = folder / f"{clip.name}-{seed}{clip.suffix}"
    count = round(clip.duration_s * clip.fps)
    times = clip.times_s or [float(n / clip.fps) for n in range(count)]
    track = record(clip.sound, count / float(clip.fps), rng) if clip.sound else None

    def frames() -> Any:
        for time in times:
            image = clip.picture(time).copy()
            for label in clip.labels:
                lay(image, label, time)
            yield np.rot90(image) if clip.turned else image

    write_clip(
        path, frames(), fps=clip.fps, audio=track, rate=48_000, codec=clip.codec, pts=clip.times_s, crf=clip.crf,
        pix_fmt=clip.pix_fmt, options=clip.options,
    )  # fmt: skip
    if clip.turned:
        turn_clip(path, 90)
    return path.name, _facts(clip, path, times)


def _facts(clip: Clip, path: Path, planned: list[float]) -> dict[str, Any]:
    with av.open(str(path)) as container:
        stamps = [float(frame.time or 0.0) for frame in container.decode(video=0)]
    shown = [stamp - stamps[0] for stamp in stamps]
    end_s = shown[-1] + float(1 / clip.fps)

    def at(time: float) -> float:
        """The stamp of the first frame drawn at `time` or later."""
        k = bisect.bisect_left(planned, time - SLACK_S)
        return round(shown[k] if k < len(shown) else end_s, 4)

    facts: dict[str, Any] = {
        "cuts_s": [at(time) for time in clip.cuts_s],
        "fades_s": [at(time) for time in clip.fades_s],
        "dissolves_s": [at(time) for time in clip.dissolves_s],
        "captions": [
            {"text": label.text, "start_s": at(label.start_s), "end_s": at(label.end_s), "zone": label.zone}
            for label in clip.labels
        ],
    }
    said = transcript(clip.sound) if clip.sound else ""
    facts["speech"] = {"has_speech": bool(said)}
    return facts | ({"transcript": said} if said else {})


def make(seeds: Sequence[int], folder: Path, names: Sequence[str] = (), workers: int = 2) -> Path:
    """Write the clips of the seeds (all, or those named) and truth.json into the folder; returns truth.json's path."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(seed, make.__name__) for seed in seeds for make in MAKERS if not names or make.__name__ in names]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(write, seed, name, folder) for seed, name in wanted]
        videos = dict(job.result() for job in jobs)
    truth = folder / "truth.json"
    truth.write_text(json.dumps({"seeds": list(seeds), "videos": videos}, indent=1), encoding="utf-8")
    return truth


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hard")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(make.__name__ for make in MAKERS))
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    print(make(options.seed, options.out, options.names, options.workers))
