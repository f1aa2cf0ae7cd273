"""How strongly two columns go together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def cross_table(first: Sequence[Hashable], second: Sequence[Hashable]) -> NDArray[np.float64]:
    """Counts [value of the first, value of the second]."""
    rows = {value: at for at, value in enumerate(dict.fromkeys(first))}
    columns = {value: at for at, value in enumerate(dict.fromkeys(second))}
    counts = np.zeros((len(rows), len(columns)))
    for one, other in zip(first, second, strict=True):
        counts[rows[one], columns[other]] += 1
    return counts


def cramers_v(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Cramer's V with the bias correction of Bergsma, J Korean Stat Soc 2013, doi:10.1016/j.jkss.2012.10.002.

    Returns
    -------
    float
        0 for columns that know nothing of each other, 1 where one decides the other; 0 where a column holds
        one value only.

    Examples
    --------
    >>> cramers_v("aabb" * 50, "xxyy" * 50) > 0.99, cramers_v("abab" * 50, "xxyy" * 50)
    (True, 0.0)
    """
    counts = cross_table(first, second)
    n, (rows, columns) = counts.sum(), counts.shape
    if min(rows, columns) < 2:
        return 0.0
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / n
    phi2 = float(((counts - expected) ** 2 / expected).sum() / n)
    corrected = max(0.0, phi2 - (rows - 1) * (columns - 1) / (n - 1))
    least = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(corrected / least)) if least > 0 else 0.0


def cohen_kappa(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Agreement beyond chance, Cohen 1960, doi:10.1177/001316446002000104; None where chance agrees always.

    Examples
    --------
    >>> cohen_kappa([0, 0, 1, 1], [0, 1, 0, 1]), cohen_kappa([0, 1], [0, 1]), cohen_kappa([1, 1], [1, 1])
    (0.0, 1.0, None)
    """
    values = sorted({*first, *second})
    one, other = np.asarray(first), np.asarray(second)
    seen = float((one == other).mean())
    chance = float(sum((one == value).mean() * (other == value).mean() for value in values))
    return None if chance == 1 else (seen - chance) / (1 - chance)
