"""Training of a niche model: grouped cross-validation, calibration, the threshold for abstention, the final fit.

Videos of one channel never stand on both sides of a split. Every channel has about one vote: a video weighs one over
the root of its channel's videos, and a niche is raised by the root of how rare it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from tasks.classification.embeddings import Embeddings
from tasks.classification.features import Features, Texts, read
from tasks.classification.forest import Forest
from tasks.classification.guess import Guess
from tasks.classification.labels import Labelled, data_hash
from tasks.classification.model import Card, NicheModel, library_versions
from tasks.classification.scores import (
    Floats,
    Indices,
    best_precision,
    scores_of,
    softmax,
    temperature_of,
    threshold_of,
)
from tasks.errors import UsageError

#: Inverse strength of the ridge on the weights. Chosen on two thirds of the channels of YouTube's trending videos.
STRENGTH = 3.0
FOLDS = 5


def train(videos: Sequence[Labelled], precision: float, embeddings: Embeddings | None = None) -> NicheModel:
    """A calibrated model. precision: share of right niches that the threshold is chosen for, on videos not trained on.

    Raises UsageError where no threshold reaches the precision.
    """
    niches, truth = np.unique([video.niche for video in videos], return_inverse=True)
    _, channels = np.unique([video.channel for video in videos], return_inverse=True)
    texts = read([video.metadata for video in videos], embeddings=embeddings)
    logits, folds = held_out(texts, truth, channels, len(niches), seed=0)
    probabilities = calibrated(truth, logits, folds)
    right, sure = probabilities.argmax(axis=1) == truth, probabilities.max(axis=1)
    threshold = threshold_of(right, sure, precision)
    if threshold is None:
        raise UsageError(
            f"--precision {precision}: no confidence reaches it on channels that were not trained on; the highest is "
            f"{best_precision(right, sure):.2f}. Ask for less, or add labels"
        )
    # of the temperature that the model will have, so that the threshold means the same
    temperature = temperature_of(truth, logits)
    final = softmax(logits, temperature)
    threshold = threshold_of(final.argmax(axis=1) == truth, final.max(axis=1), precision) or threshold
    features, guess = fit(texts, truth, channels)
    card = Card(
        niches=tuple(map(str, niches)),
        fields=features.fields,
        data_hash=data_hash(videos),
        videos=dict(zip(map(str, niches), np.bincount(truth).tolist(), strict=True)),
        channels=int(channels.max()) + 1,
        scores=scores_of(truth, probabilities),
        precision=precision,
        threshold=threshold,
        accepted=round(float((final.max(axis=1) >= threshold).mean()), 4),
        temperature=temperature,
        versions=library_versions(),
        embeddings=embeddings.id if embeddings else None,
    )
    return NicheModel(card, features, guess, embeddings=embeddings)


def fit(texts: Texts, truth: Indices, channels: Indices) -> tuple[Features, Guess]:
    """Features and classifiers of all videos given."""
    features = Features.fitted(texts, np.unique(channels, return_inverse=True)[1])
    weights = weights_of(truth, channels)
    whole, dense = features.of(texts)
    linear = LogisticRegression(C=STRENGTH, max_iter=500).fit(whole, truth, sample_weight=weights)
    return features, Guess(linear, Forest.fitted(dense, np.searchsorted(linear.classes_, truth), weights))


def weights_of(truth: Indices, channels: Indices) -> Floats:
    """What each video counts for."""
    per_channel, per_niche = np.bincount(channels)[channels], np.bincount(truth)[truth]
    return np.asarray(np.sqrt(per_niche.mean() / per_niche / per_channel))


def splits(truth: Indices, channels: Indices, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """Rows to train on and to test on, FOLDS times; a channel is on one side only, niches are spread evenly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a niche with fewer videos than folds
        yield from StratifiedGroupKFold(min(FOLDS, len(set(channels))), shuffle=True, random_state=seed).split(
            np.zeros(len(truth)), truth, channels
        )


def held_out(
    texts: Texts, truth: Indices, channels: Indices, niches: int, seed: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Logits [videos, niches] of models that did not see the video's channel, and the fold of each video."""
    logits, folds = np.full((len(truth), niches), -np.inf), np.zeros(len(truth), dtype=np.int64)
    for number, (seen, unseen) in enumerate(splits(truth, channels, seed)):
        features, guess = fit(texts.of(seen), truth[seen], channels[seen])
        logits[np.ix_(unseen, guess.classes)] = guess.logits(features, texts.of(unseen))
        folds[unseen] = number
    return logits, folds


def calibrated(truth: Indices, logits: Floats, folds: NDArray[np.int64]) -> Floats:
    """Probabilities whose temperature was found on the other folds, so that their calibration can be judged."""
    probabilities = np.zeros_like(logits)
    for fold in set(folds.tolist()):
        here = folds == fold
        probabilities[here] = softmax(logits[here], temperature_of(truth[~here], logits[~here]))
    return probabilities
