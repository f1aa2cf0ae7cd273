"""How unlike the training images an image is, from a network's features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

CHUNK = 1024
"""Images whose distances are worked out at once: bounds the memory, not the result."""


@dataclass(frozen=True, eq=False)
class Gaussians:
    """One normal distribution per class with a common covariance, and one of all classes together.

    Attributes
    ----------
    means
        [class, feature].
    whitening
        Takes a difference to one of unit covariance, [feature, feature].
    mean, background
        Of all features, whatever their class: [feature], [feature, feature].
    """

    means: Float
    whitening: Float
    mean: Float
    background: Float

    def mahalanobis(self, features: ArrayLike) -> Float:
        """Squared distance to the nearest class, [image]; higher = more unlike.

        Notes
        -----
        Lee et al., NeurIPS 2018, arXiv:1807.03888.
        """
        x = np.asarray(features, dtype=np.float64)
        squares = [(((x - mean) @ self.whitening) ** 2).sum(1) for mean in self.means]
        return np.asarray(np.min(squares, axis=0))

    def relative(self, features: ArrayLike) -> Float:
        """The same less the squared distance to the distribution of all classes together.

        Notes
        -----
        Ren et al. 2021, arXiv:2106.09022: better for images that are near.
        """
        x = np.asarray(features, dtype=np.float64)
        return np.asarray(self.mahalanobis(x) - (((x - self.mean) @ self.background) ** 2).sum(1))


def fit_gaussians(features: ArrayLike, label: ArrayLike, shrinkage: float = 0.1) -> Gaussians:
    """Fit to training images.

    Parameters
    ----------
    features, label
        [image, feature], [image].
    shrinkage
        Share of the mean variance that is mixed into the covariance, so that directions in which few images
        vary do not decide alone (Ledoit & Wolf, J. Multivar. Anal. 2004,
        doi:10.1016/S0047-259X(03)00096-4).
    """
    x, labels = np.asarray(features, dtype=np.float64), np.asarray(label)
    classes = np.unique(labels)
    means = np.stack([x[labels == c].mean(0) for c in classes])
    within = x - means[np.searchsorted(classes, labels)]
    mean = x.mean(0)
    return Gaussians(means, _whitening(within, shrinkage), mean, _whitening(x - mean, shrinkage))


def _whitening(centred: Float, shrinkage: float) -> Float:
    covariance = centred.T @ centred / max(len(centred) - 1, 1)
    level = float(np.trace(covariance)) / len(covariance)
    mixed = (1 - shrinkage) * covariance + shrinkage * level * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(mixed)
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-12)))


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Training images by their direction in feature space.

    Attributes
    ----------
    directions
        Unit vectors, [training image, feature].
    k
        Which neighbour's distance counts.
    """

    directions: Float
    k: int

    def distance(self, features: ArrayLike) -> Float:
        """Distance to the k-th nearest training image, [image]; higher = more unlike.

        Notes
        -----
        Sun et al., ICML 2022, arXiv:2204.06507.
        """
        x = _unit(np.asarray(features, dtype=np.float64))
        parts = [x[i : i + CHUNK] @ self.directions.T for i in range(0, len(x), CHUNK)]
        near = [np.partition(p, p.shape[1] - self.k, axis=1)[:, p.shape[1] - self.k] for p in parts]
        return np.sqrt(np.maximum(2 - 2 * np.concatenate(near), 0)) if near else np.zeros(0)


def fit_neighbours(features: ArrayLike, k: int = 10) -> Neighbours:
    """Keep the training images' features [image, feature]."""
    directions = _unit(np.asarray(features, dtype=np.float64))
    if not 1 <= k <= len(directions):
        raise ValueError(f"k lies between 1 and {len(directions)}, the number of images; found {k}")
    return Neighbours(directions, k)


def _unit(x: Float) -> Float:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
