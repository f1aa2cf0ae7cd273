"""From a colour image to the networks' inputs: one path, walked in training and in the clinic alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colour = NDArray[np.uint8]
Float = NDArray[np.float32]

ROWS, COLUMNS = 240, 320
"""Size of the detector's input, pixels: a field of the training set (480 x 640) at half its size."""

CELL_SIDE = 128
"""Rows and columns of the classifier's input, pixels: the training set's own size."""

CELL_REACH = 1.5
"""Side of the square cut around a white cell, in longer sides of its box: of 1.2, 1.5, 1.8, 2.2 and 2.8 the
widest at which nearly all white cells of training fields (87 % of 124) are called leukocytes."""

WHITE_PERCENTILE = 95.0
"""Percentile of each channel that is taken for the empty background of a smear."""

WHITE = 0.92
"""Where the background is put: lamp, camera and stain tint it differently at every laboratory."""

LEAST_WHITE = 0.25
"""A darker background is not lifted further: there is none, or it is no brightfield image."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The detector's input and how it came about.

    Attributes
    ----------
    tensor
        float32 [1, 3, 240, 320]: batch, channel, row, column; 0..1.
    scale
        Pixels of the input per pixel of the image.
    shape_rc
        Rows and columns of the image, pixels.
    """

    tensor: Float
    scale: float
    shape_rc: tuple[int, int]


def prepare(image: Colour) -> Prepared:
    """Make the detector's input from a field.

    Parameters
    ----------
    image
        uint8 [row, column, 3], RGB.

    Returns
    -------
    Prepared
        The field scaled as a whole to fit the input, its top left corners in one place; what is left over is
        filled with the background.
    """
    rows, columns = image.shape[:2]
    scale = min(ROWS / rows, COLUMNS / columns)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    small = np.asarray(
        Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), np.float32
    ) / np.float32(255)
    canvas = np.full((ROWS, COLUMNS, 3), WHITE, np.float32)
    canvas[: size[1], : size[0]] = balanced(small)
    return Prepared(np.ascontiguousarray(canvas.transpose(2, 0, 1))[None], scale, (rows, columns))


def balanced(image: Float) -> Float:
    """Set the background of an image to the same white.

    Parameters
    ----------
    image
        float32 [row, column, 3] in 0..1.

    Returns
    -------
    Float
        Each channel scaled so that its `WHITE_PERCENTILE` lies at `WHITE`, cut off at 1.
    """
    bright = np.percentile(image, WHITE_PERCENTILE, axis=(0, 1))
    gain = WHITE / np.maximum(bright, LEAST_WHITE)
    return np.asarray(np.clip(image * gain, 0, 1), dtype=np.float32)


def cut(image: Colour, box: NDArray[np.floating]) -> Float:
    """Cut out one white cell as the classifier's input.

    Parameters
    ----------
    image
        uint8 [row, column, 3], RGB.
    box
        (left, top, width, height) of the cell, pixels of the image.

    Returns
    -------
    Float
        float32 [3, 128, 128] in 0..1; beyond the edge of the field its border is repeated.
    """
    left, top, width, height = (float(value) for value in box)
    half = max(width, height, 2.0) * CELL_REACH / 2
    rows, columns = (
        np.rint(c + np.array((-half, half))).astype(int) for c in (top + height / 2, left + width / 2)
    )
    picked_rows = np.clip(np.arange(*rows), 0, image.shape[0] - 1)
    picked_columns = np.clip(np.arange(*columns), 0, image.shape[1] - 1)
    return cell(image[np.ix_(picked_rows, picked_columns)])


def cell(image: Colour) -> Float:
    """Make the classifier's input [3, 128, 128] from the image of one cell, uint8 [row, column, 3]."""
    side = (CELL_SIDE, CELL_SIDE)
    small = np.asarray(
        Image.fromarray(image).resize(side, Image.Resampling.BILINEAR), np.float32
    ) / np.float32(255)
    return np.ascontiguousarray(balanced(small).transpose(2, 0, 1))
