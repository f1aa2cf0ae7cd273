from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

import torch

from coread.evaluation import roc_auc
from coread.learning.fusion.modalities import Block, choices, numbers, rows_of, words
from coread.learning.fusion.network import FusionPlan, dropped, fused, train_fusion
from coread.learning.fusion.study import verdict
from coread.learning.runs.run import Run

PLAN = FusionPlan(steps=250, batch=64, rate=5e-3, decay=0.01, dropout=0.1, hidden=8)


def test_numbers_are_missing_where_any_is():
    block = numbers([[40, None, 60], [1, 1, float("nan")]], centre=[50, 0], scale=[10, 1])
    assert block.present.tolist() == [True, False, False]
    assert block.values[0].tolist() == [-1, 1]
    assert (block.values[1:] == 0).all()


def test_an_unknown_choice_is_missing():
    block = choices(["AP", None, "LL"], ["AP", "PA"])
    assert block.present.tolist() == [True, False, False]
    assert block.values.tolist() == [[1, 0], [0, 0], [0, 0]]


def test_words_do_not_depend_on_case_order_or_machine():
    block = words(["Fever for 3 days", "days 3 for FEVER", "", None, "发热三天"], width=16)
    assert block.values[0] == pytest.approx(block.values[1])
    assert block.present.tolist() == [True, True, False, False, True]
    assert np.linalg.norm(block.values[0]) == pytest.approx(1)
    assert words(["fever"], 16).values.argmax() == words(["fever"], 16).values.argmax()


@pytest.mark.parametrize(
    ("values", "present", "said"),
    [
        (np.zeros(3), np.ones(3, bool), "values"),
        (np.zeros((3, 1)), np.ones(2, bool), "values"),
        (np.full((1, 1), np.nan), np.ones(1, bool), "finite"),
    ],
)
def test_a_block_that_does_not_fit_is_refused(values, present, said):
    with pytest.raises(ValueError, match=said):
        Block(values.astype(np.float32), present)


def _cases(count=800, seed=0):
    """Two blocks, each of which knows a part of the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, count)
    image = (truth[:, None] * 1.2 + rng.normal(size=(count, 3))).astype(np.float32)
    facts = (truth[:, None] * 1.2 + rng.normal(size=(count, 1))).astype(np.float32)
    everywhere = np.ones(count, dtype=bool)
    return {"image": Block(image, everywhere), "facts": Block(facts, everywhere)}, truth


def _trained(folder, drop, blocks, truth):
    odds = np.full(len(truth), 1 / len(truth))
    return train_fusion(blocks, truth, odds, Run(folder), replace(PLAN, drop_block=drop))


def test_two_blocks_are_better_than_one_and_either_may_be_missing(tmp_path):
    blocks, truth = _cases()
    new, new_truth = _cases(seed=1)
    net = _trained(tmp_path / "with", 0.4, blocks, truth)
    both = roc_auc(new_truth, fused(net, new))
    alone = {
        name: roc_auc(new_truth, fused(net, {**new, name: new[name].without()}))
        for name in ("image", "facts")
    }
    assert both > max(alone.values()) + 0.01
    assert min(alone.values()) > 0.75


def test_a_missing_block_is_silent_whatever_lies_in_it(tmp_path):
    blocks, truth = _cases(200)
    net = _trained(tmp_path / "a", 0.4, blocks, truth)
    absent = blocks["facts"].without()
    loud = Block(absent.values + 99, absent.present)
    assert fused(net, {**blocks, "facts": loud}) == pytest.approx(fused(net, {**blocks, "facts": absent}))


def test_a_stopped_fusion_goes_on_to_the_same_weights(tmp_path):
    blocks, truth = _cases(100)
    odds, plan = np.full(100, 0.01), replace(PLAN, steps=20)
    whole = train_fusion(blocks, truth, odds, Run(tmp_path / "whole"), plan)

    def stop(text, share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_fusion(blocks, truth, odds, Run(tmp_path / "cut", tell=stop), plan)
    again = train_fusion(blocks, truth, odds, Run(tmp_path / "cut"), plan)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_dropping_never_leaves_a_case_with_nothing():
    rng = np.random.default_rng(0)
    present = {"a": torch.ones(500, dtype=torch.bool), "b": torch.arange(500) % 2 == 0}
    kept = dropped(present, 0.9, rng)
    assert (kept["a"] | kept["b"]).all()
    assert not (kept["b"] & ~present["b"]).any()
    assert rows_of(_cases(10)[0], np.array([1, 2]))["image"].values.shape == (2, 3)


@pytest.mark.parametrize(
    ("whole", "within", "then", "said"),
    [
        ((0.01, 0.04, 0.07), (0.01, 0.04, 0.07), (-0.01, 0.02, 0.05), "helps"),
        ((0.01, 0.04, 0.07), (-0.02, 0.0, 0.01), (0.01, 0.05, 0.08), "brings the confounder only"),
        ((0.06, 0.10, 0.15), (0.06, 0.10, 0.15), (-0.01, 0.01, 0.03), "brings the confounder only"),
        ((0.01, 0.02, 0.03), (-0.01, 0.02, 0.03), (-0.01, 0.02, 0.03), "too few cases to tell"),
        ((-0.01, 0.02, 0.03), (0.01, 0.02, 0.03), (0.01, 0.02, 0.03), "no gain shown"),
    ],
)
def test_a_gain_that_fades_among_patients_taken_alike_is_the_confounders(whole, within, then, said):
    names = ("gain_over_image", "gain_over_image_within_views", "gain_where_both_labels_were_enrolled")
    report = {
        name: dict(zip(("lower", "value", "upper"), held, strict=True))
        for name, held in zip(names, (whole, within, then), strict=True)
    }
    assert verdict(report) == said
