"""The frozen records that pass between stages, processes and the result cache.

All times are seconds from the first shown frame; boxes are fractions of the upright frame; unknown is None.
The records are pydantic models: what is read back from a cache is validated, never believed.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Transition = Literal["cut", "dissolve", "fade"]
Zone = Literal["top", "middle", "bottom"]
Status = Literal["complete", "partial", "failed", "classified"]
#: What a table can hold and analysis can compute with: finite, and no more than any video has.
Real = Annotated[float, Field(ge=-1e9, le=1e9)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Words = Annotated[str, Field(max_length=100_000)]  # of one caption or spoken segment


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
    start_s: Real
    end_s: Real
    transition: Transition | None  # how the shot begins; None for the first


class Box(Record):
    """A rectangle in fractions of the upright frame."""

    x: Real
    y: Real
    width: Real
    height: Real

    @property
    def zone(self) -> Zone:
        centre = self.y + self.height / 2
        return "top" if centre < 1 / 3 else "middle" if centre < 2 / 3 else "bottom"


class TextLine(Record):
    """One line of text as read in one frame."""

    text: Words
    box: Box
    confidence: Real


class OnScreenText(Record):
    """One text while it stays on screen."""

    text: Words
    start_s: Real
    end_s: Real
    box: Box
    confidence: Real


class Span(Record):
    start_s: Real
    end_s: Real


class Segment(Record):
    """A spoken segment."""

    start_s: Real
    end_s: Real
    text: Words
    language: str | None = None
    confidence: Real | None = None


class Visual(Record):
    """Look and motion over time and summed up. All curves have the length of `times_s`.

    brightness, saturation in [0, 1]; contrast = standard deviation of luma in [0, 0.5];
    colourfulness after Hasler and Suesstrunk (2003) on 0..255 images; sharpness = variance of the Laplacian of luma;
    motion = mean absolute luma difference per second between neighbouring frames, cuts left out, in [0, 1].
    """

    times_s: tuple[Real, ...]
    brightness: tuple[Real, ...]
    contrast: tuple[Real, ...]
    saturation: tuple[Real, ...]
    colourfulness: tuple[Real, ...]
    sharpness: tuple[Real, ...]
    motion: tuple[Real, ...]
    dominant_colours: tuple[str, ...]  # "#rrggbb", most frequent first

    @model_validator(mode="after")
    def _of_one_length(self) -> Visual:
        curves = (self.brightness, self.contrast, self.saturation, self.colourfulness, self.sharpness, self.motion)
        if {len(curve) for curve in curves} != {len(self.times_s)}:
            raise ValueError("curves of different lengths")
        return self


class Sound(Record):
    """What the ear gets, without words."""

    duration_s: Real
    loudness_db: Real | None  # RMS over the whole track in dBFS; None for digital silence
    silence_share: Real
    music_share: Real  # share of the duration that is neither silent nor speech
    loudness_curve_db: tuple[Real, ...]  # one value a second; -90 is the floor
    speech_regions: tuple[Span, ...]  # padded and joined, in the video's clock


class Picture(Record):
    """A small image of one moment, for the report."""

    time_s: Real
    jpeg_base64: str

    @field_validator("jpeg_base64")
    @classmethod
    def _is_jpeg(cls, encoded: str) -> str:
        try:
            content = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from None
        if content[:2] != b"\xff\xd8":
            raise ValueError("not a JPEG")
        return encoded


class Decoded(Record):
    """The result of the decode stage: everything that needs no model of text or speech."""

    duration_s: Real
    width: Count  # upright
    height: Count  # upright
    fps: Real | None
    has_audio: bool
    frames: Count
    damaged_frames: Count
    shots: tuple[Shot, ...]
    visual: Visual
    sound: Sound | None  # None without an audio stream
    windows: tuple[Span, ...]  # the parts that were sampled for text
    samples: Count  # full frames given to OCR
    pictures: tuple[Picture, ...]

    @property
    def coverage(self) -> Real:
        covered = sum(span.end_s - span.start_s for span in self.windows)
        return min(1.0, covered / self.duration_s) if self.duration_s > 0 else 0.0


class Texts(Record):
    """The result of the text stage."""

    engine: str
    model: str
    texts: tuple[OnScreenText, ...]
    frames: Count  # frames read
    crops: Count  # crops seen
    crops_recognised: Count  # crops given to the recogniser; the rest were reused


class Speech(Record):
    """The result of the speech stage."""

    engine: str
    model: str
    language: str | None
    segments: tuple[Segment, ...]
    audio_s: Real  # length of the track
    transcribed_s: Real  # what reached the engine


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
