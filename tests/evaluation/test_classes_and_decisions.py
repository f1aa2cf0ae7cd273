from __future__ import annotations

import numpy as np
import pytest

from coread.evaluation import Cases
from coread.evaluation.baselines import beside
from coread.evaluation.classes import class_report
from coread.evaluation.decision_curves import decision_curve
from coread.evaluation.subgroup_tests import benjamini_hochberg, contrasts, holm


def people(count):
    return [str(i) for i in range(count)]


def test_class_figures_by_hand():
    # Class 0: 2 of 3 right, once called wrongly: F1 = 4/6. Class 1: 1 of 2, once wrongly: 2/4. Class 2: 1.
    found = class_report([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 2], people(6), 3, repeats=10)
    assert [f.value for f in found.f1] == pytest.approx([2 / 3, 0.5, 1])
    assert found.macro_f1.value == pytest.approx((2 / 3 + 0.5 + 1) / 3)
    assert found.balanced_accuracy.value == pytest.approx((2 / 3 + 0.5 + 1) / 3)
    assert found.accuracy.value == pytest.approx(4 / 6)
    assert found.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_a_class_outside_the_list_is_refused():
    with pytest.raises(ValueError, match="from 0 to 2"):
        class_report([0, 3], [0, 1], people(2), 3)


def test_intervals_of_classes_hold_the_value():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 400)
    called = np.where(rng.random(400) < 0.8, truth, rng.integers(0, 4, 400))
    found = class_report(truth, called, people(400), 4, repeats=500)
    assert found.macro_f1.lower < found.macro_f1.value < found.macro_f1.upper
    assert found.macro_f1.upper - found.macro_f1.lower == pytest.approx(0.075, abs=0.02)


def test_net_benefit_by_hand():
    # Of 753 men 192 have the disease; at a threshold of 20 % a needless treatment costs a quarter: 188 of the
    # sick and 528 of the others are called, so (188 - 528 / 4) / 753; treating all, (192 - 561 / 4) / 753.
    truth = np.r_[np.ones(192), np.zeros(561)]
    probability = np.r_[np.full(188, 0.5), np.full(4, 0.1), np.full(528, 0.5), np.full(33, 0.1)]
    found = decision_curve(truth, probability, people(753), [0.2], repeats=50)[0]
    assert found.model.value == pytest.approx((188 - 528 / 4) / 753)
    assert found.treat_all == pytest.approx((192 - 561 / 4) / 753)
    assert found.gain.value == pytest.approx(found.model.value - found.treat_all)


def test_prevalence_can_be_set():
    truth, probability = [1, 1, 0, 0], [0.9, 0.2, 0.9, 0.1]
    found = decision_curve(truth, probability, people(4), [0.5], prevalence=0.1, repeats=10)[0]
    assert found.model.value == pytest.approx(0.5 * 0.1 - 0.5 * 0.9)


def test_a_useless_probability_gains_nothing_and_a_perfect_one_does():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 300)
    useless, perfect = (
        decision_curve(truth, p, people(300), [0.3], repeats=200)[0] for p in (rng.random(300), truth * 1.0)
    )
    assert useless.gain.value < 0
    assert perfect.gain.lower > 0


def test_impossible_thresholds_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        decision_curve([0, 1], [0.1, 0.9], people(2), [1.0])


def test_holm_and_benjamini_hochberg_by_hand():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p).tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]).tolist() == []


def test_adjusting_refuses_what_is_no_p_value():
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.2])


def cases(truth, score):
    return Cases(truth, score, 1 / (1 + np.exp(-score)), tuple(people(len(truth))))


def test_a_worse_part_is_found_and_a_small_one_is_not_judged():
    rng = np.random.default_rng(2)
    part = np.array(["good"] * 300 + ["bad"] * 300 + ["few"] * 12)
    truth = rng.integers(0, 2, len(part))
    score = rng.normal(size=len(part)) + truth * np.where(part == "bad", 0.2, 2.5)
    bad, few, good = contrasts(cases(truth, score), part.tolist(), repeats=500)
    assert (bad.name, few.name, good.name) == ("bad", "few", "good")
    assert bad.difference.upper < 0 < good.difference.lower
    assert bad.adjusted_p < 0.01
    assert not few.enough
    assert np.isnan(few.adjusted_p)


def test_parts_that_do_not_differ_are_rarely_called_different():
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(40):
        truth = rng.integers(0, 2, 240)
        score = rng.normal(size=240) + truth
        part = rng.choice(["a", "b", "c"], 240).tolist()
        alarms += any(c.adjusted_p < 0.05 for c in contrasts(cases(truth, score), part, repeats=200))
    assert alarms <= 6


def test_one_part_is_no_contrast():
    assert contrasts(cases(np.array([0, 1]), np.array([0.0, 1.0])), ["a", "a"]) == ()


def test_the_best_baseline_stands_first():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 300)
    model, size, chance = (rng.normal(size=300) + k * truth for k in (2, 1.9, 0))
    first, second = beside(truth, model, {"chance": chance, "size": size}, people(300), repeats=300)
    assert (first.baseline, second.baseline) == ("size", "chance")
    assert first.gain.lower < 0 < first.gain.upper
    assert second.gain.lower > 0
    assert second.p_value < 0.01
