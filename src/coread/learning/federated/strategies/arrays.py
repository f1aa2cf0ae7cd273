"""Arithmetic on sets of named arrays, in double precision, in the order of their names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coread.learning.federated.task import Parameters


def weighted_mean(sets: Sequence[Parameters], weights: Sequence[float]) -> Parameters:
    """Mean of each array over the sets.

    Parameters
    ----------
    sets
        Same names and shapes in each; at least one.
    weights
        One for each set, not all 0.
    """
    shares = np.asarray(weights, dtype=np.float64)
    shares = shares / shares.sum()
    return {
        name: np.asarray(
            sum(share * np.asarray(one[name], np.float64) for share, one in zip(shares, sets, strict=True)),
            dtype=np.float32,
        )
        for name in sets[0]
    }


def difference(first: Parameters, second: Parameters) -> Parameters:
    """First minus second, name by name."""
    return {name: np.asarray(first[name] - second[name], dtype=np.float32) for name in second}


def moved(start: Parameters, change: Parameters, rate: float = 1.0) -> Parameters:
    """Start plus rate times change; what has no change stays."""
    return {
        name: np.asarray(array + rate * change[name], dtype=np.float32) if name in change else array
        for name, array in start.items()
    }


def flat(held: Parameters) -> NDArray[np.float64]:
    """All numbers in one row, by name."""
    return np.concatenate([np.ravel(held[name]).astype(np.float64) for name in sorted(held)])


def length(held: Parameters) -> float:
    """Euclidean length of all numbers together."""
    return float(np.linalg.norm(flat(held)))


def under(prefix: str, held: Parameters) -> Parameters:
    """The same arrays with `prefix` and a slash before each name."""
    return {f"{prefix}/{name}": array for name, array in held.items()}


def out_of(prefix: str, held: Parameters) -> Parameters:
    """Those arrays that stand under `prefix`, without it."""
    start = len(prefix) + 1
    return {name[start:]: array for name, array in held.items() if name.startswith(f"{prefix}/")}
