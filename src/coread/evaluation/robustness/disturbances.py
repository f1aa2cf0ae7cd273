"""What may happen to an image between patient and reader, at named strengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Float = NDArray[np.float64]

BLOCK = 8
"""Pixels of a JPEG block (ITU-T T.81, clause A.1.1)."""

LUMINANCE = np.array(
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
        14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ],
    dtype=np.float64,
).reshape(8, 8)  # fmt: skip
"""Quantisation of luminance, ITU-T T.81 table K.1."""


@dataclass(frozen=True)
class Disturbance:
    """One way to disturb an image.

    Attributes
    ----------
    name, unit
        What is done, and what its strength counts.
    strengths
        From mild to strong.
    apply
        Takes an image [row, column] with values 0..1, a strength and a source of randomness; gives one like
        it.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[Float, float, Generator], Float]


def noise(image: Float, strength: float, rng: Generator) -> Float:
    """Add white noise of a standard deviation, as a share of the full range."""
    return _kept(image + rng.normal(0, strength, image.shape))


def dose(image: Float, strength: float, rng: Generator) -> Float:
    """Quantum noise as if the exposure were a share of one with 10,000 quanta in the brightest pixel.

    Notes
    -----
    Poisson noise of the difference, so that strength 1 leaves the image as it is. *Does not* model the
    detector, scatter or the logarithmic display of a radiograph.
    """
    quanta = 1e4 * image
    thinned = rng.poisson(quanta * strength) / (1e4 * strength) if strength < 1 else image
    return _kept(thinned)


def blur(image: Float, strength: float, rng: Generator) -> Float:
    """Gaussian blur of a standard deviation in pixels."""
    reach = max(1, int(np.ceil(3 * strength)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / strength) ** 2)
    return _kept(_along_both(image, kernel / kernel.sum()))


def motion(image: Float, strength: float, rng: Generator) -> Float:
    """Mean over a number of pixels in one direction, rows."""
    length = max(1, round(strength))
    return _kept(_along(image, np.full(length, 1 / length), axis=0))


def contrast(image: Float, strength: float, rng: Generator) -> Float:
    """Spread about the mean multiplied by a factor."""
    return _kept(image.mean() + strength * (image - image.mean()))


def device(image: Float, strength: float, rng: Generator) -> Float:
    """Another characteristic curve: grey values raised to a power, as another device's processing does."""
    return _kept(np.power(np.clip(image, 0, 1), strength))


def resolution(image: Float, strength: float, rng: Generator) -> Float:
    """Pixels made coarser by a whole factor."""
    factor = max(1, round(strength))
    rows, columns = (np.arange(n) // factor for n in image.shape)
    sums = np.zeros((rows[-1] + 1, columns[-1] + 1))
    np.add.at(sums, (rows[:, None], columns[None, :]), image)
    sizes = np.bincount(rows)[:, None] * np.bincount(columns)[None, :]
    return np.asarray((sums / sizes)[rows[:, None], columns[None, :]])


def compression(image: Float, strength: float, rng: Generator) -> Float:
    """The loss of a baseline JPEG of a quality 1..100.

    Notes
    -----
    ITU-T T.81: discrete cosine transform of 8 x 8 blocks, quantised by table K.1 scaled as the Independent
    JPEG Group's library does. What follows there loses nothing and is left out.
    """
    scale = 5000 / strength if strength < 50 else 200 - 2 * strength
    table = np.clip(np.floor((LUMINANCE * scale + 50) / 100), 1, 255)
    pads = [(0, -n % BLOCK) for n in image.shape]
    grey = np.round(np.pad(np.clip(image, 0, 1), pads, mode="edge") * 255) - 128
    high, wide = (n // BLOCK for n in grey.shape)
    blocks = grey.reshape(high, BLOCK, wide, BLOCK).transpose(0, 2, 1, 3)
    cosine = _cosine()
    kept = np.round(cosine @ blocks @ cosine.T / table) * table
    back = (cosine.T @ kept @ cosine).transpose(0, 2, 1, 3).reshape(grey.shape)
    return _kept((np.round(back[: image.shape[0], : image.shape[1]]) + 128) / 255)


def rotation(image: Float, strength: float, rng: Generator) -> Float:
    """Turned clockwise about the centre by an angle in degrees, bilinear, edges repeated."""
    angle = np.deg2rad(strength)
    centre = (np.array(image.shape) - 1) / 2
    row, column = np.indices(image.shape, dtype=np.float64)
    y, x = row - centre[0], column - centre[1]
    source = (
        np.cos(angle) * y - np.sin(angle) * x + centre[0],
        np.sin(angle) * y + np.cos(angle) * x + centre[1],
    )
    return _bilinear(image, *source)


DISTURBANCES = (
    Disturbance("noise", "standard deviation, share of the range", (0.02, 0.05, 0.1), noise),
    Disturbance("dose", "share of the exposure", (0.5, 0.1, 0.02), dose),
    Disturbance("blur", "standard deviation, pixels", (1, 2, 4), blur),
    Disturbance("motion", "length, pixels", (3, 7, 15), motion),
    Disturbance("contrast", "factor", (0.75, 0.5, 1.5), contrast),
    Disturbance("device", "exponent of the grey values", (0.7, 1.4, 2), device),
    Disturbance("resolution", "factor", (2, 4, 8), resolution),
    Disturbance("compression", "JPEG quality", (75, 30, 10), compression),
    Disturbance("rotation", "degrees", (5, 10, 20), rotation),
)
"""The disturbances of evidence item E15, each at three strengths."""


def _kept(image: Float) -> Float:
    return np.clip(image, 0, 1)


def _along_both(image: Float, kernel: Float) -> Float:
    return _along(_along(image, kernel, 0), kernel, 1)


def _along(image: Float, kernel: Float, axis: int) -> Float:
    """Convolve along one axis, edges repeated."""
    before = len(kernel) // 2
    pads = [(0, 0), (0, 0)]
    pads[axis] = (before, len(kernel) - 1 - before)
    padded = np.pad(image, pads, mode="edge")
    size = image.shape[axis]
    parts = [w * np.take(padded, np.arange(k, k + size), axis=axis) for k, w in enumerate(kernel)]
    return np.asarray(np.sum(parts, axis=0))


def _cosine() -> Float:
    """The orthonormal cosine transform of `BLOCK` values."""
    k, n = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None, :]
    matrix = np.sqrt(2 / BLOCK) * np.cos(np.pi * (2 * n + 1) * k / (2 * BLOCK))
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix)


def _bilinear(image: Float, row: Float, column: Float) -> Float:
    row, column = np.clip(row, 0, image.shape[0] - 1), np.clip(column, 0, image.shape[1] - 1)
    r, c = np.minimum(row.astype(int), image.shape[0] - 2), np.minimum(column.astype(int), image.shape[1] - 2)
    y, x = row - r, column - c
    top = image[r, c] * (1 - x) + image[r, c + 1] * x
    bottom = image[r + 1, c] * (1 - x) + image[r + 1, c + 1] * x
    return np.asarray(top * (1 - y) + bottom * y)
