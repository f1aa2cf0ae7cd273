from __future__ import annotations

import numpy as np
import pytest

from coread.evaluation.faithfulness import (
    blind_pointer_hits,
    blurred,
    energy_inside,
    erasure,
    points_inside,
    rank_correlation,
    tile_index,
    trapezoid_mean,
)


def _bright_corner(images):
    return images[:, :8, :8].mean((1, 2))


def _image():
    image = np.zeros((32, 32), dtype=np.float32)
    image[:8, :8] = 1
    return image


def test_a_true_map_beats_random_orders():
    heat = np.zeros((4, 4))
    heat[0, 0] = 1
    found = erasure(_bright_corner, _image(), heat, np.random.default_rng(0), repeats=20)
    assert found.deletion < found.random_deletion
    assert found.insertion > found.random_insertion


def test_a_wrong_map_loses_to_random_orders():
    heat = np.ones((4, 4))
    heat[0, 0] = 0
    found = erasure(_bright_corner, _image(), heat, np.random.default_rng(0), repeats=20)
    assert found.deletion > found.random_deletion
    assert found.insertion < found.random_insertion


def test_pointing_looks_at_the_hottest_pixel():
    heat = np.array([[0.0, 2.0], [1.0, 0.0]])
    assert points_inside(heat, np.array([[False, True], [False, False]]))
    assert not points_inside(heat, np.array([[True, False], [True, True]]))


def test_energy_by_hand():
    heat = np.array([[1.0, 2.0], [1.0, 0.0]])
    assert energy_inside(heat, np.array([[False, True], [False, False]])) == 0.5
    assert np.isnan(energy_inside(np.zeros((2, 2)), np.ones((2, 2), dtype=bool)))


def test_the_blind_pointer_never_sees_its_own_image():
    masks = np.zeros((3, 2, 2), dtype=bool)
    masks[0, 0, 0] = masks[1, 0, 0] = masks[2, 1, 1] = True
    assert blind_pointer_hits(masks).tolist() == [True, True, False]


def test_rank_correlation_by_hand():
    # Ranks (1, 2, 3.5, 3.5) and (1, 2.5, 2.5, 4): covariance 3.75 over sqrt(4.5 * 4.5).
    assert rank_correlation([1, 2, 5, 5], [0, 3, 3, 9]) == pytest.approx(3.75 / 4.5)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_blur_keeps_a_flat_image_and_the_sum_inside():
    assert blurred(np.full((9, 9), 0.3), 2) == pytest.approx(0.3)
    point = np.zeros((9, 9))
    point[4, 4] = 1
    assert blurred(point, 1)[3:6, 3:6] == pytest.approx(1 / 9)


def test_tiles_cover_the_image():
    tiles = tile_index((6, 4), (3, 2))
    assert tiles[0].tolist() == [0, 0, 1, 1]
    assert tiles[:, 0].tolist() == [0, 0, 2, 2, 4, 4]


def test_trapezoid_mean_of_a_ramp():
    assert trapezoid_mean([0, 1, 2], [0, 5, 10]) == 1
