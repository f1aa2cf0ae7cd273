"""Fixed point: real changes as integers modulo 2^64, so that masks vanish exactly in the sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.errors import FederationRefused

Ring = NDArray[np.uint64]

#: Binary digits after the point: half a step is 2^-25, about 3e-8, below the spacing of float32 at 1.
FRACTION_BITS = 24
#: With a largest value of 2^8: 24 + 8 + 20 bits of weight + 8 bits of sites = 60 < 63: no sum overflows.
MOST_EXAMPLES = 1 << 20
MOST_SITES = 1 << 8
LARGEST = 256.0

Layout = tuple[tuple[str, tuple[int, ...]], ...]
"""Name and shape of each array, sorted by name."""


@dataclass(frozen=True)
class Encoded:
    """A weighted change in the ring; the last element is the weight."""

    values: Ring
    layout: Layout
    largest_error: float
    """Largest rounding error of one parameter in this change (at most 2^-25)."""


def layout_of(arrays: Mapping[str, NDArray[Any]]) -> Layout:
    """Names and shapes, sorted by name."""
    return tuple((name, tuple(np.shape(arrays[name]))) for name in sorted(arrays))


def whole_weight(examples: int, power: float) -> int:
    """A site's weight as a whole number of at most `MOST_EXAMPLES`.

    Parameters
    ----------
    examples
        Training examples.
    power
        1 counts examples, 0 counts sites, 0.5 stands between; below 1 the weight is stretched by the same
        factor at every site, so that rounding it does not matter (at most 0.05 % at one example).

    Examples
    --------
    >>> whole_weight(400, 1.0), whole_weight(400, 0.5), whole_weight(1, 0.0)
    (400, 20480, 1048576)
    """
    stretch: float = float(MOST_EXAMPLES) ** (1.0 - min(max(power, 0.0), 1.0))
    weight: float = stretch * float(max(examples, 1)) ** power
    return round(weight)


def encode(change: Mapping[str, NDArray[Any]], examples: int, largest: float) -> Encoded:
    """Write a change, times its weight, as integers modulo 2^64.

    Parameters
    ----------
    change
        What the site's training changed, by parameter.
    examples
        Weight of the site.
    largest
        Largest absolute value that is carried.

    Raises
    ------
    FederationRefused
        If a value is not finite or larger, or the weight is out of range. Nothing is ever clipped.
    """
    if not 0 < largest <= LARGEST:
        raise _refused(f"a largest value of {largest:g}", f"at most {LARGEST:g}")
    if not 0 < examples <= MOST_EXAMPLES:
        raise _refused(f"{examples} examples", f"1 to {MOST_EXAMPLES}")
    for name in sorted(change):
        _demand_in_range(name, change[name], largest)
    layout = layout_of(change)
    flat = np.concatenate([np.zeros(0), *(np.asarray(change[n], np.float64).ravel() for n, _ in layout)])
    rounded = np.rint(flat * (1 << FRACTION_BITS))
    error = float(np.max(np.abs(rounded / (1 << FRACTION_BITS) - flat), initial=0.0))
    weighted = rounded.astype(np.int64) * np.int64(examples)
    return Encoded(np.append(weighted, np.int64(examples)).view(np.uint64), layout, error)


def decode(total: Ring, layout: Layout) -> tuple[dict[str, NDArray[np.float64]], int]:
    """Return the weighted mean change by parameter, and the sum of the weights.

    Raises
    ------
    FederationRefused
        If the sum does not fit the layout, or its weight makes no sense: a mask is left in it.
    """
    signed = total.view(np.int64)
    weight = int(signed[-1]) if signed.size else 0
    sizes = [int(np.prod(shape, dtype=np.int64)) for _, shape in layout]
    if signed.size != sum(sizes) + 1 or not 0 < weight <= MOST_EXAMPLES * MOST_SITES:
        raise _refused("a sum that still bears a mask", "the sum of the sites' changes")
    mean = signed[:-1].astype(np.float64) / (float(weight) * (1 << FRACTION_BITS))
    pieces = np.split(mean, np.cumsum(sizes)[:-1]) if sizes else []
    return {name: piece.reshape(shape) for (name, shape), piece in zip(layout, pieces, strict=True)}, weight


def _demand_in_range(name: str, values: NDArray[Any], largest: float) -> None:
    held = np.asarray(values, np.float64)
    worst = float(np.max(np.abs(held), initial=0.0))
    if not worst <= largest:  # also true of NaN
        raise _refused(f"a change of {worst:g} in {name!r}", f"finite changes of at most {largest:g}")


def _refused(found: str, expected: str) -> FederationRefused:
    remedy = "nothing was clipped and nothing sent: look at the site's training, or agree on a plan that fits"
    return FederationRefused(found, expected, remedy, "secure aggregation")
