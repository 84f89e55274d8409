"""Whisper's weights: which ones are asked for, where they are, whether they are whole, and fetching them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from tasks.errors import EngineError
from tasks.extraction.fetching import RemoteFile, fetch
from tasks.settings import SpeechSettings

STAND_INS = ("small", "base", "tiny")  # what may replace the model of `auto`, best first


class Weights(Protocol):
    """A model's weights, there or not, in the format of one of the engines that run Whisper.

    name: Whisper's name of the model, or that of a file or folder of one's own.
    path: the file or folder.
    model: identity: name and content.
    usable: whether they are there and whole.
    problem: what is missing or damaged, and where.
    command: what fetches them; None for one's own.
    """

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def model(self) -> str: ...
    @property
    def usable(self) -> bool: ...
    @property
    def problem(self) -> str: ...
    @property
    def command(self) -> str | None: ...

    def fetch(self) -> str | None:
        """Fetch them, within seconds or a minute; the reason if that failed."""


Find = Callable[[str, SpeechSettings], Weights]  # a model's name or path -> its weights; raises EngineError


@dataclass(frozen=True)
class Checkpoint:
    """Weights in one file, in OpenAI's format.

    url: where it can be fetched; None for a file of one's own. Its last folder is the file's SHA-256.
    """

    name: str
    path: Path
    url: str | None

    @property
    def model(self) -> str:
        return f"{self.name}@{sha256(self.path)[:8]}"

    @property
    def usable(self) -> bool:
        """OpenAI's own, or a complete archive as torch writes it."""
        if not self.path.is_file():
            return False
        return (self.url is not None and sha256(self.path) == _expected(self.url)) or zipfile.is_zipfile(self.path)

    @property
    def problem(self) -> str:
        state = "damaged" if self.path.is_file() else "missing"
        return f"Whisper's weights: {self.path.name} is {state} in {self.path.parent}"

    @property
    def command(self) -> str | None:
        if self.url is None:
            return None
        code = f"import whisper; whisper.load_model({self.name!r}, download_root={str(self.path.parent)!r})"
        return f'{sys.executable} -c "{code}"'

    def fetch(self) -> str | None:
        assert self.url is not None
        return fetch([RemoteFile(self.path, self.url, "sha256", _expected(self.url))])


def locate(name: str, settings: SpeechSettings) -> Checkpoint:
    """The weights of a Whisper model's name or of a path. Raises EngineError for a name that Whisper does not know."""
    url = official_urls().get(name)
    if url is not None:
        return Checkpoint(name, weights_folder(settings) / url.rsplit("/", 1)[1], url)
    path = Path(name).expanduser()
    if path.suffix or path.is_file() or os.sep in name:
        return Checkpoint(path.stem, path.absolute(), None)
    raise EngineError(
        f"speech.model {name!r} is neither one of Whisper's models nor a file",
        f"Whisper's models: {', '.join(official_urls())}.",
    )


def first_choice(settings: SpeechSettings, device: str, find: Find = locate) -> Weights:
    """The weights that the settings ask for, there or not. Raises EngineError as `find` does."""
    return find(settings.model if settings.model != "auto" else "turbo" if device == "cuda" else "base", settings)


def obtain(settings: SpeechSettings, device: str, find: Find = locate) -> tuple[Weights, str | None]:
    """Weights that are on disk now, and what there is to say about the choice, or None.

    Without CUDA `auto` uses what is there; with it, and where the engine was named, missing weights are fetched if
    `speech.download` allows. Raises EngineError that names what is missing, its folder and the command that fetches it.
    """
    wanted = first_choice(settings, device, find)
    if wanted.usable:
        return wanted, None
    named = settings.engine != "auto"
    stand_ins = () if named and settings.model != "auto" else tuple(find(name, settings) for name in STAND_INS)
    present = next((weights for weights in stand_ins if weights.usable), None)
    problem = wanted.problem
    if settings.download and wanted.command and (device == "cuda" or (named and present is None)):
        failure = wanted.fetch()
        if failure is None:
            return wanted, f"Fetched Whisper's weights {wanted.path}."
        problem += f", and they cannot be fetched now ({failure})"
    if present is not None:
        return present, f"{problem}; the model {present.name} is used instead."
    way = f"`{wanted.command}` fetches them" if wanted.command else "check speech.model"
    raise EngineError(
        f"{problem}; {way}",
        f"Run the command where there is internet, or copy the weights to {wanted.path}; "
        "or choose --speech pocketsphinx.",
    )


def weights_folder(settings: SpeechSettings) -> Path:
    """Where weights are looked for by the names of their models."""
    if settings.weights_dir:
        return Path(settings.weights_dir).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisper"  # as whisper has it


@cache
def official_urls() -> dict[str, str]:
    """Model name -> URL, read from the source of the whisper package: importing it would import torch."""
    spec = importlib.util.find_spec("whisper")
    if spec is None or spec.origin is None:
        raise EngineError("openai-whisper is not installed", f"Type {sys.executable} -m pip install openai-whisper")
    urls = table_in(Path(spec.origin), "_MODELS")
    if urls is None:
        raise EngineError(
            "this version of openai-whisper is not known",
            f"Type {sys.executable} -m pip install openai-whisper==20250625",
        )
    return urls


def table_in(source: Path, name: str) -> dict[str, str] | None:
    """The dictionary that a module assigns to a name, without importing it; None where there is none."""
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            table: dict[str, str] = ast.literal_eval(node.value)
            return table
    return None


def sha256(path: Path) -> str:
    """In hex; a file that did not change is read once."""
    state = path.stat()
    return _sha256_of(path, state.st_size, state.st_mtime_ns)


@cache
def _sha256_of(path: Path, size_bytes: int, mtime_ns: int) -> str:
    """Size and time are there for the cache: a file that changed is read again."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _expected(url: str) -> str:
    return url.split("/")[-2]
