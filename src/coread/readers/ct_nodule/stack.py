"""Following a nodule from the asked slice to its neighbours, one outline for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.readers.ct_nodule.measuring import Bool, component_at, without_holes
from coread.readers.ct_nodule.window import SIDE, Spot, network_input, paste

Float = NDArray[np.floating[Any]]

Look = Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]
"""The network: windows [n, 2, side, side] to ``inside`` [n, side, side], ``features`` [n, d] and
``scene`` [n, e]."""

INSIDE = 0.5
"""Probability from which a pixel belongs to the outline: where Dice and cross-entropy are trained to part."""

NEAR_PX = 3
"""The nodule must show within so many pixels of a point; doctors do not click more exactly."""

GROWTH = 2.5
"""A neighbour's area larger than so many times the last one is a vessel or the chest wall, not the nodule."""

MOST_SLICES = 60
"""To either side: 38 mm at 0.625 mm, more than a nodule of 30 mm needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The nodule on one slice.

    Attributes
    ----------
    index
        Place of the slice among those given, counted from 0.
    mask
        bool [row, column] over the whole slice.
    trust
        Greatest probability near the prompt, 0..1: whether anything like a nodule is there.
    window, grey
        The outline and the stretched grey inside the network's window, [side, side].
    features, scene
        What the network saw inside the outline, and in the whole window.
    """

    index: int
    mask: Bool
    trust: float
    window: Bool
    grey: Float
    features: Float
    scene: Float

    @property
    def area_px(self) -> int:
        """Marked pixels."""
        return int(self.window.sum())


def outlined_slice(image: Float, spot: Spot, look: Look, index: int = 0) -> Cut:
    """Outline the nodule at a spot on one slice; the outline is empty where none is seen near the spot."""
    shown = network_input(image, spot)
    said = look(shown[None])
    inside = said["inside"][0]
    trust = float(inside[_near(spot)].max())
    middle = SIDE // 2
    window = component_at(inside >= INSIDE, middle, middle) if trust >= INSIDE else inside > 1
    window = without_holes(window)
    shape = (int(image.shape[0]), int(image.shape[1]))
    return Cut(index, paste(window, spot.centre, shape), trust, window, shown[0], said["features"][0],
               said["scene"][0])  # fmt: skip


def followed(images: Sequence[Float], asked: int, spot: Spot, look: Look) -> list[Cut]:
    """Outline the nodule on the asked slice, and on from there while it goes on.

    Parameters
    ----------
    images
        Slices of one series in order, each [row, column], any grey unit.
    asked
        Which of them was asked about.
    spot
        Where.
    look
        The network.

    Returns
    -------
    list of Cut
        In the order of the slices; the asked one alone, perhaps empty, if nothing is seen there. A
        neighbour is asked at the middle of the last outline; it ends where nothing is seen, where nothing
        of the last outline is covered, or where the area leaps.
    """
    first = outlined_slice(images[asked], spot, look, asked)
    if not first.area_px:
        return [first]
    down = _onwards(images, range(asked - 1, -1, -1), first, look)
    up = _onwards(images, range(asked + 1, len(images)), first, look)
    return [*reversed(down), first, *up]


def _onwards(images: Sequence[Float], way: Sequence[int], first: Cut, look: Look) -> list[Cut]:
    found, last = [], first
    for index in way[:MOST_SLICES]:
        cut = outlined_slice(images[index], middle_of(last.mask), look, index)
        overlaps = bool((cut.mask & last.mask).any())
        if not overlaps or cut.area_px > GROWTH * max(last.area_px, first.area_px / GROWTH):
            break
        found.append(cut)
        last = cut
    return found


def middle_of(mask: Bool) -> Spot:
    """The marked pixel nearest to the centre of a mask that is not empty."""
    places = np.argwhere(mask)
    row, column = places[((places - places.mean(0)) ** 2).sum(1).argmin()]
    return Spot(float(row), float(column))


def _near(spot: Spot) -> Bool:
    """Where the nodule must show: inside the box, or near the point, [side, side]."""
    apart = np.abs(np.arange(SIDE) - SIDE // 2)
    high, wide = max(spot.half_height, NEAR_PX), max(spot.half_width, NEAR_PX)
    return np.asarray((apart[:, None] <= high) & (apart[None] <= wide))
