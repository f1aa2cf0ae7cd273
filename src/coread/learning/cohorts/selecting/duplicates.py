"""Near-duplicates: the same picture kept twice, whatever name, size, encoding or brightness it has.

Two measures must agree. The *fingerprint* is a difference hash of 256 bits: the image averaged to 16 rows of
17 columns, one bit for each pair of neighbours, set where the right one is brighter (the row-wise gradient
hash that N. Krawetz described in 2013, here at four times its usual size because all chest radiographs look
alike). The *thumbnail* is the image averaged to 32 x 32.

`MAX_BITS` and `MIN_CORRELATION` were measured, on images that were altered on purpose and on images of
different people (``docs/cohorts.md`` gives the figures): among 306,000 pairs of radiographs the most alike of
two different images differ in 17 bits, while copies that were scaled, compressed, or made brighter differ in
at most 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_BITS = 12
"""Most bits of the fingerprint in which two near-duplicates differ."""

MIN_CORRELATION = 0.98
"""Least correlation of their thumbnails."""

_BLOCK = 512

Words = NDArray[np.uint64]
Thumbnail = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two images that are nearly one."""

    first: int
    second: int
    bits: int
    """In which their fingerprints differ; 0 of 256 for the same picture."""
    correlation: float
    """Of their thumbnails."""


def fingerprint(pixels: NDArray[np.uint8]) -> str:
    """Fingerprint of an image uint8 [row, column] or [row, column, 3]: 64 hexadecimal digits."""
    grey = Image.fromarray(pixels).convert("L")
    small = np.asarray(grey.resize((17, 16), Image.Resampling.BOX), dtype=np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def thumbnail(pixels: NDArray[np.uint8]) -> Thumbnail:
    """Thumbnail float32 [1024] of an image, of mean 0 and length 1 (length 0 for an even image)."""
    grey = Image.fromarray(pixels).convert("L")
    small = np.asarray(grey.resize((32, 32), Image.Resampling.BOX), dtype=np.float32).ravel()
    centred = small - small.mean()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length if length else centred, dtype=np.float32)


def near_duplicates(
    fingerprints: Sequence[str], thumbnails: NDArray[np.float32], max_bits: int = MAX_BITS
) -> list[Likeness]:
    """Find all near-duplicate pairs, by comparing every image with every other.

    Ten thousand images take about two seconds on one processor, a hundred thousand some minutes.

    Parameters
    ----------
    fingerprints
        Of n images.
    thumbnails
        float32 [n, 1024].
    max_bits
        See `MAX_BITS`.

    Returns
    -------
    list of Likeness
        By first, then second image.
    """
    words = _words(fingerprints)
    found = []
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        bits = _differing(block, words[start:])
        for i, j in np.argwhere(bits <= max_bits):
            if j > i:
                likeness = float(thumbnails[start + i] @ thumbnails[start + j])
                if likeness >= MIN_CORRELATION:
                    found.append(Likeness(int(start + i), int(start + j), int(bits[i, j]), likeness))
    return found


def _words(fingerprints: Sequence[str]) -> Words:
    joined = bytes.fromhex("".join(fingerprints))
    return np.frombuffer(joined, dtype=np.uint64).reshape(-1, 4)


def _differing(block: Words, others: Words) -> NDArray[np.uint16]:
    bits = np.zeros((len(block), len(others)), dtype=np.uint16)
    for word in range(4):
        bits += np.bitwise_count(block[:, None, word] ^ others[None, :, word])
    return bits


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
