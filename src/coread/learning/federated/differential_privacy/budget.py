"""The budget of differential privacy: how much noise it asks for, and how much of it is spent.

Accountant: privacy loss distributions (Gopi et al., NeurIPS 2021, arXiv:2106.02848), as Opacus keeps them,
for the subsampled Gaussian mechanism under adding or removing one example.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from opacus.accountants import PRVAccountant
    from opacus.accountants.utils import get_noise_multiplier

UNIT = "one labelled image, added or removed"


@dataclass(frozen=True)
class Spent:
    """What a site has spent.

    Attributes
    ----------
    epsilon, delta
        The promise: probabilities of what is seen differ by a factor of at most e^epsilon, but for delta.
    steps, rate, noise
        Noisy updates, chance of an example in each, deviation of the noise in clips.
    unit
        Whose presence is hidden.
    """

    epsilon: float
    delta: float
    steps: int
    rate: float
    noise: float
    unit: str = UNIT


def delta_for(examples: int) -> float:
    """Examples to the power -1.1, a usual choice (Ponomareva et al., JAIR 2023, arXiv:2303.00654, 5.3)."""
    return float(max(examples, 2) ** -1.1)


@lru_cache(maxsize=256)
def noise_for(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """The least noise, in clips, with which so many updates keep to a budget.

    Parameters
    ----------
    epsilon, delta
        The budget.
    rate
        Chance of an example in an update.
    steps
        Number of updates.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers near the edge of the accountant's grid
        return float(
            get_noise_multiplier(
                target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=steps, accountant="prv"
            )
        )


def spent(rounds: Iterable[Mapping[str, float]], delta: float) -> Spent:
    """Add up what a site's rounds have spent.

    Parameters
    ----------
    rounds
        The ``privacy_`` figures of each round's update; the same rate and noise in all.
    delta
        Of the promise.

    Returns
    -------
    Spent
        Its epsilon is infinite without noise, however short gradients were clipped.

    Raises
    ------
    ValueError
        If a round was trained without noise, or differently from the others.
    """
    told = list(rounds)
    kinds = {(one.get("privacy_rate"), one.get("privacy_noise")) for one in told}
    if len(kinds) != 1 or None in next(iter(kinds)):
        raise ValueError(f"expected rounds of one rate and noise, found {sorted(map(str, kinds))}")
    ((rate, noise),) = kinds
    steps = int(sum(one["privacy_steps"] for one in told))
    if not noise:
        return Spent(float("inf"), delta, steps, float(rate or 0), 0.0)
    accountant = PRVAccountant()
    accountant.history = [(float(noise or 0), float(rate or 0), steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epsilon = float(accountant.get_epsilon(delta))
    return Spent(epsilon, delta, steps, float(rate or 0), float(noise or 0))


def sentence(held: Spent) -> str:
    """What a card says of a budget."""
    if held.epsilon == float("inf"):
        return "No differential privacy: gradients were clipped, no noise was added."
    return (
        f"Differential privacy for {held.unit}: epsilon {held.epsilon:.2f} at delta {held.delta:.1e}, "
        f"spent in {held.steps} noisy updates (noise {held.noise:.2f} clips, "
        f"an example in each with chance {held.rate:.3f})."
    )
