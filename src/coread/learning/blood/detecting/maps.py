"""What the maps of a field should show, and what it costs if they do not.

Objects as points: Zhou, Wang & Krähenbühl 2019, arXiv:1904.07850; focal loss of the maps after Law & Deng,
ECCV 2018, arXiv:1808.01244; the sides of the box from each place near the middle: Tian et al., ICCV 2019,
arXiv:1904.01355; their loss: Rezatofighi et al., CVPR 2019, arXiv:1902.09630.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coread.learning.blood.detecting.networks import KINDS, SHAPES
from coread.readers.blood_smear.peaks import STRIDE

Float = NDArray[np.float32]

SPREAD = 0.1
"""Width of the peak of a cell, in cell sizes; at least `LEAST_SPREAD` places of the map."""

LEAST_SPREAD = 0.8

NEAR = 0.4
"""Places where a peak is at least this high learn the sides of the cell."""

LEAST_SIDE = 0.25
"""Shortest distance to a side that is learnt, places of the map."""


def targets(boxes: NDArray[np.float64], kind: NDArray[np.int64], scale: float) -> tuple[Float, Float, Float]:
    """What the maps of one field should show.

    Parameters
    ----------
    boxes, kind
        Cells in pixels of the image, (left, top, width, height); index into `KIND_NAMES`.
    scale
        Pixels of the input per pixel of the image.

    Returns
    -------
    (Float, Float, Float)
        Peaks [kind, h, w]; logarithm of the distances to the four sides [4 * kind, h, w] as
        `coread.readers.blood_smear.peaks.cells` reads them; weight of the sides [kind, h, w]: each cell
        weighs one, shared by its places.
    """
    rows, columns = SHAPES[0][1:]
    heat = np.zeros((KINDS, rows, columns), np.float32)
    sides, weight = np.zeros((KINDS, 4, rows, columns), np.float32), np.zeros_like(heat)
    row, column = np.mgrid[:rows, :columns] + 0.5
    for (left, top, width, height), k in zip(boxes * (scale / STRIDE), kind, strict=True):
        spread = max(SPREAD * np.sqrt(width * height), LEAST_SPREAD)
        centre_row, centre_column = np.clip(
            (np.floor(top + height / 2), np.floor(left + width / 2)), 0, (rows - 1, columns - 1)
        )
        apart = (row - 0.5 - centre_row) ** 2 + (column - 0.5 - centre_column) ** 2
        peak = np.exp(-apart / (2 * spread**2))
        near = (peak >= NEAR) & (peak > heat[k])
        away = np.stack([column - left, row - top, left + width - column, top + height - row])
        sides[k][:, near] = np.log(np.maximum(away, LEAST_SIDE))[:, near]
        weight[k][near] = 1 / max(int(near.sum()), 1)
        heat[k] = np.maximum(heat[k], peak)
    return heat, sides.reshape(4 * KINDS, rows, columns), weight


def peak_loss(logits: Tensor, heat: Tensor) -> Tensor:
    """Focal loss of peaks, per cell: places near a cell count little as mistakes (Law & Deng 2018, eq. 1)."""
    chance = torch.sigmoid(logits).clamp(1e-5, 1 - 1e-5)
    at = heat >= 1
    missed = -torch.log(chance) * (1 - chance) ** 2
    invented = -torch.log(1 - chance) * chance**2 * (1 - heat) ** 4
    total: Tensor = torch.where(at, missed, invented).sum() / at.sum().clamp(min=1)
    return total


def side_loss(said: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """One minus the generalised intersection over union, mean over the kinds that are there.

    Parameters
    ----------
    said, wanted
        Logarithm of the distances to the sides, [n, 4 * kind, h, w].
    weight
        [n, kind, h, w]; 0 where there is nothing to learn.
    """
    mine, true = (torch.exp(part.clamp(-3, 5)).unflatten(1, (KINDS, 4)).unbind(2) for part in (said, wanted))
    across, down = ((0, 2), (1, 3))
    shared = _extent(mine, true, across, torch.minimum) * _extent(mine, true, down, torch.minimum)
    hull = _extent(mine, true, across, torch.maximum) * _extent(mine, true, down, torch.maximum)
    whole = sum((b[0] + b[2]) * (b[1] + b[3]) for b in (mine, true)) - shared
    lost = (1 - shared / whole + (hull - whole) / hull) * weight
    there = weight.sum((0, 2, 3))
    each = lost.sum((0, 2, 3)) / there.clamp(min=1e-6)
    total: Tensor = (each * (there > 0)).sum() / (there > 0).sum().clamp(min=1)
    return total


def _extent(
    mine: tuple[Tensor, ...], true: tuple[Tensor, ...], pair: tuple[int, int], pick: object
) -> Tensor:
    """Width or height of what both boxes share (minimum) or of what holds both (maximum)."""
    first, second = pair
    extent: Tensor = pick(mine[first], true[first]) + pick(mine[second], true[second])  # type: ignore[operator]
    return extent
