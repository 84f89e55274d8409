"""What a trained model guesses with: a linear classifier that knows words, and a forest that knows topics alone.

Words of the training channels mislead where other channels are judged, and topics tell less where the words are known; the
mean of both is better than either on unseen channels, the more so the less these have in common with those trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from tasks.classification.features import Features, Texts
from tasks.classification.forest import Forest
from tasks.classification.scores import Floats, Indices

#: No class is impossible.
FLOOR = 1e-4


@dataclass(frozen=True)
class Guess:
    """Both trained on the same videos: `linear` on all features, `forest` on topics and shape."""

    linear: LogisticRegression
    forest: Forest

    @property
    def classes(self) -> Indices:
        return np.asarray(self.linear.classes_)

    def logits(self, features: Features, texts: Texts) -> Floats:
        """Logarithms of the mean probabilities, [videos, classes]."""
        whole, dense = features.of(texts)
        known = self.linear.predict_proba(whole), self.forest.probabilities(dense)
        return np.asarray(np.log(FLOOR + np.mean(known, axis=0)))

    def sound(self, classes: int) -> bool:
        """Are these what was trained, for so many classes? They may come from a file."""
        return (
            type(self.linear) is LogisticRegression
            and len(self.linear.classes_) == self.forest.shares.shape[1] == classes
        )
