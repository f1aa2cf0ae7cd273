"""From the detector's maps to cells: peaks, their boxes, and one cell for one place.

Objects as points: Zhou, Wang & Krähenbühl 2019, arXiv:1904.07850; a box by its sides: Tian et al., ICCV 2019,
arXiv:1904.01355.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]

STRIDE = 4
"""Pixels of the input per cell of the maps."""

FLOOR = 0.1
"""Peaks below this are not looked at."""

MOST_OVERLAP = 0.5
"""Two boxes of one kind that overlap more than this (intersection over union) are one cell."""

GRAIN = 64
"""Corners are kept to this part of a pixel, a power of two, so that left + width is right to the last bit."""

MOST_PEAKS = 1500
"""Peaks that are followed up: more cells than any field of this size holds."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one field, the surest first.

    Attributes
    ----------
    boxes
        float [cell, 4]: left, top, width, height in pixels.
    kind
        int [cell]: index into `coread.readers.blood_smear.cells.KINDS`.
    score
        float [cell]: height of the peak, 0..1.
    """

    boxes: Float
    kind: NDArray[np.int64]
    score: Float

    def where(self, chosen: NDArray[np.bool_]) -> Cells:
        """The cells for which `chosen` [cell] is true."""
        return Cells(self.boxes[chosen], self.kind[chosen], self.score[chosen])

    def of_kind(self, kind: int) -> Cells:
        """The cells of one kind."""
        return self.where(self.kind == kind)

    def above(self, thresholds: Float) -> Cells:
        """The cells at or above the threshold [kind] of their kind."""
        return self.where(self.score >= np.asarray(thresholds)[self.kind])


def cells(heat: Float, sides: Float, scale: float, shape_rc: tuple[int, int]) -> Cells:
    """Read cells off the maps of one field.

    Parameters
    ----------
    heat
        [kind, h, w], probability that a cell of the kind has its centre here.
    sides
        [4 * kind, h, w]: for each kind the logarithm of the distance from the middle of the map cell to the
        left, upper, right and lower side of the box, in map cells.
    scale, shape_rc
        Of `coread.readers.blood_smear.field.Prepared`.

    Returns
    -------
    Cells
        In pixels of the image, cut off at its edge; every peak of at least `FLOOR`.
    """
    kind, row, column = np.nonzero(peaks(heat) & (heat >= FLOOR))
    score = heat[kind, row, column]
    order = np.argsort(-score, kind="stable")[:MOST_PEAKS]
    kind, row, column, score = kind[order], row[order], column[order], score[order]
    away = np.exp(np.clip(sides[4 * kind[:, None] + np.arange(4), row[:, None], column[:, None]], -3, 5))
    middle = np.stack([column, row, column, row], 1) + 0.5
    corners = (middle + away * (-1, -1, 1, 1)) * STRIDE / scale
    limits = np.array([shape_rc[1], shape_rc[0]] * 2, dtype=np.float64)
    corners = np.round(np.clip(corners, 0, limits) * GRAIN) / GRAIN
    found = Cells(np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1), kind, score)
    return found.where(apart(found) & (found.boxes[:, 2:].min(axis=1, initial=np.inf) >= 1))


def peaks(heat: Float) -> NDArray[np.bool_]:
    """Whether a place is the highest of its eight neighbours, [kind, h, w]; plateaus count throughout."""
    rows, columns = heat.shape[1:]
    wide = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    around = [wide[:, r : r + rows, c : c + columns] for r in range(3) for c in range(3)]
    return np.asarray(heat >= np.max(around, axis=0))


def apart(found: Cells) -> NDArray[np.bool_]:
    """Which cells stay when, of two of one kind in one place, only the surer one counts, [cell]."""
    over = overlaps(found.boxes, found.boxes)
    clash = (over > MOST_OVERLAP) & (found.kind[:, None] == found.kind)
    stays = np.ones(len(found.kind), dtype=np.bool_)
    for index in range(len(stays)):
        stays[index] = not (clash[index, :index] & stays[:index]).any()
    return stays


def overlaps(first: Float, second: Float) -> Float:
    """Intersection over union [n, m] of boxes [n, 4] and [m, 4] (left, top, width, height)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    whole = np.prod(first[:, 2:], axis=1)[:, None] + np.prod(second[:, 2:], axis=1)[None] - shared
    return np.asarray(shared / np.maximum(whole, 1e-9))
