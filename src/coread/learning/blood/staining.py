"""What a smear may suffer between two laboratories, done to the training images.

Stain, lamp, camera and focus differ; the cells do not. Everything is drawn from a generator that is given.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    moved = Image.fromarray(image).transform(
        (side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_background(image)
    )
    return restained(np.asarray(_softened(moved, rng)), rng)


@dataclass(frozen=True, slots=True)
class Move:
    """How a field is moved: zoom and shift about its middle, then mirrored.

    Attributes
    ----------
    shape_rc
        Rows and columns of the field, pixels.
    zoom
        Pixels of the field per pixel of the moved one.
    offset
        Place (x, y) of the field that comes to the moved one's top left corner, pixels.
    mirrored
        Left with right, top with bottom.
    """

    shape_rc: tuple[int, int]
    zoom: float
    offset: NDArray[np.float64]
    mirrored: tuple[bool, bool]

    @classmethod
    def drawn(cls, shape_rc: tuple[int, int], rng: Generator) -> Move:
        """Draw a move."""
        size = np.array(shape_rc[::-1], dtype=np.float64)
        zoom = float(np.exp(rng.uniform(-0.15, 0.2)))
        offset = size / 2 * (1 - zoom) + rng.uniform(-0.08, 0.08, 2) * size
        across, down = (rng.random(2) < 0.5).tolist()
        return cls(shape_rc, zoom, offset, (across, down))

    def pixels(self, image: Colour) -> Colour:
        """The moved field, what lies beyond its edge filled with its background."""
        matrix = (self.zoom, 0, self.offset[0], 0, self.zoom, self.offset[1])
        moved = Image.fromarray(image).transform(
            self.shape_rc[::-1], Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR,
            fillcolor=_background(image),
        )  # fmt: skip
        across, down = (-1 if each else 1 for each in self.mirrored)
        return np.ascontiguousarray(np.asarray(moved)[::down, ::across])

    def boxes(self, boxes: Boxes) -> tuple[Boxes, NDArray[np.bool_]]:
        """The boxes [cell, 4] of cells that are still seen, cut off at the edge; which these are."""
        size = np.array(self.shape_rc[::-1])
        low = (boxes[:, :2] - self.offset) / self.zoom
        high = low + boxes[:, 2:] / self.zoom
        turned = np.array(self.mirrored)
        low, high = np.where(turned, size - high, low), np.where(turned, size - low, high)
        seen_low, seen_high = np.clip(low, 0, size), np.clip(high, 0, size)
        seen = seen_high - seen_low
        kept = np.prod(seen, axis=1) >= LEAST_SEEN * np.prod(high - low, axis=1)
        return np.concatenate([seen_low, seen], 1)[kept], kept


def disturbed_field(image: Colour, rng: Generator) -> tuple[Colour, Move]:
    """Mirror, move and restain a field, uint8 [row, column, 3]; the move takes its boxes along.

    The move is drawn first, so that `Move.drawn` gives the same with a generator of the same seed.
    """
    move = Move.drawn((image.shape[0], image.shape[1]), rng)
    soft = _softened(Image.fromarray(move.pixels(image)), rng)
    return restained(np.asarray(soft), rng), move


def restained(image: Colour, rng: Generator) -> Colour:
    """Another stain and lamp: optical density scaled as a whole and by channel, another white, noise.

    Light is weakened exponentially by stain (Beer-Lambert), so more stain is more optical density.
    """
    light = np.maximum(np.arange(256), 1)[:, None] / 255
    strength = np.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.07, 3))
    white = np.exp(rng.normal(0, 0.05)) * np.exp(rng.normal(0, 0.03, 3))
    curve = (light**strength * white * 255 + 0.5).astype(np.float32)
    changed = np.stack([curve[:, channel][image[..., channel]] for channel in range(3)], axis=-1)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(255 * rng.uniform(0, 0.015))
    return np.asarray(np.clip(changed + noise, 0, 255), dtype=np.uint8)


def _background(image: Colour) -> tuple[int, ...]:
    """Colour of the empty ground: bright in every channel; every fourth row and column is asked."""
    return tuple(int(level) for level in np.percentile(image[::4, ::4], 95, axis=(0, 1)))


def _softened(image: Image.Image, rng: Generator) -> Image.Image:
    """Blur a fifth of the images; send a fifth through JPEG once more."""
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3)))
    if rng.random() >= 0.2:
        return image
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(45, 95)))
    return Image.open(buffer).convert("RGB")
