"""Populations of templates with known ways of being built, as rows of the `templates` table; by the million if need be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tasks.schemas import COUNT_FEATURES, CURVE_FEATURES, CURVE_POINTS, NUMERIC_FEATURES, TABLES

Kind = Mapping[str, Any]
Reals = NDArray[np.float64]

#: Ways of building a video: mean duration, cuts a minute, motion, brightness, text share, text zone, speech share, music share.
KINDS: dict[str, Kind] = {
    "talking head": {
        "duration_s": 45,
        "cuts": 3,
        "motion": 0.08,
        "light": 0.6,
        "text": 0.9,
        "zone": 2,
        "speech": 0.9,
        "music": 0.02,
    },
    "music edit": {
        "duration_s": 18,
        "cuts": 60,
        "motion": 0.8,
        "light": 0.4,
        "text": 0.02,
        "zone": 1,
        "speech": 0.0,
        "music": 0.97,
    },
    "list of tips": {
        "duration_s": 30,
        "cuts": 22,
        "motion": 0.25,
        "light": 0.65,
        "text": 0.95,
        "zone": 0,
        "speech": 0.75,
        "music": 0.2,
    },
    "silent demo": {
        "duration_s": 25,
        "cuts": 10,
        "motion": 0.3,
        "light": 0.7,
        "text": 0.4,
        "zone": 1,
        "speech": 0.0,
        "music": 0.0,
    },
    "story": {
        "duration_s": 90,
        "cuts": 14,
        "motion": 0.35,
        "light": 0.3,
        "text": 0.0,
        "zone": 2,
        "speech": 0.6,
        "music": 0.35,
    },
}


#: Kinds that are alike but for one or two things.
NEAR_KINDS: dict[str, Kind] = {
    "plain": KINDS["list of tips"],
    "titles below": {**KINDS["list of tips"], "zone": 2},
    "no voice": {**KINDS["list of tips"], "speech": 0.0, "music": 0.95},
    "one take": {**KINDS["list of tips"], "cuts": 1.0, "duration_s": 60},
    "bare": {**KINDS["list of tips"], "text": 0.0},
}
_ORDERED = ("cuts", "motion", "text", "speech")  # what random kinds differ in
STRAY = "stray"


def random_kinds(seed: int, count: int = 5) -> dict[str, Kind]:
    """Kinds drawn at random, any two of which a viewer would tell apart: by two of cuts, motion, text and speech, at least."""
    generator = np.random.default_rng(seed)
    found: list[tuple[Kind, tuple[int, ...]]] = []
    while len(found) < count:
        levels = tuple(int(level) for level in generator.integers(0, 3, len(_ORDERED)))
        if all(sum(a != b for a, b in zip(levels, other, strict=True)) >= 2 for _, other in found):
            cuts, motion, text, speech = levels
            spoken = (0.0, 0.45, 0.9)[speech]
            kind = {
                "duration_s": float(np.exp(generator.uniform(2.5, 4.6))),
                "cuts": (2.0, 14.0, 55.0)[cuts],
                "motion": (0.05, 0.25, 0.8)[motion],
                "light": float(generator.uniform(0.25, 0.8)),
                "text": (0.0, 0.45, 0.92)[text],
                "zone": int(generator.integers(3)),
                "speech": spoken,
                "music": float(generator.uniform(0, 1) * (1 - spoken)),
            }
            found.append((kind, levels))
    return {f"kind {number}": kind for number, (kind, _) in enumerate(found)}


def population(
    counts: Mapping[str, int],
    seed: int = 0,
    strays: int = 0,
    niche: str | None = "cooking",
    prefix: str = "",
    kinds: Mapping[str, Kind] = KINDS,
) -> pd.DataFrame:
    """`counts` videos of each kind and `strays` videos built like none of them; ids carry kind and number."""
    generator = np.random.default_rng(seed)
    made = [kinds[kind] for kind, count in counts.items() for _ in range(count)]
    made += [_anything(generator) for _ in range(strays)]
    names = {**counts, STRAY: strays}
    ids = [f"{prefix}{name}-{number:03d}" for name, count in names.items() for number in range(count)]
    return templates(ids, [niche] * len(ids), _columns(made), generator).to_pandas()


def multitude(
    count: int,
    seed: int = 0,
    niches: Sequence[str | None] = ("cooking",),
    stray_share: float = 0.1,
    first: int = 0,
    kinds: Mapping[str, Kind] = KINDS,
) -> pa.Table:
    """`count` videos of kinds, niches and strays drawn at random, numbered from `first`; as an Arrow table."""
    generator = np.random.default_rng(seed)
    names = list(kinds)
    drawn = generator.integers(0, len(names), count)
    strays = generator.random(count) < stray_share
    per_kind = _columns([kinds[name] for name in names])
    columns = {name: values[drawn] for name, values in per_kind.items()}
    unlike = _columns([_anything(generator) for _ in range(int(strays.sum()))])
    for name, values in columns.items():
        values[strays] = unlike[name]
    called = np.where(strays, len(names), drawn)
    ids = [f"{(*names, STRAY)[kind]}-{number:07d}" for number, kind in enumerate(called, first)]
    of_niche = generator.integers(0, len(niches), count)
    return templates(ids, [niches[number] for number in of_niche], columns, generator)


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as `pandas.read_parquet` gives them."""
    return pa.Table.from_pylist(rows, schema=TABLES["templates"]).to_pandas()


def unknown(video_id: str, niche: str | None = "cooking") -> dict[str, Any]:
    """A template of which nothing is known."""
    return {"video_id": video_id, "niche": niche, **dict.fromkeys([*NUMERIC_FEATURES, *CURVE_FEATURES])}


def kinds_of(video_ids: pd.Series) -> list[str]:
    return [str(video_id).rsplit("-", 1)[0] for video_id in video_ids]


def _anything(generator: np.random.Generator) -> Kind:
    return {
        "duration_s": float(np.exp(generator.uniform(1.5, 5.3))),
        "cuts": float(np.exp(generator.uniform(0, 4.6))),
        "motion": float(np.exp(generator.uniform(-4, 0))),
        "light": generator.uniform(0.1, 0.95),
        "text": generator.uniform(0, 1),
        "zone": int(generator.integers(3)),
        "speech": generator.uniform(0, 1),
        "music": generator.uniform(0, 0.5),
    }


def _columns(kinds: Sequence[Kind]) -> dict[str, Reals]:
    names = ("duration_s", "cuts", "motion", "light", "text", "zone", "speech", "music")
    return {name: np.array([kind[name] for kind in kinds], dtype=float) for name in names}


def templates(
    ids: Sequence[str], niches: Sequence[str | None], kind: Mapping[str, Reals], generator: np.random.Generator
) -> pa.Table:
    """A template for each id, built like its kind: what a viewer would call the same, with the spread that people give it."""
    n = len(ids)

    def about(value: Reals | float, spread: float) -> Reals:
        return np.asarray(value * np.exp(generator.normal(0, spread, n)))

    def share(value: Reals, spread: float = 0.06) -> Reals:
        noise = generator.normal(0, spread, n) * ((value > 0) & (value < 1))
        return np.asarray(np.clip(value + noise, 0, 1))

    full = np.full(n, 1.0)
    duration_s = about(kind["duration_s"], 0.25)
    cuts = generator.poisson(about(kind["cuts"], 0.25) * duration_s / 60)
    shot_s = duration_s / (cuts + 1)
    text, speech = share(kind["text"]), share(kind["speech"])
    motion, light = about(kind["motion"], 0.3), share(kind["light"])
    unknown = np.nan
    numbers = {
        "duration_s": duration_s,
        "aspect_ratio": 0.5625 * full,
        "shot_count": cuts + 1,
        "cuts_per_min": cuts / duration_s * 60,
        "shot_mean_s": shot_s,
        "shot_median_s": about(shot_s, 0.15),
        "shot_std_s": np.where(cuts > 0, about(shot_s * 0.4, 0.3), 0.0),
        "first_cut_s": np.where(cuts > 0, about(shot_s, 0.4), unknown),
        "motion": motion,
        "brightness": light,
        "contrast": share(0.2 * full, 0.03),
        "saturation": share(0.4 * full, 0.1),
        "colourfulness": about(40, 0.3),
        "sharpness": about(400, 0.8),
        "text_share": text,
        "text_lines": generator.poisson(text * duration_s / 2),
        "chars_per_s": about(text * 10, 0.2),
        "text_top_share": np.where(kind["zone"] == 0, text, 0.0),
        "text_middle_share": np.where(kind["zone"] == 1, text, 0.0),
        "text_bottom_share": np.where(kind["zone"] == 2, text, 0.0),
        "first_text_s": np.where(text > 0, about(1 - text + 0.1, 0.5), unknown),
        "speech_share": speech,
        "words_per_min": np.where(speech > 0, about(150, 0.12), 0.0),
        "first_word_s": np.where(speech > 0, about(1 - speech + 0.1, 0.5), unknown),
        "loudness_db": -18 + generator.normal(0, 3, n),
        "silence_share": np.maximum(0.0, 1 - speech - kind["music"]),
        "music_share": kind["music"],
        "hook_cuts": generator.poisson(kind["cuts"] / 20),
        "hook_motion": about(motion, 0.3),
        "hook_text_share": share(text, 0.15),
        "hook_speech_share": share(speech, 0.15),
    }

    def curve(point: Any) -> Reals:
        return np.stack([point() for _ in range(CURVE_POINTS)], axis=1)

    curves = {
        "pacing": generator.multinomial(cuts, [1 / CURVE_POINTS] * CURVE_POINTS).astype(float),
        "motion_curve": curve(lambda: about(motion, 0.2)),
        "text_curve": curve(lambda: share(text, 0.15)),
        "speech_curve": curve(lambda: share(speech, 0.15)),
    }
    colours = [f"#{colour:06x}" for colour in generator.integers(0, 1 << 24, 3 * n)]
    columns: dict[str, Any] = {
        "video_id": pa.array(ids, pa.string()),
        "niche": pa.array(niches, pa.string()),
        "cluster_id": pa.nulls(n, pa.string()),
        **{
            name: pa.array(
                numbers[name].astype(np.int64) if name in COUNT_FEATURES else numbers[name], from_pandas=True
            )
            for name in NUMERIC_FEATURES
        },
        **{name: _lists(curves[name].ravel(), CURVE_POINTS) for name in CURVE_FEATURES},
        "dominant_colours": _lists(np.array(colours, dtype=object), 3),
        "hook_text": pa.array(np.where(text > 0.5, "three things you need", None), pa.string()),
        "hook_speech": pa.array(np.where(speech > 0.5, "did you know?", None), pa.string()),
        "call_to_action": pa.array(np.where(generator.random(n) < 0.4, "follow for more", None), pa.string()),
    }
    schema = TABLES["templates"]
    return pa.table(
        {name: columns[name] if name in columns else pa.nulls(n, schema.field(name).type) for name in schema.names},
        schema=schema,
    )


def _lists(values: NDArray[Any], length: int) -> pa.Array:
    offsets = np.arange(0, len(values) + 1, length, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values))
