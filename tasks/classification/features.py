"""The features that a trained model reads: words and word pairs, topics, and how the text is written.

What generalises to other channels is kept: a word counts by how many channels use it, and is dropped where only one does;
links, handles and the lines of a description that hold them are left out; topics (topics.yaml and the niches that come
with reelscope) know teams, dishes and newspapers that no label names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from tasks.classification.embeddings import Embeddings, Meanings, said_of
from tasks.classification.keywords import Keywords
from tasks.classification.niches import load_niches
from tasks.classification.scores import Floats
from tasks.classification.shape import shapes
from tasks.classification.text import normalise
from tasks.records import Metadata
from tasks.settings import SAMPLE_NICHES

TOPICS = Path(__file__).with_name("topics.yaml")
FIELDS = ("title", "tags", "uploader", "description")
#: What a topic's keyword counts for by where it stands, in the topics of the whole.
TOPIC_WEIGHTS = {"title": 1.0, "tags": 0.5, "uploader": 1.0, "description": 0.3}
WORDS_WEIGHT, TOPICS_WEIGHT, SHAPE_WEIGHT, MEANING_WEIGHT = 1.0, 1.5, 0.3, 1.0
#: Channels that must use a word, of a training set that names channels.
MIN_CHANNELS = 2
MAX_SAYS = 1 << 26  # terms x topics
#: A description says at its start what the video is.
HEAD_CHARS = 500
_BOILERPLATE = re.compile(
    r"https?://|www\.|@\w|subscribe|follow (?:me|us)|instagram|facebook|twitter|snapchat|patreon|business inquir|copyright",
    re.IGNORECASE,
)
_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Texts:
    """Normalised text of videos by field; fields that the model was not trained on are empty. meanings: embeddings."""

    by_field: Mapping[str, list[str]]
    shapes: NDArray[np.float64]
    meanings: Meanings | None = None  # [videos, size]

    @property
    def whole(self) -> list[str]:
        return [" ".join(filter(None, said)) for said in zip(*self.by_field.values(), strict=True)]

    def of(self, rows: NDArray[np.int64]) -> Texts:
        chosen = {name: [said[row] for row in rows] for name, said in self.by_field.items()}
        return Texts(chosen, self.shapes[rows], None if self.meanings is None else self.meanings[rows])


def read(videos: Sequence[Metadata], fields: Sequence[str] = FIELDS, embeddings: Embeddings | None = None) -> Texts:
    """The text of `fields`; `categories` is never read, it may be the label itself."""
    readers: dict[str, Callable[[Metadata], str]] = {
        "title": lambda video: video.title,
        "tags": lambda video: " ".join(f"#{tag.lstrip('#')}" for tag in video.tags if tag != "[none]"),
        "uploader": lambda video: _JOINED.sub(" ", video.uploader or ""),
        "description": lambda video: head(video.description),
    }
    by_field = {
        name: [normalise(readers[name](video)) if name in fields else "" for video in videos] for name in FIELDS
    }
    meanings = None
    if embeddings is not None:
        whole = zip(*by_field.values(), strict=True)
        meanings = embeddings.of(
            [said_of(video) if any(said) else "" for video, said in zip(videos, whole, strict=True)]
        )
    return Texts(by_field, shapes(videos), meanings)


def head(description: str) -> str:
    """The start of a description without the lines that are links, handles or requests."""
    lines = description[: 4 * HEAD_CHARS].splitlines()
    return " ".join(line for line in lines if not _BOILERPLATE.search(line))[:HEAD_CHARS]


@dataclass(frozen=True)
class Features:
    """vocabulary: words and pairs, in the order of `rarity` (inverse channel frequency). fields: that are read."""

    fields: tuple[str, ...]
    vocabulary: tuple[str, ...]
    rarity: NDArray[np.float64]
    topics: Keywords

    @classmethod
    def fitted(cls, texts: Texts, channels: NDArray[np.int64]) -> Features:
        """channels: the number of each video's channel."""
        counter = CountVectorizer(analyzer=_words_and_pairs, binary=True)
        counts = counter.fit_transform(texts.whole)
        videos = np.arange(len(channels))
        member = sparse.csr_matrix((np.ones(len(channels)), (channels, videos)))
        used_by = np.asarray((member @ counts).sign().sum(axis=0)).ravel()
        kept = np.flatnonzero(used_by >= MIN_CHANNELS)
        rarity = np.log((1 + channels.max()) / used_by[kept]) + 1
        fields = tuple(name for name, said in texts.by_field.items() if any(said))
        return cls(fields, tuple(counter.get_feature_names_out()[kept]), rarity, topics())

    def of(self, texts: Texts) -> tuple[sparse.csr_matrix, Floats]:
        """[videos, features], all of them, and topics and shape alone; a row does not depend on the others."""
        shares = self.shares(texts)
        dense = [TOPICS_WEIGHT * shares, SHAPE_WEIGHT * texts.shapes]
        if texts.meanings is not None:
            dense.append(MEANING_WEIGHT * texts.meanings.astype(np.float64))
        whole = sparse.hstack([WORDS_WEIGHT * self.words(texts), sparse.csr_matrix(np.hstack(dense))])
        return whole.tocsr(), np.hstack([shares, texts.shapes])

    def words(self, texts: Texts) -> sparse.csr_matrix:
        """Sublinear TF-IDF, rows of length 1."""
        counts = self._counter.transform(texts.whole).astype(float)
        counts.data = 1 + np.log(counts.data)
        rarity = self.rarity if len(self.rarity) else np.ones(1)
        return sparse.csr_matrix(normalize(counts @ sparse.diags(rarity)))

    @cached_property
    def _counter(self) -> CountVectorizer:
        # the vectorizer refuses an empty vocabulary, which very few videos may have; NUL is in no text
        vocabulary = list(self.vocabulary) or ["\0"]
        known = frozenset(vocabulary)  # the counter takes its time over what it does not know
        return CountVectorizer(
            analyzer=lambda text: filter(known.__contains__, _words_and_pairs(text)), vocabulary=vocabulary
        )

    def shares(self, texts: Texts) -> NDArray[np.float64]:
        """Topics of each field and of all, as shares of what is said of any; 0 where nothing is."""
        said = {name: self.topics.found(texts.by_field[name]) @ self.topics.says for name in FIELDS}
        said["all"] = np.sum([TOPIC_WEIGHTS[name] * said[name] for name in FIELDS], axis=0)
        return np.hstack([topics / (1 + topics.sum(axis=1, keepdims=True)) for topics in said.values()])

    def state(self) -> dict[str, Any]:
        """What `restored` needs, of arrays and strings."""
        return {
            "fields": list(self.fields),
            "vocabulary": list(self.vocabulary),
            "rarity": self.rarity,
            "terms": self.topics.terms,
            "said": np.argwhere(self.topics.says),
            "says": self.topics.says[self.topics.says > 0],
            "subjects": self.topics.says.shape[1],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Features:
        if not 0 <= state["subjects"] * len(state["terms"]) <= MAX_SAYS:
            raise ValueError("too many topics")
        says = np.zeros((len(state["terms"]), state["subjects"]))
        says[tuple(state["said"].T)] = state["says"]
        return cls(tuple(state["fields"]), tuple(state["vocabulary"]), state["rarity"], Keywords(state["terms"], says))


@cache
def topics() -> Keywords:
    """The topics, and the niches that come with reelscope."""
    ours: dict[str, list[str]] = yaml.safe_load(TOPICS.read_text(encoding="utf-8"))
    niches = load_niches(SAMPLE_NICHES).niches
    return Keywords.of(
        [[name, *terms] for name, terms in ours.items()] + [[niche.name, *niche.keywords] for niche in niches]
    )


def _words_and_pairs(text: str) -> Iterator[str]:
    tokens = text.split()
    yield from tokens
    yield from map(" ".join, pairwise(tokens))
