"""Input hashes: what each stage's result depends on, and nothing else.

extraction: the file's content, the settings that matter to the stage, the code of the stage, the model.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tasks.records import Metadata
from tasks.settings import Settings

EXTRACTION_STAGES = ("decode", "text", "speech")

_FRAMES = (
    "frames",
    "planes",
    "opening",
    "decode",
    "pcm",
    "shots",
    "cuts",
    "fades",
    "dissolves",
    "moments",
    "sampling",
    "video",
)
#: The modules of tasks/extraction whose code makes a stage's result.
_CODE = {
    "decode": (*_FRAMES, "visual", "colours", "audio", "regions", "vad", "pictures"),
    "text": (
        *_FRAMES,
        "text",
        "tracks",
        "crops",
        "presence",
        "ocr_rapid",
        "ocr_easy",
        "halving",
        "spool",
        "gathering",
        "group",
    ),
    "speech": (
        "opening",
        "decode",
        "pcm",
        "video",
        "audio",
        "regions",
        "vad",
        "transcriber",
        "speech",
        "speech_sphinx",
        "speech_whisper",
        "speech_faster",
        "whisper_decoding",
        "whisper_passes",
        "whisper_sampling",
        "windows",
        "halving",
        "spool",
        "group",
    ),
    "template": ("template", "../rows"),
}
_BOUNDS = ("limits.pixels", "limits.duration_s")
#: The settings that matter; `section` or `section.key`.
_SETTINGS = {
    "decode": ("decode", "shots", "sampling", "look", "audio", "limits.damaged_share", *_BOUNDS),
    "text": ("decode.skip_loop_filter", "decode.luma_px", "decode.small_px", "shots", "sampling", "text", *_BOUNDS),
    "speech": ("audio", "speech", *_BOUNDS),
    "template": (),
}
#: Where weights lie and whether they may be fetched changes no result, nor does the size of a batch; the identity of the
#: model says which engine, weights and type of numbers were used.
_IRRELEVANT = {"weights_dir", "download", "engine", "model", "compute_type", "batch_frames"}


class StageInputs(BaseModel):
    """What one stage of one video depends on, part by part, so that `why` can name the part that changed."""

    model_config = ConfigDict(frozen=True)

    content: str
    settings: str
    code: str
    model: str

    def key(self, stage: str) -> str:
        return f"{stage}-{digest(self.content, self.settings, self.code, self.model)}"


class TextInputs(BaseModel):
    """The same for a classification. text: field of the metadata -> digest of what it says."""

    model_config = ConfigDict(frozen=True)

    text: dict[str, str]
    niches: str
    min_confidence: float
    code: str
    model: str


#: The fields of the metadata that classification reads.
TEXT_FIELDS = ("title", "description", "tags", "categories", "uploader")


def stage_inputs(stage: str, content_hash: str, settings: Settings, model: str) -> StageInputs:
    return StageInputs(
        content=content_hash, settings=settings_digest(stage, settings), code=code_digest(stage), model=model
    )


def template_hash(inputs: dict[str, StageInputs]) -> str:
    """The input hash of a video's rows: all stages of extraction, and the code that makes a template of them."""
    return digest(*(inputs[stage].key(stage) for stage in EXTRACTION_STAGES), code_digest("template"))


def recorded(inputs: Mapping[str, StageInputs]) -> str:
    """What `videos` keeps of the inputs that its rows were made from, as JSON: stage -> part -> value."""
    parts = {stage: inputs[stage].model_dump() for stage in EXTRACTION_STAGES}
    return json.dumps(parts | {"template": {"code": code_digest("template")}})


def text_hash(metadata: Metadata, classifier: str, min_confidence: float) -> str:
    """The input hash of a classification: the text, the niches or the model, and the confidence that is asked for."""
    text = metadata.model_dump_json(include=set(TEXT_FIELDS))
    return digest(text, classifier, str(min_confidence), folder_digest("classification"))


def text_inputs(metadata: Metadata, niches: str, classifier: str, min_confidence: float) -> TextInputs:
    """What `text_hash` is made of. niches, classifier: identity of the niches file and of what matches them."""
    said = {name: said_digest(getattr(metadata, name)) for name in TEXT_FIELDS}
    code = folder_digest("classification")
    return TextInputs(text=said, niches=niches, min_confidence=min_confidence, code=code, model=classifier)


def said_digest(words: object) -> str:
    """Of one field of the text: a string, a list of strings or None."""
    return digest(json.dumps(words))[:8]


def settings_digest(stage: str, settings: Settings) -> str:
    return digest(json.dumps(relevant_settings(stage, settings.model_dump(mode="json")), sort_keys=True))


def relevant_settings(stage: str, values: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """The settings that matter to a stage: section.key -> value.

    values: section -> key -> value, as `runs` keeps them; what an older version did not know is left out.
    """
    relevant: dict[str, object] = {}
    for name in _SETTINGS[stage]:
        section, _, key = name.partition(".")
        known = values.get(section, {})
        chosen = {key: known[key]} if key in known else {} if key else known
        relevant |= {f"{section}.{name}": value for name, value in chosen.items() if name not in _IRRELEVANT}
    return relevant


@cache
def code_digest(stage: str) -> str:
    """Hash of the stage's code as Python parses it: comments, docstrings and layout do not count."""
    folder = Path(__file__).parent / "extraction"
    return digest(*(_meaning((folder / f"{name}.py").read_text()) for name in _CODE[stage]))


@cache
def folder_digest(folder: str) -> str:
    """The same of all code in a folder of tasks/."""
    files = sorted((Path(__file__).parent / folder).iterdir())
    return digest(
        *(_meaning(file.read_text()) if file.suffix == ".py" else file.read_text() for file in files if file.is_file())
    )


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def digest(*parts: str) -> str:
    """SHA-256 in hex, cut to 128 bits; parts cannot run into each other."""
    hashed = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(8, "big") + encoded)
    return hashed.hexdigest()[:32]
