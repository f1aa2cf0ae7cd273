"""How well an outline fits: overlap, and distance of the borders in millimetres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Boolean = NDArray[np.bool_]

CHUNK = 512
"""Border points whose distances are worked out at once: bounds the memory, not the result."""


def dice(first: ArrayLike, second: ArrayLike) -> float:
    """Dice's coefficient of two masks of the same shape; nan if both are empty.

    Notes
    -----
    Dice, Ecology 1945, doi:10.2307/1932409.
    """
    a, b = _masks(first, second)
    size = int(a.sum() + b.sum())
    return float(2 * (a & b).sum() / size) if size else float("nan")


def hausdorff95_mm(first: ArrayLike, second: ArrayLike, spacing_mm: Sequence[float]) -> float:
    """The larger of the two directed 95th percentiles of the distance between borders.

    Parameters
    ----------
    first, second
        Masks of the same shape, any number of axes.
    spacing_mm
        Distance of neighbours along each axis.

    Returns
    -------
    float
        Millimetres; infinite if one mask is empty, nan if both are.

    Notes
    -----
    Huttenlocher, Klanderman & Rucklidge, IEEE TPAMI 1993, doi:10.1109/34.232073; this form: Maier-Hein et
    al., Nat. Methods 2024, doi:10.1038/s41592-023-02151-z. Border = pixels with a neighbour (sharing a side)
    outside the mask or the image.
    """
    there, back = _distances(first, second, spacing_mm)
    if not len(there) or not len(back):
        return _absent(there, back)
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def mean_surface_distance_mm(first: ArrayLike, second: ArrayLike, spacing_mm: Sequence[float]) -> float:
    """Mean over both borders of the distance to the other border, millimetres; see `hausdorff95_mm`."""
    there, back = _distances(first, second, spacing_mm)
    if not len(there) or not len(back):
        return _absent(there, back)
    return float(np.concatenate([there, back]).mean())


def surface_dice(
    first: ArrayLike, second: ArrayLike, spacing_mm: Sequence[float], tolerance_mm: float
) -> float:
    """Share of both borders that lies within a tolerance of the other; nan if both masks are empty.

    Notes
    -----
    Nikolov et al., J. Med. Internet Res. 2021, doi:10.2196/26151; here border pixels count alike.
    """
    there, back = _distances(first, second, spacing_mm)
    size = len(there) + len(back)
    return (
        float((there <= tolerance_mm).sum() + (back <= tolerance_mm).sum()) / size if size else float("nan")
    )


def border(mask: ArrayLike) -> Boolean:
    """Pixels of a mask with a neighbour outside it."""
    inside = np.asarray(mask, dtype=bool)
    padded = np.pad(inside, 1)
    core = np.ones_like(inside)
    for axis in range(inside.ndim):
        for step in (-1, 1):
            neighbour = np.roll(padded, step, axis)[(slice(1, -1),) * inside.ndim]
            core &= neighbour
    return np.asarray(inside & ~core)


def _distances(first: ArrayLike, second: ArrayLike, spacing_mm: Sequence[float]) -> tuple[Float, Float]:
    """Distance of each border point of the first to the second border, and of the second to the first."""
    a, b = _masks(first, second)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if len(spacing) != a.ndim or (spacing <= 0).any():
        raise ValueError(f"spacing_mm needs {a.ndim} positive numbers; found {list(spacing_mm)}")
    here, there = (np.argwhere(border(mask)) * spacing for mask in (a, b))
    return _nearest(here, there), _nearest(there, here)


def _nearest(these: Float, others: Float) -> Float:
    if not len(others):
        return np.full(len(these), np.inf)
    parts = [these[i : i + CHUNK] for i in range(0, len(these), CHUNK)]
    squares = [((part[:, None] - others[None]) ** 2).sum(2).min(1) for part in parts]
    return np.sqrt(np.concatenate(squares)) if squares else np.zeros(0)


def _absent(there: Float, back: Float) -> float:
    """What the distance is when one border, or both, are absent."""
    return float("inf") if len(there) or len(back) else float("nan")


def _masks(first: ArrayLike, second: ArrayLike) -> tuple[Boolean, Boolean]:
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"masks need the same shape; found {a.shape} and {b.shape}")
    return a, b
