"""What would have to be otherwise for the reader to say otherwise.

Three answers, each measured: the nearest real patient who is called otherwise; the smallest change of what
the network saw; and the smallest part of the image whose blurring turns the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.evaluation.faithfulness import blurred, tile_index

Float = NDArray[np.floating]
Predict = Callable[[Float], Float]

AXES = 32
"""Principal axes in which patients are compared."""


@dataclass(frozen=True)
class Space:
    """Where patients lie: principal axes of the training images, each scaled to unit variance.

    Attributes
    ----------
    mean, scale
        Of the training features, [d].
    axes
        [d, axis].
    """

    mean: Float
    scale: Float
    axes: Float

    def __call__(self, features: Float) -> Float:
        """Places [n, axis] of features [n, d]."""
        return np.asarray((features - self.mean) / self.scale @ self.axes)


def fit_space(features: Float, axes: int = AXES) -> Space:
    """Fit the axes on training features [n, d]."""
    mean, scale = features.mean(0), features.std(0) + 1e-6
    plain = (features - mean) / scale
    _, singular, rows = np.linalg.svd(plain, full_matrices=False)
    kept = min(axes, len(singular))
    return Space(mean, scale, rows[:kept].T / (singular[:kept] / np.sqrt(len(plain))))


@dataclass(frozen=True)
class Nearest:
    """The nearest training patient who is called otherwise, for each of n images.

    Attributes
    ----------
    index
        Which training image, [n].
    distance
        How far, [n], in deviations per axis.
    ratio
        Distance over that of the nearest patient called alike, [n]: 1 means at the border.
    """

    index: NDArray[np.int64]
    distance: Float
    ratio: Float


def nearest_otherwise(
    places: Float, called: NDArray[np.bool_], known: Float, known_called: NDArray[np.bool_]
) -> Nearest:
    """Find each image's contrast among training images.

    Parameters
    ----------
    places, called
        Of the images, [n, axis] and [n].
    known, known_called
        Of the training images, [m, axis] and [m]; both calls occur.
    """
    apart = np.sqrt(((places[:, None] - known[None]) ** 2).mean(2))
    other = np.where(called[:, None] != known_called[None], apart, np.inf)
    alike = np.where(called[:, None] == known_called[None], apart, np.inf)
    index = other.argmin(1)
    distance = other[np.arange(len(places)), index]
    return Nearest(index, distance, distance / alike.min(1))


def smallest_change(features: Float, weight: Float, score: Float, threshold: float, space: Space) -> Float:
    """Features [n, d] moved just over the threshold by the shortest way in the patients' own scatter.

    Parameters
    ----------
    features
        [n, d].
    weight
        Of a linear score, [d].
    score
        Of the features, [n].
    threshold
        Of the score.
    space
        Gives the scatter; only directions in which patients differ are taken.

    Notes
    -----
    The least Mahalanobis change to a linear score's border: Wachter, Mittelstadt & Russell 2018,
    arXiv:1711.00399, in closed form.
    """
    spread = np.linalg.pinv(space.axes) * space.scale  # [axis, d]: one deviation along each axis
    along = spread @ weight
    step = (threshold - score)[:, None] * along / float(along @ along)
    return np.asarray(features + 1.001 * step @ spread)


@dataclass(frozen=True)
class Turned:
    """How much of each image had to be blurred, by an order, before the call turned.

    Attributes
    ----------
    share
        Of the image's tiles, [n]; 1 where nothing turned it.
    turned
        Whether it turned before half of the image was gone, [n].
    """

    share: Float
    turned: NDArray[np.bool_]


def erased_until_turned(
    predict: Predict, images: Sequence[Float], heats: Sequence[Float], threshold: float, steps: int = 12
) -> Turned:
    """Blur the hottest tiles first until the probability falls under the threshold.

    Parameters
    ----------
    predict
        Probabilities [n] of inputs [n, row, column].
    images
        Inputs [1, 1, row, column] that are called positive.
    heats
        One map for each.
    threshold
        Of the probability.
    steps
        Shares tried, from one tile to half of the image, evenly.
    """
    shares = np.array(
        [_share_to_turn(predict, i[0, 0], h, threshold, steps) for i, h in zip(images, heats, strict=True)]
    )
    return Turned(shares, shares <= 0.5)


def _share_to_turn(predict: Predict, image: Float, heat: Float, threshold: float, steps: int) -> float:
    filling = blurred(image, max(image.shape) // 8)
    tiles = tile_index(image.shape, heat.shape)
    rank = np.empty(heat.size, dtype=np.int64)
    rank[np.argsort(-heat.ravel(), kind="stable")] = np.arange(heat.size)
    shares = np.linspace(0, 0.5, steps + 1)[1:]
    gone = rank[tiles][None] < np.maximum(1, shares * heat.size)[:, None, None]
    under = predict(np.where(gone, filling, image).astype(np.float32)) < threshold
    return float(shares[int(np.argmax(under))]) if under.any() else 1.0
