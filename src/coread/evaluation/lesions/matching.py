"""Which marks hit which lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Integer = NDArray[np.int64]

MISS = -1
"""Lesion number of a mark that hit none."""
DOUBLE = -2
"""Lesion number of a mark on a lesion that a better mark had hit: neither hit nor false alarm."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """All marks of a reader on a set of images, matched.

    Attributes
    ----------
    score
        Of each mark, [mark].
    image
        Number of its image, [mark].
    lesion
        Number of the lesion that it hit, `MISS` or `DOUBLE`, [mark]; each lesion is hit once at most.
    lesions
        Number of lesions of each image, [image].
    """

    score: Float
    image: Integer
    lesion: Integer
    lesions: Integer

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Whether each mark is a hit, [mark]."""
        return np.asarray(self.lesion >= 0)

    @property
    def false_alarms(self) -> NDArray[np.bool_]:
        """Whether each mark is a false alarm, [mark]."""
        return np.asarray(self.lesion == MISS)


def box_iou(first: ArrayLike, second: ArrayLike) -> Float:
    """Intersection over union of boxes.

    Parameters
    ----------
    first, second
        [n, 4] and [m, 4]: left, top, right, bottom in the same units.

    Returns
    -------
    Float
        [n, m], 0..1.
    """
    a, b = (np.asarray(x, dtype=np.float64).reshape(-1, 4) for x in (first, second))
    for boxes in (a, b):
        if (boxes[:, 2:] <= boxes[:, :2]).any():
            raise ValueError("a box needs left < right and top < bottom")
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    sizes_a, sizes_b = (np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b))
    return np.asarray(shared / (sizes_a[:, None] + sizes_b[None, :] - shared))


def found_by_boxes(boxes: ArrayLike, scores: ArrayLike, truths: ArrayLike, at_least: float = 0.5) -> Integer:
    """Match the boxes of one image to its true boxes, the most confident first.

    Parameters
    ----------
    boxes, scores
        [mark, 4], [mark].
    truths
        [lesion, 4].
    at_least
        Overlap from which a mark is a hit.

    Returns
    -------
    Integer
        Lesion of each mark, or `MISS`: a second box on one lesion is a false alarm.

    Notes
    -----
    As in the PASCAL VOC challenge, Everingham et al., Int. J. Comput. Vis. 2010,
    doi:10.1007/s11263-009-0275-4.
    """
    return _greedy(box_iou(boxes, truths), np.asarray(scores, dtype=np.float64), at_least)


def _greedy(closeness: Float, scores: Float, at_least: float) -> Integer:
    found = np.full(len(scores), MISS, dtype=np.int64)
    free = np.ones(closeness.shape[1], dtype=bool)
    for mark in np.argsort(-scores, kind="stable"):
        if not free.any():
            break
        best = int(np.argmax(np.where(free, closeness[mark], -np.inf)))
        if closeness[mark, best] >= at_least:
            found[mark], free[best] = best, False
    return found


def found_by_distance(
    places_mm: ArrayLike, scores: ArrayLike, centres_mm: ArrayLike, radii_mm: ArrayLike
) -> Integer:
    """Match the marks of one scan to its lesions: a hit lies within the radius of the lesion's centre.

    Parameters
    ----------
    places_mm, scores
        [mark, axis], [mark].
    centres_mm, radii_mm
        [lesion, axis], [lesion].

    Returns
    -------
    Integer
        Lesion of each mark, `MISS`, or `DOUBLE` for all but the most confident mark on a lesion.

    Notes
    -----
    The rule of LUNA16: Setio et al., Med. Image Anal. 2017, doi:10.1016/j.media.2017.06.015.
    """
    places, centres = np.asarray(places_mm, dtype=np.float64), np.asarray(centres_mm, dtype=np.float64)
    if not len(centres) or not len(places):
        return np.full(len(places), MISS, dtype=np.int64)
    away = np.linalg.norm(places[:, None] - centres[None], axis=2) / np.asarray(radii_mm, dtype=np.float64)
    near = np.where(away.min(1) <= 1, away.argmin(1), MISS)
    taken: set[int] = set()
    for mark in np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable"):
        lesion = int(near[mark])
        if lesion in taken:
            near[mark] = DOUBLE
        elif lesion != MISS:
            taken.add(lesion)
    return near.astype(np.int64)


def pooled(scores: Sequence[ArrayLike], found: Sequence[ArrayLike], lesions: Sequence[int]) -> Candidates:
    """Put the matched marks of all images together.

    Parameters
    ----------
    scores, found
        Of each image: [mark]; `found` as the matchers give it.
    lesions
        Number of lesions of each image.
    """
    counts = [len(np.atleast_1d(s)) for s in scores]
    return Candidates(
        np.concatenate([np.atleast_1d(np.asarray(s, dtype=np.float64)) for s in scores] or [np.zeros(0)]),
        np.repeat(np.arange(len(counts)), counts),
        np.concatenate([np.atleast_1d(np.asarray(f, dtype=np.int64)) for f in found] or [np.zeros(0, int)]),
        np.asarray(lesions, dtype=np.int64),
    )
