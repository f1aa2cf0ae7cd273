"""Draws a large box in from each side for as long as the same text is read in it.

Where bright lines run through a text, neither a detector nor strokes (`tightening`) tell where it ends: the
reading does. What is cut off is read too, and stays blanked where it seems to say anything.
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

# Chosen on development frames of benchmarks/deidentify_frames.py (docs/deidentification.md).
#: Smaller boxes, in parts of the frame, are left as they are: they hide little else.
_LARGE = 0.035
#: How sure the text must stay, and from where on something cut off counts as text.
_SAME, _SAYS = 0.8, 0.5
#: What is tried to cut off from one side, in parts of the box, the most at first.
_CUTS = (0.5, 0.3, 0.15)
#: Given back at each side across and at each end, in parts of what is left of the thickness: a letter is
#: still read with a little of it missing.
_SIDES, _ENDS = 0.5, 1.0
_WHOLE: _Vector = np.array([[-1.0, 1.0], [-1.0, 1.0]])


def is_large(corners: Corners, shape: tuple[int, ...]) -> bool:
    """Tell whether a box within a frame of [row, column, ...] hides more than a line's worth of it."""
    _, along, across = axes_of(np.array(corners, float))
    area_px = 4 * float(np.linalg.norm(along)) * float(np.linalg.norm(across))
    return area_px >= _LARGE * shape[0] * shape[1]


def narrowed(found: FoundText, reads: Sequence[Read]) -> FoundText | None:
    """Return a text in the least box that still reads the same, with a border, within its own.

    Parameters
    ----------
    found
        A text with four corners, as it was read.
    reads
        Read what lies within corners; the first that reads the text in the whole box serves.

    Returns
    -------
    FoundText or None
        None where no side can be drawn in.
    """
    if found.score < _SAME or not found.text.strip():
        return None
    box = _box_of(found)
    ways = ((way, read) for read in reads for way in (box, box.turned()))
    for way, read in ways:
        if _reads(read, way.corners(_WHOLE), found.text):
            return _closed_in(way, found, read)
    return None


def _closed_in(box: _Box, found: FoundText, read: Read) -> FoundText | None:
    edges = _WHOLE
    for axis, side in ((1, 0), (1, 1), (0, 0), (0, 1)):
        edges = _cut(box, edges, (axis, side), found.text, read)
    if edges is _WHOLE:
        return None
    thickness = float(np.ptp(edges[1])) * float(np.linalg.norm(box.across))
    pads = [_ENDS * thickness / np.linalg.norm(box.along), _SIDES * thickness / np.linalg.norm(box.across)]
    padded = np.clip(edges + np.outer(pads, (-1.0, 1.0)), -1, 1)
    return FoundText(box.corners(padded), found.text, found.score, is_tight=True)


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle in its own coordinates, -1 to 1 along its line and across it."""

    middle: _Vector
    along: _Vector
    across: _Vector

    def turned(self) -> _Box:
        """Return it upside down."""
        return _Box(self.middle, -self.along, -self.across)

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


def _cut(box: _Box, edges: _Vector, where: tuple[int, int], text: str, read: Read) -> _Vector:
    """Cut off one side the most that leaves the text as it is; nothing where that says something itself."""
    for kept, rest in _tried(edges, where):
        if _reads(read, box.corners(kept), text):
            said, score = read(box.corners(rest))
            says_something = score >= _SAYS and any(letter.isalnum() for letter in said)
            return edges if says_something else kept
    return edges


def _tried(edges: _Vector, where: tuple[int, int]) -> Iterator[tuple[_Vector, _Vector]]:
    axis, side = where
    for cut in _CUTS:
        kept, rest = edges.copy(), edges.copy()
        place = edges[axis, side] + (1 - 2 * side) * cut * float(np.ptp(edges[axis]))
        kept[axis, side] = rest[axis, 1 - side] = place
        yield kept, rest
