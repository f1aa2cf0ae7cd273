"""A picture on its way through the steps: values with their unit and spacing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.learning.cohorts.form import CohortImage

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Picture:
    """One image in its unit.

    Attributes
    ----------
    values
        float32 [row, column], or [row, column, 3] for colour.
    unit
        See `CohortImage.grey_unit`.
    spacing_mm
        Distance of pixel centres (between rows, between columns); None where unknown.
    placed
        Where the source's pixels went: (row scale, column scale, row shift, column shift), in that order.
    """

    values: Values
    unit: str
    spacing_mm: tuple[float, float] | None = None
    placed: tuple[float, float, float, float] = (1.0, 1.0, 0.0, 0.0)

    @property
    def is_colour(self) -> bool:
        """Whether it has three channels."""
        return self.values.ndim == 3


EIGHT_BITS = ("display", "rgb", "stretched")
"""Units whose values are whole numbers 0..255."""

SIXTEEN_BITS: dict[str, tuple[float, float]] = {
    "HU": (1.0, -32768.0),
    "score": (1 / 1024, -32.0),
    "share": (1 / 65535, 0.0),
    "raw": (1.0, 0.0),
}
"""Units that are stored in 16 bits: value = stored x slope + offset. HU fills the range of the scanners'
12 and 16 bits; a score is kept to a thousandth between -32 and 32; a share to a 65535th."""


def stored(picture: Picture) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], float, float]:
    """Pixels as they are written, with slope and offset; values beyond the range are cut to it."""
    if picture.unit in EIGHT_BITS:
        whole = np.clip(np.rint(picture.values), 0, 255).astype(np.uint8)
        return whole, 1.0, 0.0
    slope, offset = SIXTEEN_BITS[picture.unit]
    whole16 = np.clip(np.rint((picture.values - offset) / slope), 0, 65535).astype(np.uint16)
    return whole16, slope, offset


def picture_of(pixels: NDArray[np.generic], image: CohortImage) -> Picture:
    """Take stored pixels up with unit, slope, offset and spacing of a manifest's row."""
    values = pixels.astype(np.float32) * np.float32(image.grey_slope) + np.float32(image.grey_offset)
    return Picture(np.asarray(values, dtype=np.float32), image.grey_unit, image.spacing_mm)


def shown(picture: Picture) -> NDArray[np.uint8]:
    """The picture as a person would look at it: uint8, for fingerprints and data cards only."""
    if picture.unit in EIGHT_BITS:
        return np.asarray(np.clip(np.rint(picture.values), 0, 255), dtype=np.uint8)
    low, high = np.percentile(picture.values, [0.5, 99.5])
    scaled = (picture.values - low) / max(float(high - low), 1e-6)
    return np.asarray(np.clip(scaled, 0, 1) * 255, dtype=np.uint8)
