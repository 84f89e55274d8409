"""How good predicted probabilities are: macro-F1, accuracy, calibration error, accuracy against coverage, a threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import f1_score

from tasks.records import Record

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
#: Classes with fewer true videos are left out of macro-F1: their F1 is chance.
MIN_TRUE = 15
BINS = 10
#: Where every guess is right the best temperature would be 0, and confidence always 1.
LOG_TEMPERATURES = (-1.0, 3.0)
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
#: Fewer accepted videos say nothing about precision.
MIN_ACCEPTED = 20


class Scores(Record):
    """macro_f1: over the classes with MIN_TRUE videos, all of them where none has. coverage: share -> accuracy of the surest."""

    macro_f1: float
    accuracy: float
    calibration_error: float
    coverage: dict[str, float]


def scores_of(truth: Indices, probabilities: Floats) -> Scores:
    """truth: class of each video. probabilities: [videos, classes]."""
    guess, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    classes, counts = np.unique(truth, return_counts=True)
    counted = classes[counts >= MIN_TRUE] if (counts >= MIN_TRUE).any() else classes
    right = guess == truth
    surest = right[np.argsort(-sure, kind="stable")]
    return Scores(
        macro_f1=round(float(f1_score(truth, guess, labels=counted, average="macro", zero_division=0)), 4),
        accuracy=round(float(right.mean()), 4),
        calibration_error=round(calibration_error(right, sure), 4),
        coverage={
            f"{share:.0%}": round(float(surest[: max(1, round(share * len(right)))].mean()), 4) for share in COVERAGES
        },
    )


def calibration_error(right: NDArray[np.bool_], sure: Floats) -> float:
    """Expected calibration error of the first choice, over BINS bins of equally many videos (Nguyen & O'Connor 2015)."""
    bins = np.array_split(np.argsort(sure, kind="stable"), BINS)
    return float(sum(abs(right[rows].mean() - sure[rows].mean()) * len(rows) for rows in bins if len(rows)) / len(sure))


def softmax(logits: Floats, temperature: float) -> Floats:
    """Probabilities [videos, classes]; a class that was never seen has the logit -inf and none."""
    scaled = logits / temperature
    grown = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def temperature_of(truth: Indices, logits: Floats) -> float:
    """The temperature that makes probabilities true of videos that were not trained on (Guo et al. 2017)."""

    def loss(log_temperature: float) -> float:
        likelihood = softmax(logits, np.exp(log_temperature))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(likelihood, 1e-12)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def threshold_of(right: NDArray[np.bool_], sure: Floats, precision: float) -> float | None:
    """The lowest confidence above which at least `precision` of the first choices are right; None where there is none.

    Never more than `precision`: a calibrated first choice of that confidence is right as often.
    """
    order = np.argsort(-sure, kind="stable")
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    accepted = np.flatnonzero(precisions >= precision) + 1
    accepted = accepted[accepted >= min(MIN_ACCEPTED, len(order))]
    if not len(accepted):
        return None
    return min(float(sure[order[accepted[-1] - 1]]), precision)


def best_precision(right: NDArray[np.bool_], sure: Floats) -> float:
    """The highest precision that a threshold reaches."""
    order = np.argsort(-sure, kind="stable")
    precisions = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    return float(precisions[min(MIN_ACCEPTED, len(right)) - 1 :].max())
