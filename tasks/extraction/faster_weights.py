"""Whisper's weights as faster-whisper takes them: a folder in CTranslate2's format."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tasks.errors import EngineError
from tasks.extraction import fetching
from tasks.extraction.whisper_weights import sha256, table_in, weights_folder
from tasks.settings import SpeechSettings

INSTALL = f"{sys.executable} -m pip install 'reelscope[faster]'"
_WEIGHTS = "model.bin"
_FILES = (_WEIGHTS, "config.json", "tokenizer.json")  # and a vocabulary, whose name depends on the converter


@dataclass(frozen=True)
class Folder:
    """Weights in a folder; see `whisper_weights.Weights`. official: whether they can be fetched."""

    name: str
    path: Path
    official: bool

    @property
    def model(self) -> str:
        return f"{self.name}@{sha256(self.path / _WEIGHTS)[:8]}"

    @property
    def missing(self) -> list[str]:
        """The files that are not there."""
        absent = [name for name in _FILES if not (self.path / name).is_file()]
        return absent if any(self.path.glob("vocabulary.*")) else [*absent, "vocabulary.json"]

    @property
    def usable(self) -> bool:
        return not self.missing

    @property
    def problem(self) -> str:
        verb = "is" if len(self.missing) == 1 else "are"
        return f"faster-whisper's weights: {', '.join(self.missing)} {verb} missing in {self.path}"

    @property
    def command(self) -> str | None:
        return f'{sys.executable} -c "{self._code}"' if self.official else None

    @property
    def _code(self) -> str:
        return f"import faster_whisper; faster_whisper.download_model({self.name!r}, output_dir={str(self.path)!r})"

    def fetch(self) -> str | None:
        """By the same command: Hugging Face's client knows its mirrors, and ends with its process where it hangs."""
        host = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        if failure := fetching.unreachable(host):
            return failure
        try:
            subprocess.run(
                [sys.executable, "-c", self._code], timeout=fetching.FETCH_S, check=True, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            return f"not done within {fetching.FETCH_S:.0f} s"
        except subprocess.CalledProcessError as error:
            return (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        return None if self.usable else f"{host} does not have {', '.join(self.missing)}"


def locate(name: str, settings: SpeechSettings) -> Folder:
    """The weights of a model's name or of a path: in the folder of weights, else where Hugging Face's client keeps them.

    Raises EngineError where faster-whisper is not installed or does not know the name.
    """
    repository = _repositories().get(name)
    if repository is not None:
        own = Folder(name, weights_folder(settings) / name, official=True)
        cached = None if own.usable else _cached(name, repository)
        return cached or own
    path = Path(name).expanduser()
    if path.is_dir() or os.sep in name:
        return Folder(path.name, path.absolute(), official=False)
    raise EngineError(
        f"speech.model {name!r} is neither one of faster-whisper's models nor a folder",
        f"faster-whisper's models: {', '.join(_repositories())}.",
    )


def _cached(name: str, repository: str) -> Folder | None:
    from huggingface_hub import try_to_load_from_cache

    weights = try_to_load_from_cache(repository, _WEIGHTS)
    folder = Folder(name, Path(weights).parent, official=True) if isinstance(weights, str) else None
    return folder if folder and folder.usable else None


@cache
def _repositories() -> dict[str, str]:
    """Model name -> repository, read from the package's source: importing it would import torch."""
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or not spec.submodule_search_locations:
        raise EngineError("faster-whisper is not installed", f"Type {INSTALL}, or choose --speech auto.")
    names = table_in(Path(spec.submodule_search_locations[0]) / "utils.py", "_MODELS")
    if names is None:
        raise EngineError(
            "this version of faster-whisper is not known", f"Type {sys.executable} -m pip install faster-whisper==1.2.1"
        )
    return names
