"""Fusing readers and finding wrong labels, against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from coread.learning.weak.arms import posterior_of_votes, votes_of
from coread.learning.weak.confident import confident_joint, probably_wrong
from coread.learning.weak.dawid_skene import MISSING, dawid_skene
from coread.learning.weak.noise import with_noise
from coread.learning.weak.ratings import foreteller, left_out
from coread.learning.weak.staple import staple


def readers(truth, sensitivity, specificity, rng):
    rows = []
    for hit, quiet in zip(sensitivity, specificity, strict=True):
        chance = np.where(truth, hit, 1 - quiet)
        rows.append(rng.random(truth.shape) < chance)
    return np.stack(rows)


def disc(side=40, radius=11):
    y, x = np.mgrid[:side, :side] - side // 2
    return np.hypot(y, x) <= radius


def test_staple_finds_the_performance_of_simulated_readers():
    truth = np.stack([disc()] * 4)
    sensitivity, specificity = (0.95, 0.9, 0.6), (0.97, 0.9, 0.85)
    found = staple(readers(truth, sensitivity, specificity, np.random.default_rng(0)))
    assert found.sensitivity == pytest.approx(sensitivity, abs=0.04)
    assert found.specificity == pytest.approx(specificity, abs=0.04)


def test_staple_beats_the_majority_where_one_reader_is_much_better():
    truth = np.stack([disc()] * 8)
    sensitivity, specificity = (0.97, 0.65, 0.6), (0.97, 0.85, 0.8)
    masks = readers(truth, sensitivity, specificity, np.random.default_rng(0))
    right = ((staple(masks, truth.mean()).probability > 0.5) == truth).mean()
    assert right > ((masks.mean(0) > 0.5) == truth).mean() + 0.02


def test_staple_of_readers_who_agree_is_what_they_say():
    masks = np.stack([disc()] * 3)
    assert np.array_equal(staple(masks).probability > 0.5, disc())
    assert staple(np.zeros((2, 5, 5), bool)).probability.max() < 0.5


def test_staple_trusts_the_better_reader():
    truth = np.stack([disc()] * 4)
    rng = np.random.default_rng(1)
    masks = readers(truth, (0.97, 0.97, 0.55), (0.98, 0.98, 0.7), rng)
    assert staple(masks).sensitivity.argmin() == 2


def said(rng, cases, confusion, truth):
    return np.stack(
        [[rng.choice(len(rows), p=rows[t]) for t in truth] for rows in np.asarray(confusion)], axis=1
    )


def test_dawid_skene_finds_confusion_and_prevalence():
    rng = np.random.default_rng(2)
    truth = rng.choice(3, 1500, p=(0.5, 0.3, 0.2))
    good = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    poor = np.array([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2], [0.1, 0.4, 0.5]])
    answers = said(rng, 1500, [good, good, poor, poor], truth)
    found = dawid_skene(answers, 3)
    assert found.prevalence == pytest.approx((0.5, 0.3, 0.2), abs=0.04)
    assert found.confusion[0] == pytest.approx(good, abs=0.06)
    assert found.confusion[3] == pytest.approx(poor, abs=0.08)
    votes = np.stack([(answers == k).sum(1) for k in range(3)], 1).argmax(1)
    assert (found.posterior.argmax(1) == truth).mean() > (votes == truth).mean()


def test_dawid_skene_bears_readers_who_are_silent_and_pools_the_unknown():
    rng = np.random.default_rng(3)
    truth = rng.choice(2, 800)
    same = np.array([[0.85, 0.15], [0.25, 0.75]])
    answers = said(rng, 800, [same] * 4, truth)
    answers[rng.random(answers.shape) < 0.3] = MISSING
    answers = answers[(answers != MISSING).any(1)]
    found = dawid_skene(answers, 2, pooled=True)
    assert found.confusion.shape == (1, 2, 2)
    assert found.confusion[0] == pytest.approx(same, abs=0.06)


@pytest.mark.parametrize("answers", [[[MISSING, MISSING]], [[0, 2]]])
def test_dawid_skene_refuses_what_it_cannot_use(answers):
    with pytest.raises(ValueError, match="each case needs an answer"):
        dawid_skene(np.array(answers), 2)


def test_planted_wrong_labels_are_found():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 600)
    chance = np.clip(np.where(truth, 0.85, 0.15) + rng.normal(0, 0.08, 600), 0.01, 0.99)
    wrong = rng.random(600) < 0.15
    given = np.where(wrong, 1 - truth, truth)
    called = probably_wrong(given, np.stack([1 - chance, chance], 1))
    assert (called & wrong).sum() / wrong.sum() > 0.8
    assert (called & wrong).sum() / called.sum() > 0.8
    joint = confident_joint(given, np.stack([1 - chance, chance], 1))
    assert joint.sum() == pytest.approx(1)
    assert joint[0, 1] + joint[1, 0] == pytest.approx(wrong.mean(), abs=0.04)


def test_clean_labels_are_left_alone():
    labels = np.array([0, 1] * 50)
    chance = np.where(labels, 0.9, 0.1)
    assert not probably_wrong(labels, np.stack([1 - chance, chance], 1)).any()


def test_leaving_wrong_labels_out_helps_where_there_are_many():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 400)
    features = rng.normal(size=(400, 5)) + 1.2 * labels[:, None]
    patients = np.arange(400).astype(str)
    found = with_noise(features, labels, patients, features, 0.3, np.random.default_rng(0))
    assert found["planted"] == 120
    assert found["found"] / found["called"] > 0.6
    assert with_noise(features, labels, patients, features, 0.0, rng)["planted"] == 0


def test_a_row_that_stands_for_many_cases_counts_as_many():
    rng = np.random.default_rng(6)
    truth = rng.random(3000) < 0.3
    answers = np.where(rng.random((3000, 3)) < 0.85, truth[:, None], ~truth[:, None]).astype(int)
    rows, times = np.unique(answers, axis=0, return_counts=True)
    whole, short = dawid_skene(answers, 2), dawid_skene(rows, 2, times)
    assert short.prevalence == pytest.approx(whole.prevalence, abs=1e-3)
    assert short.confusion == pytest.approx(whole.confusion, abs=1e-3)


def test_votes_become_the_probability_of_lying_inside():
    truth = disc()
    rng = np.random.default_rng(7)
    pictures = [readers(truth, (0.9,) * n, (0.95,) * n, rng) for n in (2, 3, 4, 4)]
    votes = [votes_of(masks) for masks in pictures]
    inside = posterior_of_votes([(yes, n) for _, yes, n in votes])
    assert [len(inside[n]) for n in (2, 3, 4)] == [3, 4, 5]
    assert all((np.diff(each) > 0).all() for each in inside.values())
    assert inside[4][2] > 0.5 > inside[4][1]  # two of four who err independently outweigh two who missed
    reach, yes, n = votes[3]
    assert ((inside[n][yes] > 0.5) == truth[reach]).mean() > 0.98


def test_a_reader_held_out_is_foretold_better_than_by_a_vote_where_readers_err():
    rng = np.random.default_rng(8)
    truth = rng.random(800) < 0.2
    answers = np.where(rng.random((800, 4)) < 0.85, truth[:, None], ~truth[:, None]).astype(int)
    answers[:300, 3] = MISSING
    nodule, held, yes, others = left_out(answers)
    assert len(held) == 800 * 4 - 300
    assert (others[nodule < 300] == 2).all()
    foretell = foreteller(answers)
    said = np.array([foretell(int(y), int(n)) for y, n in zip(yes, others, strict=True)])
    vote = (yes + 0.5) / (others + 1)
    assert ((said - held) ** 2).mean() < 0.98 * ((vote - held) ** 2).mean()
    assert 0.1 < foretell(0, 3) < 0.25  # he says it by mistake, or the others missed it
