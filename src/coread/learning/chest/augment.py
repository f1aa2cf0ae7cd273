"""What a radiograph may suffer between two hospitals, done to the training images.

Detectors, view stations and gateways change grey curve, noise, sharpness, borders, compression and (once
squared) the aspect. The network must not learn any of it as disease, nor the switch as age. Everything is
drawn from a generator that is given.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Grey = NDArray[np.uint8]
Float = NDArray[np.float32]

RECIPE = 2
"""Number of this recipe of disturbances: images disturbed by an earlier one are not these."""

QUANTA = 1e4
"""Quanta in the brightest pixel at full exposure, on the display scale of
`coread.evaluation.robustness.disturbances.dose`; neither detector nor logarithm is modelled."""


def disturb(image: Grey, rng: Generator) -> Float:
    """Disturb a radiograph as a change of hospital would.

    Parameters
    ----------
    image
        uint8 [row, column], bright = dense.
    rng
        Source of all randomness.

    Returns
    -------
    Float
        float32 [row, column] in 0..1, same shape, before the reader's own window.
    """
    grey: Float = np.asarray(_moved(Image.fromarray(image), rng), dtype=np.float32) / np.float32(255)
    if rng.random() < 0.5:
        grey = grey[:, ::-1]  # the label does not depend on the side
    taken = _softened(_picture(_noisy(_regraded(grey, rng), rng)), rng)
    sent = np.asarray(_recompressed(taken, rng), dtype=np.float32) / np.float32(255)
    return _bordered(np.asarray(sent, dtype=np.float32), rng)


def _picture(grey: Float) -> Image.Image:
    """Grey values 0..1 as an 8-bit image, as a gateway sends them."""
    return Image.fromarray(np.asarray(np.clip(grey, 0, 1) * 255 + 0.5, dtype=np.uint8))


def _moved(image: Image.Image, rng: Generator) -> Image.Image:
    """Rotation up to 10 degrees, shift up to 6 %, scale 0.85 to 1.1 and aspect 0.87 to 1.15, in one step."""
    width, height = image.size
    angle = np.deg2rad(rng.uniform(-10, 10))
    scale, aspect = rng.uniform(0.85, 1.1), np.exp(rng.uniform(-0.14, 0.14) / 2)
    across, down = scale * aspect, scale / aspect
    shift_x, shift_y = rng.uniform(-0.06, 0.06, 2) * (width, height)
    a, b, c, d = across * np.cos(angle), -down * np.sin(angle), across * np.sin(angle), down * np.cos(angle)
    offset_x = width / 2 * (1 - a) - height / 2 * b + shift_x
    offset_y = height / 2 * (1 - d) - width / 2 * c + shift_y
    matrix = tuple(float(v) for v in (a, b, offset_x, c, d, offset_y))
    return image.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _softened(image: Image.Image, rng: Generator) -> Image.Image:
    """Blur a quarter of the images, up to two and a half pixels, and sharpen a tenth."""
    draw = rng.random()
    if draw < 0.25:
        return image.filter(ImageFilter.GaussianBlur(_drawn(rng, 0.3, 2.5)))
    if draw < 0.35:
        return image.filter(
            ImageFilter.UnsharpMask(radius=2, percent=int(rng.integers(40, 160)), threshold=0)
        )
    return image


def _recompressed(image: Image.Image, rng: Generator) -> Image.Image:
    """Send a quarter of the images through JPEG once more."""
    if rng.random() >= 0.25:
        return image
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=round(_drawn(rng, 10, 95)))
    return Image.open(buffer).convert("L")


def _regraded(grey: Float, rng: Generator) -> Float:
    """Another grey curve: gamma, S-curve, narrower or wider window, now and then a partial equalisation."""
    grey = np.power(np.clip(grey, 0, 1), np.exp(rng.uniform(-0.45, 0.45)))
    if rng.random() < 0.3:
        bend = rng.uniform(-0.5, 0.5)
        grey = grey + bend * (np.sin(np.pi * (grey - 0.5)) / 2 + 0.5 - grey)
    if rng.random() < 0.2:
        grey = _equalised(grey, rng.uniform(0.2, 0.9))
    low, high = rng.uniform(-0.08, 0.06), rng.uniform(0.94, 1.1)
    return np.asarray(np.clip((grey - low) / (high - low), 0, 1), dtype=np.float32)


def _equalised(grey: Float, share: float) -> Float:
    """Mix an image with its histogram-equalised self."""
    counts, edges = np.histogram(grey, bins=256, range=(0, 1))
    ranks = np.interp(grey, edges[1:], np.cumsum(counts) / grey.size)
    return np.asarray((1 - share) * grey + share * ranks, dtype=np.float32)


def _noisy(grey: Float, rng: Generator) -> Float:
    """Quantum noise of a lower dose on a fifth of the images, white noise on another fifth."""
    draw = rng.random()
    if draw < 0.2:
        quanta = QUANTA * _drawn(rng, 0.02, 1)
        return np.asarray(rng.poisson(np.clip(grey, 0, 1) * quanta) / quanta, dtype=np.float32)
    if draw < 0.4:
        return np.asarray(grey + rng.normal(0, _drawn(rng, 0.005, 0.1), grey.shape), dtype=np.float32)
    return grey


def _drawn(rng: Generator, low: float, high: float) -> float:
    """A strength, even in its logarithm: mild ones are met more often than strong ones."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _bordered(grey: Float, rng: Generator) -> Float:
    """Collimation: black, or now and then white, bands at the edges of a fifth of the images."""
    if rng.random() >= 0.2:
        return grey
    framed = grey.copy()
    value = 0.0 if rng.random() < 0.8 else 1.0
    rows, columns = grey.shape
    top, bottom, left, right = (
        rng.uniform(0, 0.1, 4) * (rng.random(4) < 0.6) * (rows, rows, columns, columns)
    ).astype(int)
    framed[:top], framed[rows - bottom :] = value, value
    framed[:, :left], framed[:, columns - right :] = value, value
    return framed
