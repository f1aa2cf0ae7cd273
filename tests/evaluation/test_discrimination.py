from __future__ import annotations

import numpy as np
import pytest

from coread.evaluation import auc_interval, delong_compare, delong_interval, patient_weights, roc_auc
from coread.evaluation.discrimination import weighted_auc

TRUTH = [0, 0, 0, 1, 1]
SCORE = [1, 2, 3, 2, 4]


def test_area_counts_pairs_and_halves_ties():
    # Pairs by hand: 2 beats 1, ties 2, loses to 3 (1.5 of 3); 4 beats all (3 of 3): 4.5 / 6.
    assert roc_auc(TRUTH, SCORE) == pytest.approx(4.5 / 6)


def test_area_of_a_missing_class_is_nan():
    assert np.isnan(roc_auc([1, 1], [0.1, 0.2]))


def test_weights_count_like_repeated_cases():
    repeated = roc_auc([0, 0, 0, 0, 1, 1, 1], [1, 2, 3, 3, 2, 4, 4])
    assert roc_auc(TRUTH, SCORE, [1, 1, 2, 1, 2]) == pytest.approx(repeated)


def test_one_sort_serves_many_weightings():
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 60).astype(bool), np.round(rng.normal(size=60), 1)
    weights = rng.integers(0, 4, (5, 60)).astype(float)
    one_by_one = [roc_auc(np.repeat(truth, w.astype(int)), np.repeat(score, w.astype(int))) for w in weights]
    assert weighted_auc(truth, score, weights) == pytest.approx(one_by_one)


def test_delong_variance_by_hand():
    # Components by hand: of the sick V10 = (0.5, 1), of the well V01 = (1, 0.75, 0.5);
    # variance 0.125/2 + 0.0625/3.
    found = delong_interval(TRUTH, SCORE)
    variance = 0.125 / 2 + 0.0625 / 3
    reach = 1.959964 * np.sqrt(variance) / (0.75 * 0.25)
    expected = [1 / (1 + np.exp(-(np.log(3) + sign * reach))) for sign in (-1, 1)]
    assert [found.lower, found.upper] == pytest.approx(expected, abs=1e-6)


def test_delong_agrees_with_the_bootstrap():
    rng = np.random.default_rng(1)
    truth = np.r_[np.zeros(300), np.ones(300)].astype(int)
    score = rng.normal(size=600) + truth
    delong = delong_interval(truth, score)
    boot = auc_interval(truth, score, [str(i) for i in range(600)])
    assert [delong.lower, delong.upper] == pytest.approx([boot.lower, boot.upper], abs=0.006)


def test_equal_rankings_do_not_differ():
    same = delong_compare(TRUTH, SCORE, [10 * s for s in SCORE])
    assert (same.difference.value, same.p_value) == (0.0, 1.0)


def test_a_better_score_is_found_better():
    rng = np.random.default_rng(2)
    truth = np.r_[np.zeros(200), np.ones(200)].astype(int)
    good, poor = rng.normal(size=400) + 2 * truth, rng.normal(size=400) + 0.5 * truth
    found = delong_compare(truth, good, poor)
    assert found.difference.lower > 0
    assert found.p_value < 1e-6


def test_all_images_of_a_patient_are_drawn_together():
    weights = patient_weights(["a", "a", "b", "c", "c"], repeats=50, seed=0)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, [0, 2, 3]].sum(1) == 3).all()


def test_images_of_one_patient_widen_the_interval():
    rng = np.random.default_rng(3)
    truth = np.r_[np.zeros(60), np.ones(60)].astype(int)
    score = rng.normal(size=120) + truth
    five = [np.repeat(x, 5) for x in (truth, score)]
    naive = auc_interval(*five, [str(i) for i in range(600)])
    honest = auc_interval(*five, [str(i // 5) for i in range(600)])
    assert honest.upper - honest.lower > 1.8 * (naive.upper - naive.lower)


@pytest.mark.parametrize(
    ("truth", "score", "message"),
    [
        ([0, 1], [0.1], "one value per case"),
        ([0, 2], [0.1, 0.2], "truth is 0 or 1"),
        ([0, 1], [0.1, float("nan")], "finite"),
    ],
)
def test_bad_scores_are_refused(truth, score, message):
    with pytest.raises(ValueError, match=message):
        roc_auc(truth, score)


def test_delong_needs_two_of_each_class():
    with pytest.raises(ValueError, match="at least 2"):
        delong_interval([0, 0, 1], [1, 2, 3])
