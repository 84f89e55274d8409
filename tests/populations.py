"""Populations of templates with known ways of being built, as rows of the `templates` table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tasks.schemas import COUNT_FEATURES, CURVE_FEATURES, CURVE_POINTS, NUMERIC_FEATURES, TABLES

#: Ways of building a video: mean duration, cuts a minute, motion, brightness, text share, text zone, speech share, music share.
KINDS: dict[str, dict[str, Any]] = {
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


def population(
    counts: dict[str, int], seed: int = 0, strays: int = 0, niche: str | None = "cooking", prefix: str = ""
) -> pd.DataFrame:
    """`counts` videos of each kind and `strays` videos built like none of them; ids carry kind and number."""
    generator = np.random.default_rng(seed)
    rows = [
        _video(f"{prefix}{kind}-{number:03d}", niche, KINDS[kind], generator)
        for kind, count in counts.items()
        for number in range(count)
    ]
    rows += [_video(f"{prefix}stray-{number:03d}", niche, _anything(generator), generator) for number in range(strays)]
    return frame(rows)


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as `pandas.read_parquet` gives them."""
    return pa.Table.from_pylist(rows, schema=TABLES["templates"]).to_pandas()


def unknown(video_id: str, niche: str | None = "cooking") -> dict[str, Any]:
    """A template of which nothing is known."""
    return {"video_id": video_id, "niche": niche, **dict.fromkeys([*NUMERIC_FEATURES, *CURVE_FEATURES])}


def kinds_of(video_ids: pd.Series) -> list[str]:
    return [str(video_id).rsplit("-", 1)[0] for video_id in video_ids]


def _anything(generator: np.random.Generator) -> dict[str, Any]:
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


def _video(video_id: str, niche: str | None, kind: dict[str, Any], generator: np.random.Generator) -> dict[str, Any]:
    def about(value: float, spread: float) -> float:
        return float(value * np.exp(generator.normal(0, spread)))

    def share(value: float, spread: float = 0.06) -> float:
        return float(np.clip(value + generator.normal(0, spread) * (0 < value < 1), 0, 1))

    duration_s = about(kind["duration_s"], 0.25)
    cuts = int(generator.poisson(about(kind["cuts"], 0.25) * duration_s / 60))
    shot_s = duration_s / (cuts + 1)
    text, speech = share(kind["text"]), share(kind["speech"])
    motion, light = about(kind["motion"], 0.3), share(kind["light"])
    cut_tenths = generator.integers(0, CURVE_POINTS, cuts)
    numbers = {
        "duration_s": duration_s,
        "aspect_ratio": 0.5625,
        "shot_count": cuts + 1,
        "cuts_per_min": cuts / duration_s * 60,
        "shot_mean_s": shot_s,
        "shot_median_s": about(shot_s, 0.15),
        "shot_std_s": about(shot_s * 0.4, 0.3) if cuts else 0.0,
        "first_cut_s": about(shot_s, 0.4) if cuts else None,
        "motion": motion,
        "brightness": light,
        "contrast": share(0.2, 0.03),
        "saturation": share(0.4, 0.1),
        "colourfulness": about(40, 0.3),
        "sharpness": about(400, 0.8),
        "text_share": text,
        "text_lines": int(generator.poisson(text * duration_s / 2)),
        "chars_per_s": about(text * 10, 0.2),
        "text_top_share": text if kind["zone"] == 0 else 0.0,
        "text_middle_share": text if kind["zone"] == 1 else 0.0,
        "text_bottom_share": text if kind["zone"] == 2 else 0.0,
        "first_text_s": about(1 - text + 0.1, 0.5) if text else None,
        "speech_share": speech,
        "words_per_min": about(150, 0.12) if speech else 0.0,
        "first_word_s": about(1 - speech + 0.1, 0.5) if speech else None,
        "loudness_db": -18 + generator.normal(0, 3),
        "silence_share": max(0.0, 1 - speech - kind["music"]),
        "music_share": kind["music"],
        "hook_cuts": int(generator.poisson(kind["cuts"] / 20)),
        "hook_motion": about(motion, 0.3),
        "hook_text_share": share(text, 0.15),
        "hook_speech_share": share(speech, 0.15),
    }
    return {
        "video_id": video_id,
        "niche": niche,
        **{
            name: value if value is None or name not in COUNT_FEATURES else int(value)
            for name, value in numbers.items()
        },
        "pacing": [float(np.sum(cut_tenths == tenth)) for tenth in range(CURVE_POINTS)],
        "motion_curve": [about(motion, 0.2) for _ in range(CURVE_POINTS)],
        "text_curve": [share(text, 0.15) for _ in range(CURVE_POINTS)],
        "speech_curve": [share(speech, 0.15) for _ in range(CURVE_POINTS)],
        "dominant_colours": [f"#{generator.integers(0, 1 << 24):06x}" for _ in range(3)],
        "hook_text": "three things you need" if text > 0.5 else None,
        "hook_speech": "did you know?" if speech > 0.5 else None,
        "call_to_action": "follow for more" if generator.random() < 0.4 else None,
    }
