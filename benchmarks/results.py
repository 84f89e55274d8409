"""benchmarks/RESULTS.md, written from the last two runs of each section."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.judging import SHOWN
from benchmarks.parts import FULL
from benchmarks.scheduling import show
from tasks.versions import versions

RESULTS = Path(__file__).with_name("RESULTS.md")
SECTIONS = ("corpus", "parts", "figures", "models", "long", "scheduling")
KEPT = 2  # runs that are shown side by side
SHORT, LONG = "1", "60"  # minutes

Data = dict[str, Any]
Runs = dict[str, list[Data]]  # section -> its last runs, the newest last


def store(folder: Path, section: str, data: Data) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    record = {"at": f"{now:%Y-%m-%d %H:%M} UTC", "machine": machine(), "versions": versions(), "data": data}
    (folder / f"{section}-{now:%Y%m%dT%H%M%S}.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def runs_of(folder: Path, section: str) -> int:
    """How many runs of a section are kept."""
    return len(list(folder.glob(f"{section}-*.json")))


def load(folder: Path) -> Runs:
    return {
        section: [
            json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"{section}-*.json"))[-KEPT:]
        ]
        for section in SECTIONS
    }


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, {memory_gb:.0f} GB, {platform.system()} {platform.release()}"
    )


def render(runs: Runs) -> str:
    """The whole page, in Markdown."""
    known = [run for section in SECTIONS for run in runs[section]]
    pages = [
        "# Benchmark results",
        "Written by `make bench`. Ratios are taken within one run and hold better than seconds, which are this machine's. "
        "Where two figures stand side by side they are from two runs, the older first.",
        _reach(runs),
        _section(runs, "corpus", "The batch against the sequential design", _corpus),
        _section(runs, "parts", "What each part brings", _parts),
        _section(runs, "figures", "One by one", _figures),
        _section(runs, "models", "EasyOCR and Whisper in batches", _models),
        _section(runs, "long", "A long video", _long),
        _section(runs, "scheduling", "Many videos", _scheduling),
        "## Machine and versions",
        "\n".join(f"- {name}" for name in sorted({run["machine"] for run in known})),
        _table(["package", "version"], [[name, version] for name, version in versions().items() if version]),
    ]
    return "\n\n".join(pages) + "\n"


def _section(runs: Runs, name: str, title: str, body: Callable[[list[Data]], str]) -> str:
    if not runs[name]:
        return f"## {title}\n\nNot run yet: `python -m benchmarks.bench --only {name}`."
    when = " and ".join(run["at"] for run in runs[name])
    return f"## {title}\n\nRun {when}.\n\n{body([run['data'] for run in runs[name]])}"


def _reach(runs: Runs) -> str:
    """The table of what is to be reached."""

    def row(what: str, reach: str, section: str, figure: Callable[[Data], str]) -> list[str]:
        return [what, reach, _each(runs[section], lambda run: figure(run["data"]))]

    rows = [
        row("cold run of the batch against the sequential design, wall", "15x", "corpus", lambda d: f"{speed_up(d):.1f}x"),
        row("non-model work against ffmpeg, CPU: 1080p", "1.0x", "figures", lambda d: decode_ratio(d, 1080)),
        row("the same: 360p", "1.5x", "figures", lambda d: decode_ratio(d, 360)),
        row("text against a frame every 0.5 s, CPU", "1/15", "figures", lambda d: f"1/{1 / text_share(d):.1f}"),
        row("lines of those that are found", "98 %", "figures", lambda d: _percent(lines_found(d))),
        row("speech against the whole track, CPU", "1/3", "figures", lambda d: f"1/{1 / speech_share(d):.1f}"),
        row("word error rate, recorded voices: ours, the defaults'", "+1 point", "figures", lambda d: _wers(d, True)),
        row("pipeline against a plain pool, wall", "1.05x", "figures", lambda d: "{:.2f}x, from its first video on {:.2f}x".format(*overhead(d))),
        row("from the command to the first open video, used home", "3 s", "figures", lambda d: _seconds(d["start"]["used"])),
        row("the same, fresh home", "8 s", "figures", lambda d: _seconds(d["start"]["fresh"])),
        row("the run again, nothing changed", "5 s", "corpus", lambda d: _seconds(d["again_wall_s"])),
        row("peak memory of the cold run", "1.5 GB", "corpus", lambda d: f"{max(run['peak_mb'] for run in d['cold']) / 1000:.2f} GB"),
        row("growth of memory from a 1-minute to a 60-minute 1080p video", "none", "long", lambda d: f"{growth_mb(d):+.0f} MB"),
    ]  # fmt: skip
    return "## What to reach\n\n" + _table(["figure", "reach", "reached"], rows)


def speed_up(corpus: Data) -> float:
    return float(corpus["sequential"]["wall_s"] / _median(run["wall_s"] for run in corpus["cold"]))


def decode_ratio(figures: Data, lines: int) -> str:
    """Of each clip whose name says that it has so many lines."""
    clips = [clip["ratios"] for name, clip in figures["decode"].items() if f"-{lines}." in name]
    return " and ".join(f"{statistics.median(ratios):.2f}x" for ratios in clips) or "-"


def text_share(figures: Data) -> float:
    return _sum(figures["text"], "ours_cpu_s") / _sum(figures["text"], "default_cpu_s")


def lines_found(figures: Data) -> float:
    return _sum(figures["text"], "words_found") / _sum(figures["text"], "words")


def speech_share(figures: Data) -> float:
    return _sum(figures["speech"], "ours_cpu_s") / _sum(figures["speech"], "default_cpu_s")


def overhead(figures: Data) -> tuple[float, float]:
    """Wall of the pipeline against the same functions in a plain pool: in all, and from the first open video on."""
    found = figures["orchestration"]
    seen = found["pipeline"]
    return seen["wall_s"] / found["pool_wall_s"], (seen["wall_s"] - (seen["first_open_s"] or 0)) / found["pool_wall_s"]


def growth_mb(long: Data) -> float:
    return float(long[LONG]["peak_mb"] - long[SHORT]["peak_mb"])


def _corpus(runs: list[Data]) -> str:
    cold, old = [run["cold"] for run in runs], [run["sequential"] for run in runs]
    spread = " and ".join("–".join(f"{pick(one['wall_s'] for one in run):.0f}" for pick in (min, max)) for run in cold)

    def both(name: str, unit: str, digits: int = 0) -> list[str]:
        ours = [_median(one[name] for one in run) for run in cold]
        ratios = [theirs[name] / mine for theirs, mine in zip(old, ours, strict=True)]
        shown = [[f"{value:.{digits}f}" for value in values] for values in (ours, [run[name] for run in old])]
        return [unit, *map(_join, shown), _join(f"{ratio:.1f}x" for ratio in ratios)]

    totals = _table(
        ["", "reelscope", "sequential", "ratio"],
        [both("wall_s", "wall s"), both("cpu_s", "CPU s"), both("peak_mb", "peak memory MB")],
    )
    new = _table(
        ["reelscope's stage", "CPU s", "share"],
        [
            [stage, _each(cold, lambda run, stage: f"{_stage_s(run, stage):.0f}", stage), _each(cold, lambda run, stage: _percent(_stage_s(run, stage) / _all_stages_s(run)), stage)]
            for stage in cold[-1][-1]["stage_cpu_s"]
        ],
    )  # fmt: skip
    stages = _table(
        ["sequential stage", "wall s", "CPU s"],
        [
            [stage, *(_each(old, lambda run, stage, kind: f"{run['stages'][stage][kind]:.0f}", stage, kind) for kind in ("wall_s", "cpu_s"))]
            for stage in old[-1]["stages"]
        ],
    )  # fmt: skip
    quality = _table(
        ["quality", "reelscope", "sequential"],
        [
            [name, *(_each(runs, lambda run, who, name: _value(run["quality"][who].get(name)), who, name) for who in ("reelscope", "sequential"))]
            for name in SHOWN
        ],
    )  # fmt: skip
    last = runs[-1]
    intro = (
        f"{last['videos']} videos, {last['video_s']:.0f} s. Cold runs of reelscope (fresh cache, new folder) alternate with parts of "
        f"the sequential design's videos; medians of {len(last['cold'])} cold runs (wall from least to most {spread} s). The sequential design was measured on "
        f"{_join(str(run['sequential']['measured']) for run in runs)} of them, others in each run, and its seconds are multiplied to the whole "
        "batch; quality is that of the videos that it was measured on, for both."
    )
    return "\n\n".join([intro, totals, quality, new, stages])


def _stage_s(cold: Sequence[Data], stage: str) -> float:
    return _median(run["stage_cpu_s"].get(stage, 0.0) for run in cold)


def _all_stages_s(cold: Sequence[Data]) -> float:
    return sum(_stage_s(cold, stage) for stage in cold[-1]["stage_cpu_s"])


def _parts(runs: list[Data]) -> str:
    def ratio(run: Data, name: str, kind: str) -> float:
        return _median(
            off[kind] / full[kind] for off, full in zip(run["parts"][name], run["parts"][FULL.name], strict=True)
        )

    def quality(run: Data, name: str, figure: str) -> str:
        return _value(run["parts"][name][-1]["quality"].get(figure))

    rows = [
        [
            name,
            *(_each(runs, lambda run, name, kind: f"{ratio(run, name, kind):.2f}", name, kind) for kind in ("wall_s", "cpu_s")),
            *(_each(runs, quality, name, figure) for figure in ("cut_f1_1_frame", "caption_recall", "caption_precision", "wer")),
        ]
        for name in runs[-1]["parts"]
    ]  # fmt: skip
    last = runs[-1]
    full = last["parts"][FULL.name]
    intro = (
        f"The functions of extraction in a plain pool of {last['workers']} processes, without Prefect, over {last['videos']} videos of all kinds; "
        f"one optimisation off at a time. Seconds against those with everything on ({_median(run['wall_s'] for run in full):.0f} s wall, "
        f"{_median(run['cpu_s'] for run in full):.0f} s CPU), and what it does to the quality."
    )
    header = ["with", "wall x", "CPU x", "cut F1", "caption recall", "caption precision", "WER"]
    return f"{intro}\n\n{_table(header, rows)}"


def _figures(runs: list[Data]) -> str:
    last = runs[-1]
    decode = [
        [name, *(f"{clip[key]:.2f}" for key in ("ours_cpu_s", "ffmpeg_cpu_s")), _each(runs, lambda run, name: _spread(run["decode"][name]["ratios"]), name)]
        for name, clip in last["decode"].items()
    ]  # fmt: skip
    text = [
        [one["name"], f"{one['ours_cpu_s']:.1f}", f"{one['default_cpu_s']:.1f}", one["frames"], f"{one['found']} of {one['lines']}", f"{one['words_found']} of {one['words']}"]
        for one in last["text"]
    ]  # fmt: skip
    speech = [
        [one["name"], f"{one['ours_cpu_s']:.1f}", f"{one['default_cpu_s']:.1f}", *(f"{one[f'{who}_errors']} of {one['words']}" if one["words"] else "-" for who in ("ours", "default"))]
        for one in last["speech"]
    ]  # fmt: skip
    cache = [[kind, _each(runs, lambda run, kind: f"{run['cache'][kind]:.1f}", kind)] for kind in last["cache"]]
    pool = last["orchestration"]
    return "\n\n".join(
        [
            "### Decoding, shots, look, sampling, sound and voice activity, against `ffmpeg -i FILE -f null -`",
            _table(["clip", "reelscope CPU s", "ffmpeg CPU s", "ratio: median (least to most)"], decode),
            "### Text, against RapidOCR's defaults on a frame every 0.5 s",
            f"Readings with a confidence of 0.6 or more; short ones are mostly noise, so those of three characters or more are counted apart. All together: {_each(runs, lambda run: f'1/{1 / text_share(run):.1f} of the CPU, {_percent(lines_found(run))} of the lines')}.",
            _table(["clip", "reelscope CPU s", "defaults CPU s", "frames", "lines found", "of three characters"], text),
            "### Speech, against pocketsphinx's defaults on the whole track",
            f"From the file to the words: decoding, gate and engine. WER over all, synthetic voices among them: {_each(runs, lambda run: _wers(run, False))} (ours, the defaults').",
            _table(["clip", "reelscope CPU s", "defaults CPU s", "wrong words", "wrong words of the defaults"], speech),
            "### Orchestration, start and cache",
            f"Cold run of the whole batch {pool['pipeline']['wall_s']:.1f} s, its first video open after {pool['pipeline']['first_open_s'] or 0:.1f} s; the functions of extraction alone in a plain pool {pool['pool_wall_s']:.1f} s. "
            f"Until a worker holds the first video open: {_each(runs, lambda run: _seconds(run['start']['used']))} on a used home, {_each(runs, lambda run: _seconds(run['start']['fresh']))} on a fresh one.",
            _table(["run over the quick batch", "wall s"], cache),
        ]
    )


def _models(runs: list[Data]) -> str:
    rows = [
        [what, run["device"], run[what]["items"], f"{run[what]['one_by_one_s']:.1f}", f"{run[what]['batched_s']:.1f}", f"{run[what]['one_by_one_s'] / run[what]['batched_s']:.1f}x", f"{run[what]['same']} of {run[what]['compared']}", "-" if run[what]["busy_share"] is None else _percent(run[what]["busy_share"])]
        for run in runs
        for what in ("text", "speech")
    ]  # fmt: skip
    header = [
        "",
        "device",
        "frames or regions",
        "one by one s",
        "in batches s",
        "ratio",
        "read the same",
        "engine at work",
    ]
    return (
        "With the toy weights of tests/toys, of 8 videos: frames of 640x360 with captions, one frame and one crop at a time, and in the batches "
        "that videos share on the device; sentences, each a region, one at a time, and packed into windows that are decoded together. The same: as a batch of one "
        f"gives it; a sentence that is packed with others is heard as it is alone in {_each(runs, lambda run: str(run['speech'].get('as_alone', '-')))} cases.\n\n"
        + _table(header, rows)
    )


def _long(runs: list[Data]) -> str:
    rows = [
        [minutes, *(_each(runs, lambda run, minutes, key: f"{run[minutes][key]:.0f}", minutes, key) for key in ("size_mb", "wall_s", "cpu_s", "peak_mb"))]
        for minutes in runs[-1]
    ]  # fmt: skip
    return "A 1080p clip repeated without a new encoding, `--speech none`.\n\n" + _table(
        ["minutes", "file MB", "wall s", "CPU s", "peak memory MB"], rows
    )


def _scheduling(runs: list[Data]) -> str:
    words = (
        "The planner, the cache and the tables over so many videos, whose media work is a recording of the samples' "
        "(`benchmarks/scheduling.py`). Wall and (CPU) seconds for 1,000 videos, and the memory of the process then; "
        "the last run."
    )
    return f"{words}\n\n{show(runs[-1]['sizes'])}"


def _wers(figures: Data, recorded: bool) -> str:
    chosen = [one for one in figures["speech"] if one["recorded"] or not recorded]
    words = _sum(chosen, "words")
    return ", ".join(f"{_sum(chosen, f'{who}_errors') / words:.3f}" for who in ("ours", "default")) if words else "-"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _seconds(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.1f} s" if known else "-"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _each(runs: Sequence[Any], figure: Callable[..., str], *about: Any) -> str:
    """What `figure(run, *about)` says of each run, side by side."""
    return _join(figure(run, *about) for run in runs) or "not run"


def _join(values: Iterable[str]) -> str:
    return " · ".join(values)


def _median(values: Iterable[float]) -> float:
    return float(statistics.median(list(values)))


def _sum(rows: Iterable[Data], name: str) -> float:
    return float(sum(row[name] for row in rows))


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
