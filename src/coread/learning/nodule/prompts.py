"""Prompts as doctors would give them: near the middle but not in it, and never on the network's origin.

The published crops are centred on the nodule. Were the prompt always the centre, the network would learn to
outline what lies in the middle of the crop and would never have to look for the prompt.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from coread.readers.ct_nodule.window import Spot

Bool = NDArray[np.bool_]

CLICK_SPREAD = 0.25
"""Standard deviation of a click's distance from the centre of the outline, in radii of the outline's area:
no published figure for radiologists was found, so twice as much is measured beside it."""

CLICK_SLACK_PX = 1.0
"""Added to it: nobody aims better than a pixel."""

BOX_SLACK_PX = 1.0
BOX_SPREAD = 0.08
"""Standard deviation of each side of a drawn box: pixels, and share of the box's size."""

CLEAR_PX = 8.0
"""Least distance of a prompt beside the nodule from anything marked, pixels: about 5 mm."""

TRIES = 20
"""Draws before the nearest marked pixel is taken instead."""


def click(mask: Bool, rng: Generator, spread: float = CLICK_SPREAD) -> Spot:
    """A point inside an outline.

    Parameters
    ----------
    mask
        [row, column], not empty.
    rng
        Source of chance.
    spread
        See `CLICK_SPREAD`.
    """
    places = np.argwhere(mask)
    middle = places.mean(0)
    deviation = spread * np.sqrt(len(places) / np.pi) + CLICK_SLACK_PX
    for _ in range(TRIES):
        row, column = np.rint(middle + rng.normal(0, deviation, 2)).astype(int)
        if 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1] and mask[row, column]:
            return Spot(float(row), float(column))
    row, column = places[((places - middle) ** 2).sum(1).argmin()]
    return Spot(float(row), float(column))


def drawn_box(mask: Bool, rng: Generator) -> Spot:
    """A box round an outline, each side a little off; at least one pixel wide."""
    places = np.argwhere(mask)
    first, last = places.min(0), places.max(0)
    deviation = BOX_SLACK_PX + BOX_SPREAD * (last - first + 1)
    top, left = first + rng.normal(0, deviation)
    bottom, right = last + rng.normal(0, deviation)
    return Spot.box(min(top, bottom), min(left, right), max(top, bottom), max(left, right))


def beside(image: NDArray[np.uint8], marked: Bool, rng: Generator) -> Spot:
    """A point or a box away from what any reader marked, mostly on something bright: a vessel, a wall."""
    free = ndimage.distance_transform_edt(~marked) > CLEAR_PX
    bright = free & (image > np.quantile(image[free], 0.7)) if free.any() else free
    places = np.argwhere(bright if bright.any() and rng.random() < 0.7 else free)
    if not len(places):
        places = np.array([[0, 0]])
    row, column = places[rng.integers(len(places))].astype(float)
    halves = rng.uniform(2, 9, 2) if rng.random() < 0.5 else (0.0, 0.0)
    return Spot(float(row), float(column), float(halves[0]), float(halves[1]))


def either(mask: Bool, rng: Generator, spread: float = 2 * CLICK_SPREAD) -> Spot:
    """A point or a box, evenly; points spread wider than when tested."""
    return click(mask, rng, spread) if rng.random() < 0.5 else drawn_box(mask, rng)
