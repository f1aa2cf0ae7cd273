"""Figures of the federated studies: the right cases, the right draws, and gains that cannot be flattered."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from coread.evaluation import roc_auc
from coread.learning.federated.contribution.values import coalitions
from coread.learning.federated.studies.contribution import estimates
from coread.learning.federated.studies.figures import (
    at_site,
    by_seed,
    ensembled,
    figure,
    together,
)
from coread.learning.federated.studies.privacy import halves
from coread.learning.federated.studies.sources import threshold
from coread.learning.federated.studies.vendors import unseen
from coread.learning.federated.tasks.cases import Cases, Judged
from coread.learning.federated.tasks.lidc import VENDORS


def judged(site, quality, count=40, seed=0):
    rng = np.random.default_rng([seed, sum(map(ord, site))])
    truth = np.arange(count) % 2
    return Judged(truth * quality + rng.normal(0, 1, count), truth, [f"{site}{k // 2}" for k in range(count)])


def test_the_joint_area_is_that_of_all_cases_and_a_mean_over_seeds():
    seeds = [{("all", site): judged(site, 1.0, seed=s) for site in ("a", "b")} for s in (0, 1)]
    expected = []
    for said in seeds:
        parts = [said["all", site] for site in ("a", "b")]
        joined = [np.concatenate([getattr(one, name) for one in parts]) for name in ("truth", "score")]
        expected.append(roc_auc(*joined))
    draws = together(seeds, ["a", "b"])
    assert draws[0] == pytest.approx(np.mean(expected))
    assert by_seed(seeds, ["a", "b"]) == pytest.approx(expected)
    told = figure(draws, 80)
    assert told["lower"] < told["value"] < told["upper"]


def test_a_model_less_itself_is_zero_in_every_draw():
    said = [{("all", "a"): judged("a", 1.0), ("twin", "a"): judged("a", 1.0)}]
    assert not (at_site(said, "all", "a") - at_site(said, "twin", "a")).any()


def test_a_measure_without_truth_is_a_weighted_mean():
    held = Judged(np.array([0.2, 0.6]), np.array([-1, -1]), ["p", "q"])
    assert at_site([{("all", "a"): held}], "all", "a")[0] == pytest.approx(0.4)


def test_an_ensemble_is_better_than_its_members_where_these_err_differently():
    said = {(model, "a"): judged("a", 1.0, 400, seed) for seed, model in enumerate("xyz")}
    joint = at_site([ensembled(said, "xyz")], "all", "a")[0]
    assert joint > max(at_site([said], model, "a")[0] for model in "xyz")


def test_gain_on_an_unseen_vendor_is_over_the_mean_and_the_best_of_the_others_only():
    qualities = dict(zip(VENDORS, (2.0, 1.0, 0.5, 0.0), strict=True))
    alone = {(m, s): judged(s, q, 200) for m, q in qualities.items() for s in VENDORS}
    held = {"default": [{("all", s): judged(s, 2.0, 200) for s in VENDORS}], "alone": [alone]}
    held |= {f"without {v}": [{("all", v): judged(v, 2.0, 200)}] for v in VENDORS}
    found = unseen(held)
    first, second = VENDORS[:2]
    assert found[second]["best_single"]["site"] == first
    assert found[second]["over_best"]["value"] == pytest.approx(0)
    assert found[first]["best_single"]["site"] != first
    assert found["mean of the turns"]["over_mean"]["value"] > 0.1


def test_the_threshold_counts_each_site_alike():
    small = Judged(np.arange(10.0), np.zeros(10, np.int64), ["p"] * 10)
    large = Judged(np.arange(1000.0) - 5000, np.zeros(1000, np.int64), ["q"] * 1000)
    assert 5 <= threshold([small, large]) <= 6


def test_halves_keep_patients_together_and_every_case_is_in_as_often_as_out():
    cases = Cases(
        np.zeros((12, 1)), np.zeros(12), np.zeros(12), [f"p{k // 3}" for k in range(12)], ["train"] * 12
    )
    drawn = halves(cases, 6, 0)
    assert (drawn.sum(0) == 3).all()
    assert all(len(set(row[k : k + 3])) == 1 for row in drawn for k in range(0, 12, 3))


def test_the_estimate_is_exact_where_worth_adds_up():
    worth = {some: 0.1 * len(some) for some in coalitions(VENDORS)}
    assert estimates(worth)["2"]["mean_error"] == pytest.approx(0, abs=1e-12)
