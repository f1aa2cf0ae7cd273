"""What a smear may suffer between two laboratories, done to the training images.

Stain, lamp, camera and focus differ; the cells do not. Everything is drawn from a generator that is given.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Colour = NDArray[np.uint8]
Boxes = NDArray[np.float64]

LEAST_SEEN = 0.4
"""Share of a box that must stay on a moved field for the cell to count as there."""


def disturbed_cell(image: Colour, rng: Generator) -> Colour:
    """Turn, mirror, move and restain the image of one cell, uint8 [row, column, 3]."""
    side = image.shape[0]
    turn = rng.uniform(0, 2 * np.pi)
    zoom = np.exp(rng.uniform(-0.22, 0.28))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cosine, sine = np.cos(turn) * zoom, np.sin(turn) * zoom
    shift = side / 2 + rng.uniform(-0.06, 0.06, 2) * side
    a, b, d, e = mirror * cosine, -sine, mirror * sine, cosine
    matrix = (a, b, shift[0] - (a + b) * side / 2, d, e, shift[1] - (d + e) * side / 2)
    background = tuple(int(level) for level in np.percentile(image, 95, axis=(0, 1)))
    moved = Image.fromarray(image).transform(
        (side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=background
    )
    return restained(np.asarray(_softened(moved, rng)), rng)


def disturbed_field(image: Colour, boxes: Boxes, rng: Generator) -> tuple[Colour, Boxes, NDArray[np.bool_]]:
    """Mirror, move and restain a field.

    Parameters
    ----------
    image
        uint8 [row, column, 3].
    boxes
        [cell, 4]: left, top, width, height, pixels.
    rng
        Source of all randomness.

    Returns
    -------
    (Colour, Boxes, bool [cell])
        Field of the same shape; boxes cut off at its edge, of the cells that are still seen; which these are.
    """
    rows, columns = image.shape[:2]
    zoom = np.exp(rng.uniform(-0.15, 0.2))
    shift = rng.uniform(-0.08, 0.08, 2) * (columns, rows)
    offset = np.array([columns, rows]) / 2 * (1 - zoom) + shift
    matrix = (zoom, 0, offset[0], 0, zoom, offset[1])
    background = tuple(int(level) for level in np.percentile(image, 95, axis=(0, 1)))
    moved = Image.fromarray(image).transform(
        (columns, rows), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=background
    )
    pixels = restained(np.asarray(_softened(moved, rng)), rng)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    corners = (corners - np.tile(offset, 2)) / zoom
    pixels, corners = _mirrored(pixels, corners, rng)
    return _kept(pixels, corners)


def restained(image: Colour, rng: Generator) -> Colour:
    """Another stain and lamp: optical density scaled as a whole and by channel, another white, noise.

    Light is weakened exponentially by stain (Beer-Lambert), so more stain is more optical density.
    """
    light = np.maximum(image.astype(np.float32), 1.0) / 255
    strength = np.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.07, 3))
    white = np.exp(rng.normal(0, 0.05)) * np.exp(rng.normal(0, 0.03, 3))
    changed = light ** strength.astype(np.float32) * white.astype(np.float32)
    changed = changed + rng.normal(0, rng.uniform(0, 0.015), image.shape).astype(np.float32)
    return np.asarray(np.clip(changed * 255 + 0.5, 0, 255), dtype=np.uint8)


def _softened(image: Image.Image, rng: Generator) -> Image.Image:
    """Blur a fifth of the images; send a fifth through JPEG once more."""
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3)))
    if rng.random() >= 0.2:
        return image
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(45, 95)))
    return Image.open(buffer).convert("RGB")


def _mirrored(image: Colour, corners: Boxes, rng: Generator) -> tuple[Colour, Boxes]:
    """Mirror left and right, top and bottom, each by chance."""
    rows, columns = image.shape[:2]
    if rng.random() < 0.5:
        image = image[:, ::-1]
        corners = np.stack(
            [columns - corners[:, 2], corners[:, 1], columns - corners[:, 0], corners[:, 3]], 1
        )
    if rng.random() < 0.5:
        image = image[::-1]
        corners = np.stack([corners[:, 0], rows - corners[:, 3], corners[:, 2], rows - corners[:, 1]], 1)
    return np.ascontiguousarray(image), corners


def _kept(image: Colour, corners: Boxes) -> tuple[Colour, Boxes, NDArray[np.bool_]]:
    limits = np.array([image.shape[1], image.shape[0]] * 2)
    whole = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    seen = np.clip(corners, 0, limits)
    size = seen[:, 2:] - seen[:, :2]
    kept = np.prod(size, axis=1) >= LEAST_SEEN * whole
    return image, np.concatenate([seen[:, :2], size], 1)[kept], kept
