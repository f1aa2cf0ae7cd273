"""From an image to the network's input: one path, walked in training and in the clinic alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float = NDArray[np.float32]

SIDE = 224
"""Rows and columns of the input, pixels (the size EfficientNet-Lite0 was made for)."""

WINDOW_PERCENTILES = (0.5, 99.5)
"""Grey levels mapped to 0 and 1: robust to burned-in letters and dead pixels."""


def prepare(image: NDArray[Any]) -> Float:
    """Make the network's input.

    Parameters
    ----------
    image
        Grey [row, column], any finite range, dense structures bright; or colour uint8 [row, column, 3].

    Returns
    -------
    Float
        float32 [channel, 224, 224] in 0..1. The square is reached by stretching.
    """
    return _colour(image) if image.ndim == 3 else _grey(image)


def _grey(image: NDArray[Any]) -> Float:
    level = np.asarray(image, np.float32)
    low, high = (float(value) for value in np.percentile(level, WINDOW_PERCENTILES))
    shown = np.clip((level - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    small = Image.fromarray(shown).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.array(small, np.float32)[None]


def _colour(image: NDArray[Any]) -> Float:
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(small, np.float32).transpose(2, 0, 1) / np.float32(255))
