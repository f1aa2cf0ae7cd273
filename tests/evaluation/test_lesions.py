from __future__ import annotations

import numpy as np
import pytest

from coread.evaluation.lesions import (
    CPM_RATES,
    box_iou,
    cpm,
    cpm_interval,
    dice,
    found_by_boxes,
    found_by_distance,
    froc,
    hausdorff95_mm,
    mean_surface_distance_mm,
    pooled,
    sensitivity_at,
    surface_dice,
)
from coread.evaluation.lesions.matching import DOUBLE, MISS


def test_overlap_of_boxes_by_hand():
    # Two 2 x 2 squares that share a 1 x 1 corner: 1 / (4 + 4 - 1).
    assert box_iou([[0, 0, 2, 2]], [[1, 1, 3, 3], [5, 5, 6, 6]]).tolist() == [[pytest.approx(1 / 7), 0.0]]


def test_a_box_without_area_is_refused():
    with pytest.raises(ValueError, match="left < right"):
        box_iou([[0, 0, 0, 2]], [[0, 0, 1, 1]])


def test_the_most_confident_box_takes_the_lesion():
    truth = [[0, 0, 10, 10]]
    found = found_by_boxes([[0, 0, 10, 9], [0, 0, 10, 10]], [0.9, 0.5], truth)
    assert found.tolist() == [0, MISS]


def test_two_lesions_are_shared_out():
    truth = [[0, 0, 10, 10], [20, 0, 30, 10]]
    found = found_by_boxes([[21, 0, 30, 10], [0, 0, 9, 10], [40, 40, 50, 50]], [0.4, 0.8, 0.9], truth)
    assert found.tolist() == [1, 0, MISS]


def test_a_second_mark_on_a_lesion_counts_for_nothing_in_luna():
    found = found_by_distance([[0, 0, 1], [0, 0, 2], [9, 9, 9]], [0.3, 0.8, 0.5], [[0, 0, 0]], [3.0])
    assert found.tolist() == [DOUBLE, 0, MISS]


def test_no_marks_and_no_lesions_are_possible():
    assert found_by_distance(np.zeros((0, 3)), [], [[0, 0, 0]], [3.0]).tolist() == []
    assert found_by_distance([[0, 0, 0]], [1.0], np.zeros((0, 3)), []).tolist() == [MISS]


def marks():
    """Four scans, four lesions; by falling score: hit, alarm, hit, alarm, alarm, hit."""
    return pooled(
        [[0.9, 0.8], [0.7], [0.6, 0.5], [0.4]], [[0, MISS], [0], [MISS, MISS], [0]], lesions=[1, 1, 1, 1]
    )


def test_free_response_curve_by_hand():
    curve = froc(marks())
    assert curve.sensitivity.tolist() == [0, 0.25, 0.25, 0.5, 0.5, 0.5, 0.75]
    assert curve.false_alarms_per_image.tolist() == [0, 0, 0.25, 0.25, 0.5, 0.75, 0.75]


def test_competition_metric_by_hand():
    # At 1/8: between (0, .25) and (.25, .5), best of each rate: .375; 1/4: .5; 1/2: .5; from 1 on: .75.
    assert sensitivity_at(froc(marks())).tolist() == pytest.approx([0.375, 0.5, 0.5, 0.75, 0.75, 0.75, 0.75])
    assert cpm(marks()) == pytest.approx((0.375 + 0.5 + 0.5 + 4 * 0.75) / 7)
    assert len(CPM_RATES) == 7


def test_a_perfect_reader_has_one_and_a_blind_one_nothing():
    perfect = pooled([[0.9], [0.8]], [[0], [0]], lesions=[1, 1])
    blind = pooled([[0.9], [0.8]], [[MISS], [MISS]], lesions=[1, 1])
    assert cpm(perfect) == 1
    assert cpm(blind) == 0


def test_ties_move_the_curve_at_once():
    tied = pooled([[0.5, 0.5]], [[0, MISS]], lesions=[1])
    assert froc(tied).false_alarms_per_image.tolist() == [0, 1]


def test_the_interval_covers_and_narrows():
    rng = np.random.default_rng(0)
    few, many = (pooled(*zip(*[scan(rng) for _ in range(n)], strict=True)) for n in (30, 300))
    small, large = (cpm_interval(m, [str(i) for i in range(len(m.lesions))], 200) for m in (few, many))
    assert large.lower <= large.value <= large.upper
    assert large.upper - large.lower < 0.6 * (small.upper - small.lower)


def scan(rng):
    found = [0 if rng.random() < 0.8 else MISS, MISS, MISS]
    return rng.normal(size=3) + np.array([2 if found[0] == 0 else 0, 0, 0]), found, 1


def test_a_curve_without_lesions_is_refused():
    with pytest.raises(ValueError, match="at least one lesion"):
        froc(pooled([[0.5]], [[MISS]], lesions=[0]))


def square(top, left, size, shape=(40, 40)):
    mask = np.zeros(shape, dtype=bool)
    mask[top : top + size, left : left + size] = True
    return mask


def test_dice_by_hand():
    assert dice(square(0, 0, 4), square(0, 2, 4)) == pytest.approx(2 * 8 / 32)
    assert np.isnan(dice(square(0, 0, 0), square(0, 0, 0)))


def test_a_moved_square_is_that_far_away_in_millimetres():
    a, b = square(10, 10, 8), square(10, 13, 8)
    assert hausdorff95_mm(a, b, (1, 1)) == pytest.approx(3)
    assert hausdorff95_mm(a, b, (0.5, 0.7)) == pytest.approx(2.1)
    assert hausdorff95_mm(a, a, (1, 1)) == 0


def test_one_stray_pixel_does_not_decide():
    a = square(5, 5, 20)
    stray = a.copy()
    stray[39, 39] = True
    assert hausdorff95_mm(a, stray, (1, 1)) == 0
    assert hausdorff95_mm(a, stray, (1, 1)) < mean_surface_distance_mm(a, stray, (1, 1)) < 1


def test_distances_of_empty_masks():
    a, nothing = square(5, 5, 4), np.zeros((40, 40), dtype=bool)
    assert hausdorff95_mm(a, nothing, (1, 1)) == np.inf
    assert np.isnan(mean_surface_distance_mm(nothing, nothing, (1, 1)))


def test_surface_dice_by_tolerance():
    a, b = square(10, 10, 8), square(10, 12, 8)
    assert surface_dice(a, b, (1, 1), 2) == 1
    assert 0 < surface_dice(a, b, (1, 1), 1) < 1


def test_three_axes_work_and_spacing_is_checked():
    a, b = np.zeros((2, 6, 6, 6), dtype=bool)
    a[2, 2, 2] = b[4, 2, 2] = True
    assert hausdorff95_mm(a, b, (2.5, 1, 1)) == pytest.approx(5)
    with pytest.raises(ValueError, match="3 positive numbers"):
        hausdorff95_mm(a, b, (1, 1))
    with pytest.raises(ValueError, match="same shape"):
        dice(a, a[0])
