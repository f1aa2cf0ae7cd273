"""A frame made ready for a text detector: as it is, levelled, and with nothing left but strokes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

_Image = npt.NDArray[np.uint8]
_Grey = npt.NDArray[np.uint8]

# Chosen on development frames of benchmarks/deidentify_frames.py (docs/deidentification.md).
#: Half the side of the neighbourhood that levels a place, in pixels; added to its spread, against noise.
_AROUND_PX, _SOFT = 24, 4
#: A levelled place's middle grey, and how much grey one standard deviation is.
_MIDDLE, _STEP = 128, 48
#: Strokes are thinner than this, in pixels, and shown so many times as strong.
_STROKE_PX, _GAIN = 9, 3


class Views:
    """What is looked at of one frame; each view is made when it is first asked for.

    Parameters
    ----------
    plain
        The frame, uint8 [row, column, 3].
    """

    def __init__(self, plain: _Image) -> None:
        self.plain = plain
        self._grey: _Grey = plain.max(axis=2)

    @cached_property
    def levelled(self) -> _Image:
        """Each place stretched by its own neighbourhood."""
        grey = self._grey.astype(np.float64)
        mean = _box_mean(grey, _AROUND_PX)
        spread = np.sqrt(np.maximum(_box_mean(grey**2, _AROUND_PX) - mean**2, 0))
        return _shown(_MIDDLE + _STEP * (grey - mean) / (spread + _SOFT))

    @cached_property
    def strokes(self) -> _Image:
        """What is brighter or darker than all around it and thinner than a stroke (top-hat less black-hat).

        Serra, Image Analysis and Mathematical Morphology, 1982, chapter XII.
        """
        darkest, brightest = _extreme(self._grey, np.minimum), _extreme(self._grey, np.maximum)
        opened, closed = _extreme(darkest, np.maximum), _extreme(brightest, np.minimum)
        # (grey - opened) - (closed - grey)
        raised = 2 * self._grey.astype(np.int16) - opened.astype(np.int16) - closed.astype(np.int16)
        return _shown(_MIDDLE + _GAIN * raised)


def _shown(level: npt.NDArray[Any]) -> _Image:
    return np.repeat(level.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _extreme(grey: _Grey, pick: Callable[[_Grey, _Grey], _Grey]) -> _Grey:
    """Return the least or greatest value within a square of a stroke's side around each pixel."""
    half = _STROKE_PX // 2
    for axis in (0, 1):
        border = [(half, half) if axis == this else (0, 0) for this in (0, 1)]
        padded = np.moveaxis(np.pad(grey, border, mode="edge"), axis, 0)
        count = grey.shape[axis]
        found = padded[:count]
        for start in range(1, _STROKE_PX):
            found = pick(found, padded[start : start + count])
        grey = np.moveaxis(found, 0, axis)
    return grey


def _box_mean(values: npt.NDArray[np.float64], radius: int) -> npt.NDArray[np.float64]:
    size = 2 * radius + 1
    padded = np.pad(values, ((radius + 1, radius), (radius + 1, radius)), mode="edge").cumsum(0).cumsum(1)
    total = padded[size:, size:] - padded[:-size, size:] - padded[size:, :-size] + padded[:-size, :-size]
    mean: npt.NDArray[np.float64] = total / size**2
    return mean
