"""What a program that finds text in pictures must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class FoundText:
    """One piece of text in a frame."""

    corners_xy_px: tuple[tuple[float, float], ...]
    """Corners of the box around it, (column, row), at least three."""
    text: str
    """What was read; empty where a place looks like text but could not be read."""
    score: float
    """How sure the reading is, 0 to 1; no probability."""

    def mask(self, shape: tuple[int, int], margin_px: int) -> npt.NDArray[np.bool_]:
        """Return the upright rectangle around the text, with a margin, as bool [row, column]."""
        covered = np.zeros(shape, bool)
        columns = [x for x, _ in self.corners_xy_px]
        rows = [y for _, y in self.corners_xy_px]
        left, right = int(min(columns)) - margin_px, int(max(columns)) + 1 + margin_px
        top, bottom = int(min(rows)) - margin_px, int(max(rows)) + 1 + margin_px
        covered[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
        return covered


class TextFinder(Protocol):
    """Finds text in one frame."""

    name: str
    """Name and version, for the record."""

    def find(self, frame: npt.NDArray[np.uint8]) -> Sequence[FoundText]:
        """Return every text of a frame, uint8 [row, column] or [row, column, 3] (RGB)."""
        ...


Frame = npt.NDArray[Any]
