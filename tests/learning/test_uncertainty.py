"""The house's statistics against scikit-learn and scipy, and the studies on a handful of images."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from scipy import stats
from scipy.ndimage import distance_transform_edt, gaussian_filter, rotate
from scipy.spatial.distance import cdist
from sklearn import metrics
from sklearn.covariance import ShrunkCovariance
from sklearn.neighbors import NearestNeighbors

from coread.evaluation.certainty import Promise, coverage, fit_conformal, fit_gaussians, fit_neighbours
from coread.evaluation.classes import class_report
from coread.evaluation.lesions import dice, hausdorff95_mm
from coread.evaluation.lesions.outlines import border
from coread.evaluation.robustness import sweep
from coread.evaluation.robustness.disturbances import blur, rotation
from coread.evaluation.subgroup_tests import benjamini_hochberg
from coread.learning.uncertainty import conformal_study, images, novelty_study, robustness_study
from coread.learning.uncertainty.cross_fitting import held_out, softmax
from coread.learning.uncertainty.images import SIDE, as_input, blood, chests, children, foreign_to_blood
from coread.learning.uncertainty.overlapping import choose_columns, fit_group_limits

RNG = np.random.default_rng(0)


def test_class_figures_agree_with_scikit_learn():
    truth, called = RNG.integers(0, 5, (2, 300))
    found = class_report(truth, called, [str(i) for i in range(300)], 5, repeats=10)
    assert found.macro_f1.value == pytest.approx(metrics.f1_score(truth, called, average="macro"))
    assert found.balanced_accuracy.value == pytest.approx(metrics.balanced_accuracy_score(truth, called))
    assert (found.confusion == metrics.confusion_matrix(truth, called)).all()


def test_border_distances_agree_with_scipy():
    row, column = np.indices((60, 70))
    a = (row - 30) ** 2 / 200 + (column - 30) ** 2 / 300 < 1
    b = (row - 33) ** 2 / 250 + (column - 36) ** 2 / 200 < 1
    spacing = (0.7, 0.9)
    edges = [border(mask) for mask in (a, b)]
    there, back = (
        distance_transform_edt(~other, sampling=spacing)[own] for own, other in (edges, edges[::-1])
    )
    expected = max(np.percentile(there, 95), np.percentile(back, 95))
    assert hausdorff95_mm(a, b, spacing) == pytest.approx(expected)
    assert dice(a, b) == pytest.approx(metrics.f1_score(a.ravel(), b.ravel()))


def test_adjusted_p_values_agree_with_scipy():
    p = RNG.random(40) ** 2
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))


def test_blur_and_rotation_agree_with_scipy():
    image = gaussian_filter(RNG.random((64, 64)), 2)
    inner = (slice(16, -16), slice(16, -16))
    assert blur(image, 2.0, RNG)[inner] == pytest.approx(
        gaussian_filter(image, 2, truncate=3)[inner], abs=2e-3
    )
    turned = rotate(image, -10, reshape=False, order=1, mode="nearest")
    assert rotation(image, 10, RNG)[inner] == pytest.approx(turned[inner], abs=1e-6)


def test_distances_agree_with_scikit_learn():
    x, labels = RNG.normal(size=(300, 6)) @ RNG.normal(size=(6, 6)), RNG.integers(0, 3, 300)
    new = RNG.normal(size=(20, 6)) * 3
    fitted = fit_gaussians(x, labels, shrinkage=0.1)
    means = np.stack([x[labels == k].mean(0) for k in range(3)])
    within = x - means[labels]
    reference = ShrunkCovariance(shrinkage=0.1, assume_centered=True).fit(within)
    precision = np.linalg.inv(reference.covariance_ * (1 + 1 / 299))
    squares = cdist(new, means, "mahalanobis", VI=precision).min(1) ** 2
    assert fitted.mahalanobis(new) == pytest.approx(squares, rel=0.01)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    near = NearestNeighbors(n_neighbors=7).fit(unit)
    expected = near.kneighbors(new / np.linalg.norm(new, axis=1, keepdims=True))[0][:, 6]
    assert fit_neighbours(x, k=7).distance(new) == pytest.approx(expected)


def features(count, rng):
    labels = rng.integers(0, 3, count)
    return rng.normal(size=(count, 5)) + 1.5 * np.eye(5)[labels], labels


def test_held_out_probabilities_cover_and_fitted_ones_do_not():
    rng = np.random.default_rng(1)
    plain, honest = [], []
    for seed in range(12):
        x, labels = features(240, rng)
        wide = np.hstack([x, rng.normal(size=(240, 120))])  # enough noise to learn by heart
        people = [str(i // 2) for i in range(240)]
        p = held_out(wide, labels, people, (1.0, 5), seed)
        new, truth = features(600, rng)
        new = np.hstack([new, rng.normal(size=(600, 120))])
        from coread.learning.uncertainty.cross_fitting import fitted  # noqa: PLC0415

        probe = fitted(wide, labels, 1.0)
        for scores, into in ((p, honest), (softmax(probe.logits(wide)), plain)):
            sets = fit_conformal(scores, labels, Promise(0.9)).sets(softmax(probe.logits(new)))
            into.append(coverage(sets, truth)[0].covered.value)
    assert np.mean(honest) == pytest.approx(0.9, abs=0.025)
    assert np.mean(plain) < 0.8


def grouped(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, list[str]]]:
    """Two classes; men and bedside images are read less surely, each for itself."""
    label, bed, man = rng.integers(0, 2, (3, count))
    noise = rng.normal(size=count) * (0.6 + 1.2 * bed + 0.9 * man)
    chance = 1 / (1 + np.exp(-(3 * (2 * label - 1) + noise)))
    facts = {"view": [("PA", "AP")[b] for b in bed], "sex": [("F", "M")[m] for m in man]}
    return np.stack([1 - chance, chance], 1), label, facts


def test_overlapping_groups_are_each_covered_where_one_limit_fails_them():
    rng = np.random.default_rng(4)
    known, new = grouped(3000, rng), grouped(6000, rng)
    columns, tried = choose_columns(
        [(), ("view",), ("view", "sex")], (*known, [str(i) for i in range(3000)]), ("view", "sex"), 0.9
    )
    assert columns == ("view", "sex")
    assert tried[-1]["worst"] < 0.5 * tried[0]["worst"]
    off = {}
    for tried_columns in ((), columns):
        fit = fit_group_limits(*known, tried_columns, 0.9)
        held = fit.sets(new[0], new[2])[np.arange(6000), new[1]]
        parts = [
            np.array(new[2][c]) == v for c, v in (("view", "AP"), ("view", "PA"), ("sex", "M"), ("sex", "F"))
        ]
        off[tried_columns] = max(abs(held[part].mean() - 0.9) for part in parts)
    assert off[()] > 0.03
    assert off[columns] < 0.02


def test_a_class_without_a_calibration_case_is_in_every_set():
    p = np.tile([0.7, 0.2, 0.1], (60, 1))
    fit = fit_group_limits(p, np.zeros(60, dtype=np.int64), {}, (), 0.9)
    assert fit.sets(p, {})[:, 1:].all()


def test_images_become_inputs():
    grey = as_input(np.linspace(0, 255, 100 * 80).reshape(100, 80).astype(np.uint8), 1)
    assert grey.shape == (1, SIDE, SIDE)
    assert (grey.min(), grey.max()) == (0, 1)
    assert as_input(np.zeros((40, 40, 3), np.uint8), 3).shape == (3, SIDE, SIDE)
    assert np.isfinite(as_input(np.full((40, 40), 7, np.uint8), 1)).all()


@pytest.mark.shared_data
def test_sets_keep_patients_apart_and_know_their_facts(shared_data, monkeypatch):
    monkeypatch.setattr(images, "PER_SET", 4)
    train, test = (chests(shared_data, split) for split in ("train", "test"))
    assert not set(train.patient) & set(test.patient)
    assert set(train.facts["cell"]) == {"nih AP", "nih PA", "paediatric"}
    assert set(children(shared_data, "test").label) == {0, 1, 2}
    assert len(set(blood(shared_data, "val").facts["class"])) == 8
    assert {part.name for part in foreign_to_blood(shared_data, "test")} >= {
        "blood_field",
        "chest",
        "ct_crop",
    }


@pytest.mark.shared_data
def test_the_studies_run_on_a_handful(shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "PER_SET", 6)
    monkeypatch.setattr(conformal_study, "QUICK", 36)
    monkeypatch.setattr(conformal_study, "QUESTIONS", conformal_study.QUESTIONS[1:2])
    monkeypatch.setattr(conformal_study, "rows_of_versions", lambda *_: ([], {}))
    monkeypatch.setattr(novelty_study, "QUICK", 10)
    monkeypatch.setattr(novelty_study, "HOMES", novelty_study.HOMES[:1])
    heard = []
    for study in (conformal_study.study, novelty_study.study):
        found = study(shared_data, tmp_path, True, lambda text, share: heard.append((text, share)))
        assert found["evidence_grade"] == "retrospective"
        assert {"what", "figure", "baseline", "baseline_name", "goal", "met", "note"} == found["rows"][
            0
        ].keys()
    assert all(0 <= share <= 1 for _, share in heard)


@pytest.mark.shared_data
def test_the_robustness_study_runs_on_a_handful_and_goes_on(shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr(robustness_study, "QUICK", 6)
    monkeypatch.setattr(robustness_study, "SITES", ("nih",))
    monkeypatch.setattr(robustness_study, "DISTURBANCES", robustness_study.DISTURBANCES[:1])
    monkeypatch.setattr(
        robustness_study, "sweep", lambda *given: sweep(*given, disturbances=robustness_study.DISTURBANCES)
    )
    found = robustness_study.study(shared_data, tmp_path, True, lambda text, share: None)
    assert found["details"]["nih"][0]["disturbance"] == "none"
    assert len(found["rows"]) == 2
    kept = sorted(tmp_path.rglob("*.npy"))
    stamps = [path.stat().st_mtime_ns for path in kept]
    assert robustness_study.study(shared_data, tmp_path, True, lambda text, share: None) == found
    assert [path.stat().st_mtime_ns for path in kept] == stamps
