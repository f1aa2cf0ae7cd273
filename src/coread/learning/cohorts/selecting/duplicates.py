"""Near-duplicates: the same picture kept twice, whatever name, size, encoding, brightness or side it has.

Each image is averaged to 24 x 24 grey values, its *fingerprint*. Two images are compared by the correlation
of the differences between neighbouring values of their fingerprints, along rows and columns: what is flat
weighs nothing, and what is brighter altogether is the same. A mirrored copy is looked for in the same way.

`MIN_LIKENESS` was measured, on images that were altered on purpose and on images of different patients
(``benchmarks/results/cohorts.json``, printed in ``docs/cohorts.md``). What was tried first, a difference hash
of 256 bits (N. Krawetz, 2013), lost a third of the recompressed blood cells: on flat ground its bits are
noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 24

MIN_LIKENESS = 0.9
"""From which correlation on two images are called near-duplicates."""

_BLOCK = 1024

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two images that are nearly one."""

    first: int
    second: int
    likeness: float
    """Correlation of their fingerprints' differences; 1 for the same picture."""
    mirrored: bool = False
    """Whether the one is like the other seen in a mirror."""


def fingerprint(pixels: NDArray[np.uint8]) -> str:
    """Fingerprint of an image uint8 [row, column] or [row, column, 3]: 576 bytes in hexadecimal."""
    grey = Image.fromarray(pixels).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.uint8).tobytes().hex()


def near_duplicates(fingerprints: Sequence[str], min_likeness: float = MIN_LIKENESS) -> list[Likeness]:
    """Find all near-duplicate pairs, by comparing every image with every other.

    Five thousand images take about ten seconds on one processor; the time grows with the square.

    Parameters
    ----------
    fingerprints
        Of n images.
    min_likeness
        See `MIN_LIKENESS`.

    Returns
    -------
    list of Likeness
        By first, then second image; a pair that is alike both ways is told once, as it is.
    """
    small = _small(fingerprints)
    straight, mirrored = _features(small), _features(small[:, :, ::-1])
    found: dict[tuple[int, int], Likeness] = {}
    for others, is_mirrored in ((straight, False), (mirrored, True)):
        for start in range(0, len(straight), _BLOCK):
            likeness = straight[start : start + _BLOCK] @ others[start:].T
            for i, j in np.argwhere(likeness >= min_likeness):
                if j > i:
                    pair = (int(start + i), int(start + j))
                    found.setdefault(pair, Likeness(*pair, float(likeness[i, j]), is_mirrored))
    return [found[pair] for pair in sorted(found)]


def _small(fingerprints: Sequence[str]) -> NDArray[np.float32]:
    """Fingerprints as float32 [image, row, column]."""
    joined = np.frombuffer(bytes.fromhex("".join(fingerprints)), dtype=np.uint8)
    return joined.reshape(-1, SIDE, SIDE).astype(np.float32)


def _features(small: NDArray[np.float32]) -> Features:
    """Differences of neighbours float32 [image, d], of length 1; of length 0 for an even image."""
    across = np.diff(small, axis=2).reshape(-1, SIDE * (SIDE - 1))
    down = np.diff(small, axis=1).reshape(-1, SIDE * (SIDE - 1))
    both = np.concatenate([across, down], axis=1)
    length = np.linalg.norm(both, axis=1, keepdims=True)
    return np.asarray(both / np.where(length > 0, length, 1), dtype=np.float32)


def together(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Number each of `count` things by the least thing with which it is joined, directly or by others.

    Examples
    --------
    >>> together(5, [(0, 2), (2, 4)])
    [0, 1, 0, 3, 0]
    """
    above = list(range(count))

    def top(thing: int) -> int:
        while above[thing] != thing:
            above[thing] = above[above[thing]]
            thing = above[thing]
        return thing

    for first, second in pairs:
        low, high = sorted((top(first), top(second)))
        above[high] = low
    return [top(thing) for thing in range(count)]
