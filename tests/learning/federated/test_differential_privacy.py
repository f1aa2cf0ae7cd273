"""Differential privacy: gradients are clipped by example, noise is as told, and the budget is right."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("opacus", reason="the lab is not installed (pip install coread[lab])")

from coread.learning.federated.differential_privacy.budget import delta_for, noise_for, sentence, spent  # noqa: E402
from coread.learning.federated.differential_privacy.training import (  # noqa: E402
    clipped_sums,
    noise_asked,
    train_privately,
)
from coread.learning.federated.strategies.averaging import LocalPlan  # noqa: E402
from coread.learning.federated.task import SiteData  # noqa: E402
from coread.learning.federated.tasks.cases import Cases  # noqa: E402
from coread.learning.federated.tasks.heads import Head, HeadTask  # noqa: E402

LOCAL = {"steps": 1, "batch": 40, "rate": 1.0, "optimiser": "sgd"}


def cases(count=40, size=5):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, count)
    features = rng.normal(0, 3, (count, size)).astype(np.float32)
    return Cases(features, truth.astype(np.float32), truth, [str(k) for k in range(count)], ["train"] * count)


def test_no_example_moves_the_sum_further_than_the_clip():
    parts = [torch.randn(6, 3, 4) * 10, torch.randn(6, 2)]
    whole = clipped_sums(parts, 0.5)
    without = clipped_sums([part[1:] for part in parts], 0.5)
    moved = torch.cat([(a - b).flatten() for a, b in zip(whole, without, strict=True)])
    assert float(moved.norm()) == pytest.approx(0.5, rel=1e-5)
    small = [part * 1e-3 for part in parts]
    assert torch.allclose(clipped_sums(small, 0.5)[0], small[0].sum(0))


def test_without_noise_a_step_is_the_clipped_mean_by_hand():
    held, net = cases(), Head(5)
    torch.nn.init.zeros_(net.head.weight)
    torch.nn.init.zeros_(net.head.bias)
    train_privately(net, held, {**LOCAL, "privacy": {"clip": 1.0, "noise": 0.0}}, np.random.default_rng(0))
    each = (0.5 - held.target)[:, None] * np.c_[held.features, np.ones(40)]
    each = each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1.0)
    expected = -each.mean(0)
    assert net.head.weight.detach().numpy()[0] == pytest.approx(expected[:5], abs=1e-5)
    assert float(net.head.bias.detach()) == pytest.approx(expected[5], abs=1e-5)


def test_noise_has_the_deviation_that_is_told():
    held, moved = cases(size=2000), []
    for noise in (0.0, 3.0):
        net = Head(2000)
        torch.nn.init.zeros_(net.head.weight)
        told = {**LOCAL, "privacy": {"clip": 0.7, "noise": noise}}
        figures = train_privately(net, held, told, np.random.default_rng(1))
        moved.append(net.head.weight.detach().numpy()[0])
        assert figures == {"privacy_rate": 1.0, "privacy_steps": 1.0, "privacy_noise": noise}
    assert np.std(moved[1] - moved[0]) == pytest.approx(3.0 * 0.7 / 40, rel=0.1)


def test_the_accountant_agrees_with_the_closed_form_of_one_gaussian_release():
    # Balle & Wang, ICML 2018, arXiv:1805.06530, theorem 8: epsilon 1, delta 1e-5 needs deviation 3.7304.
    assert noise_for(1.0, 1e-5, 1.0, 1) == pytest.approx(3.73, rel=0.02)


def test_more_rounds_spend_more_and_clipping_alone_promises_nothing():
    told = {"privacy_rate": 0.1, "privacy_steps": 10.0, "privacy_noise": 1.5}
    short, long = (spent([told] * rounds, 1e-4) for rounds in (2, 20))
    assert 0 < short.epsilon < long.epsilon
    assert long.steps == 200
    assert f"epsilon {long.epsilon:.2f} at delta 1.0e-04" in sentence(long)
    assert "No differential privacy" in sentence(spent([{**told, "privacy_noise": 0.0}], 1e-4))
    assert spent([{**told, "privacy_noise": 0.0}], 1e-4).epsilon == float("inf")
    with pytest.raises(ValueError, match="one rate and noise"):
        spent([told, {}], 1e-4)


def test_a_site_reckons_the_noise_that_keeps_to_the_budget():
    privacy = {"clip": 1.0, "epsilon": 3.0, "updates": 50}
    noise = noise_asked(privacy, 400, 0.25)
    told = {"privacy_rate": 0.25, "privacy_steps": 50.0, "privacy_noise": noise}
    assert spent([told], delta_for(400)).epsilon <= 3.05
    assert noise_asked({"noise": 2.0}, 400, 0.25) == 2.0


def test_a_task_that_is_standardised_by_its_own_patients_refuses_to_claim_privacy():
    def private(*_):
        raise AssertionError

    task = HeadTask("toy", lambda data: cases(), lambda data: None, 5, norm="own", private=private)
    told = {**LocalPlan().told(1), "privacy": {"clip": 1.0, "noise": 1.0}}
    with pytest.raises(ValueError, match="public reference statistics"):
        task.local(SiteData("a", None), task.initial(0), told, 0)
