from __future__ import annotations

import numpy as np
import pytest

from coread.evaluation import (
    Cases,
    Logistic,
    brier,
    calibration_in_the_large,
    calibration_line,
    expected_calibration_error,
    fit_platt,
    fit_temperature,
    logit,
    operating,
    sigmoid,
    statistic_interval,
    subgroups,
    wilson_interval,
    youden_threshold,
)


def test_wilson_as_published():
    # Newcombe, Stat Med 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E,
    # table I, method 3.
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for counts, bounds in published.items():
        found = wilson_interval(*counts)
        assert (found.lower, found.upper) == pytest.approx(bounds, abs=5e-5)


def test_no_trials_say_nothing():
    found = wilson_interval(0, 0)
    assert np.isnan(found.value)
    assert (found.lower, found.upper) == (0.0, 1.0)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="between 0 and the trials"):
        wilson_interval(3, 2)


def test_operating_point_by_hand():
    found = operating([1, 1, 1, 0, 0], [0.9, 0.5, 0.4, 0.5, 0.1], threshold=0.5)
    assert found.sensitivity.value == pytest.approx(2 / 3)
    assert found.specificity.value == pytest.approx(1 / 2)
    assert (found.positives, found.negatives) == (3, 2)


def test_youden_lies_between_the_classes():
    assert youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) == pytest.approx(0.4)


def test_brier_by_hand():
    assert brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)


def test_calibration_error_by_hand():
    # Two bins of two: |0.15 - 0.5| and |0.85 - 1.0|, mean 0.25.
    assert expected_calibration_error([0, 1, 1, 1], [0.1, 0.2, 0.8, 0.9], bins=2) == pytest.approx(0.25)


def test_platt_finds_the_curve_that_made_the_data():
    rng = np.random.default_rng(0)
    score = rng.normal(size=20_000) * 2
    truth = rng.random(20_000) < sigmoid(0.7 * score - 0.4)
    curve = fit_platt(truth, score)
    assert (curve.slope, curve.intercept) == pytest.approx((0.7, -0.4), abs=0.05)


def test_platt_survives_separable_data():
    curve = fit_platt([0, 0, 1, 1], [-1, -2, 1, 2])
    assert np.isfinite([curve.slope, curve.intercept]).all()
    assert curve([2.0])[0] < 0.999


def test_weights_act_like_repeated_cases():
    truth, score = np.array([0, 1, 0, 1, 1]), np.array([-1.0, -0.5, 0.3, 0.6, 2])
    doubled = fit_platt(np.repeat(truth, 2), np.repeat(score, 2))
    weighted = fit_platt(truth, score, np.full(5, 2.0))
    assert weighted.slope == pytest.approx(doubled.slope)


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(1)
    honest = rng.normal(size=20_000) * 1.5
    truth = rng.random(20_000) < sigmoid(honest)
    assert fit_temperature(truth, 3 * honest) == pytest.approx(3, abs=0.15)


def test_temperature_cannot_mend_a_wrong_sign():
    with pytest.raises(ValueError, match="do not rise"):
        fit_temperature([0, 0, 1, 1, 0, 1], [2, 1, -1, -2, 0, 0.1])


def test_perfect_calibration_has_slope_one():
    rng = np.random.default_rng(2)
    probability = rng.random(40_000)
    truth = rng.random(40_000) < probability
    line = calibration_line(truth, probability)
    assert (line.slope, line.intercept) == pytest.approx((1, 0), abs=0.05)
    assert calibration_in_the_large(truth, probability) == pytest.approx(0, abs=0.05)


def test_too_low_probabilities_show_in_the_large():
    rng = np.random.default_rng(3)
    probability = rng.uniform(0.05, 0.95, 40_000)
    truth = rng.random(40_000) < sigmoid(logit(probability) + 0.8)
    assert calibration_in_the_large(truth, probability) == pytest.approx(0.8, abs=0.05)


def test_a_curve_is_a_function():
    assert Logistic(2.0, 0.0)([0.0]) == pytest.approx([0.5])


def test_interval_of_a_mean_agrees_with_theory():
    values = np.random.default_rng(4).normal(size=400)
    found = statistic_interval(lambda w: float(w @ values / w.sum()), [str(i) for i in range(400)])
    assert (found.upper - found.lower) / 2 == pytest.approx(1.96 / 20, rel=0.12)


def test_small_subgroups_are_flagged():
    truth = np.array([0, 1] * 30)
    score = truth + np.linspace(0, 1, 60)
    cases = Cases(truth, score, sigmoid(score), tuple(str(i) for i in range(60)))
    parts = {part.name: part for part in subgroups(cases, ["a"] * 50 + [None] * 10, 0.6)}
    assert parts["a"].enough
    assert not parts["unknown"].enough
    assert parts["unknown"].cases == 10
