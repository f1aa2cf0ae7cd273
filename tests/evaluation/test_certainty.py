from __future__ import annotations

import numpy as np
import pytest

from coread.evaluation.certainty import (
    Promise,
    cases_for_half_width,
    coverage,
    cross_folds,
    fit_conformal,
    fit_gaussians,
    fit_neighbours,
    follow_version,
    nonconformity,
    selective_risk,
    weighted_quantile,
)


def people(count):
    return [str(i) for i in range(count)]


def probabilities(rng, count, classes=4, sharp=2.0):
    """Labels, and probabilities that are right in the mean."""
    logits = sharp * rng.normal(size=(count, classes))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(classes, p=row) for row in p])
    return p, labels


def test_the_quantile_is_the_corrected_one():
    scores = np.arange(1.0, 10)
    # n = 9: ceil(10 * 0.8) = 8th smallest; ceil(10 * 0.95) = 10th does not exist.
    assert weighted_quantile(scores, np.ones(9), 0.8) == 8
    assert weighted_quantile(scores, np.ones(9), 0.9) == 9
    assert weighted_quantile(scores, np.ones(9), 0.95) == np.inf
    assert weighted_quantile(np.zeros(0), np.zeros(0), 0.9) == np.inf


def test_a_patient_with_many_images_counts_once():
    scores = np.r_[np.arange(10.0), np.full(90, 50.0)]
    patients = people(10) + ["same"] * 90
    weights = np.r_[np.ones(10), np.full(90, 1 / 90)]
    assert weighted_quantile(scores, weights, 0.5) == 5
    p = np.stack([1 - scores / 100, scores / 100], axis=1)
    by_patient = fit_conformal(p, np.zeros(100, int), Promise(0.5), patients=patients)
    by_image = fit_conformal(p, np.zeros(100, int), Promise(0.5))
    assert by_patient.limits[0] == pytest.approx(0.05)
    assert by_image.limits[0] == pytest.approx(0.5)


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_the_promise_is_kept(method, level):
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(60):
        p, labels = probabilities(rng, 900)
        wrong = p[:, ::-1] * 0.3 + p * 0.7  # a model that errs: coverage must not need a good one
        fitted = fit_conformal(wrong[:300], labels[:300], Promise(level, method))
        covered.append(coverage(fitted.sets(wrong[300:]), labels[300:])[0].covered.value)
    assert np.mean(covered) == pytest.approx(level, abs=0.008)


def test_groups_keep_the_promise_only_with_thresholds_of_their_own():
    rng = np.random.default_rng(8)
    p, labels = probabilities(rng, 12000)
    group = np.array(["easy", "hard"])[rng.integers(0, 2, 12000)]
    swap = (group == "hard") & (rng.random(12000) < 0.3)
    labels = np.where(swap, (labels + 1) % 4, labels)
    fit, use = slice(0, 6000), slice(6000, None)
    plain = fit_conformal(p[fit], labels[fit], Promise())
    own = fit_conformal(p[fit], labels[fit], Promise(), group=group[fit].tolist())
    names = group[use].tolist()
    without = {c.name: c.covered.value for c in coverage(plain.sets(p[use], names), labels[use], names)}
    with_own = {c.name: c.covered.value for c in coverage(own.sets(p[use], names), labels[use], names)}
    assert without["hard"] < 0.87
    assert without["easy"] > 0.93
    assert with_own == pytest.approx({"all": 0.9, "easy": 0.9, "hard": 0.9}, abs=0.015)


def test_classes_keep_the_promise_with_thresholds_of_their_own():
    rng = np.random.default_rng(19)
    p, labels = probabilities(rng, 12000)
    tilted = p * [4, 1, 1, 0.25]
    tilted /= tilted.sum(1, keepdims=True)  # a model that forgets the last class
    plain = fit_conformal(tilted[:6000], labels[:6000], Promise())
    own = fit_conformal(tilted[:6000], labels[:6000], Promise(by_class=True))
    names = labels[6000:].astype(str).tolist()
    without = {c.name: c.covered.value for c in coverage(plain.sets(tilted[6000:]), labels[6000:], names)}
    with_own = {c.name: c.covered.value for c in coverage(own.sets(tilted[6000:]), labels[6000:], names)}
    assert without["3"] < 0.85
    assert with_own == pytest.approx(dict.fromkeys(["all", *"0123"], 0.9), abs=0.02)


def test_groups_and_classes_together_keep_the_promise():
    rng = np.random.default_rng(21)
    p, labels = probabilities(rng, 16000, classes=2)
    group = np.array(["a", "b"])[rng.integers(0, 2, 16000)]
    labels = np.where((group == "b") & (labels == 1) & (rng.random(16000) < 0.3), 0, labels)
    fit, use = slice(0, 8000), slice(8000, None)
    own = fit_conformal(p[fit], labels[fit], Promise(by_class=True), group=group[fit].tolist())
    names = [f"{g}{k}" for g, k in zip(group[use], labels[use], strict=True)]
    found = coverage(own.sets(p[use], group[use].tolist()), labels[use], names)
    assert [c.covered.value for c in found] == pytest.approx([0.9] * 5, abs=0.025)


def test_a_class_hardly_seen_is_in_every_set():
    p, labels = probabilities(np.random.default_rng(20), 300, classes=3)
    labels[labels == 2] = 0
    assert fit_conformal(p, labels, Promise(by_class=True)).sets(p)[:, 2].all()


def test_a_group_with_too_few_cases_uses_the_threshold_of_all():
    rng = np.random.default_rng(9)
    p, labels = probabilities(rng, 200)
    fitted = fit_conformal(p, labels, Promise(), group=["many"] * 190 + ["few"] * 10)
    assert set(fitted.of_group) == {"many"}
    assert (fitted.sets(p[:5], ["few"] * 5) == fitted.sets(p[:5], ["never seen"] * 5)).all()


def test_aps_orders_classes_by_mass():
    mass = nonconformity([[0.5, 0.3, 0.2]], "aps", seed=0)[0]
    u = np.random.default_rng(0).random()
    assert mass == pytest.approx([0.5 - 0.5 * u, 0.8 - 0.3 * u, 1 - 0.2 * u])


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        fit_conformal([[0.5, 0.6]], [0], Promise())
    with pytest.raises(ValueError, match="level"):
        Promise(1.0)


def test_coverage_by_hand():
    sets = np.array([[True, False], [True, True], [False, False], [False, True]])
    found = coverage(sets, [0, 0, 1, 0], ["a", "a", "b", "b"])
    assert [(c.name, c.cases, c.covered.value) for c in found] == [
        ("all", 4, 0.5),
        ("a", 2, 1.0),
        ("b", 2, 0.0),
    ]
    assert (found[0].size, found[0].single, found[0].empty) == (1.0, 0.5, 0.25)
    drawn = coverage(sets, [0, 0, 1, 0], patients=["one", "one", "two", "two"])[0].covered
    assert (drawn.value, drawn.lower, drawn.upper) == (0.5, 0.0, 1.0)


def test_folds_keep_patients_together_and_use_each_once():
    patients = ["a", "a", "b", "c", "d", "d", "d", "e"]
    held = np.zeros(8, int)
    for learn, out in cross_folds(patients, 3):
        assert not {p for p, k in zip(patients, learn, strict=True) if k} & {
            p for p, k in zip(patients, out, strict=True) if k
        }
        held += out
    assert (held == 1).all()
    with pytest.raises(ValueError, match="between 2 and 5"):
        list(cross_folds(patients, 6))


def features(rng, count, classes=3):
    labels = rng.integers(0, classes, count)
    return rng.normal(size=(count, 8)) + 4 * np.eye(8)[labels], labels


def test_distances_see_what_is_foreign():
    rng = np.random.default_rng(10)
    x, labels = features(rng, 600)
    known, _ = features(rng, 200)
    foreign = rng.normal(size=(200, 8)) + 4 * np.eye(8)[5]
    normal, near = fit_gaussians(x, labels), fit_neighbours(x)
    for score in (normal.mahalanobis, normal.relative, near.distance):
        far, close = score(foreign), score(known)
        assert (far[:, None] > close[None]).mean() > 0.95


def test_mahalanobis_by_hand():
    # Unit covariance: the squared distance to the nearest of two means.
    rng = np.random.default_rng(11)
    x = rng.normal(size=(200000, 2))
    labels = np.repeat([0, 1], 100000)
    x[labels == 1] += [10, 0]
    fitted = fit_gaussians(x, labels, shrinkage=0)
    assert fitted.mahalanobis([[3.0, 4.0], [10.0, 2.0]]) == pytest.approx([25, 4], rel=0.02)


def test_neighbours_go_by_direction():
    near = fit_neighbours([[1.0, 0], [0, 2.0]], k=1)
    assert near.distance([[5.0, 0], [-1.0, 0]]) == pytest.approx([0, np.sqrt(2)])
    with pytest.raises(ValueError, match="between 1 and 2"):
        fit_neighbours([[1.0, 0], [0, 1.0]], k=3)


def test_selective_risk_by_hand():
    # Surest first: right, right, wrong, right: risks 0, 0, 1/3, 1/4.
    found = selective_risk([1, 0, 0, 0], [0.4, 0.9, 0.8, 0.1], people(4), repeats=20)
    assert found.risk.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert found.area.value == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert found.excess == pytest.approx((1 / 3 + 1 / 4) / 4 - 1 / 16)
    assert (found.full, found.at(0.5), found.at(0.75)) == pytest.approx((0.25, 0, 1 / 3))


def test_ties_are_no_order():
    assert selective_risk([1, 0, 1, 0], [0.5] * 4, people(4), repeats=5).risk.tolist() == [0.5] * 4


def versions(rng, count):
    """A new version that is as good but answers lower."""
    truth = rng.integers(0, 2, count)
    signal = rng.normal(size=count) + 2 * truth
    return truth, signal + rng.normal(0, 0.3, count), signal + rng.normal(0, 0.3, count) - 1.0


def test_an_old_threshold_fails_a_new_version_and_a_new_one_mends_it():
    truth, old, new = versions(np.random.default_rng(12), 1200)
    found = follow_version(truth, old, new, 1.0, people(1200), repeats=300)
    assert found.change_if_unchanged.upper < -0.2
    assert found.change.value == pytest.approx(0, abs=0.005)
    assert found.change.lower >= 0
    assert found.threshold.value == pytest.approx(0.0, abs=0.15)
    assert found.other_change.lower < 0.02 < 0.1 + found.other_change.upper
    assert found.enough


def test_specificity_can_be_held_and_few_cases_are_said():
    truth, old, new = versions(np.random.default_rng(13), 60)
    found = follow_version(truth, old, new, 1.0, people(60), held="specificity", repeats=200)
    assert found.new[1] >= found.old[1] - 1e-9
    assert not found.enough
    assert found.cases < found.wanted


def test_the_number_of_cases_by_hand():
    # 1.96^2 * 0.9 * 0.1 / 0.1^2 = 34.6.
    assert cases_for_half_width(0.90, 0.10) == 35
    with pytest.raises(ValueError, match="half_width"):
        cases_for_half_width(0.9, 0.6)


def test_a_choice_in_each_draw_widens_the_threshold():
    narrow, wide = (
        follow_version(*versions(np.random.default_rng(14), n), 1.0, people(n), repeats=200).threshold
        for n in (2000, 100)
    )
    assert narrow.upper - narrow.lower < 0.5 * (wide.upper - wide.lower)
