"""Draws a large box in from above and below for as long as the same text is read in it.

Where bright lines run through a text, neither a detector nor strokes (`tightening`) tell how thick its line
is: the reading does. Along the line nothing is given up, for a reading may lack a letter. What is cut off is
read too, and stays blanked where it seems to say anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coread.governance.deidentify.pixels.finding import FoundText, axes_of

_Vector = npt.NDArray[np.float64]
Corners = tuple[tuple[float, float], ...]
Read = Callable[[Corners], tuple[str, float]]
"""Reads the line within four corners, (column, row) in pixels; gives it and how sure that is, 0 to 1."""

# Chosen on a handful of frames that former examinations blanked too widely or too little, and examined on
# fresh ones (docs/deidentification.md).
#: Smaller boxes, in parts of the frame, are left as they are: they hide little else.
_LARGE = 0.035
#: How sure the text must stay, and from where on something cut off counts as text.
_SAME, _SAYS = 0.9, 0.5
#: What is tried to cut off from one side, in parts of the box, the most at first.
_CUTS = (0.5, 0.3, 0.15)
#: Given back above and below, in parts of what is left of the thickness: a letter is still read with a little
#: of it missing.
_SIDES = 0.7
_WHOLE: _Vector = np.array([[-1.0, 1.0], [-1.0, 1.0]])


def is_large(corners: Corners, shape: tuple[int, ...]) -> bool:
    """Tell whether a box within a frame of [row, column, ...] hides more than a line's worth of it."""
    _, along, across = axes_of(np.array(corners, float))
    area_px = 4 * float(np.linalg.norm(along)) * float(np.linalg.norm(across))
    return area_px >= _LARGE * shape[0] * shape[1]


def narrowed(found: FoundText, tight: FoundText, reads: Sequence[Read]) -> FoundText:
    """Return a text's tight box no thicker than its line, with a border.

    Parameters
    ----------
    found
        A text with four corners, as it was read.
    tight
        The same in the box around its strokes, turned as `found` is.
    reads
        Read what lies within corners; the first that reads the text in the whole box serves.
    """
    if found.score < _SAME or not found.text.strip():
        return tight
    box = _box_of(found)
    ways = ((way, read) for read in reads for way in (box, box.turned()))
    for way, read in ways:
        if _reads(read, way.corners(_WHOLE), found.text):
            return _closed_in(way, found, tight, read)
    return tight


def _closed_in(box: _Box, found: FoundText, tight: FoundText, read: Read) -> FoundText:
    edges = _WHOLE
    for side in (0, 1, 0, 1):
        edges = _cut(box, edges, side, found.text, read)
    border = _SIDES * float(np.ptp(edges[1]))
    ends, sides = box.extent(tight.corners_xy_px)
    low, high = max(sides[0], edges[1, 0] - border), min(sides[1], edges[1, 1] + border)
    narrow = np.array([ends, (low, high)])
    return FoundText(box.corners(narrow), found.text, found.score, is_tight=True)


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle in its own coordinates, -1 to 1 along its line and across it."""

    middle: _Vector
    along: _Vector
    across: _Vector

    def turned(self) -> _Box:
        """Return it upside down."""
        return _Box(self.middle, -self.along, -self.across)

    def extent(self, corners: Corners) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return from where to where corners lie along the line, and across it."""
        away = np.array(corners, float) - self.middle
        along, across = ((away @ half) / float(half @ half) for half in (self.along, self.across))
        return (float(along.min()), float(along.max())), (float(across.min()), float(across.max()))

    def corners(self, edges: _Vector) -> Corners:
        """Return the corners of a part of it, `edges` as [along or across, from and to]."""
        (first, last), (low, high) = edges
        places = ((first, low), (last, low), (last, high), (first, high))
        found = (self.middle + self.along * a + self.across * b for a, b in places)
        return tuple((float(x), float(y)) for x, y in found)


def _box_of(found: FoundText) -> _Box:
    """Return a text's box, its line along the longer side and not mirrored: down is clockwise of along."""
    middle, along, across = axes_of(np.array(found.corners_xy_px, float))
    if np.linalg.norm(along) < np.linalg.norm(across):
        along, across = across, along
    is_mirrored = along[0] * across[1] - along[1] * across[0] < 0
    return _Box(middle, along, -across if is_mirrored else across)


def _reads(read: Read, corners: Corners, text: str) -> bool:
    said, score = read(corners)
    return said == text and score >= _SAME


def _cut(box: _Box, edges: _Vector, side: int, text: str, read: Read) -> _Vector:
    """Cut off above or below the most that leaves the text as it is; nothing where that says anything."""
    for kept, rest in _tried(edges, side):
        if _reads(read, box.corners(kept), text):
            said, score = read(box.corners(rest))
            says_something = score >= _SAYS and any(letter.isalnum() for letter in said)
            return edges if says_something else kept
    return edges


def _tried(edges: _Vector, side: int) -> Iterator[tuple[_Vector, _Vector]]:
    for cut in _CUTS:
        kept, rest = edges.copy(), edges.copy()
        place = edges[1, side] + (1 - 2 * side) * cut * float(np.ptp(edges[1]))
        kept[1, side] = rest[1, 1 - side] = place
        yield kept, rest
