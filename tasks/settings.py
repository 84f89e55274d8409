"""Every setting, with its unit and default.

Precedence: defaults here, then a TOML file, then REELSCOPE_SECTION__KEY in the environment, then `--set section.key=value`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Literal, cast

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.errors import UsageError

ENV_PREFIX = "REELSCOPE_"
SAMPLE_NICHES = Path(__file__).resolve().parents[1] / "data" / "niches.yaml"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sources(Section):
    """What counts as a video in a folder."""

    extensions: tuple[str, ...] = Field(
        default=(
            "3gp",
            "aac",
            "aiff",
            "avi",
            "flac",
            "flv",
            "m2ts",
            "m4a",
            "m4v",
            "mkv",
            "mov",
            "mp3",
            "mp4",
            "mpeg",
            "mpg",
            "mts",
            "ogg",
            "ogv",
            "opus",
            "ts",
            "wav",
            "webm",
            "wma",
            "wmv",
        ),
        description="File name extensions of media, lower case, without the dot.",
    )
    formats: tuple[str, ...] = Field(
        default=(
            "mov",
            "mp4",
            "matroska",
            "webm",
            "avi",
            "flv",
            "mpegts",
            "mpeg",
            "ogg",
            "asf",
            "wav",
            "flac",
            "mp3",
            "aac",
            "aiff",
        ),
        description="Container formats that may be opened; nothing else is tried, playlists least of all.",
    )
    roots: tuple[str, ...] = Field(
        default=(),
        description="More folders that files may lie in, beside that of the source, where links or a manifest lead there.",
    )
    schemes: tuple[str, ...] = Field(
        default=("file", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "https"),
        description="Schemes of addresses that a source, or a manifest's row, may have; file = local files.",
    )
    block_mb: float = Field(default=4.0, ge=0.0625, le=256, description="MB that are asked of a remote file at once.")
    blocks: int = Field(default=4, ge=2, le=256, description="Blocks of a remote file that a worker keeps in memory.")


class Cache(Section):
    """The result cache, shared by all OUT folders."""

    dir: str = Field(
        default_factory=lambda: platformdirs.user_cache_dir("reelscope"),
        min_length=1,
        description="Folder or fsspec URL of the result cache.",
    )


class Pools(Section):
    """Who works on what."""

    workers: int = Field(
        default=0,
        ge=0,
        le=256,
        description="CPU worker processes; 0 means one per core of the machine, or of the cluster.",
    )
    batch_size: int = Field(default=8, ge=1, le=1000, description="Videos per task run.")
    gpu: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="GPU pool for OCR and speech: auto = where CUDA is, on = also on a CPU, off = never.",
    )
    runner: Literal["local", "ray"] = Field(
        default="local", description="Where the work is done: on this machine, or on the nodes of a Ray cluster."
    )
    address: str = Field(
        default="auto",
        description="Ray: HOST:PORT of the cluster's head; auto = the cluster that this machine is part of.",
    )
    jobs_per_worker: int = Field(
        default=1000, ge=0, description="Videos after which a worker process is replaced by a new one; 0 = never."
    )
    ahead: int = Field(default=2, ge=1, le=64, description="Batches that may be decoded ahead of the GPU pool.")


class Limits(Section):
    """Bounds of time, memory and tries; those of a worker process are enforced from outside."""

    video_s: float = Field(default=1800.0, gt=0, description="Wall seconds that one video may take in a worker.")
    worker_mb: int = Field(
        default=6144,
        ge=256,
        description="Memory in MB that a worker process may hold, models included; the video that takes it over fails.",
    )
    device_mb: int = Field(
        default=16384,
        ge=256,
        description="The same for the process that holds a device: main memory, not the device's.",
    )
    pixels: int = Field(
        default=2**26, ge=2**12, le=2**28, description="Most pixels of a frame; 2^26 is 8192 x 8192, twice 8K video."
    )
    duration_s: float = Field(
        default=43_200.0, gt=0, le=10_000_000, description="Of a longer video, only so many seconds are read."
    )
    attempts: int = Field(default=3, ge=1, description="Runs that may try the same content before it is quarantined.")
    io_tries: int = Field(default=3, ge=1, le=20, description="Tries at a source whose reading fails in passing.")
    io_wait_s: float = Field(
        default=1.0, ge=0, description="Wait before the second try; it doubles, with as much again at random."
    )
    damaged_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of undecodable packets above which a file counts as damaged."
    )


class Decode(Section):
    """The one pass over each file."""

    small_px: int = Field(
        default=256, ge=64, le=1024, description="Longest side of the small images for shots and look."
    )
    luma_px: int = Field(default=480, ge=128, le=1920, description="Longest side of the luma images for text changes.")
    skip_loop_filter: bool = Field(default=True, description="Skip the codec's deblocking: 12-21 % faster, same cuts.")
    pictures: int = Field(default=12, ge=1, le=60, description="Small pictures kept of each video for the report.")


class Shots(Section):
    """Cuts, fades and dissolves."""

    content_threshold: float = Field(default=27.0, gt=0, description="Content change (0-255) that is a cut on its own.")
    content_ratio: float = Field(
        default=1.4, ge=1, description="Least ratio of such a change to its busier side; a fast pan has 1."
    )
    adaptive_ratio: float = Field(default=3.0, gt=1, description="Content change against its neighbours that is a cut.")
    adaptive_floor: float = Field(default=15.0, gt=0, description="Least content change of an adaptive cut.")
    soft_ratio: float = Field(
        default=6.0, gt=1, description="The same in dark scenes and slides, where all changes are small."
    )
    soft_floor: float = Field(default=2.5, gt=0, description="Least content change of a cut in dark scenes and slides.")
    flash_s: float = Field(
        default=0.3, ge=0, description="A picture that is back after less than this was hidden by a flash."
    )
    min_shot_s: float = Field(
        default=0.2, ge=0, description="Of two boundaries nearer than this the clearer one stays."
    )
    fade_luma: float = Field(default=12.0, ge=0, le=255, description="Mean luma below which the picture is black.")


class Sampling(Section):
    """Which frames are read for text."""

    windows_over_s: float = Field(default=180.0, gt=0, description="Longer videos are sampled in three windows only.")
    window_s: float = Field(default=10.0, gt=0, description="Length of the first, middle and last window.")
    max_gap_s: float = Field(
        default=2.0, gt=0, description="While the picture changes, a frame is read at least this often."
    )
    still_gap_s: float = Field(default=8.0, gt=0, description="While it does not, at least this often.")
    min_gap_s: float = Field(default=0.25, ge=0, description="Frames are not read more often than this, cuts apart.")
    check_s: float = Field(default=0.1, gt=0, description="How often the small image's edges are looked at.")
    new_text: float = Field(
        default=60.0,
        gt=0,
        le=255,
        description="Density of new edges that stand still, in a 12 px block, that asks for a frame.",
    )
    edge_change: float = Field(
        default=60.0,
        gt=0,
        le=255,
        description="Change of strong-edge density in a block that is a change of the picture.",
    )


class Text(Section):
    """On-screen text."""

    engine: Literal["auto", "easyocr", "rapidocr"] = "auto"
    languages: tuple[str, ...] = Field(default=("en",), description="EasyOCR language codes.")
    weights_dir: str | None = Field(
        default=None, description="Folder of EasyOCR's weights; its own cache folder otherwise."
    )
    download: bool = Field(default=True, description="May EasyOCR fetch missing weights?")
    detector_px: int = Field(default=736, ge=320, description="Longest side that the text detector sees.")
    detail_px: int = Field(
        default=1088,
        ge=320,
        description="The same for large pictures that stand still: slides and screens, with small print.",
    )
    min_confidence: float = Field(default=0.6, ge=0, le=1, description="Readings below are dropped.")
    reuse_difference: float = Field(
        default=4.0, ge=0, description="Mean grey difference below which a crop's reading is reused."
    )
    batch_frames: int = Field(default=4, ge=1, description="Frames held in memory for one OCR batch.")


class SpeechSettings(Section):
    """Speech."""

    engine: Literal["auto", "whisper", "faster-whisper", "pocketsphinx", "none"] = "auto"
    model: str = Field(
        default="auto", description="Whisper's model name or path; auto = turbo with CUDA, base without."
    )
    weights_dir: str | None = Field(
        default=None, description="Folder of Whisper's weights; its own cache folder otherwise."
    )
    compute_type: Literal["auto", "int8", "int8_float16", "float16", "bfloat16", "float32"] = Field(
        default="auto", description="faster-whisper: what it computes in; auto = int8 on a CPU, float16 with CUDA."
    )
    download: bool = Field(default=True, description="May Whisper fetch missing weights?")
    language: str | None = Field(
        default=None, description="Spoken language (ISO 639-1); found by the model if not given."
    )
    maxhmmpf: int = Field(
        default=8000, ge=100, description="pocketsphinx: states per frame; fewer is faster and worse."
    )
    pl_weight: float = Field(
        default=6.0, ge=0, description="pocketsphinx: weight of the phones ahead; more is faster, too much is worse."
    )


class Audio(Section):
    """Loudness and voice activity."""

    vad_threshold: float = Field(default=0.5, gt=0, lt=1, description="Speech probability that opens a region.")
    min_speech_s: float = Field(default=0.25, ge=0, description="Shorter speech is dropped.")
    min_pause_s: float = Field(default=1.0, ge=0, description="Regions nearer than this are joined.")
    pad_s: float = Field(default=0.3, ge=0, description="Added on both sides of a region.")
    max_region_s: float = Field(
        default=28.0, gt=1, le=30, description="Longer regions are split at their quietest place."
    )
    silence_db: float = Field(default=-50.0, lt=0, description="RMS below which a second counts as silent (dBFS).")


class Look(Section):
    """Look and motion."""

    rate_hz: float = Field(default=4.0, gt=0, le=60, description="Values per second in the curves.")


class Classification(Section):
    """Niches from text."""

    niches: str | None = Field(default=None, description="YAML file of niches; data/niches.yaml otherwise.")
    model: str | None = Field(default=None, description="Niche model that `reelscope train` has written.")
    corrections: str | None = Field(default=None, description="CSV file of niches set by hand: video_id,niche.")
    min_confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Below it a video gets no niche; 0.35, or what a model was trained for, where not set.",
    )
    batch_size: int = Field(default=5000, ge=1, description="Videos classified at once.")
    embeddings: str | None = Field(
        default=None,
        description="Folder of a sentence-transformers model: niches are matched by meaning instead of words.",
    )


class Analysis(Section):
    """Clusters."""

    max_clusters: int = Field(default=12, ge=1, description="Most clusters tried per niche.")
    min_videos: int = Field(default=4, ge=2, description="Fewer videos in a niche are one cluster.")
    pass_every_s: float = Field(
        default=20.0, ge=0, description="Least seconds between two passes while extraction runs; slow ones rest longer."
    )
    min_silhouette: float = Field(
        default=0.24, ge=0, le=1, description="Below this mean silhouette a niche is one cluster."
    )
    tree_videos: int = Field(
        default=2000, ge=50, description="Most videos of a niche that build the tree; the rest join the nearest."
    )
    lift_false_share: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Of the lifts that are claimed, the share that may be expected to be false.",
    )
    weight_format: float = Field(default=0.7, ge=0, description="Weight of duration and aspect ratio in distances.")
    weight_pacing: float = Field(default=1.0, ge=0, description="Weight of shots and cuts.")
    weight_motion: float = Field(default=0.8, ge=0, description="Weight of motion.")
    weight_look: float = Field(default=0.6, ge=0, description="Weight of brightness, contrast, colours and sharpness.")
    weight_text: float = Field(default=1.0, ge=0, description="Weight of on-screen text.")
    weight_speech: float = Field(default=1.0, ge=0, description="Weight of speech.")
    weight_sound: float = Field(default=0.7, ge=0, description="Weight of loudness, silence and music.")
    weight_words: float = Field(default=0.4, ge=0, description="Weight of what the hook and the ending say.")
    embeddings: str | None = Field(
        default=None,
        description="Folder of a sentence-transformers model: what hooks say and show becomes part of distances.",
    )
    weight_meaning: float = Field(default=0.5, ge=0, description="Weight of what hooks mean; needs embeddings.")


class Settings(BaseModel):
    """All settings of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: Sources = Sources()
    cache: Cache = Field(default_factory=Cache)
    pools: Pools = Pools()
    limits: Limits = Limits()
    decode: Decode = Decode()
    shots: Shots = Shots()
    sampling: Sampling = Sampling()
    text: Text = Text()
    audio: Audio = Audio()
    speech: SpeechSettings = SpeechSettings()
    look: Look = Look()
    classification: Classification = Classification()
    analysis: Analysis = Analysis()

    @property
    def workers(self) -> int:
        return self.pools.workers or len(os.sched_getaffinity(0))


def known_keys() -> list[str]:
    """Every setting as section.key."""
    return [
        f"{section}.{key}"
        for section, field in Settings.model_fields.items()
        for key in field.annotation.model_fields  # type: ignore[union-attr]
    ]


def load_settings(config: Path | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, the environment and `{"section.key": value}` overrides.

    Raises UsageError for an unreadable file, an unknown key (naming the nearest known one) or a bad value.
    """
    file_values = _read_toml(config) if config else {}

    class Loader(BaseSettings, Settings):  # type: ignore[misc]
        model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, _TomlValues(settings_cls, file_values)

    _check_keys(file_values, str(config))
    _check_environment()
    nested: dict[str, dict[str, Any]] = {}
    for dotted, value in (overrides or {}).items():
        _check_key(dotted, "--set")
        section, key = dotted.split(".", 1)
        nested.setdefault(section, {})[key] = value
    try:
        loaded = Loader(**cast(dict[str, Any], nested))
        return Settings(**{name: getattr(loaded, name) for name in Settings.model_fields})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"setting {'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r})"
        ) from None


def completed(settings: Settings | None) -> Settings:
    """Settings of which a caller or a form gave a part: the environment and the defaults say the rest."""
    given = settings.model_dump(exclude_unset=True) if settings else {}
    return load_settings(
        overrides={f"{section}.{key}": value for section, body in given.items() for key, value in body.items()}
    )


class _TomlValues(PydanticBaseSettingsSource):
    def __init__(self, settings_cls: type[BaseSettings], values: dict[str, Any]) -> None:
        super().__init__(settings_cls)
        self.values = values

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self.values


def _read_toml(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"settings file {config}: {error}") from None


def _check_keys(values: dict[str, Any], where: str) -> None:
    for section, body in values.items():
        if not isinstance(body, dict):
            _check_key(section, where)
            continue
        for key in body:
            _check_key(f"{section}.{key}", where)


def _check_environment() -> None:
    for name in os.environ:
        if name.startswith(ENV_PREFIX):
            _check_key(name.removeprefix(ENV_PREFIX).lower().replace("__", "."), f"environment variable {name}")


def _check_key(dotted: str, where: str) -> None:
    known = known_keys()
    if dotted in known:
        return
    near = difflib.get_close_matches(dotted, known, n=1, cutoff=0.0)
    raise UsageError(f"{where}: unknown setting {dotted!r}; the nearest known one is {near[0]!r}")
