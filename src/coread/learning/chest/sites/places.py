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


def placed(deep: ArrayLike) -> NDArray[np.float32]:
    """Mean responses [n, 9 * channel] of the fields of maps [n, channel, 7, 7], mirror images averaged in."""
    maps = np.asarray(deep, dtype=np.float32)
    even = (maps + maps[..., ::-1]) / 2
    fields = [even[:, :, r : r + WINDOW, c : c + WINDOW].mean((2, 3)) for r in STARTS for c in STARTS]
    return np.concatenate(fields, axis=1)
