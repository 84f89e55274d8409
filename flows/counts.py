"""What a run counts: its videos, the seconds of its stages, and what gates and cache spared it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.records import Failure, StageOutcome

UNGATED_HZ = 2.0  # frames a second that OCR without a gate would be given


@dataclass
class Modelled:
    """What the models of a run did, in seconds of wall and of the videos' clocks, and what the gates spared them."""

    text_s: float = 0.0
    frames: int = 0  # read
    spared_frames: int = 0  # of those at one every 0.5 s
    speech_s: float = 0.0
    transcribed_s: float = 0.0
    spared_audio_s: float = 0.0
    video_s: float = 0.0  # of the videos that text or speech was computed of

    def add(self, outcomes: Mapping[str, StageOutcome], missing: frozenset[str]) -> None:
        """Count a video's stages, those that were computed."""
        decoded, text, speech = (
            outcome.result if (outcome := outcomes.get(stage)) else None for stage in ("decode", "text", "speech")
        )
        if decoded and missing & {"text", "speech"}:
            self.video_s += decoded["duration_s"]
        if decoded and text and "text" in missing:
            searched_s = sum(window["end_s"] - window["start_s"] for window in decoded["windows"])
            self.text_s += outcomes["text"].wall_s
            self.frames += text["frames"]
            self.spared_frames += max(0, round(searched_s * UNGATED_HZ) - text["frames"])
        if speech and "speech" in missing:
            self.speech_s += outcomes["speech"].wall_s
            self.transcribed_s += speech["transcribed_s"]
            self.spared_audio_s += max(0.0, speech["audio_s"] - speech["transcribed_s"])

    @property
    def gates_saved_s(self) -> float:
        """What the frames and the sound that were spared would have taken, at what the others took."""
        text_s = self.spared_frames * self.text_s / self.frames if self.frames else 0.0
        speech_s = self.spared_audio_s * self.speech_s / self.transcribed_s if self.transcribed_s else 0.0
        return text_s + speech_s

    @property
    def s_per_video_hour(self) -> float | None:
        """Seconds of OCR and speech for an hour of video."""
        return (self.text_s + self.speech_s) * 3600 / self.video_s if self.video_s else None


@dataclass
class Counts:
    """What a run has done so far. A video is done, reused or failed; a partial one is done and has failures."""

    done: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    classified: int = 0
    stage_seconds: defaultdict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # CPU seconds of what was computed
    cache_saved_s: float = 0.0
    modelled: Modelled = field(default_factory=Modelled)
