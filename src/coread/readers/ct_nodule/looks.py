"""A nodule as one row of numbers: what the network saw inside its outline, and its shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.readers.ct_nodule.measuring import Axes, Bool, Spacing, area_mm2, axes
from coread.readers.ct_nodule.stack import Cut

Float = NDArray[np.floating[Any]]

SHAPE = (
    "log_area",
    "log_long",
    "log_short",
    "elongation",
    "roundness",
    "inside",
    "spread",
    "contrast",
    "edge",
)
"""Names of the shape's numbers, in order."""


def features_of(cuts: Sequence[Cut], asked: int, spacing_mm: Spacing) -> Float:
    """One row for a nodule.

    Parameters
    ----------
    cuts
        Its slices, none empty.
    asked
        Place of the asked slice: this one and its neighbours are looked at.
    spacing_mm
        Of rows and columns.

    Returns
    -------
    float [feature]
        Mean of the network's features, weighted by area, then `SHAPE` of the largest slice.
    """
    near = [cut for cut in cuts if abs(cut.index - asked) <= 1] or list(cuts)
    weight = np.array([cut.area_px for cut in near], dtype=np.float64)
    seen = np.average(np.stack([cut.features for cut in near]), axis=0, weights=weight)
    return np.concatenate([seen, shape_of(largest(cuts, spacing_mm), spacing_mm)])


def largest(cuts: Sequence[Cut], spacing_mm: Spacing) -> Cut:
    """The slice with the greatest mean diameter; the first of several."""
    return max(cuts, key=lambda cut: size_mm(axes(cut.window, spacing_mm)) if cut.area_px else 0.0)


def size_mm(of: Axes) -> float:
    """Mean of long and short axis (Bankier et al., Radiology 2017, doi:10.1148/radiol.2017162894)."""
    return (of.long_mm + of.short_mm) / 2


def shape_of(cut: Cut, spacing_mm: Spacing) -> Float:
    """The numbers of `SHAPE`; grey is relative to the stretched crop, there are no Hounsfield units."""
    measured = axes(cut.window, spacing_mm)
    area = area_mm2(cut.window, spacing_mm)
    core, ring = eroded(cut.window), _ring(cut.window)
    inside = cut.grey[cut.window]
    around = float(cut.grey[ring].mean()) if ring.any() else 0.0
    rim = cut.window & ~core
    steep = np.hypot(*np.gradient(cut.grey.astype(np.float64)))
    perimeter = max(float(rim.sum()) * (spacing_mm[0] + spacing_mm[1]) / 2, 1e-6)
    return np.array([
        np.log(area), np.log(measured.long_mm), np.log(max(measured.short_mm, 0.1)),
        measured.short_mm / measured.long_mm, min(4 * np.pi * area / perimeter**2, 4.0),
        inside.mean(), inside.std(), inside.mean() - around, steep[rim].mean(),
    ])  # fmt: skip


def eroded(mask: Bool) -> Bool:
    """Pixels all of whose four neighbours are marked."""
    wide = np.pad(mask, 1)
    return np.asarray(mask & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:])


def _ring(mask: Bool, width: int = 3) -> Bool:
    """Pixels within `width` steps outside of the mask."""
    grown = mask
    for _ in range(width):
        wide = np.pad(grown, 1)
        grown = wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]
    return np.asarray(grown & ~mask)
