"""DP-SGD at a site: each example's gradient clipped, noise added to their sum, examples drawn by chance.

Abadi et al., CCS 2016, doi:10.1145/2976749.2978318; gradients by example from Opacus (Yousefpour et al. 2021,
arXiv:2109.12298). What it promises: someone who sees every update of the site, and knows all its examples but
one, can hardly tell whether that one was there. One example is one labelled image; of a patient with k images
the promise is k times weaker (group privacy). Clipping without noise promises nothing of the kind.

Two facts are taken as public: the site's number of examples and the public reference statistics by which
features are standardised. Noise comes from a generator seeded by the round's seed, so that a simulation can
be repeated; a site that trains for real gives a seed that nobody else knows. The generator (Mersenne
Twister, 64 bits of seed) is not one for cryptography.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from coread.learning.federated.differential_privacy.budget import delta_for, noise_for
from coread.learning.federated.tasks.cases import Cases
from coread.learning.federated.tasks.networks import optimiser_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what torch has renamed
    from opacus.grad_sample import GradSampleModule


def train_privately(
    net: nn.Module, held: Cases, instructions: Mapping[str, Any], rng: Generator
) -> Mapping[str, float]:
    """Make the local updates of one round with noise, in place.

    Parameters
    ----------
    net
        Log-odds of features; trained in place. No layer may mix examples.
    held
        The site's labelled training cases, each image once.
    instructions
        ``steps``, ``batch`` (expected number of examples of an update), ``rate``, ``optimiser``, and
        ``privacy``: ``clip`` (longest gradient of an example) and either ``noise`` (deviation of the noise in
        clips; 0 is clipping alone, which promises nothing), or ``epsilon`` and ``updates`` (of the whole
        federation), of which the site reckons its own noise.
    rng
        All chance.

    Returns
    -------
    dict
        For the accountant: ``privacy_rate`` (chance of an example to be drawn), ``privacy_steps``,
        ``privacy_noise``. The loss is not told: it is a statistic of the examples without noise.
    """
    privacy, steps = instructions["privacy"], int(instructions["steps"])
    rate = min(1.0, int(instructions["batch"]) / max(len(held.target), 1))
    features, target = torch.from_numpy(held.features), torch.from_numpy(held.target)
    wrapped = GradSampleModule(net, loss_reduction="sum")
    optimiser = optimiser_of(wrapped, instructions)
    amount = (float(privacy["clip"]), noise_asked(privacy, len(held.target), rate))
    noise = torch.Generator().manual_seed(int(rng.integers(2**63 - 1)))
    for _ in range(steps):
        rows = np.flatnonzero(rng.random(len(target)) < rate)
        expected = max(rate * len(target), 1.0)
        _step(wrapped, features[rows], target[rows], (amount, expected, noise))
        optimiser.step()
        wrapped.zero_grad()
    wrapped.remove_hooks()
    wrapped.to_standard_module()
    return {"privacy_rate": rate, "privacy_steps": float(steps), "privacy_noise": amount[1]}


def _step(
    net: GradSampleModule,
    features: Tensor,
    target: Tensor,
    how: tuple[tuple[float, float], float, torch.Generator],
) -> None:
    """Put clipped, noisy gradients in place; an update that drew nobody is noise alone."""
    (clip, noise), expected, generator = how
    parts = [part for part in net.parameters() if part.requires_grad]
    sums = [torch.zeros_like(part) for part in parts]
    if len(target):
        features.requires_grad_()  # else the hooks that collect gradients by example complain
        nn.functional.binary_cross_entropy_with_logits(net(features), target, reduction="sum").backward()
        sums = clipped_sums([part.grad_sample for part in parts], clip)
    for part, total in zip(parts, sums, strict=True):
        drawn = torch.normal(0.0, noise * clip, total.shape, generator=generator)
        part.grad = (total + drawn) / expected


def noise_asked(privacy: Mapping[str, Any], examples: int, rate: float) -> float:
    """The noise that a plan names, or the least that keeps to its budget at a site of so many examples."""
    if "noise" in privacy:
        return float(privacy["noise"])
    return noise_for(float(privacy["epsilon"]), delta_for(examples), rate, int(privacy["updates"]))


def clipped_sums(by_example: list[Tensor], clip: float) -> list[Tensor]:
    """Sums over the examples of gradients, each example's shortened to `clip` over all its arrays together.

    Parameters
    ----------
    by_example
        One [example, ...] for each array of the network.
    clip
        Longest Euclidean length.
    """
    lengths = torch.stack([part.flatten(1).norm(dim=1) for part in by_example]).norm(dim=0)
    factors = (clip / lengths.clamp(min=1e-12)).clamp(max=1.0)
    return [torch.einsum("n,n...->...", factors, part) for part in by_example]
