"""Between torch and the seam: networks as named arrays, and the local updates of one site in one round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from coread.learning.federated.strategies.arrays import out_of
from coread.learning.federated.task import Parameters

Loss = Callable[[nn.Module, Generator], Tensor]
"""Draws a batch and gives its mean loss."""

CLIP = 5.0
"""Longest gradient of one update, as in `coread.learning.nodule.outlining`; a guard, no privacy."""


def arrays_of(net: nn.Module) -> Parameters:
    """Everything in a network's state as float32 arrays."""
    return {name: held.detach().numpy().astype(np.float32) for name, held in net.state_dict().items()}


def with_arrays(net: nn.Module, parameters: Parameters) -> nn.Module:
    """The network with these arrays for its state; integers are restored by rounding."""
    state = net.state_dict()
    for name, held in state.items():
        given = torch.from_numpy(np.array(parameters[name], dtype=np.float32))
        state[name] = given if held.is_floating_point() else given.round().to(held.dtype)
    net.load_state_dict(state)
    return net


def update_locally(
    net: nn.Module, loss: Loss, instructions: Mapping[str, Any], rng: Generator
) -> tuple[float, Parameters]:
    """Make the local updates of one round.

    Parameters
    ----------
    net
        With the federation's parameters; trained in place.
    loss
        Of a fresh batch.
    instructions
        ``steps``, ``rate``, ``decay``, ``optimiser``, ``moments``; ``proximal`` pulls to where the round
        began; arrays under ``correction/`` are added to the gradients.
    rng
        All chance.

    Returns
    -------
    (float, Parameters)
        Mean loss over the updates; what the site keeps for its next round, see `moments_of`.
    """
    torch.manual_seed(int(rng.integers(2**31)))
    start = {name: part.detach().clone() for name, part in net.named_parameters()}
    correction = {
        name: torch.from_numpy(array)
        for name, array in out_of("correction", instructions.get("arrays", {})).items()
    }
    optimiser = with_moments(optimiser_of(net, instructions), net, instructions)
    net.train()
    losses = []
    for _ in range(int(instructions["steps"])):
        now = loss(net, rng)
        optimiser.zero_grad()
        now.backward()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        _bend(net, start, correction, float(instructions.get("proximal", 0.0)))
        optimiser.step()
        losses.append(float(now.detach()))
    net.eval()
    mean = float(np.mean(losses)) if losses else float("nan")
    return mean, moments_of(optimiser, net, instructions)


def optimiser_of(net: nn.Module, instructions: Mapping[str, Any]) -> torch.optim.Optimizer:
    """A fresh optimiser as instructed: ``sgd`` without momentum, or AdamW."""
    rate, decay = float(instructions["rate"]), float(instructions.get("decay", 0.0))
    if instructions.get("optimiser", "adam") == "sgd":
        return torch.optim.SGD(net.parameters(), rate, weight_decay=decay)
    return torch.optim.AdamW(net.parameters(), rate, weight_decay=decay)


def with_moments(
    optimiser: torch.optim.Optimizer, net: nn.Module, instructions: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """The optimiser with the moments that this site kept of its last round (``stays/`` among the arrays).

    A fresh AdamW takes its first steps by the sign of one noisy gradient; with five updates a round it
    would never do anything else.
    """
    held = out_of("stays", instructions.get("arrays", {}))
    if instructions.get("moments") and held:
        done = torch.from_numpy(np.array(held["step"], np.float32)).reshape(())
        for name, part in net.named_parameters():
            first, second = (torch.from_numpy(np.array(held[f"{of}/{name}"])) for of in ("first", "second"))
            optimiser.state[part] = {"step": done.clone(), "exp_avg": first, "exp_avg_sq": second}
    return optimiser


def moments_of(
    optimiser: torch.optim.Optimizer, net: nn.Module, instructions: Mapping[str, Any]
) -> Parameters:
    """Moments of an AdamW for the site to keep, under ``stays/``; nothing where none are asked for."""
    if not instructions.get("moments"):
        return {}
    held: Parameters = {}
    for name, part in net.named_parameters():
        state = optimiser.state.get(part)
        if state:
            held["stays/step"] = np.array([float(state["step"])], np.float32)
            held[f"stays/first/{name}"] = state["exp_avg"].numpy().copy()
            held[f"stays/second/{name}"] = state["exp_avg_sq"].numpy().copy()
    return held


def _bend(net: nn.Module, start: dict[str, Tensor], correction: dict[str, Tensor], pull: float) -> None:
    """Add FedProx's pull and SCAFFOLD's correction to the gradients."""
    for name, part in net.named_parameters():
        if part.grad is None:
            continue
        if pull:
            part.grad.add_(part.detach() - start[name], alpha=pull)
        if name in correction:
            part.grad.add_(correction[name])


def with_group_norm(net: nn.Module, groups: int = 4) -> nn.Module:
    """Each batch normalisation replaced by a group normalisation, which knows no statistics of a site.

    Wu & He, ECCV 2018, arXiv:1803.08494; for federations Hsieh et al., ICML 2020, arXiv:1910.00189.

    Parameters
    ----------
    net
        Changed in place.
    groups
        Of channels; each number of channels must be a multiple.
    """
    for name, part in net.named_children():
        if isinstance(part, nn.BatchNorm2d):
            setattr(net, name, nn.GroupNorm(groups, part.num_features))
        else:
            with_group_norm(part, groups)
    return net
