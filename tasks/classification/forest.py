"""A forest of extremely randomised trees (Geurts et al. 2006) as plain arrays, so that a file of it can be checked.

scikit-learn's own trees follow whatever a file tells them to, out of their memory too; these are looked through first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.tree._tree import Tree

from tasks.classification.scores import Floats, Indices

#: Trees of the forest, the least videos in a leaf, and the share of the features that each split may choose from.
TREES, LEAF_VIDEOS, SPLIT_SHARE = 100, 2, 0.1
LEAF = -1
FIELDS = ("left_child", "right_child", "feature", "threshold")


class Forest:
    """nodes: one array per field of FIELDS, tree after tree, of `sizes` nodes each; children count from their tree's root.

    shares: float32 [nodes, classes], the share of each class at a leaf. width: features of a video.
    """

    def __init__(
        self, nodes: Mapping[str, NDArray[Any]], sizes: Indices, shares: NDArray[np.float32], width: int
    ) -> None:
        self.nodes, self.sizes, self.shares, self.width = dict(nodes), sizes, shares, width
        self._trees = [self._tree(*span) for span in self._spans()]

    @classmethod
    def fitted(cls, dense: Floats, truth: Indices, weights: Floats) -> Forest:
        """dense: [videos, features]. truth: class of each video, from 0 on. weights: what each counts for."""
        grown = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF_VIDEOS, max_features=SPLIT_SHARE, random_state=0)
        trees = [each.tree_ for each in grown.fit(dense.astype(np.float32), truth, sample_weight=weights).estimators_]
        nodes = {field: np.concatenate([tree.__getstate__()["nodes"][field] for tree in trees]) for field in FIELDS}
        shares = np.concatenate([tree.value[:, 0, :] for tree in trees]).astype(np.float32)
        shares[nodes["left_child"] != LEAF] = 0
        return cls(nodes, np.array([tree.node_count for tree in trees]), shares, dense.shape[1])

    def probabilities(self, dense: Floats) -> Floats:
        """[videos, classes]; a row does not depend on the others."""
        if dense.shape[1] != self.width:
            raise ValueError(f"{dense.shape[1]} features where the forest has {self.width}")
        values = np.ascontiguousarray(dense, dtype=np.float32)
        total = np.zeros((len(dense), self.shares.shape[1]))
        for tree in self._trees:
            total += tree.predict(values)
        return np.asarray(total / len(self._trees))

    def state(self) -> dict[str, Any]:
        """What `restored` needs, of arrays."""
        return {"nodes": self.nodes, "sizes": self.sizes, "shares": self.shares, "width": self.width}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Forest:
        """Raises ValueError for what cannot be a forest."""
        return cls(state["nodes"], state["sizes"], state["shares"], int(state["width"]))

    def _spans(self) -> list[tuple[int, int]]:
        count = len(self.shares)
        if self.sizes.ndim != 1 or not len(self.sizes) or (self.sizes < 1).any() or self.sizes.sum() != count:
            raise ValueError("the sizes of the trees do not add up")
        if any(self.nodes[field].shape != (count,) for field in FIELDS) or self.shares.ndim != 2:
            raise ValueError("the nodes of the forest are not whole")
        ends = np.cumsum(self.sizes)
        return list(zip((ends - self.sizes).tolist(), ends.tolist(), strict=True))

    def _tree(self, start: int, end: int) -> Tree:
        """Raises ValueError for a tree that leads out of itself, round in circles or to features that there are not."""
        left, right, feature = (self.nodes[field][start:end].astype(np.int64) for field in FIELDS[:3])
        inner = left != LEAF
        own = np.arange(end - start)
        for child in (left, right):
            if (
                (child[inner] <= own[inner]).any()
                or (child[inner] >= end - start).any()
                or (child[~inner] != LEAF).any()
            ):
                raise ValueError("a tree of the forest leads nowhere")
        if (feature[inner] < 0).any() or (feature[inner] >= self.width).any():
            raise ValueError("a tree of the forest asks for a feature that there is not")
        tree = Tree(self.width, np.array([self.shares.shape[1]], dtype=np.intp), 1)
        nodes = np.zeros(end - start, dtype=tree.__getstate__()["nodes"].dtype)
        for field in FIELDS:
            nodes[field] = self.nodes[field][start:end]
        values = np.ascontiguousarray(self.shares[start:end, None, :], dtype=np.float64)
        tree.__setstate__({"max_depth": end - start, "node_count": end - start, "nodes": nodes, "values": values})
        return tree
