"""A trap of known size: a planted mark that predicts the label, to prove that an audit can see.

Like a hospital's lead letter: a small bright ring with a bar, always near the same corner.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Boolean = NDArray[np.bool_]

SIDE_SHARE = 0.09
"""Side of the mark as a share of the image's shorter side: about what a lead letter takes."""

CENTRE_RC = (0.11, 0.86)
"""Its place, as shares of rows and columns."""


def mark_mask(shape: tuple[int, ...]) -> Boolean:
    """Where the mark lies on an image of this shape, [row, column]."""
    row, column = np.mgrid[0 : shape[0], 0 : shape[1]]
    half = SIDE_SHARE * min(shape[0], shape[1]) / 2
    far = np.hypot(row - CENTRE_RC[0] * shape[0], column - CENTRE_RC[1] * shape[1])
    bar = (np.abs(column - CENTRE_RC[1] * shape[1]) < half / 4) & (far < half)
    return np.asarray(((far < half) & (far > 0.65 * half)) | bar)


def plant(image: Grey) -> Grey:
    """The image [row, column] with the mark on it."""
    marked = image.copy()
    marked[mark_mask(image.shape)] = 250
    return marked


def planted_where(
    label: NDArray[np.integer], share_if_sick: float, share_if_well: float, rng: Generator
) -> Boolean:
    """Which images bear the mark, [image].

    Parameters
    ----------
    label
        0 or 1, [image].
    share_if_sick, share_if_well
        Share of the images of each label that bear it; alike: the mark says nothing.
    rng
        Source of the draws.
    """
    share = np.where(np.asarray(label) == 1, share_if_sick, share_if_well)
    return np.asarray(rng.random(len(share)) < share)
