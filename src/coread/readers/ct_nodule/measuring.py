"""Sizes of an outlined nodule: long and short axis, area, volume, each in millimetres with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Float = NDArray[np.floating[Any]]

Spacing = tuple[float, float]
"""Distance of the centres of neighbouring pixels, mm: between rows, between columns (PS3.3 10.7.1.3)."""

MOST_BOUNDARY = 4000
"""More boundary points than this are thinned before all pairs are measured: a nodule has far fewer."""


@dataclass(frozen=True, slots=True)
class Range:
    """A measured number with the interval in which the readers' own measurement is expected."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Axes:
    """Long axis, and the longest axis at a right angle to it, mm.

    Each end is a pixel's place, [row, column].
    """

    long_mm: float
    short_mm: float
    long_ends: tuple[tuple[float, float], tuple[float, float]]


def axes(mask: Bool, spacing_mm: Spacing) -> Axes:
    """Measure an outline as a radiologist does with the calliper.

    Parameters
    ----------
    mask
        [row, column], not empty.
    spacing_mm
        Row and column spacing.

    Returns
    -------
    Axes
        Long axis: greatest distance of two points of the outline, pixel edges counted. Short axis: extent
        at a right angle to it.

    Raises
    ------
    ValueError
        If nothing is marked.

    Notes
    -----
    The Fleischner Society asks for the average of long and perpendicular short axis on the same slice
    (Bankier et al., Radiology 2017, doi:10.1148/radiol.2017162894). The short axis here is the whole
    extent along that direction, which for a convex outline is the longest perpendicular.
    """
    corners = _corners(mask)
    if not len(corners):
        raise ValueError("an empty outline has no axes")
    points = corners * np.asarray(spacing_mm)
    apart = points[:, None] - points[None]
    squared = (apart**2).sum(-1)
    first, second = np.unravel_index(int(squared.argmax()), squared.shape)
    long_mm = float(np.sqrt(squared[first, second]))
    along = (points[second] - points[first]) / long_mm
    across = points @ np.array([-along[1], along[0]])
    ends = tuple((float(corners[i][0]), float(corners[i][1])) for i in (first, second))
    return Axes(long_mm, float(np.ptp(across)), (ends[0], ends[1]))


def area_mm2(mask: Bool, spacing_mm: Spacing) -> float:
    """Area of an outline, square millimetres."""
    return float(mask.sum()) * spacing_mm[0] * spacing_mm[1]


def volume_mm3(masks: Sequence[Bool], spacing_mm: Spacing, slice_spacing_mm: float) -> float:
    """Volume of a stack of outlines: sum of areas times the distance of the slices, cubic millimetres.

    *Assumes* that the slices are evenly apart. *Does not* interpolate the caps.
    """
    return sum(area_mm2(mask, spacing_mm) for mask in masks) * slice_spacing_mm


def ranged(value: float, ratio: tuple[float, float]) -> Range:
    """Put the interval round a size: validated ratios of the readers' size to the measured one.

    Parameters
    ----------
    value
        Measured size.
    ratio
        Lower and upper bound of (readers' / measured); the shipped ones are the 2.5 % and 97.5 % quantiles on
        validation patients.
    """
    low, high = value * ratio[0], value * ratio[1]
    return Range(value, min(low, value), max(high, value))


def component_at(mask: Bool, row: int, column: int) -> Bool:
    """The connected part (edges touching) of a mask that holds a pixel; if that is outside, the nearest part.

    Returns
    -------
    bool [row, column]
        Empty only if the mask is empty.
    """
    places = np.argwhere(mask)
    if not len(places):
        return np.zeros_like(mask)
    nearest = places[((places - [row, column]) ** 2).sum(1).argmin()]
    part = np.zeros_like(mask)
    part[tuple(nearest)] = True
    return _filled(part, mask)


def _filled(seed: Bool, mask: Bool) -> Bool:
    """Grow a seed inside a mask until nothing is added: by whole runs along rows and columns in turn."""
    across, down = _runs(mask), _runs(mask.T).T
    part = seed & mask
    while True:
        grown = _touched(part, mask, across)
        grown = _touched(grown, mask, down)
        if np.array_equal(grown, part):
            return part
        part = grown


def _runs(mask: Bool) -> NDArray[np.int64]:
    """Number each run of equal pixels along the last axis; no number stands in two rows."""
    starts = np.ones(mask.shape, dtype=np.int64)
    starts[:, 1:] = mask[:, 1:] != mask[:, :-1]
    return np.asarray(np.cumsum(starts).reshape(mask.shape) - 1)


def _touched(part: Bool, mask: Bool, runs: NDArray[np.int64]) -> Bool:
    """All runs of the mask that hold a pixel of the part."""
    hit = np.zeros(runs.size, dtype=bool)
    hit[runs[part]] = True
    return np.asarray(mask & hit[runs])


def without_holes(mask: Bool) -> Bool:
    """Fill what is enclosed: the outline is a contour, and calcium or air inside belongs to it."""
    outside = np.zeros(tuple(size + 2 for size in mask.shape), dtype=bool)
    outside[0, 0] = True
    free = np.pad(~mask, 1, constant_values=True)
    return np.asarray(~_filled(outside, free)[1:-1, 1:-1])


def _corners(mask: Bool) -> NDArray[np.float64]:
    """Outer corners of the boundary pixels, [point, 2], in pixels."""
    inner = np.pad(mask, 1)
    core = inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
    edge = np.argwhere(mask & ~core).astype(np.float64)
    step = -(-len(edge) * 4 // MOST_BOUNDARY) if len(edge) else 1
    shifts = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])
    return np.asarray((edge[::step, None] + shifts).reshape(-1, 2))
