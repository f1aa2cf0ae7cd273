"""Sizes against shapes whose size is known, windows against arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.readers.ct_nodule.measuring import (
    area_mm2,
    axes,
    component_at,
    ranged,
    volume_mm3,
    without_holes,
)
from coread.readers.ct_nodule.window import (
    CHANNELS,
    CROP,
    SIDE,
    Spot,
    cut,
    network_input,
    paste,
    spot_map,
    stretched,
)


def ellipse(long_px, short_px, turn=0.0, side=80):
    y, x = np.mgrid[:side, :side] - side / 2
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return (u / (long_px / 2)) ** 2 + (v / (short_px / 2)) ** 2 <= 1


@given(st.floats(8, 40), st.floats(0.5, 1.0), st.floats(0, np.pi))
def test_an_ellipse_has_its_axes_and_area_in_any_position(long_px, ratio, turn):
    mask = ellipse(long_px, ratio * long_px, turn)
    found = axes(mask, (0.7, 0.7))
    assert found.long_mm == pytest.approx(0.7 * long_px, abs=1.2)
    assert found.short_mm == pytest.approx(0.7 * ratio * long_px, abs=2.0)
    assert found.short_mm <= found.long_mm + 1e-9
    # Drawing on pixels can shift the edge by half a pixel all round.
    edge_mm2 = 0.35 * np.pi * 0.7 * long_px
    assert area_mm2(mask, (0.7, 0.7)) == pytest.approx(np.pi / 4 * ratio * (0.7 * long_px) ** 2, abs=edge_mm2)


def test_one_pixel_is_as_long_as_its_diagonal():
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True
    assert axes(mask, (3.0, 4.0)).long_mm == pytest.approx(5.0)


def test_rows_and_columns_have_their_own_spacing():
    mask = np.zeros((30, 30), bool)
    mask[5:25, 10:12] = True
    assert axes(mask, (2.0, 0.5)).long_mm == pytest.approx(np.hypot(40, 1))
    assert axes(mask, (0.5, 2.0)).long_mm == pytest.approx(np.hypot(10, 4))
    assert area_mm2(mask, (2.0, 0.5)) == pytest.approx(40)


def test_an_empty_outline_has_no_axes():
    with pytest.raises(ValueError, match="empty"):
        axes(np.zeros((4, 4), bool), (1.0, 1.0))


def test_the_volume_of_a_ball_comes_out():
    radius = 12
    z, y, x = np.mgrid[-15:16, -15:16, -15:16]
    ball = z**2 + y**2 + x**2 <= radius**2
    volume = volume_mm3(list(ball), (0.5, 0.5), 0.5)
    assert volume == pytest.approx(4 / 3 * np.pi * (radius * 0.5) ** 3, rel=0.02)


def test_an_interval_always_holds_its_value():
    assert ranged(10, (0.8, 1.3)) == ranged(10.0, (0.8, 1.3))
    held = ranged(10, (1.1, 1.3))
    assert held.lower <= held.value <= held.upper


def test_the_part_at_the_point_is_kept_and_the_nearest_if_it_is_beside():
    mask = np.zeros((20, 20), bool)
    mask[2:5, 2:5] = mask[10:15, 10:15] = True
    assert component_at(mask, 12, 12).sum() == 25
    assert component_at(mask, 6, 6).sum() == 9
    assert not component_at(np.zeros((3, 3), bool), 1, 1).any()


@given(st.integers(0, 2**32 - 1))
def test_a_part_is_what_an_independent_fill_says(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((12, 12)) < 0.6
    places = np.argwhere(mask)
    if not len(places):
        return
    start = tuple(places[rng.integers(len(places))])
    reached, todo = set(), [start]
    while todo:
        place = todo.pop()
        if place in reached or not (0 <= place[0] < 12 and 0 <= place[1] < 12) or not mask[place]:
            continue
        reached.add(place)
        todo += [(place[0] + 1, place[1]), (place[0] - 1, place[1]), (place[0], place[1] + 1)]
        todo += [(place[0], place[1] - 1)]
    assert {tuple(p) for p in np.argwhere(component_at(mask, *start))} == reached


def test_holes_are_filled_and_bays_are_not():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[3:5, 3:5] = False
    mask[6, 6:9] = False
    filled = without_holes(mask)
    assert filled[3, 3]
    assert not filled[6, 7]


@given(st.integers(-10, 130), st.integers(-10, 130))
def test_what_is_cut_lies_where_it_is_pasted(row, column):
    image = np.arange(120 * 110).reshape(120, 110) + 1
    window = cut(image, (row, column), 32)
    assert window.shape == (32, 32)
    whole = paste(window, (row, column), image.shape)
    assert np.array_equal(whole[whole > 0], image[whole > 0])


def test_the_crop_is_stretched_whatever_the_unit():
    image = np.random.default_rng(0).normal(-600, 200, (300, 300))
    spot = Spot(150, 140)
    in_units = network_input(image, spot)
    assert in_units.shape == (CHANNELS, SIDE, SIDE)
    assert np.allclose(in_units, network_input(image * 3 + 1000, spot), atol=1e-5)
    assert stretched(np.full((CROP, CROP), 7.0)).max() == 0


def test_a_point_is_a_disc_and_a_box_a_rectangle():
    assert spot_map(Spot(10, 10)).sum() == 13
    box = Spot.box(40, 30, 49, 33)
    assert box.is_box
    assert spot_map(box).sum() == 40
    with pytest.raises(ValueError, match="finite"):
        Spot(float("nan"), 0)
    with pytest.raises(ValueError, match="smaller than nothing"):
        Spot(0, 0, -1, 2)
