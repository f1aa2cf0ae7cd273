from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from coread.domain.finding import Box, HeatMap
from coread.results.regions import hot_cells, hot_mask, outline_of_box, outlines

grids = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.sampled_from([0, 0.4, 0.5, 1])
)
extents = st.builds(Box, *(st.integers(-8, 8).map(float),) * 2, *(st.integers(4, 40).map(float),) * 2)


def slow_mask(heat, rows, columns):
    """The definition, pixel by pixel."""
    cells, extent = hot_cells(heat), heat.extent
    mask = np.zeros((rows, columns), bool)
    for row in range(rows):
        for column in range(columns):
            r = (row + 0.5 - extent.top_px) / extent.height_px * cells.shape[0]
            c = (column + 0.5 - extent.left_px) / extent.width_px * cells.shape[1]
            if 0 <= r < cells.shape[0] and 0 <= c < cells.shape[1]:
                mask[row, column] = cells[int(r), int(c)]
    return mask


@given(grids, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9), st.integers(1, 9))
def test_mask_is_its_definition(values, left, top, wide, tall):
    # Borders between whole pixels keep float error away from the pixels' centres.
    rows, columns = values.shape
    heat = HeatMap(values, Box(left, top, float(columns * wide), float(rows * tall)))
    assert np.array_equal(hot_mask(heat, 20, 24), slow_mask(heat, 20, 24))


@given(grids, extents, st.integers(1, 30), st.integers(1, 30))
def test_outlines_enclose_the_hot_area(values, extent, rows, columns):
    heat = HeatMap(values, extent)
    polygons = outlines(heat, rows, columns)
    for polygon in polygons:
        assert np.array_equal(polygon[0], polygon[-1])
        assert (polygon >= 0).all()
        assert (polygon <= (columns, rows)).all()
        steps = np.diff(polygon, axis=0)
        assert (np.count_nonzero(steps, axis=1) <= 1).all(), "every side runs along rows or columns"


@given(grids)
def test_outlines_around_whole_cells_have_their_area(values):
    heat = HeatMap(values, Box(0, 0, values.shape[1] * 8.0, values.shape[0] * 8.0))
    rows, columns = (side * 8 for side in values.shape)
    polygons = outlines(heat, rows, columns)
    if len(polygons) == 8:
        return  # the smallest may have been left out
    signed = sum(float(np.dot(p[:-1, 0], p[1:, 1]) - np.dot(p[1:, 0], p[:-1, 1])) / 2 for p in polygons)
    assert signed == pytest.approx(hot_mask(heat, rows, columns).sum())


def is_inside(polygons, x, y):
    """Even-odd rule: count the sides that a ray to the right crosses."""
    crossed = 0
    for polygon in polygons:
        for (x0, y0), (x1, y1) in pairwise(polygon):
            crossed += (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return crossed % 2 == 1


@given(grids, extents)
def test_what_the_outlines_enclose_is_the_mask(values, extent):
    heat = HeatMap(values, extent)
    polygons = outlines(heat, 12, 14)
    if len(polygons) == 8:
        return  # the smallest may have been left out
    mask = hot_mask(heat, 12, 14)
    for row in range(12):
        for column in range(14):
            # Off the centre by what no border of these extents can hit.
            assert is_inside(polygons, column + 0.5 + 1e-7, row + 0.5 + 1e-7) == mask[row, column]


def test_cells_that_touch_at_a_corner_stay_apart():
    heat = HeatMap(np.float32([[1, 0], [0, 1]]), Box(0, 0, 2, 2))
    assert [len(polygon) for polygon in outlines(heat, 2, 2)] == [5, 5]


def test_a_hole_is_outlined_too():
    values = np.ones((3, 3), np.float32)
    values[1, 1] = 0
    outer, inner = outlines(HeatMap(values, Box(0, 0, 30, 30)), 30, 30)
    assert outer.min() == 0
    assert inner.min() == 10
    assert inner.max() == 20


def test_a_cold_map_has_no_region():
    heat = HeatMap(np.zeros((3, 3), np.float32), Box(0, 0, 9, 9))
    assert not hot_mask(heat, 9, 9).any()
    assert outlines(heat, 9, 9) == ()


def test_a_region_outside_the_frame_leaves_nothing():
    values = np.zeros((2, 2), np.float32)
    values[0, 0] = 1
    heat = HeatMap(values, Box(-20, -20, 30, 30))
    assert not hot_mask(heat, 8, 8).any()
    assert outlines(heat, 8, 8) == ()


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        (Box(1, 2, 3, 4), [(1, 2), (4, 2), (4, 6), (1, 6), (1, 2)]),
        (Box(-5, -5, 100, 100), [(0, 0), (10, 0), (10, 8), (0, 8), (0, 0)]),
        (Box(20, 2, 3, 4), None),
        (Box(1, 2, 0, 4), None),
    ],
)
def test_boxes_are_cut_to_the_frame(box, corners):
    outline = outline_of_box(box, rows=8, columns=10)
    assert (None if outline is None else [tuple(p) for p in outline.tolist()]) == corners
