"""What the nodule network is shown: a stretched window round the doctor's prompt, and the prompt itself.

The network learned from LIDC-IDRI crops of 96 x 96 pixels, each stretched by its own least and greatest
value. So the reader cuts the same crop from any CT slice and stretches it in the same way, whatever the units
of the stored values; the window that the network sees is then cut from the middle of that crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Bool = NDArray[np.bool_]

CROP = 96
"""Side of the stretched crop, pixels: that of the training data."""

SIDE = 48
"""Side of the network's window, pixels: about 33 mm; what is longer than 30 mm is called a mass."""

CHANNELS = 3
"""What the network is shown: see `layers`."""

DARK_PERCENT, BRIGHT_PERCENT = 20.0, 90.0
"""Percentiles of the window and of the marked part that stand for background and nodule."""

POINT_RADIUS_PX = 2.0
"""Radius of the disc that stands for a point."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the doctor says that a nodule is: a point, or a box with half its height and width.

    In pixels of the image, [row, column], counted from the centre of the first pixel.
    """

    row: float
    column: float
    half_height: float = 0.0
    half_width: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite([self.row, self.column, self.half_height, self.half_width]).all():
            raise ValueError(f"A prompt needs finite places, got {self!r}.")
        if min(self.half_height, self.half_width) < 0:
            raise ValueError(f"A box cannot be smaller than nothing, got {self!r}.")

    @property
    def is_box(self) -> bool:
        """Whether a box was drawn, not a point set."""
        return self.half_height > 0 and self.half_width > 0

    @property
    def centre(self) -> tuple[int, int]:
        """Nearest pixel, [row, column]."""
        return round(self.row), round(self.column)

    @classmethod
    def box(cls, top: float, left: float, bottom: float, right: float) -> Spot:
        """Make a box from its first and last pixels, both inside."""
        half_height, half_width = (bottom - top + 1) / 2, (right - left + 1) / 2
        return cls((top + bottom) / 2, (left + right) / 2, half_height, half_width)

    def moved(self, rows: float, columns: float) -> Spot:
        """The same prompt elsewhere."""
        return Spot(self.row + rows, self.column + columns, self.half_height, self.half_width)


def cut(image: NDArray[Any], centre: tuple[int, int], side: int) -> NDArray[Any]:
    """Cut a square, repeating the edge where it reaches over.

    Parameters
    ----------
    image
        [row, column].
    centre
        Pixel that comes to lie at [side // 2, side // 2].
    side
        Pixels.

    Returns
    -------
    array
        [side, side], of the image's type.
    """
    rows, columns = (
        np.clip(np.arange(side) + at - side // 2, 0, size - 1)
        for at, size in zip(centre, image.shape, strict=True)
    )
    return np.asarray(image[np.ix_(rows, columns)])


def paste(window: NDArray[Any], centre: tuple[int, int], shape: tuple[int, int]) -> NDArray[Any]:
    """Put a square back where `cut` took it from; zero elsewhere, what reaches over the edge is dropped."""
    whole = np.zeros(shape, dtype=window.dtype)
    side = len(window)
    top, left = centre[0] - side // 2, centre[1] - side // 2
    rows, columns = slice(max(top, 0), max(top + side, 0)), slice(max(left, 0), max(left + side, 0))
    target = whole[rows, columns]
    from_row, from_column = max(-top, 0), max(-left, 0)
    target[...] = window[from_row : from_row + target.shape[0], from_column : from_column + target.shape[1]]
    return whole


def stretched(crop: Float) -> NDArray[np.float32]:
    """Stretch a crop to 0..1 by its least and greatest value; an even crop becomes zero."""
    low, high = float(crop.min()), float(crop.max())
    if high <= low:
        return np.zeros(crop.shape, np.float32)
    return ((crop - low) / (high - low)).astype(np.float32)


def spot_map(prompt: Spot, side: int = SIDE) -> NDArray[np.float32]:
    """Draw a prompt into its own window: a small disc for a point, a filled rectangle for a box.

    Returns
    -------
    float32 [side, side]
        1 inside, 0 outside; the prompt's nearest pixel lies at [side // 2, side // 2].
    """
    middle = side // 2
    rows = np.arange(side)[:, None] - middle - (prompt.row - prompt.centre[0])
    columns = np.arange(side)[None] - middle - (prompt.column - prompt.centre[1])
    if not prompt.is_box:
        return np.asarray(rows**2 + columns**2 <= POINT_RADIUS_PX**2, dtype=np.float32)
    inside = (np.abs(rows) <= prompt.half_height) & (np.abs(columns) <= prompt.half_width)
    return np.asarray(inside, dtype=np.float32)


def relative(grey: Float, mark: Float) -> NDArray[np.float32]:
    """Grey on the scale from the dark round about (0) to what the prompt marks (1), cut off at 1.5.

    A nodule's edge lies at about one half, whatever the stretch of the crop.

    Parameters
    ----------
    grey, mark
        The window and the prompt's map, [side, side].
    """
    dark = float(np.percentile(grey, DARK_PERCENT))
    inside = grey[mark > 0]
    bright = float(np.percentile(inside, BRIGHT_PERCENT)) if len(inside) else float(grey.max())
    return np.asarray(np.clip((grey - dark) / max(bright - dark, 0.05), 0, 1.5), dtype=np.float32)


def layers(grey: Float, prompt: Spot) -> NDArray[np.float32]:
    """The network's channels of a window cut at a prompt.

    Parameters
    ----------
    grey
        Stretched grey in 0..1, [SIDE, SIDE].

    Returns
    -------
    float32 [CHANNELS, SIDE, SIDE]
        Grey, the prompt's map, and the grey relative to what the prompt marks.
    """
    mark = spot_map(prompt)
    return np.stack([np.asarray(grey, dtype=np.float32), mark, relative(grey, mark)])


def network_input(image: Float, prompt: Spot) -> NDArray[np.float32]:
    """Everything the network is shown of one slice.

    Parameters
    ----------
    image
        Grey values of a CT slice in any unit, [row, column].
    prompt
        In pixels of that slice.

    Returns
    -------
    float32 [CHANNELS, SIDE, SIDE]
        See `layers`.
    """
    crop = stretched(cut(image, prompt.centre, CROP))
    grey = cut(crop, (CROP // 2, CROP // 2), SIDE)
    return layers(grey, prompt)
