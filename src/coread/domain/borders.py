"""The borders of a mask as polygons along the edges of its pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from coread.domain.finding import Outline

#: More outlines than this hide the image; the largest are kept.
MAX_OUTLINES = 8

Mask = npt.NDArray[np.bool_]
Polygon = npt.NDArray[np.float64]
"""Closed, float64 [point, (x, y)] in pixels of the stored frame."""
_Vertex = tuple[int, int]


def borders(outline: Outline) -> tuple[Polygon, ...]:
    """Return the borders of a mask as closed polygons along the edges of its pixels, largest first.

    Examples
    --------
    >>> from coread.domain.study import InstanceRef
    >>> mask = np.zeros((4, 5), bool)
    >>> mask[1:3, 2:4] = True
    >>> borders(Outline.of(mask, InstanceRef("1.2", "1.3", "1.4", "1.5")))[0].tolist()
    [[2.0, 1.0], [4.0, 1.0], [4.0, 3.0], [2.0, 3.0], [2.0, 1.0]]
    """
    (top, left), (height, width) = outline.corner, outline.size
    x, y = left + np.arange(width + 1.0), top + np.arange(height + 1.0)
    return polygons(outline.window(), x, y)


def polygons(cells: Mask, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[Polygon, ...]:
    """Return the borders of set cells as closed polygons, largest first, at most `MAX_OUTLINES`.

    Cells that touch at a corner only are outlined apart.

    Parameters
    ----------
    cells
        bool [row, column].
    x, y
        Places of the lines between columns and between rows, one more than there are of each.
    """
    loops = (_straightened(loop) for loop in _loops(cells))
    drawn = [np.column_stack((x[loop[:, 0]], y[loop[:, 1]])) for loop in loops]
    sized = sorted(((_area(p), index) for index, p in enumerate(drawn)), key=lambda s: (-s[0], s[1]))
    return tuple(drawn[index] for area, index in sized[:MAX_OUTLINES] if area > 0)


def _loops(cells: Mask) -> Iterator[list[_Vertex]]:
    """Walk along the borders of hot cells, hot on the right hand; each border once."""
    steps = _steps(cells)
    while steps:
        start = min(steps)
        loop, heading = [start], (0, 0)
        while steps.get(loop[-1]):
            following = _right_most(steps[loop[-1]], loop[-1], heading)
            steps[loop[-1]].remove(following)
            heading = (following[0] - loop[-1][0], following[1] - loop[-1][1])
            loop.append(following)
        steps = {vertex: ends for vertex, ends in steps.items() if ends}
        yield loop


def _steps(cells: Mask) -> dict[_Vertex, list[_Vertex]]:
    steps: dict[_Vertex, list[_Vertex]] = {}
    framed = np.pad(cells, 1)
    for row, column in np.argwhere(cells).tolist():
        around = (
            (framed[row, column + 1], (column, row), (column + 1, row)),
            (framed[row + 1, column + 2], (column + 1, row), (column + 1, row + 1)),
            (framed[row + 2, column + 1], (column + 1, row + 1), (column, row + 1)),
            (framed[row + 1, column], (column, row + 1), (column, row)),
        )
        for neighbour, begin, end in around:
            if not neighbour:
                steps.setdefault(begin, []).append(end)
    return steps


def _right_most(ends: list[_Vertex], here: _Vertex, heading: _Vertex) -> _Vertex:
    """Turn right where two ways are open, so that cells touching at a corner stay apart."""

    def turn(end: _Vertex) -> int:
        return heading[0] * (end[1] - here[1]) - heading[1] * (end[0] - here[0])

    return max(ends, key=turn)


def _straightened(loop: list[_Vertex]) -> npt.NDArray[np.intp]:
    """Drop the points between two steps of one direction; keep the loop closed."""
    ring = np.array(loop[:-1], dtype=np.intp)
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    corners = ring[(before != after).any(axis=1)]
    return np.vstack((corners, corners[:1]))


def _area(polygon: Polygon) -> float:
    x, y = polygon[:, 0], polygon[:, 1]
    return abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))) / 2
