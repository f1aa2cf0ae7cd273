"""Where a heat map is hot, in pixels of the stored image.

Coordinates are those of `coread.domain.finding.Box`: x along columns, y along rows, origin at
the outer corner of the top left pixel. DICOM uses the same for SCOORD (PS3.3 section C.18.6.1.2)
and for graphic annotations in PIXEL units (section C.10.5), so nothing is shifted on the way out.
"""

from __future__ import annotations

import numpy as np

from coread.domain.borders import Mask, Polygon, borders, polygons
from coread.domain.finding import Box, HeatMap

__all__ = [
    "HOT_SHARE",
    "Polygon",
    "borders",
    "edges_px",
    "hot_cells",
    "hot_mask",
    "outline_of_box",
    "outlines",
]

#: A cell is hot from this share of the map's maximum on: the usual full width at half maximum.
HOT_SHARE = 0.5


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
    return polygons(hot_cells(heat), x, y)


def outline_of_box(box: Box, rows: int, columns: int) -> Polygon | None:
    """Return the box as a closed polygon [point, (x, y)] cut to the frame; None if nothing is left."""
    left, right = np.clip((box.left_px, box.left_px + box.width_px), 0, columns)
    top, bottom = np.clip((box.top_px, box.top_px + box.height_px), 0, rows)
    if right <= left or bottom <= top:
        return None
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])
