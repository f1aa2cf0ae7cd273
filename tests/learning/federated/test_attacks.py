"""Attacks succeed where there is something to find, and fail after protection."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("opacus", reason="the lab is not installed (pip install coread[lab])")

from coread.evaluation import roc_auc  # noqa: E402
from coread.learning.federated.attacks.inversion import input_of_head, searched_image, similarity  # noqa: E402
from coread.learning.federated.attacks.membership import (  # noqa: E402
    by_loss,
    confidence,
    lira_scores,
    losses,
    sensitivity_at,
)
from coread.learning.federated.differential_privacy.budget import noise_for  # noqa: E402
from coread.learning.federated.differential_privacy.training import train_privately  # noqa: E402
from coread.learning.federated.strategies.arrays import difference  # noqa: E402
from coread.learning.federated.tasks.cases import Cases  # noqa: E402
from coread.learning.federated.tasks.heads import Head  # noqa: E402
from coread.learning.federated.tasks.networks import arrays_of, update_locally  # noqa: E402

FEATURES, COUNT = 200, 80


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def cases(rows=slice(None)):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, COUNT)
    features = rng.normal(0, 1, (COUNT, FEATURES)).astype(np.float32)
    features[:, 0] += truth
    return Cases(
        features[rows], truth[rows].astype(np.float32), truth[rows], list(range(COUNT)), ["train"] * COUNT
    )


def zero_head():
    net = Head(FEATURES)
    torch.nn.init.zeros_(net.head.weight)
    torch.nn.init.zeros_(net.head.bias)
    return net


def trained(rows, seed, noise=None):
    held, net = cases(rows), zero_head()
    told = {"steps": 60, "batch": 40, "rate": 0.05, "optimiser": "adam"}
    rng = np.random.default_rng(seed)
    if noise:
        train_privately(net, held, {**told, "privacy": {"clip": 1.0, "noise": noise}}, rng)
    else:
        x, y = torch.from_numpy(held.features), torch.from_numpy(held.target)
        crossed = torch.nn.functional.binary_cross_entropy_with_logits
        update_locally(net, lambda n, _: crossed(n(x), y), told, rng)
    return net(torch.from_numpy(cases().features)).detach().numpy().astype(np.float64)


@pytest.fixture(scope="module")
def halves():
    rng = np.random.default_rng(5)
    first = [rng.permutation(COUNT) < COUNT // 2 for _ in range(4)]
    return np.array([half for one in first for half in (one, ~one)])


@pytest.mark.parametrize(("noise", "low", "high"), [(None, 0.9, 1.0), (30.0, 0.4, 0.6)])
def test_membership_is_found_in_an_overtrained_model_and_not_in_a_noisy_one(halves, noise, low, high):
    truth = cases().truth
    scores = np.stack([trained(half, seed, noise) for seed, half in enumerate(halves)])
    lost = np.mean([roc_auc(h.astype(int), -losses(s, truth)) for s, h in zip(scores, halves, strict=True)])
    sure = np.stack([confidence(s, truth) for s in scores])
    rest = np.arange(len(halves)) > 0
    ratio = roc_auc(halves[0].astype(int), lira_scores(sure[0], sure[rest], halves[rest]))
    assert low <= lost <= high
    assert (ratio >= 0.85) if noise is None else (ratio <= 0.72)


def test_attacks_by_hand_and_their_faults():
    area = by_loss(np.array([0.1, 0.2]), np.array([0.3, 0.15]), list("abcd"))
    assert area.value == 0.75
    assert losses(np.array([0.0]), np.array([1]))[0] == pytest.approx(np.log(2))
    assert sensitivity_at(np.array([3.0, 2, 1, 0]), np.array([True, True, False, False]), 0.0) == 1
    with pytest.raises(ValueError, match="2 shadows"):
        lira_scores(np.zeros(2), np.zeros((2, 2)), np.array([[True, False], [False, True]]))


def test_one_plain_step_gives_its_features_away_and_one_noisy_step_does_not():
    held = cases(slice(3, 4))
    told = {"steps": 1, "batch": 1, "rate": 0.1, "optimiser": "sgd"}
    found = []
    for noise in (0.0, noise_for(8.0, 1e-3, 1.0, 1)):
        net = zero_head()
        before = arrays_of(net)
        before = {name: array.copy() for name, array in before.items()}
        train_privately(
            net, held, {**told, "privacy": {"clip": 1e6 if not noise else 1.0, "noise": noise}},
            np.random.default_rng(0),
        )  # fmt: skip
        change = difference(arrays_of(net), before)
        shown = input_of_head(change["head.weight"][0], float(change["head.bias"][0]))
        found.append(similarity(shown, held.features[0]))
    assert found[0] > 0.999
    assert abs(found[1]) < 0.3


def test_an_image_is_searched_out_of_the_gradient_of_a_small_network():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.Sigmoid(), torch.nn.Flatten(), torch.nn.Linear(384, 2)
    )
    rows = torch.linspace(0, 1, 8)
    image = (rows[:, None] * rows[None])[None, None]

    def gradients(shown):
        loss = torch.nn.functional.cross_entropy(net(shown), torch.tensor([1]))
        return torch.autograd.grad(loss, list(net.parameters()), create_graph=shown.requires_grad)

    seen = [one.detach() for one in gradients(image)]
    found = searched_image(gradients, seen, tuple(image.shape), steps=150)
    assert similarity(found, image.numpy()) > 0.8
    noisy = [one + torch.randn_like(one) for one in seen]
    assert similarity(searched_image(gradients, noisy, tuple(image.shape), steps=60), image.numpy()) < 0.7
