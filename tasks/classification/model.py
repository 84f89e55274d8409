"""The trained niche model: its file, and what it says of videos.

The file is skops's (a zip of arrays and a description; no pickle, nothing is executed) with one member more: the card,
JSON that says what the model is before anything else is read.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from tasks.classification.embeddings import Embeddings, EmbeddingsId, identify, load_embeddings
from tasks.classification.features import Features, Texts, read
from tasks.classification.forest import Forest
from tasks.classification.guess import Guess
from tasks.classification.scores import Floats, Scores, softmax
from tasks.errors import UsageError
from tasks.records import Metadata, Niche, Record
from tasks.versions import versions

CARD = "reelscope.json"
MAX_UNPACKED_BYTES = 1 << 30  # a model of 14 niches has 20 MB
LIBRARIES = ("reelscope", "scikit-learn", "numpy", "skops")
#: The model's arrays are of these; another version may compute something else of them.
STRICT = ("scikit-learn",)


class Card(Record):
    """What a model file says of itself.

    scores: by cross-validation grouped by channel. threshold: the confidence below which it abstains, chosen there for
    `precision`; accepted: share of videos above it. temperature: of the softmax over its logits. embeddings: that it was
    trained with, and that it needs.
    """

    format: Literal[2] = 2
    niches: tuple[str, ...]
    fields: tuple[str, ...]
    data_hash: str
    videos: dict[str, int]
    channels: int
    scores: Scores
    precision: float
    threshold: float
    accepted: float
    temperature: float
    versions: dict[str, str | None]
    embeddings: EmbeddingsId | None = None


class NicheModel:
    """A Classifier, safe to use from several threads."""

    def __init__(
        self,
        card: Card,
        features: Features,
        guess: Guess,
        min_confidence: float | None = None,
        embeddings: Embeddings | None = None,
    ) -> None:
        self.card, self.features, self._guess, self._embeddings = card, features, guess, embeddings
        self.min_confidence = card.threshold if min_confidence is None else min_confidence
        self.identity = ""  # until it lies in a file

    @classmethod
    def load(cls, path: str, min_confidence: float | None = None, embeddings: str | None = None) -> NicheModel:
        """Raises UsageError for a file that is no model, is of another version, or holds what is not to be trusted.

        min_confidence: in place of the model's own threshold. embeddings: folder of those that it was trained with;
        a model that was trained without leaves them alone.
        """
        from skops import io as skops

        content = _content(path)
        card = card_of(content, path)
        if _unpacked_bytes(content) > MAX_UNPACKED_BYTES:
            raise UsageError(
                f"model {path}: unpacked it would be larger than {MAX_UNPACKED_BYTES >> 20} MB; not loaded"
            )
        try:
            strange = skops.get_untrusted_types(data=content)
            if strange:
                raise UsageError(
                    f"model {path}: it holds types that are not trusted ({', '.join(strange[:3])}); not loaded"
                )
            state = skops.loads(content, trusted=[])
            features, guess = (
                Features.restored(state["features"]),
                Guess(state["linear"], Forest.restored(state["forest"])),
            )
        except Exception as error:  # whatever a stranger's arrays make of it
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"model {path}: damaged ({type(error).__name__}: {error}); train it again") from None
        if not guess.sound(len(card.niches)):
            raise UsageError(f"model {path}: not what `reelscope train` writes; train it again")
        model = cls(card, features, guess, min_confidence, _embeddings(card, path, embeddings))
        try:
            model.classify([Metadata(title="a video")])
        except Exception as error:  # arrays that do not fit together
            raise UsageError(f"model {path}: damaged ({type(error).__name__}: {error}); train it again") from None
        model.identity = identity_of(content, model.min_confidence)
        return model

    def save(self, path: str) -> None:
        """Write the file whole, or raise UsageError."""
        from skops import io as skops

        guess, content = self._guess, io.BytesIO()
        state = {"features": self.features.state(), "linear": guess.linear, "forest": guess.forest.state()}
        skops.dump(state, content, compression=zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(content, "a") as archive:
            archive.writestr(CARD, self.card.model_dump_json(indent=1))
        target = Path(path)
        partial = target.with_name(f".{target.name}.part")
        try:
            partial.write_bytes(content.getvalue())
            partial.replace(target)
        except OSError as error:
            raise UsageError(f"model {path}: cannot be written ({error.strerror or error})") from None

    def classify(self, videos: Sequence[Metadata]) -> list[Niche]:
        """A video in whose text nothing is known has neither niche nor confidence nor runner-up."""
        if not videos:
            return []
        texts = read(videos, self.card.fields, self._embeddings)
        probabilities = self.probabilities(texts)
        return [
            self._niche(row) if said else Niche(niche=None, confidence=None, runner_up=None)
            for row, said in zip(probabilities, texts.whole, strict=True)
        ]

    def probabilities(self, texts: Texts) -> Floats:
        """[videos, niches], in the order of the card."""
        return softmax(self._guess.logits(self.features, texts), self.card.temperature)

    def _niche(self, probabilities: Floats) -> Niche:
        first, second = (int(index) for index in np.argsort(-probabilities, kind="stable")[:2])
        confidence = round(float(probabilities[first]), 4)
        if probabilities[first] < self.min_confidence:
            return Niche(niche=None, confidence=confidence, runner_up=self.card.niches[first])
        return Niche(niche=self.card.niches[first], confidence=confidence, runner_up=self.card.niches[second])


def card_of(content: bytes, path: str) -> Card:
    """Raises UsageError for what is no model, or is one of another version."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            raw = archive.read(CARD)
    except (zipfile.BadZipFile, KeyError):
        raise UsageError(f"model {path}: not a niche model; `reelscope train LABELS --out {path}` makes one") from None
    try:
        card = Card.model_validate_json(raw)
    except ValidationError:
        raise UsageError(f"model {path}: of another version of reelscope; train it again") from None
    here = library_versions()
    for name in STRICT:
        if _series(card.versions.get(name)) != _series(here[name]):
            raise UsageError(
                f"model {path}: trained with {name} {card.versions.get(name)}, here is {here[name]}; train it again"
            )
    return card


def _embeddings(card: Card, path: str, folder: str | None) -> Embeddings | None:
    """Those that the model was trained with, None for none. Raises UsageError for no folder, or another one."""
    wanted = card.embeddings
    if wanted is None:
        return None
    if folder is None:
        raise UsageError(
            f"model {path}: trained with the embeddings {wanted.name}; say where they are: --set classification.embeddings=FOLDER"
        )
    if identify(folder).hash != wanted.hash:
        raise UsageError(
            f"model {path}: trained with other embeddings ({wanted.name} {wanted.hash[:8]}) than those of {folder} "
            f"({identify(folder).hash[:8]}); give the same, or train it again"
        )
    return load_embeddings(folder)


def _unpacked_bytes(content: bytes) -> int:
    """As the archive has it; more than it says of a member is not read of one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return sum(member.file_size for member in archive.infolist())


def identity_of(content: bytes, min_confidence: float) -> str:
    return hashlib.sha256(hashlib.sha256(content).digest() + str(min_confidence).encode()).hexdigest()


def library_versions() -> dict[str, str | None]:
    known: dict[str, Any] = versions()
    return {name: known[name] for name in LIBRARIES}


def _series(version: str | None) -> list[str]:
    """The part of a version that computes alike: 1.9 of 1.9.1."""
    return (version or "").split(".")[:2]


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"model {path}: {error.strerror}; `reelscope train LABELS --out {path}` makes one") from None
