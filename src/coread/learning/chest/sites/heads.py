"""Linear heads on what a trunk saw, and three ways to keep a known shortcut out of them.

A head that is linear over averaged responses can be taken apart by place without remainder, is fitted in
seconds, and does not forget its trunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression

from coread.learning.chest.cohort import Radiograph

Float = NDArray[np.float64]

ITERATIONS = 3000
"""Most steps of the solver; the strong penalties used here need a few dozen."""


@dataclass(frozen=True)
class Head:
    """A linear score of features [n, d].

    Attributes
    ----------
    weight
        [d], of the features as they are (any standardisation is folded in).
    bias
        Score of features that are all zero.
    """

    weight: Float
    bias: float

    def __call__(self, features: ArrayLike) -> Float:
        """Scores [n] of features [n, d]."""
        return np.asarray(np.asarray(features, dtype=np.float64) @ self.weight + self.bias)


def fit_head(
    features: ArrayLike, truth: ArrayLike, weight: ArrayLike | None = None, strength: float = 0.003
) -> Head:
    """Fit a logistic head with a penalty on the standardised features.

    Parameters
    ----------
    features
        [n, d].
    truth
        0 or 1, [n].
    weight
        Of each case, [n]; all alike if left out.
    strength
        Inverse of the penalty (scikit-learn's C).
    """
    x = np.asarray(features, dtype=np.float64)
    mean, scale = x.mean(0), x.std(0) + 1e-6
    model = LogisticRegression(C=strength, max_iter=ITERATIONS)
    model.fit((x - mean) / scale, np.asarray(truth), sample_weight=weight)
    slope = model.coef_[0] / scale
    return Head(slope, float(model.intercept_[0] - mean @ slope))


def balanced(items: Sequence[Radiograph], shortcut: Sequence[str | None] | None = None) -> Float:
    """Weights [n], mean 1, under which a shortcut says nothing of the label.

    Sources count alike, labels are even in each source, and the shortcut is even in each label.

    Parameters
    ----------
    items
        Radiographs.
    shortcut
        What must not predict the label within a source; the view if left out.

    Notes
    -----
    Under these weights label and shortcut are independent within a source, which closes the path
    shortcut - label of the training data (inverse probability weighting by cells; Robins, Hernan & Brumback,
    Epidemiology 2000, doi:10.1097/00001648-200009000-00011).
    """
    marks = [item.view for item in items] if shortcut is None else list(shortcut)
    cells = [(item.site, item.opacity, mark) for item, mark in zip(items, marks, strict=True)]
    sizes = Counter(cells)
    kinds = Counter((site, label) for site, label, _ in sizes)
    sites = len({site for site, _, _ in sizes})
    odds = np.array([1 / (sites * 2 * kinds[c[:2]] * sizes[c]) for c in cells])
    return np.asarray(odds / odds.mean())


@dataclass(frozen=True)
class Eraser:
    """Takes one direction out of features, along another: x - (x . read) * write.

    Attributes
    ----------
    read, write
        [d]; their product is 1.
    """

    read: Float
    write: Float
    centre: Float

    def __call__(self, features: ArrayLike) -> Float:
        """Features [n, d] without the concept."""
        x = np.asarray(features, dtype=np.float64) - self.centre
        return np.asarray(x - np.outer(x @ self.read, self.write) + self.centre)

    def folded(self, head: Head) -> Head:
        """The head that sees the features as they are, and scores them as `head` scores the erased ones."""
        weight = head.weight - self.read * float(self.write @ head.weight)
        return Head(weight, head.bias + float(self.centre @ (head.weight - weight)))


def fit_eraser(features: ArrayLike, concept: ArrayLike, given: ArrayLike, shrink: float = 0.5) -> Eraser:
    """Find the change of features by which no linear rule can tell the concept any more, given the label.

    Parameters
    ----------
    features
        [n, d].
    concept
        0 or 1, [n]: what is to be forgotten.
    given
        0 or 1, [n]: the label; the concept's direction is its mean difference within the labels.
    shrink
        Share of the scaled identity in the covariance, for d above n.

    Notes
    -----
    LEACE with one binary concept: Belrose et al., NeurIPS 2023, arXiv:2306.03819; covariance shrunk to its
    diagonal mean (Ledoit & Wolf, J. Multivar. Anal. 2004, doi:10.1016/S0047-259X(03)00096-4).
    """
    x = np.asarray(features, dtype=np.float64)
    z, y = np.asarray(concept, dtype=bool), np.asarray(given, dtype=bool)
    apart = np.mean([x[z & (y == k)].mean(0) - x[~z & (y == k)].mean(0) for k in (False, True)], axis=0)
    solved = _solve_shrunk(x - x.mean(0), apart, shrink)
    return Eraser(solved / float(solved @ apart), apart, x.mean(0))


def _solve_shrunk(centred: Float, vector: Float, shrink: float) -> Float:
    """Inverse of (1 - shrink) * covariance + shrink * variance * identity, times a vector, by Woodbury."""
    count = len(centred)
    ridge = shrink * float(centred.var(0).mean())
    scaled = centred * np.sqrt((1 - shrink) / count)
    inner = np.eye(count) + scaled @ scaled.T / ridge
    return np.asarray((vector - scaled.T @ np.linalg.solve(inner, scaled @ vector) / ridge) / ridge)


def aligned(features: ArrayLike, unlabelled: ArrayLike, target: ArrayLike) -> Float:
    """Features brought to another source's means and deviations, from unlabelled images of both.

    Parameters
    ----------
    features
        [n, d] of the source that `unlabelled` [m, d] describes.
    unlabelled, target
        Training images of the two sources, labels unseen.

    Notes
    -----
    The diagonal case of CORAL: Sun, Feng & Saenko, AAAI 2016, arXiv:1511.05547.
    """
    old, new = np.asarray(unlabelled, dtype=np.float64), np.asarray(target, dtype=np.float64)
    standard = (np.asarray(features, dtype=np.float64) - old.mean(0)) / (old.std(0) + 1e-6)
    return np.asarray(standard * new.std(0) + new.mean(0))
