"""Outlines guessed from one point or one box and the grey values alone: no outline has been seen.

A nodule is brighter than the lung round it. Inside a reach about the prompt, the grey level that parts the
two best is found, the bright part that holds the prompt is kept, bridges to vessels and the chest wall are
cut by an opening, and what is left is the guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from coread.readers.ct_nodule.window import Spot

Float = NDArray[np.floating[Any]]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """How an outline is grown. The numbers were chosen on validation patients.

    Attributes
    ----------
    smooth_px
        Standard deviation of the smoothing before anything is parted.
    level
        Where the parting grey level lies between background (0) and nodule (1); half is where the edge of a
        large blurred ball lies, small ones lie lower.
    widest_px
        Half side of the square in which a point's nodule is looked for.
    reach
        A point's guess is cut off at so many times the largest inscribed radius at the point.
    """

    smooth_px: float = 0.5
    level: float = 0.35
    widest_px: int = 24
    reach: float = 1.6


def grown(grey: NDArray[Any], prompt: Spot, rule: Rule | None = None) -> Bool:
    """Guess the outline at a prompt.

    Parameters
    ----------
    grey
        Slice in any unit, [row, column].
    prompt
        A point inside the nodule, or a box round it.
    rule
        The shipped one if left out.

    Returns
    -------
    bool [row, column]
        Never empty; inside the box, if there is one.
    """
    rule = rule or Rule()
    smooth = ndimage.gaussian_filter(np.asarray(grey, dtype=np.float64), rule.smooth_px)
    guess = _in_box(smooth, prompt, rule) if prompt.is_box else _at_point(smooth, prompt, rule)
    if not guess.any():
        guess[_inside(prompt, guess.shape)] = True
    return guess


def _at_point(smooth: Float, prompt: Spot, rule: Rule) -> Bool:
    row, column = _inside(prompt, smooth.shape)
    near = smooth[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    field = np.zeros(smooth.shape, dtype=bool)
    field[max(row - rule.widest_px, 0) : row + rule.widest_px + 1,
          max(column - rule.widest_px, 0) : column + rule.widest_px + 1] = True  # fmt: skip
    dark = float(np.percentile(smooth[field], 20))
    bright = field & (smooth >= dark + rule.level * (float(near.max()) - dark))
    depth = ndimage.distance_transform_edt(bright)
    radius = _inscribed(depth, row, column)
    apart = np.hypot(*np.ogrid[-row : smooth.shape[0] - row, -column : smooth.shape[1] - column])
    opened = _opened(bright, max(radius * 0.5, 1.0)) & (apart <= rule.reach * radius + 1)
    return _part_at(opened, row, column)


def _in_box(smooth: Float, prompt: Spot, rule: Rule) -> Bool:
    rows = np.abs(np.arange(smooth.shape[0]) - prompt.row)[:, None]
    columns = np.abs(np.arange(smooth.shape[1]) - prompt.column)[None]
    inside = (rows <= prompt.half_height) & (columns <= prompt.half_width)
    if not inside.any():
        return np.asarray(inside)
    around = (rows <= prompt.half_height + 4) & (columns <= prompt.half_width + 4) & ~inside
    dark = float(np.percentile(smooth[around], 20)) if around.any() else float(smooth[inside].min())
    level = dark + rule.level * (float(np.percentile(smooth[inside], 90)) - dark)
    row, column = _inside(prompt, smooth.shape)
    return _part_at(inside & (smooth >= level), row, column)


def _inside(prompt: Spot, shape: tuple[int, ...]) -> tuple[int, int]:
    row, column = prompt.centre
    return min(max(row, 0), shape[0] - 1), min(max(column, 0), shape[1] - 1)


def _inscribed(depth: Float, row: int, column: int) -> float:
    """Radius of the largest ball of the bright part whose centre is reached from the point by climbing."""
    while True:
        top, left = max(row - 1, 0), max(column - 1, 0)
        near = depth[top : row + 2, left : column + 2]
        step = np.unravel_index(int(near.argmax()), near.shape)
        if near[step] <= depth[row, column]:
            return float(max(depth[row, column], 1.0))
        row, column = top + int(step[0]), left + int(step[1])


def _opened(mask: Bool, radius: float) -> Bool:
    """What a disc of this radius can reach inside the mask."""
    core = ndimage.distance_transform_edt(mask) > radius
    return np.asarray(mask & (ndimage.distance_transform_edt(~core) <= radius)) if core.any() else mask


def _part_at(mask: Bool, row: int, column: int) -> Bool:
    """The connected part nearest to the point, holes filled."""
    labels, count = ndimage.label(mask)
    if not count:
        return np.zeros(mask.shape, dtype=bool)
    places = np.argwhere(mask)
    nearest = places[((places - [row, column]) ** 2).sum(1).argmin()]
    return np.asarray(ndimage.binary_fill_holes(labels == labels[tuple(nearest)]))
