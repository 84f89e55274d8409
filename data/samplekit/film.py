"""A short video as an edit list, its frames, its file and what is true of it."""

from __future__ import annotations

import bisect
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import yaml

from data.samplekit import sound
from data.samplekit.captions import Caption, lay, letters_box
from data.samplekit.drawing import Image, Lens, Scene, SceneMaker, camera
from tests.clips import turn_clip, write_clip

_SLACK_S = 1e-6  # sums of lengths in floats


@dataclass(frozen=True)
class Shot:
    """One shot: a scene and its options, how long it lasts and how it begins."""

    make: SceneMaker
    length_s: float
    options: dict[str, Any] = field(default_factory=dict)
    via: Literal["cut", "dissolve", "fade"] = "cut"
    via_s: float = 0.8  # length of the dissolve, or of the fade to black and back
    zoom: float = 0.01
    pan: tuple[float, float] = (0.0, 0.0)
    shake: float = 2.0
    spin: float = 0.0
    speaks: str | None = None  # the voice whose lines move the mouth


@dataclass(frozen=True)
class Film:
    """Everything that is seen and heard of one sample; what is posted with it stands in posts.yaml."""

    name: str
    niche: str
    size: tuple[int, int]  # as shown
    fps: Fraction
    shots: list[Shot]
    captions: list[Caption] = field(default_factory=list)
    lines: list[sound.Line] = field(default_factory=list)
    music: sound.Style | None = None
    track: bool = True  # False: no audio stream; True without lines and music: digital silence
    turned: bool = False  # stored lying on its side, with a display matrix that puts it upright
    variable_rate: bool = False
    crf: int = 28

    @property
    def duration_s(self) -> float:
        return sum(shot.length_s for shot in self.shots)

    @property
    def starts_s(self) -> list[float]:
        return [sum(shot.length_s for shot in self.shots[:k]) for k in range(len(self.shots))]


def _times(film: Film, rng: np.random.Generator) -> list[float]:
    """The moments of the frames: even, or with dropped and late frames as a phone in bad light has them."""
    grid = [float(n / film.fps) for n in range(round(film.duration_s * film.fps))]
    if not film.variable_rate:
        return grid
    kept = [grid[0]] + [time for time in grid[1:-1] if rng.random() > 0.35] + [grid[-1]]
    return [time + (float(rng.random()) * 0.009 if 0 < k < len(kept) - 1 else 0.0) for k, time in enumerate(kept)]


def _pictures(
    film: Film, times: list[float], spoken: dict[str, list[tuple[float, float]]], rng: np.random.Generator
) -> Iterator[Image]:
    w, h = film.size
    scenes: list[Scene] = []
    for shot, start in zip(film.shots, film.starts_s, strict=True):
        options = dict(shot.options)
        if shot.speaks:
            options["spoken"] = tuple((a - start, b - start) for a, b in spoken[shot.speaks])
        scenes.append(shot.make(w, h, rng, **options))
    lens = Lens(w, h, rng)
    starts = film.starts_s

    def view(k: int, time: float) -> Image:
        shot = film.shots[k]
        lead = shot.via_s / 2 if shot.via == "dissolve" else 0.0
        t = max(0.0, time - starts[k] + lead)
        return lens(camera(scenes[k](t), t, shot.zoom, shot.pan, shot.shake, shot.spin))

    for time in times:
        k = bisect.bisect_right(starts, time + _SLACK_S) - 1
        image = view(k, time)
        for n in (k, k + 1):  # a transition near the beginning or the end of this shot
            if n == 0 or n >= len(starts) or film.shots[n].via == "cut":
                continue
            half, away = film.shots[n].via_s / 2, time - starts[n]
            if abs(away) >= half:
                continue
            if film.shots[n].via == "fade":
                image = np.round(image * max(0.0, (abs(away) - 0.06) / (half - 0.06))).astype(np.uint8)
            else:
                share = away / (2 * half) + 0.5
                other = view(n - 1 if n == k else n, time)
                before, after = (other, image) if n == k else (image, other)
                image = np.round(before * (1 - share) + after * share).astype(np.uint8)
        for caption in film.captions:
            if caption.start_s <= time + _SLACK_S < caption.end_s:
                lay(image, caption, time)
        yield np.rot90(image) if film.turned else image


def shoot(film: Film, folder: Path, seed: int) -> dict[str, Any]:
    """Write the film and its sidecar into the folder; returns its entry in truth.json."""
    rng = np.random.default_rng([seed, *film.name.encode()])
    voices = [(line, sound.speak(line)) for line in film.lines]
    spoken: dict[str, list[tuple[float, float]]] = {}
    free_from = 0.0
    for line, voice in voices:
        end = line.start_s + len(voice) / sound.RATE
        if line.start_s < free_from or end > film.duration_s:
            raise ValueError(f"{film.name}: {line.text!r} overlaps or runs past the end ({end:.2f} s)")
        free_from = end
        spoken.setdefault(line.voice, []).append((line.start_s, end))
    audio = None
    if film.track:
        music = sound.play(film.music, film.duration_s, rng) * (0.5 if film.lines else 1.0) if film.music else None
        audio = sound.mix_down(film.duration_s, [(line.start_s, voice) for line, voice in voices], music)
    times = _times(film, rng)
    path = folder / film.name
    webm = path.suffix == ".webm"
    write_clip(
        path,
        _pictures(film, times, spoken, rng),
        fps=film.fps,
        audio=audio,
        rate=sound.RATE,
        codec="libvpx-vp9" if webm else "libx264",
        pts=times if film.variable_rate else None,
        crf=film.crf,
        options={"cpu-used": "3"} if webm else {"preset": "slow"},
        audio_bit_rate=48_000,
    )
    if film.turned:
        turn_clip(path, 90)
    write_sidecar(film, path)
    return _truth(film, path, times, voices)


def _truth(
    film: Film, path: Path, planned: list[float], voices: list[tuple[sound.Line, sound.Track]]
) -> dict[str, Any]:
    with av.open(str(path)) as container:
        pts = [float(frame.time or 0.0) for frame in container.decode(video=0)]
    shown = [round(time - pts[0], 4) for time in pts]
    duration_s = round(shown[-1] + float(1 / film.fps), 4)

    def first_at(time: float) -> float:
        """The stamp of the first frame drawn at `time` or later; containers round stamps (webm: to 1 ms)."""
        k = bisect.bisect_left(planned, time - _SLACK_S)
        return shown[k] if k < len(shown) else duration_s

    edges = list(zip(film.starts_s, film.shots, strict=True))[1:]
    return {
        "niche": film.niche,
        "width": film.size[0],
        "height": film.size[1],
        "fps": round(float(film.fps), 3),
        "frames": len(shown),
        "variable_rate": film.variable_rate,
        "duration_s": duration_s,
        "cuts_s": [first_at(start) for start, shot in edges if shot.via == "cut"],
        "fades_s": [first_at(start) for start, shot in edges if shot.via == "fade"],
        "dissolves_s": [first_at(start) for start, shot in edges if shot.via == "dissolve"],
        "captions": [
            {
                "text": caption.text,
                "start_s": first_at(caption.start_s),
                "end_s": first_at(caption.end_s),
                "zone": caption.zone,
                **dict(
                    zip(
                        ("x", "y", "width", "height"),
                        (round(v, 4) for v in letters_box(caption, *film.size)),
                        strict=True,
                    )
                ),
            }
            for caption in film.captions
        ],
        "has_audio": film.track,
        "has_music": film.music is not None,
        "speech": {
            "has_speech": bool(voices),
            "regions": [
                {
                    "start_s": round(line.start_s, 3),
                    "end_s": round(line.start_s + len(voice) / sound.RATE, 3),
                    "text": line.text,
                }
                for line, voice in voices
            ],
        },
    }


def write_sidecar(film: Film, path: Path) -> None:
    """NAME.info.json as yt-dlp writes it (the fields that matter)."""
    post = yaml.safe_load(Path(__file__).with_name("posts.yaml").read_text(encoding="utf-8"))[film.name]
    posted = datetime.fromisoformat(post["posted"]).astimezone(UTC)
    handle = post["uploader"].lower().replace(" ", "")
    meta = {
        "id": post["id"],
        "title": post["title"],
        "description": post["description"],
        "tags": post["tags"],
        "categories": [post["category"]],
        "uploader": post["uploader"],
        "uploader_id": f"@{handle}",
        "channel": post["uploader"],
        "upload_date": posted.strftime("%Y%m%d"),
        "timestamp": int(posted.timestamp()),
        "duration": round(film.duration_s),
        "view_count": post["views"],
        "like_count": post["likes"],
        "webpage_url": f"https://shorts.example.com/@{handle}/{post['id']}",
        "width": film.size[0],
        "height": film.size[1],
        "fps": round(float(film.fps), 3),
        "ext": path.suffix[1:],
        "extractor": "example",
    }
    text = json.dumps(meta, indent=1, ensure_ascii=False) + "\n"
    path.with_suffix(".info.json").write_text(text, encoding="utf-8")
