"""Whether a heat map shows what the model used, and whether that is where the disease lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.floating]
Boolean = NDArray[np.bool_]
Predict = Callable[[Float], Float]
"""Probabilities [n] of images [n, row, column]."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """Areas under the deletion and insertion curves of one image, by the heat map's order and by chance.

    Attributes
    ----------
    deletion, insertion
        By the heat map: a faithful map has a low deletion and a high insertion area.
    random_deletion, random_insertion
        The same for random orders of the same tiles.
    """

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float


def erasure(predict: Predict, image: Float, heat: Float, rng: Generator, repeats: int = 2) -> Erasure:
    """Delete and insert the tiles of an image in the order of its heat map.

    Parameters
    ----------
    predict
        Probabilities [n] of images [n, row, column].
    image
        [row, column].
    heat
        [tile row, tile column]; the tiles cover the image evenly.
    rng
        Source of the random orders.
    repeats
        Number of random orders.

    Returns
    -------
    Erasure
        Mean probability along each curve.

    Notes
    -----
    Petsiuk, Das & Saenko, BMVC 2018, arXiv:1806.07421. The filling is a strong blur of the image itself
    rather than black, so that a deleted image stays a plausible radiograph.
    """
    filling = blurred(image, max(image.shape) // 8)
    tiles = tile_index(image.shape, heat.shape)
    order = np.argsort(-heat.ravel(), kind="stable")
    chances = [_curves(predict, image, filling, tiles, rng.permutation(heat.size)) for _ in range(repeats)]
    deletion, insertion = _curves(predict, image, filling, tiles, order)
    by_chance = np.mean(chances, axis=0)
    return Erasure(deletion, insertion, float(by_chance[0]), float(by_chance[1]))


def deletion_insertion(predict: Predict, image: Float, heat: Float) -> tuple[float, float]:
    """Areas under the deletion and the insertion curve of one image by one map (see `erasure`).

    Parameters
    ----------
    predict
        Probabilities [n] of images [n, row, column].
    image, heat
        [row, column] and [tile row, tile column].
    """
    filling = blurred(image, max(image.shape) // 8)
    order = np.argsort(-heat.ravel(), kind="stable")
    return _curves(predict, image, filling, tile_index(image.shape, heat.shape), order)


def _curves(
    predict: Predict, image: Float, filling: Float, tiles: NDArray[np.int64], order: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean probability while tiles are deleted in order, and while they are inserted."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    steps = np.unique(np.linspace(0, len(order), 13).astype(int))
    early = rank[tiles][None] < steps[:, None, None]
    deleted = predict(np.where(early, filling, image))
    inserted = predict(np.where(early, image, filling))
    return trapezoid_mean(deleted, steps), trapezoid_mean(inserted, steps)


def trapezoid_mean(values: ArrayLike, at: ArrayLike) -> float:
    """Mean of a curve by the trapezoid rule over its range."""
    y, x = np.asarray(values, dtype=np.float64), np.asarray(at, dtype=np.float64)
    return float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(x)) / (x[-1] - x[0]))


def tile_index(shape: tuple[int, ...], tiles: tuple[int, ...]) -> NDArray[np.int64]:
    """Number of the tile that each pixel lies in, [row, column]."""
    row = np.arange(shape[0]) * tiles[0] // shape[0]
    column = np.arange(shape[1]) * tiles[1] // shape[1]
    return row[:, None] * tiles[1] + column[None, :]


def blurred(image: Float, reach: int) -> Float:
    """Mean over a square of 2 * reach + 1 pixels, edges repeated."""
    out = image.astype(np.float64)
    for axis in (0, 1):
        padded = np.pad(out, [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        summed = np.cumsum(padded, axis=axis)
        size = out.shape[axis]
        upper = np.take(summed, np.arange(size) + 2 * reach + 1, axis=axis)
        out = (upper - np.take(summed, np.arange(size), axis=axis)) / (2 * reach + 1)
    return out.astype(image.dtype)


def points_inside(heat: Float, mask: Boolean) -> bool:
    """Pointing game: whether the hottest pixel lies in the lesion.

    Parameters
    ----------
    heat, mask
        [row, column], the same shape.

    Notes
    -----
    Zhang et al., Int. J. Comput. Vis. 2018, doi:10.1007/s11263-017-1059-x (here without their tolerance
    margin).
    """
    return bool(mask.ravel()[int(np.argmax(heat))])


def energy_inside(heat: Float, mask: Boolean) -> float:
    """Share of a non-negative map's sum that lies in the lesion; nan for an empty map.

    Notes
    -----
    Energy-based pointing game, Wang et al. (Score-CAM), CVPR Workshops 2020, arXiv:1910.01279. Chance =
    `mask.mean()`.
    """
    total = float(heat.sum())
    return float(heat[mask].sum()) / total if total > 0 else float("nan")


def blind_pointer_hits(masks: Boolean) -> Boolean:
    """Hits [image] of a pointer that never sees the image.

    It points at the place covered by most of the *other* images' lesions.

    Parameters
    ----------
    masks
        [image, row, column], all images in one frame; at least two.
    """
    others = masks.sum(0)[None] - masks.astype(np.int64)
    peaks = others.reshape(len(masks), -1).argmax(1)
    return np.asarray(masks.reshape(len(masks), -1)[np.arange(len(masks)), peaks])


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation of two maps, ties by mean rank; nan if either is flat.

    Notes
    -----
    Spearman, Am. J. Psychol. 1904, doi:10.2307/1412159. Used for the model-randomisation check of Adebayo
    et al., NeurIPS 2018, arXiv:1810.03292: a map that stays the same when the weights are random does not
    show the model.
    """
    a, b = (_mean_ranks(np.asarray(x, dtype=np.float64).ravel()) for x in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")


def _mean_ranks(values: Float) -> Float:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
