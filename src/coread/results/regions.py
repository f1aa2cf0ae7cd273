"""Where a heat map is hot, in pixels of the stored image.

Coordinates are those of `coread.domain.finding.Box`: x along columns, y along rows, origin at
the outer corner of the top left pixel. DICOM uses the same for SCOORD (PS3.3 section C.18.6.1.2)
and for graphic annotations in PIXEL units (section C.10.5), so nothing is shifted on the way out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from coread.domain.finding import Box, HeatMap, Outline

#: A cell is hot from this share of the map's maximum on: the usual full width at half maximum.
HOT_SHARE = 0.5

#: More outlines than this hide the image; the largest are kept.
MAX_OUTLINES = 8

Mask = npt.NDArray[np.bool_]
Polygon = npt.NDArray[np.float64]
"""Closed, float64 [point, (x, y)] in pixels of the stored frame."""
_Vertex = tuple[int, int]


def hot_cells(heat: HeatMap) -> Mask:
    """Return bool [row, column] of the grid: cells at or above `HOT_SHARE` of the maximum."""
    peak = float(heat.values.max(initial=0.0))
    if peak <= 0:
        return np.zeros(heat.values.shape, dtype=bool)
    return np.asarray(heat.values >= HOT_SHARE * peak)


def edges_px(heat: HeatMap) -> tuple[Polygon, Polygon]:
    """Return the cells' borders: x of columns + 1 lines, y of rows + 1 lines, in pixels."""
    rows, columns = heat.values.shape
    extent = heat.extent
    x = extent.left_px + np.arange(columns + 1) * (extent.width_px / columns)
    y = extent.top_px + np.arange(rows + 1) * (extent.height_px / rows)
    return x, y


def hot_mask(heat: HeatMap, rows: int, columns: int) -> Mask:
    """Return bool [row, column] of the stored frame: pixels whose centre lies in a hot cell.

    Examples
    --------
    >>> heat = HeatMap(np.float32([[0, 1]]), Box(0, 0, 4, 2))
    >>> hot_mask(heat, 2, 5).astype(int).tolist()
    [[0, 0, 1, 1, 0], [0, 0, 1, 1, 0]]
    """
    x, y = edges_px(heat)
    framed = np.pad(hot_cells(heat), 1)
    column = np.searchsorted(x, np.arange(columns) + 0.5, side="right")
    row = np.searchsorted(y, np.arange(rows) + 0.5, side="right")
    return np.asarray(framed[:, column][row])


def outlines(heat: HeatMap, rows: int, columns: int) -> tuple[Polygon, ...]:
    """Return the borders of the hot cells as closed polygons, float64 [point, (x, y)], largest first.

    Cells that touch at a corner only are outlined apart. Nothing leaves the frame.
    """
    x, y = edges_px(heat)
    x, y = np.clip(x, 0, columns), np.clip(y, 0, rows)
    return _polygons(hot_cells(heat), x, y)


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
    return _polygons(outline.window(), x, y)


def _polygons(cells: Mask, x: Polygon, y: Polygon) -> tuple[Polygon, ...]:
    loops = (_straightened(loop) for loop in _loops(cells))
    polygons = [np.column_stack((x[loop[:, 0]], y[loop[:, 1]])) for loop in loops]
    sized = sorted(((_area(p), index) for index, p in enumerate(polygons)), key=lambda s: (-s[0], s[1]))
    return tuple(polygons[index] for area, index in sized[:MAX_OUTLINES] if area > 0)


def outline_of_box(box: Box, rows: int, columns: int) -> Polygon | None:
    """Return the box as a closed polygon [point, (x, y)] cut to the frame; None if nothing is left."""
    left, right = np.clip((box.left_px, box.left_px + box.width_px), 0, columns)
    top, bottom = np.clip((box.top_px, box.top_px + box.height_px), 0, rows)
    if right <= left or bottom <= top:
        return None
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])


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
