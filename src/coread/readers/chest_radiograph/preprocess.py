"""From a display image to the network's input: one path, walked in training and in the clinic alike.

The order matters: flat borders (collimator, film holder, padding) are trimmed first and the grey window is
set afterwards, so that a border cannot decide how bright the lungs are. The square is reached by
stretching, not by padding, because both training sources were squared before they were published; a padded
image would be unlike anything the network has seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

Image = NDArray[np.float32]

SIDE = 224
"""Rows and columns of the network's input, pixels (the size EfficientNet-Lite0 was made for)."""

WORKING_SIDE = 512
"""Larger images are first reduced to this many pixels per axis: window and trimming need no more."""

WINDOW_PERCENTILES = (0.5, 99.5)
"""Grey levels mapped to 0 and 1: robust to burned-in letters, markers and dead pixels."""

FLAT_DEVIATION = 0.02
"""A border row or column with a smaller standard deviation (of a 0..1 image) carries no anatomy."""

TRIM_LIMIT = 0.3
"""At most this share of each side is trimmed, whatever it holds."""


@dataclass(frozen=True)
class Prepared:
    """A network input and where it came from.

    Attributes
    ----------
    tensor
        float32 [1, 1, 224, 224]: batch, channel, row, column; grey values 0..1, bright = dense.
    box_rc
        Row and column range of the display image that the tensor covers:
        (first row, first column, row after the last, column after the last), pixels.
    shape_rc
        Rows and columns of the display image, pixels.
    """

    tensor: Image
    box_rc: tuple[int, int, int, int]
    shape_rc: tuple[int, int]


def prepare(display: NDArray[np.floating]) -> Prepared:
    """Make the network's input from a display image.

    Parameters
    ----------
    display
        [row, column], any finite range; bright = dense (the sense of MONOCHROME2), after rescale, VOI and
        inversion.

    Returns
    -------
    Prepared
        The input tensor with the part of the image that it covers.

    Raises
    ------
    ValueError
        If the image is not two-dimensional or smaller than 2 x 2.
    """
    if display.ndim != 2 or min(display.shape) < 2:
        raise ValueError(
            f"a display image has rows and columns, at least 2 of each; found the shape {display.shape}"
        )
    small = _at_most(np.asarray(display, dtype=np.float32), WORKING_SIDE)
    top, left, bottom, right = _anatomy_box(window(small))
    square = resample(window(small[top:bottom, left:right]), (SIDE, SIDE))
    box_rc = _scaled_box((top, left, bottom, right), small.shape, display.shape)
    return Prepared(square[None, None], box_rc, (display.shape[0], display.shape[1]))


def anatomy(display: NDArray[np.floating]) -> Image:
    """The display image [row, column] without its flat borders, grey values as they are, at full size.

    Parameters
    ----------
    display
        [row, column], finite.
    """
    small = _at_most(np.asarray(display, dtype=np.float32), WORKING_SIDE)
    top, left, bottom, right = _scaled_box(_anatomy_box(window(small)), small.shape, display.shape)
    return np.asarray(display[top:bottom, left:right], dtype=np.float32)


def window(image: Image) -> Image:
    """Map the robust grey range of an image to 0..1 and clip the rest.

    Parameters
    ----------
    image
        [row, column], any finite range.

    Returns
    -------
    Image
        float32 [row, column] in 0..1; all zeros where the image is flat.
    """
    low, high = (float(level) for level in np.percentile(image, WINDOW_PERCENTILES))
    if high <= low:
        return np.zeros(image.shape, dtype=np.float32)
    return np.asarray(np.clip((image - low) / (high - low), 0.0, 1.0), dtype=np.float32)


def resample(image: Image, shape_rc: tuple[int, int]) -> Image:
    """Resize by a separable triangle filter that widens when it reduces (no aliasing), in double precision.

    Parameters
    ----------
    image
        float32 [row, column].
    shape_rc
        Rows and columns wanted, pixels.

    Returns
    -------
    Image
        float32 [row, column] of that shape; the sample points are pixel centres.
    """
    size = (shape_rc[1], shape_rc[0])
    resized = Picture.fromarray(image.astype(np.float32, copy=False)).resize(
        size, Picture.Resampling.BILINEAR
    )
    return np.asarray(resized, dtype=np.float32)


def _at_most(image: Image, side: int) -> Image:
    """Reduce an image to at most `side` pixels per axis; smaller axes stay."""
    shape_rc = (min(image.shape[0], side), min(image.shape[1], side))
    return image if shape_rc == image.shape else resample(image, shape_rc)


def _anatomy_box(image: Image) -> tuple[int, int, int, int]:
    """Rows and columns left when flat borders are trimmed: (top, left, bottom, right)."""
    top, bottom = _anatomy_range(image.std(axis=1))
    left, right = _anatomy_range(image.std(axis=0))
    return top, left, bottom, right


def _anatomy_range(deviation: Image) -> tuple[int, int]:
    """First line and line after the last that are not flat, trimming at most `TRIM_LIMIT` from each end."""
    size = len(deviation)
    limit = int(size * TRIM_LIMIT)
    busy = np.flatnonzero(deviation > FLAT_DEVIATION)
    if not len(busy):
        return 0, size
    return min(int(busy[0]), limit), max(int(busy[-1]) + 1, size - limit)


def _scaled_box(
    box_rc: tuple[int, int, int, int], small: tuple[int, ...], full: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """The same box in the pixels of the full image."""
    row, column = full[0] / small[0], full[1] / small[1]
    top, left, bottom, right = box_rc
    return round(top * row), round(left * column), round(bottom * row), round(right * column)
