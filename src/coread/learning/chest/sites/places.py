"""Heads that know where: responses averaged over nine overlapping fields of the image, left and right alike.

A mean over the whole image cannot tell a hazy base from a bright shoulder. A head with weights of its own for
nine fields can.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

WINDOW = 3
"""Cells per side of a field."""

STARTS = (0, 2, 4)
"""First row, and first column, of the fields on a map of 7 x 7 cells."""

CELLS = 7
"""Cells per side of that map."""


def placed(deep: ArrayLike) -> NDArray[np.float32]:
    """Mean responses [n, 9 * channel] of the fields of maps [n, channel, 7, 7], mirror images averaged in."""
    maps = np.asarray(deep, dtype=np.float32)
    even = (maps + maps[..., ::-1]) / 2
    fields = [even[:, :, r : r + WINDOW, c : c + WINDOW].mean((2, 3)) for r in STARTS for c in STARTS]
    return np.concatenate(fields, axis=1)


def spread(weight: ArrayLike) -> NDArray[np.float64]:
    """Weights [channel, 7, 7] of the cells: the mean over cells of map times weight is the fields' score.

    Parameters
    ----------
    weight
        Of a head on what `placed` gives, [9 * channel].
    """
    of_fields = np.asarray(weight, dtype=np.float64).reshape(len(STARTS), len(STARTS), -1)
    cells = np.zeros((of_fields.shape[2], CELLS, CELLS))
    for row, own in zip(STARTS, of_fields, strict=True):
        for column, share in zip(STARTS, own, strict=True):
            cells[:, row : row + WINDOW, column : column + WINDOW] += share[:, None, None] / WINDOW**2
    return np.asarray((cells + cells[..., ::-1]) / 2 * CELLS**2)
