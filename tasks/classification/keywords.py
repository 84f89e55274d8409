"""Keywords in text: found whole, in the plural and joined as in a hashtag, and what each says of which subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from tasks.classification.text import normalise

PHRASE_TOKENS = 6


class Keywords:
    """terms: normalised, sorted, each once. says: float64 [terms, subjects], 1 shared among the subjects that name it."""

    def __init__(self, terms: Sequence[str], says: NDArray[np.float64]) -> None:
        self.terms, self.says = list(terms), says
        vocabulary = {term: column for column, term in enumerate(self.terms)}
        self._counter = CountVectorizer(vocabulary=vocabulary, analyzer=_PhraseFinder(vocabulary))

    @classmethod
    def of(cls, subjects: Sequence[Iterable[str]]) -> Keywords:
        """The keywords of each subject, in its order."""
        owners: dict[str, set[int]] = {}
        for index, keywords in enumerate(subjects):
            for keyword in keywords:
                for form in _forms(normalise(keyword)):
                    owners.setdefault(form, set()).add(index)
        terms = sorted(owners)
        says = np.zeros((len(terms), len(subjects)))
        for row, term in enumerate(terms):
            says[row, sorted(owners[term])] = 1 / len(owners[term])
        return cls(terms, says)

    def found(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """1 where a term is in a normalised text, [texts, terms]."""
        return sparse.csr_matrix(self._counter.transform(texts).sign())


class _PhraseFinder:
    """The phrases of a text that may be keywords: only those that begin as a keyword of their length begins."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = frozenset(phrases)
        lengths: dict[str, set[int]] = {}
        for phrase in self._phrases:
            tokens = phrase.split()
            lengths.setdefault(tokens[0], set()).add(len(tokens))
        self._lengths = {token: tuple(sorted(found)) for token, found in lengths.items()}

    def __call__(self, text: str) -> Iterator[str]:
        tokens = text.split()
        for start, token in enumerate(tokens):
            for length in self._lengths.get(token, ()):
                phrase = token if length == 1 else " ".join(tokens[start : start + length])
                if phrase in self._phrases:  # the counter takes its time over what it does not know
                    yield phrase


def _forms(keyword: str) -> Iterator[str]:
    """A keyword as people write it: as it is, in the plural, and joined as in a hashtag."""
    if not keyword:
        return
    tokens = keyword.split()[:PHRASE_TOKENS]
    phrase = " ".join(tokens)
    yield phrase
    if len(tokens) > 1:
        yield "".join(tokens)
    if phrase.isascii() and len(tokens[-1]) > 2 and not phrase.endswith("s"):
        yield f"{phrase}s"
