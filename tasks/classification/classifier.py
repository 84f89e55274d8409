"""Niches of videos from their text: the interface, and the matcher that needs no labels.

The matcher scores every niche by what speaks for it in the text and turns the scores into probabilities over the
niches and "none of these", so that little evidence, or evidence for several niches, gives little confidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

from tasks.classification.embeddings import TEXT_CHARS, Embeddings, load_embeddings, said_of
from tasks.classification.keywords import Keywords
from tasks.classification.niches import NicheDescription, NicheSet, niches_of
from tasks.classification.text import VideoText, normalise, text_of
from tasks.records import Metadata, Niche
from tasks.settings import Classification

Scores = NDArray[np.float64]
#: The features of a text, in its order; of `known` ones alone, since counting takes its time over all others.
Analyzer = Callable[[str, frozenset[str] | None], Iterator[str]]

#: Raised when the same file and text may give another answer.
MATCHER_VERSION = 1
#: Below this confidence the matcher gives no niche, where the settings do not say another.
MATCHER_CONFIDENCE = 0.35
#: What a keyword counts for by where it stands.
FIELD_WEIGHTS = {"title": 1.0, "tags": 0.7, "categories": 1.0, "uploader": 0.6, "description": 0.4}
#: How much of the score comes from keywords, from words and from parts of words (cosines in 0..1).
KEYWORD_WEIGHT, WORD_WEIGHT, PART_WEIGHT = 1.0, 4.0, 3.0
#: The same of the nearness of meanings, where there are embeddings; texts that have nothing in common are so near.
MEANING_WEIGHT, UNRELATED = 8.0, 0.15
#: An example is one short text, so that a shared word makes it near by chance.
EXAMPLE_TRUST = 0.5
#: A score of one over the next niche makes that niche about e**SHARPNESS times likelier.
SHARPNESS = 1.6
#: The score that "none of these" always has: a single keyword in a description stays below it.
NONE_SCORE = 1.5
#: Words of the platforms rather than of a niche; they count within keywords ("music video") only.
_PLATFORM_WORDS = frozenset(
    [
        "video",
        "videos",
        "vid",
        "clip",
        "clips",
        "short",
        "shorts",
        "reel",
        "reels",
        "tiktok",
        "youtube",
        "instagram",
        "fyp",
        "foryou",
        "foryoupage",
        "viral",
        "trending",
        "subscribe",
    ]
)
_STOP_WORDS = ENGLISH_STOP_WORDS | _PLATFORM_WORDS


class Classifier(Protocol):
    """What assigns niches. Safe to use from several threads."""

    identity: str  # of the niches file's content or the model, and of what else the answer depends on
    min_confidence: float  # below it a video gets no niche

    def classify(self, videos: Sequence[Metadata]) -> list[Niche]:
        """One Niche per video, in order; that of a video does not depend on the others in `videos`."""
        ...


def load_classifier(settings: Classification) -> Classifier:
    """The trained model of `settings.model`, else the matcher on `settings.niches` or the niches that come with reelscope.

    Raises UsageError for a model or embeddings, and with file and line for a niches file, that cannot be used.
    """
    if settings.model:
        from tasks.classification.model import NicheModel

        return NicheModel.load(settings.model, settings.min_confidence, settings.embeddings)
    asked = settings.min_confidence
    embeddings = load_embeddings(settings.embeddings) if settings.embeddings else None
    return NicheMatcher(niches_of(settings), MATCHER_CONFIDENCE if asked is None else asked, embeddings)


class NicheMatcher:
    """Matches text to descriptions of niches by keywords and TF-IDF cosines.

    Everything is fitted on the niches alone. Score of a niche = keyword hits (weighted by field and rarity, with
    diminishing returns) + cosine of its words and word pairs + cosine of its four-letter word parts, which find
    inflected and joined forms. Confidence = softmax over the scores and a constant for "none of these".

    With embeddings, how near the meanings of text and niche are takes the place of both cosines.
    """

    def __init__(self, niches: NicheSet, min_confidence: float, embeddings: Embeddings | None = None) -> None:
        self.niches = niches
        self.min_confidence = min_confidence
        identity = f"matcher {MATCHER_VERSION} {niches.identity} {min_confidence}"
        if embeddings is not None:
            identity += f" {embeddings.id.hash}"
        self.identity = hashlib.sha256(identity.encode()).hexdigest()
        self._keywords = Keywords.of([(niche.name, *niche.keywords) for niche in niches.niches])
        self._meanings = _Nearness(niches, embeddings) if embeddings is not None else None
        self._words = _Cosine([_documents(niche) for niche in niches.niches], _words_and_pairs)
        self._parts = _Cosine([[normalise(" ".join(niche.keywords))] for niche in niches.niches], _parts)

    def classify(self, videos: Sequence[Metadata]) -> list[Niche]:
        """Niches of a batch; a video without any evidence has neither niche nor confidence nor runner-up."""
        if not videos:
            return []
        scores = self.scores([text_of(video) for video in videos], videos)
        weights = np.expm1(SHARPNESS * scores)  # nothing for a niche without evidence, however many niches there are
        confidences = weights / (np.expm1(SHARPNESS * NONE_SCORE) + weights.sum(axis=1, keepdims=True))
        return [self._niche(row, confidence) for row, confidence in zip(scores, confidences, strict=True)]

    def scores(self, texts: Sequence[VideoText], videos: Sequence[Metadata]) -> Scores:
        """Evidence for every niche, float64 [videos, niches], 0 where there is none. texts: of the videos."""
        hits = sum(
            weight * self._keywords.found([getattr(text, field) for text in texts])
            for field, weight in FIELD_WEIGHTS.items()
        )
        # diminishing returns: the tenth keyword says less than the first
        keyword_scores = np.log1p(hits @ self._keywords.says)
        if self._meanings is not None:
            near: Scores = KEYWORD_WEIGHT * keyword_scores + MEANING_WEIGHT * self._meanings.to(texts, videos)
            return near
        words = self._words.to([text.all for text in texts])
        parts = self._parts.to([text.short for text in texts])
        total: Scores = KEYWORD_WEIGHT * keyword_scores + WORD_WEIGHT * words + PART_WEIGHT * parts
        return total

    def _niche(self, scores: Scores, confidences: Scores) -> Niche:
        first, second = (int(index) for index in np.argsort(-scores, kind="stable")[:2])
        if scores[first] <= 0:
            return Niche(niche=None, confidence=None, runner_up=None)
        confidence = round(float(confidences[first]), 4)
        if confidence < self.min_confidence:
            return Niche(niche=None, confidence=confidence, runner_up=self.niches.names[first])
        runner_up = self.niches.names[second] if scores[second] > 0 else None
        return Niche(niche=self.niches.names[first], confidence=confidence, runner_up=runner_up)


class _Nearness:
    """How much nearer the meaning of a video is to a niche than any two texts are: 0..1 [videos, niches]."""

    def __init__(self, niches: NicheSet, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        said = [
            [f"{niche.name}. {niche.description}", ", ".join(niche.keywords)[:TEXT_CHARS], *niche.examples]
            for niche in niches.niches
        ]
        self._firsts = np.cumsum([0, *map(len, said)])[:-1]
        self._documents = embeddings.of([document for documents in said for document in documents]).T

    def to(self, texts: Sequence[VideoText], videos: Sequence[Metadata]) -> Scores:
        # links and platform words alone mean nothing
        means = [any(token not in _STOP_WORDS for token in text.all.split()) for text in texts]
        said = [said_of(video) if meant else "" for video, meant in zip(videos, means, strict=True)]
        nearest = np.maximum.reduceat(self._embeddings.of(said) @ self._documents, self._firsts, axis=1)
        above: Scores = np.maximum(0.0, nearest.astype(np.float64) - UNRELATED) / (1 - UNRELATED)
        return above


class _Cosine:
    """Cosine similarity of texts to the nearest document of every niche; the TF-IDF is fitted on these documents."""

    def __init__(self, documents_of_niches: Sequence[Sequence[str]], analyzer: Analyzer) -> None:
        documents = [document for documents in documents_of_niches for document in documents]
        trust = [
            1.0 if place == 0 else EXAMPLE_TRUST for documents in documents_of_niches for place in range(len(documents))
        ]
        self._firsts = np.cumsum([0, *map(len, documents_of_niches)])[:-1]
        known = frozenset(feature for document in documents for feature in analyzer(document, None))
        # the vectorizer refuses an empty vocabulary, which a few very short descriptions may have; NUL is in no text
        vocabulary = sorted(known) or ["\0"]
        self._vectorizer = TfidfVectorizer(
            analyzer=lambda text: analyzer(text, known), sublinear_tf=True, vocabulary=vocabulary
        )
        self._documents = self._vectorizer.fit_transform(documents).T.toarray() * np.array(trust)

    def to(self, texts: Sequence[str]) -> Scores:
        # sparse times dense adds up row by row, so a text's result does not depend on its neighbours
        similarity = self._vectorizer.transform(texts) @ self._documents
        nearest: Scores = np.maximum.reduceat(similarity, self._firsts, axis=1)
        return nearest


def _documents(niche: NicheDescription) -> list[str]:
    """All that is said of the niche, and every example by itself."""
    examples = [normalise(example) for example in niche.examples]
    return [normalise(" ".join((niche.name, niche.description, *niche.keywords, *niche.examples))), *examples]


def _words_and_pairs(text: str, known: frozenset[str] | None) -> Iterator[str]:
    tokens = [token for token in text.split() if token not in _STOP_WORDS]
    found = chain((token for token in tokens if len(token) > 1), map(" ".join, pairwise(tokens)))
    return found if known is None else filter(known.__contains__, found)


def _parts(text: str, known: frozenset[str] | None) -> Iterator[str]:
    """Four letters at a time of every word, its edges marked by a space."""
    return chain.from_iterable(_parts_of(token, known) for token in text.split())


@lru_cache(maxsize=65536)
def _parts_of(token: str, known: frozenset[str] | None) -> tuple[str, ...]:
    if len(token) <= 2 or token in _STOP_WORDS:
        return ()
    padded = f" {token} "
    parts = (padded[start : start + 4] for start in range(len(padded) - 3))
    return tuple(part for part in parts if known is None or part in known)
