"""The frozen records that pass between stages, processes and the result cache.

All times are seconds from the first shown frame; boxes are fractions of the upright frame; unknown is None.
The records are pydantic models: what is read back from a cache is validated, never believed.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Transition = Literal["cut", "dissolve", "fade"]
Zone = Literal["top", "middle", "bottom"]
Status = Literal["complete", "partial", "failed", "classified"]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Metadata(Record):
    """What is known of a video without opening it: the text that classification reads, and its reach."""

    title: str
    description: str = ""
    tags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    uploader: str | None = None
    published_at: str | None = None  # ISO 8601, UTC
    view_count: int | None = None
    like_count: int | None = None
    webpage_url: str | None = None
    duration_s: float | None = None  # as the source says; what was decoded stands in the tables


class Video(Record):
    """One video of a source."""

    video_id: str
    uri: str  # as the source names it
    path: str | None = None  # where a local file is opened; None: uri itself
    size_bytes: int | None = None
    mtime_ns: int | None = None
    metadata: Metadata
    content_hash: str | None = None  # None until the file was hashed

    @property
    def location(self) -> str:
        """Where the file is opened, from the current folder."""
        return self.path or self.uri


class Shot(Record):
    start_s: float
    end_s: float
    transition: Transition | None  # how the shot begins; None for the first


class Box(Record):
    """A rectangle in fractions of the upright frame."""

    x: float
    y: float
    width: float
    height: float

    @property
    def zone(self) -> Zone:
        centre = self.y + self.height / 2
        return "top" if centre < 1 / 3 else "middle" if centre < 2 / 3 else "bottom"


class TextLine(Record):
    """One line of text as read in one frame."""

    text: str
    box: Box
    confidence: float


class OnScreenText(Record):
    """One text while it stays on screen."""

    text: str
    start_s: float
    end_s: float
    box: Box
    confidence: float


class Span(Record):
    start_s: float
    end_s: float


class Segment(Record):
    """A spoken segment."""

    start_s: float
    end_s: float
    text: str
    language: str | None = None
    confidence: float | None = None


class Visual(Record):
    """Look and motion over time and summed up. All curves have the length of `times_s`.

    brightness, saturation in [0, 1]; contrast = standard deviation of luma in [0, 0.5];
    colourfulness after Hasler and Suesstrunk (2003) on 0..255 images; sharpness = variance of the Laplacian of luma;
    motion = mean absolute luma difference per second between neighbouring frames, cuts left out, in [0, 1].
    """

    times_s: tuple[float, ...]
    brightness: tuple[float, ...]
    contrast: tuple[float, ...]
    saturation: tuple[float, ...]
    colourfulness: tuple[float, ...]
    sharpness: tuple[float, ...]
    motion: tuple[float, ...]
    dominant_colours: tuple[str, ...]  # "#rrggbb", most frequent first


class Sound(Record):
    """What the ear gets, without words."""

    duration_s: float
    loudness_db: float | None  # RMS over the whole track in dBFS; None for digital silence
    silence_share: float
    music_share: float  # share of the duration that is neither silent nor speech
    loudness_curve_db: tuple[float, ...]  # one value a second; -90 is the floor
    speech_regions: tuple[Span, ...]  # padded and joined, in the video's clock


class Picture(Record):
    """A small image of one moment, for the report."""

    time_s: float
    jpeg_base64: str


class Decoded(Record):
    """The result of the decode stage: everything that needs no model of text or speech."""

    duration_s: float
    width: int  # upright
    height: int  # upright
    fps: float | None
    has_audio: bool
    frames: int
    damaged_frames: int
    shots: tuple[Shot, ...]
    visual: Visual
    sound: Sound | None  # None without an audio stream
    windows: tuple[Span, ...]  # the parts that were sampled for text
    samples: int  # full frames given to OCR
    pictures: tuple[Picture, ...]

    @property
    def coverage(self) -> float:
        covered = sum(span.end_s - span.start_s for span in self.windows)
        return min(1.0, covered / self.duration_s) if self.duration_s > 0 else 0.0


class Texts(Record):
    """The result of the text stage."""

    engine: str
    model: str
    texts: tuple[OnScreenText, ...]
    frames: int  # frames read
    crops: int  # crops seen
    crops_recognised: int  # crops given to the recogniser; the rest were reused


class Speech(Record):
    """The result of the speech stage."""

    engine: str
    model: str
    language: str | None
    segments: tuple[Segment, ...]
    audio_s: float  # length of the track
    transcribed_s: float  # what reached the engine


class Failure(Record):
    video_id: str
    uri: str
    stage: str
    error_type: str
    message: str
    advice: str
    input_hash: str | None = None
    attempts: int = 1


class Niche(Record):
    """What classification says of one video; niche is None when it abstains."""

    niche: str | None
    confidence: float | None
    runner_up: str | None


class StageOutcome(Record):
    """What one stage of one video gave: a result, or a failure, and the seconds it took."""

    stage: str
    result: dict[str, Any] | None
    failure: Failure | None
    wall_s: float
    cpu_s: float
