"""Sentence embeddings of text, by a model that lies in a folder. Nothing is downloaded, and no code of the folder is run."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.records import Metadata, Record

Meanings = NDArray[np.float32]
#: Models read a few hundred tokens and ignore the rest.
TEXT_CHARS = 600
BATCH = 64
#: The last digits of a vector depend on the texts that shared its batch.
DECIMALS = 4
#: What sentence-transformers makes of a folder; anything else in modules.json would be code of the folder's own.
_TRUSTED = "sentence_transformers."
_loading = threading.Lock()


class EmbeddingsId(Record):
    """Which embeddings: name of the folder, and hash of what is in it."""

    name: str
    hash: str


class Embeddings(Protocol):
    id: EmbeddingsId

    def of(self, texts: Sequence[str]) -> Meanings:
        """[texts, size], each of length 1; zeros for a text without words. That of a text does not depend on the others."""
        ...


class SentenceModel:
    """A model of sentence-transformers. Safe to use from several threads."""

    def __init__(self, folder: Path, found: EmbeddingsId) -> None:
        self.id = found
        self._using = threading.Lock()
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._model = SentenceTransformer(
                str(folder), local_files_only=True, model_kwargs={"use_safetensors": True}, trust_remote_code=False
            )
        except Exception as error:  # of transformers, tokenizers or safetensors, each with its own
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(f"embeddings {folder}: cannot be loaded ({said})") from None
        self._size = int(self._model.encode(["size"], show_progress_bar=False).shape[1])

    def of(self, texts: Sequence[str]) -> Meanings:
        known = {text: row for row, text in enumerate(sorted({text for text in texts if text.strip()}))}
        if not known:
            return np.zeros((len(texts), self._size), dtype=np.float32)
        with self._using:
            encoded: Any = self._model.encode(
                list(known), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        rows = np.vstack([np.round(encoded, DECIMALS), np.zeros((1, self._size))]).astype(np.float32)
        meanings: Meanings = rows[[known.get(text, -1) for text in texts]]
        return meanings


def load_embeddings(folder: str) -> Embeddings:
    """The model in a folder, loaded once a process. Raises UsageError where it, or the package for it, is missing or unfit."""
    found = check_folder(folder)
    with _loading:
        return _loaded(folder, found)


def check_folder(folder: str) -> EmbeddingsId:
    """What `load_embeddings` would load. Raises UsageError as it does, for all that can be known without loading it."""
    if find_spec("sentence_transformers") is None:
        raise UsageError(
            f"embeddings {folder}: sentence-transformers is not installed; pip install 'reelscope[embeddings]'"
        )
    return identify(folder)


@lru_cache(maxsize=2)
def _loaded(folder: str, found: EmbeddingsId) -> SentenceModel:
    return SentenceModel(Path(folder), found)


def identify(folder: str) -> EmbeddingsId:
    """The name and hash of a folder, without loading it. Raises UsageError for what is no folder of a sentence model."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise UsageError(f"embeddings {folder}: no such folder; download a sentence-transformers model into it")
    try:
        modules = json.loads((path / "modules.json").read_text(encoding="utf-8"))
        kinds = [str(module["type"]) for module in modules]
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError(
            f"embeddings {folder}: not a folder of sentence-transformers: no readable modules.json"
        ) from None
    strange = [kind for kind in kinds if not kind.startswith(_TRUSTED)]
    if strange:
        raise UsageError(f"embeddings {folder}: its modules.json names code of its own ({strange[0]}); not loaded")
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    if not any(file.suffix == ".safetensors" for file in files):
        raise UsageError(
            f"embeddings {folder}: no weights in *.safetensors; other formats may hold code and are not read"
        )
    stamps = tuple((file.relative_to(path).as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return EmbeddingsId(name=path.resolve().name, hash=_hash(path, stamps))


@lru_cache(maxsize=8)
def _hash(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    """Of the files' names and contents; again only where a file has changed."""
    hashed = hashlib.sha256()
    for name, size, _ in stamps:
        hashed.update(f"{name}\0{size}\0".encode())
        with (folder / name).open("rb") as file:
            hashed.update(hashlib.file_digest(file, "sha256").digest())
    return hashed.hexdigest()[:32]


def said_of(video: Metadata) -> str:
    """What of a video's text is embedded: what people named it with, then the description."""
    said = (
        video.title,
        video.uploader or "",
        ", ".join(tag for tag in video.tags if tag != "[none]"),
        video.description,
    )
    return ". ".join(part.strip()[:TEXT_CHARS] for part in said if part.strip())[:TEXT_CHARS]
