"""The steps by name. Each is a function of a picture and plain numbers: its record is complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.learning.cohorts.harmonising.picture import Picture, Values


@dataclass(frozen=True)
class Step:
    """One step with the numbers that decide it."""

    name: str
    parameters: Mapping[str, Any]


def invert(picture: Picture) -> Picture:
    """Turn dark to bright, within 0..255 or 0..1: for MONOCHROME1 images that were taken in as stored."""
    top = 1.0 if picture.unit == "share" else 255.0
    _needs(picture, "invert", "display", "stretched", "share")
    return _with(picture, np.float32(top) - picture.values)


def luminance(picture: Picture) -> Picture:
    """Colour to grey by the weights of ITU-R BT.601-7."""
    if not picture.is_colour:
        return picture
    return _with(picture, picture.values @ np.array([0.299, 0.587, 0.114], dtype=np.float32), "display")


def window(picture: Picture, centre: float, width: float) -> Picture:
    """Hounsfield units to a share of a window, 0..1 (PS3.3 C.11.2.1.3.2, LINEAR_EXACT)."""
    _needs(picture, "window", "HU")
    return _with(picture, np.clip((picture.values - centre) / width + 0.5, 0, 1), "share")


def percentiles(picture: Picture, low: float = 0.5, high: float = 99.5) -> Picture:
    """Grey values between two percentiles of the image to 0..1, beyond them cut."""
    bottom, top = np.percentile(picture.values, [low, high])
    return _with(picture, np.clip((picture.values - bottom) / max(float(top - bottom), 1e-6), 0, 1), "share")


def score(picture: Picture) -> Picture:
    """Grey values less their mean, in standard deviations of the image."""
    spread = max(float(picture.values.std()), 1e-6)
    return _with(picture, (picture.values - picture.values.mean()) / spread, "score")


def landmarks(picture: Picture, percents: Sequence[float], scale: Sequence[float]) -> Picture:
    """Map the image's percentiles to a standard scale, linearly between them; beyond the ends cut.

    Nyul and Udupa, Magn Reson Med 1999;42:1072, doi:10.1002/(SICI)1522-2594(199912)42:6<1072::AID-MRM11>3.0.CO;2-M.
    `learn_landmarks` learns the scale, from training images only.
    """  # noqa: E501 - a DOI is not broken
    own = np.percentile(picture.values, list(percents))
    own = np.maximum.accumulate(own + np.arange(len(own)) * 1e-4)
    return _with(picture, np.interp(picture.values, own, list(scale)), "share")


def learn_landmarks(pictures: Sequence[Picture], percents: Sequence[float] = (1, 25, 50, 75, 99)) -> Step:
    """Learn the standard scale of `landmarks`: the mean over images of their rescaled percentiles."""
    rows = []
    for picture in pictures:
        own = np.percentile(picture.values, list(percents))
        rows.append((own - own[0]) / max(float(own[-1] - own[0]), 1e-6))
    scale = [round(float(value), 6) for value in np.mean(rows, axis=0)]
    return Step("landmarks", {"percents": list(percents), "scale": scale})


def grey_world(picture: Picture, order: float = 6.0) -> Picture:
    """Take the colour of the light away: channels scaled to one Minkowski mean.

    Shades of grey, Finlayson and Trezzi, Color Imaging Conference 2004; order 6 is theirs, 1 is the grey
    world.
    """
    _needs(picture, "grey_world", "rgb")
    light = np.power(np.mean(np.power(picture.values, order), axis=(0, 1)), 1 / order)
    gains = light.mean() / np.maximum(light, 1e-3)
    return _with(picture, np.clip(picture.values * gains, 0, 255))


def respace(picture: Picture, mm: float) -> Picture:
    """Resample to one spacing in both directions, averaging where it shrinks.

    Raises
    ------
    ValueError
        If the spacing is unknown.
    """
    if picture.spacing_mm is None:
        raise ValueError("respace needs an image of known spacing")
    rows, columns = picture.values.shape[:2]
    between_rows, between_columns = picture.spacing_mm
    return _scaled(picture, (round(rows * between_rows / mm), round(columns * between_columns / mm)))


def fit(picture: Picture, side: int) -> Picture:
    """Scale the longer side to `side` pixels and pad the shorter evenly with the image's least value."""
    rows, columns = picture.values.shape[:2]
    factor = side / max(rows, columns)
    scaled = _scaled(picture, (round(rows * factor), round(columns * factor)))
    height, width = scaled.values.shape[:2]
    square = np.full((side, side, *scaled.values.shape[2:]), scaled.values.min(), dtype=np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = scaled.values
    down, across, shift_down, shift_across = scaled.placed
    return replace(scaled, values=square, placed=(down, across, shift_down + top, shift_across + left))


STEPS: Mapping[str, Callable[..., Picture]] = {
    function.__name__: function
    for function in (invert, luminance, window, percentiles, score, landmarks, grey_world, respace, fit)
}
"""All steps by name."""


def _with(picture: Picture, values: NDArray[np.floating[Any]], unit: str = "") -> Picture:
    return replace(picture, values=np.asarray(values, dtype=np.float32), unit=unit or picture.unit)


def _scaled(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture at another size [row, column], with spacing and placement to match."""
    rows, columns = picture.values.shape[:2]
    size = (max(1, size[0]), max(1, size[1]))
    down, across = size[0] / rows, size[1] / columns
    placed = (
        picture.placed[0] * down, picture.placed[1] * across,
        picture.placed[2] * down, picture.placed[3] * across,
    )  # fmt: skip
    spacing = picture.spacing_mm and (picture.spacing_mm[0] / down, picture.spacing_mm[1] / across)
    return replace(picture, values=_resized(picture.values, size), spacing_mm=spacing, placed=placed)


def _needs(picture: Picture, step: str, *units: str) -> None:
    if picture.unit not in units:
        raise ValueError(f"{step} needs values in {' or '.join(units)}; found {picture.unit}")


def _resized(values: Values, size: tuple[int, int]) -> Values:
    channels = values[..., None] if values.ndim == 2 else values
    pictures = (Image.fromarray(np.ascontiguousarray(channels[..., c])) for c in range(channels.shape[2]))
    planes = [np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR)) for picture in pictures]
    stacked = np.stack(planes, axis=-1).astype(np.float32)
    return np.asarray(stacked[..., 0] if values.ndim == 2 else stacked)
