"""What a program that finds text in pictures must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

#: Border at the ends of a line and along its sides, as parts of its thickness, and at least in pixels.
_ENDS, _SIDES, _MIN_BORDER_PX = 0.6, 0.15, 2
#: By how much a finder's rectangle may be off one, in pixels and as a cosine.
_SLACK_PX, _SLANT = 3.0, 0.2

_Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FoundText:
    """One piece of text in a frame."""

    corners_xy_px: tuple[tuple[float, float], ...]
    """Corners of the box around it, (column, row), at least three."""
    text: str
    """What was read; empty where a place looks like text but could not be read."""
    score: float
    """How sure the reading is, 0 to 1; no probability."""
    is_tight: bool = False
    """Whether the box holds all strokes and a border already."""

    def mask(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return the rectangle around the text with a border, turned as the text is, as bool [row, column].

        The border is wider at both ends of the line than above and below it: what finders miss of a text
        is its first or last letter. A tight box gets none.
        """
        middle, along, across = axes_of(np.array(self.corners_xy_px, float))
        if self.is_tight:
            return _filled(middle, along, across, shape)
        lengths = [2 * float(np.linalg.norm(half)) for half in (along, across)]
        thickness = min(lengths)
        ends, sides = (max(round(part * thickness), _MIN_BORDER_PX) for part in (_ENDS, _SIDES))
        first, second = (ends, sides) if lengths[0] >= lengths[1] else (sides, ends)
        return _filled(middle, _longer(along, first), _longer(across, second), shape)


def axes_of(corners: _Vector) -> tuple[_Vector, _Vector, _Vector]:
    """Return a rectangle's middle and half axes, (column, row); of other shapes those of their bounds."""
    if len(corners) == 4 and _is_rectangle(corners):
        along, across = (corners[1] - corners[0]) / 2, (corners[2] - corners[1]) / 2
        return corners.mean(axis=0), along, across
    low, high = corners.min(axis=0), corners.max(axis=0)
    half = np.maximum((high - low) / 2, 0.5)
    return (low + high) / 2, np.array((half[0], 0.0)), np.array((0.0, half[1]))


def _is_rectangle(corners: _Vector) -> bool:
    """Tell whether opposite sides are equal and neighbours at right angles, as far as whole pixels allow."""
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    if lengths.min() < 1:
        return False
    is_even = np.abs(sides[:2] + sides[2:]).max() <= _SLACK_PX + 0.1 * lengths.min()
    slant = abs(float(sides[0] @ sides[1])) / float(lengths[0] * lengths[1])
    return bool(is_even and slant <= _SLANT)


def _longer(half: _Vector, by_px: float) -> _Vector:
    longer: _Vector = half * (1 + by_px / float(np.linalg.norm(half)))
    return longer


def _filled(
    middle: _Vector, along: _Vector, across: _Vector, shape: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Return the pixels any part of which lies in a rectangle, by distance along its two axes."""
    covered = np.zeros(shape, bool)
    reach = np.abs(along) + np.abs(across) + 1
    left, top = (max(int(np.floor(edge)), 0) for edge in middle - reach)
    right, bottom = (int(np.ceil(edge)) + 1 for edge in middle + reach)
    window = covered[top : max(bottom, 0), left : max(right, 0)]
    if not window.size:
        return covered
    rows, columns = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
    x, y = columns - middle[0], rows - middle[1]
    inside = np.ones(window.shape, bool)
    for half in (along, across):
        length = float(np.linalg.norm(half))
        inside &= np.abs(x * half[0] + y * half[1]) / length <= length + 0.5
    window[:] = inside
    return covered


class TextFinder(Protocol):
    """Finds text in one frame."""

    name: str
    """Name and version, for the record."""

    def find(self, frame: npt.NDArray[np.uint8]) -> Sequence[FoundText]:
        """Return every text of a frame, uint8 [row, column] or [row, column, 3] (RGB)."""
        ...
