"""What a program that finds text in pictures must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

#: Border at the ends of a line and along its sides, as parts of its thickness, and at least in pixels.
_ENDS, _SIDES, _MIN_BORDER_PX = 0.6, 0.15, 2


@dataclass(frozen=True, slots=True)
class FoundText:
    """One piece of text in a frame."""

    corners_xy_px: tuple[tuple[float, float], ...]
    """Corners of the box around it, (column, row), at least three."""
    text: str
    """What was read; empty where a place looks like text but could not be read."""
    score: float
    """How sure the reading is, 0 to 1; no probability."""

    def mask(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return the upright rectangle around the text with a border, as bool [row, column].

        The border is wider at both ends of the line than above and below it: what finders miss of a text
        is its first or last letter.
        """
        columns = [x for x, _ in self.corners_xy_px]
        rows = [y for _, y in self.corners_xy_px]
        width, height = max(columns) - min(columns), max(rows) - min(rows)
        thickness = min(width, height)
        ends, sides = (max(round(part * thickness), _MIN_BORDER_PX) for part in (_ENDS, _SIDES))
        across, down = (ends, sides) if width >= height else (sides, ends)
        left, right = int(min(columns)) - across, int(max(columns)) + 1 + across
        top, bottom = int(min(rows)) - down, int(max(rows)) + 1 + down
        covered = np.zeros(shape, bool)
        covered[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
        return covered


class TextFinder(Protocol):
    """Finds text in one frame."""

    name: str
    """Name and version, for the record."""

    def find(self, frame: npt.NDArray[np.uint8]) -> Sequence[FoundText]:
        """Return every text of a frame, uint8 [row, column] or [row, column, 3] (RGB)."""
        ...
