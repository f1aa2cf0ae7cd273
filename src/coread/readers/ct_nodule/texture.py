"""What a crop looks like in numbers that no stretch of its grey values changes: the pixel gate's own senses.

Every lung CT has noise of one kind in air and in tissue, two heights of grey and no preferred direction;
radiographs are smooth, ultrasound is grainy where it is bright, cells have even ground.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]

HEIGHTS = (2, 5, 10, 25, 50, 75, 90, 95, 98)
"""Percentiles of the grey values."""

BANDS = (0, 2, 3, 4, 6, 8, 11, 15, 20, 26, 33, 41, 48)
"""Edges of the rings of the power spectrum, cycles per crop."""

STEPS = (25, 50, 75, 90, 99)
"""Percentiles of the gradient's size."""

LAGS = (1, 2, 4, 8)
"""Pixels between two values that are compared."""

LEAST = 1e-3
"""Added before a logarithm: a quarter of one grey level of 256, so that 8 bits look like 16."""


def texture(crop: Float) -> NDArray[np.float64]:
    """Describe a stretched crop.

    Parameters
    ----------
    crop
        [row, column] in 0..1, as `coread.readers.ct_nodule.window.stretched` makes it.

    Returns
    -------
    NDArray
        [feature]: heights of the grey values, rings of the power spectrum, gradients, noise in the dark, the
        middle and the bright third, shape of the differences, and likeness of neighbours.
    """
    grey = np.asarray(crop, dtype=np.float64)
    across, down = np.diff(grey, axis=1), np.diff(grey, axis=0)
    return np.concatenate(
        [
            np.percentile(grey, HEIGHTS),
            _spectrum(grey),
            np.log(np.percentile(np.hypot(across[:-1], down[:, :-1]), STEPS) + LEAST),
            _noise(grey),
            _tails(across),
            _tails(down),
            _likeness(grey),
        ]
    )


def sight(scene: Float, crop: Float) -> NDArray[np.float64]:
    """Join what the network saw of its window, [feature], and the texture of the stretched crop."""
    return np.concatenate([np.asarray(scene, dtype=np.float64), texture(crop)])


def _spectrum(grey: Float) -> Float:
    """Logarithm of the power in each ring relative to the whole, and of horizontal over vertical power."""
    side = len(grey)
    fade = np.hanning(side)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * fade[:, None] * fade)) ** 2
    along = np.abs(np.fft.fftfreq(side)) * side
    ring = np.digitize(np.hypot(along[:, None], along), BANDS) - 1
    total = np.bincount(ring.ravel(), power.ravel(), len(BANDS))[: len(BANDS) - 1]
    shares = np.log(total / max(float(total.sum()), 1e-12) + 1e-7)
    fine = np.hypot(along[:, None], along) > BANDS[4]
    lying, upright = (power[fine & steep].sum() for steep in (along[:, None] < along, along[:, None] > along))
    return np.append(shares, np.log((lying + 1e-9) / (upright + 1e-9)))


def _noise(grey: Float) -> Float:
    """Logarithm of the noise in the dark, middle and bright third of the pixels.

    By the difference of two Laplacians, which leaves planes and edges out: Immerkaer, CVIU 1996,
    doi:10.1006/cviu.1996.0060.
    """
    mask = ((1, -2, 1), (-2, 4, -2), (1, -2, 1))
    rows, columns = grey.shape
    felt = sum(
        weight * grey[r : rows - 2 + r, c : columns - 2 + c]
        for r, line in enumerate(mask)
        for c, weight in enumerate(line)
    )
    middle = grey[1:-1, 1:-1]
    low, high = np.percentile(middle, (33, 67))
    thirds = (middle <= low, (middle > low) & (middle < high), middle >= high)
    size = np.abs(felt)
    each = np.array([np.median(size[third]) if third.any() else 0.0 for third in thirds])
    return np.log(each / 6 + LEAST)


def _tails(steps: Float) -> Float:
    """Skewness and the logarithm of the kurtosis of differences."""
    spread = max(float(steps.std()), LEAST)
    standard = (steps - steps.mean()) / spread
    return np.array([np.clip((standard**3).mean(), -5, 5), np.log((standard**4).mean() + 1)])


def _likeness(grey: Float) -> Float:
    """Correlation of values some pixels apart, along rows and along columns."""
    apart = grey - grey.mean()
    whole = max(float((apart**2).mean()), 1e-9)
    pairs = [(apart[:, lag:] * apart[:, :-lag], apart[lag:] * apart[:-lag]) for lag in LAGS]
    return np.array([float(product.mean()) / whole for pair in pairs for product in pair])
