"""Averaging: FedAvg and what is FedAvg with one thing changed.

McMahan et al., AISTATS 2017, arXiv:1602.05629. With `proximal` it is FedProx (Li et al., MLSys 2020,
arXiv:1812.06127); with normalisation layers `private`, FedBN (Li et al., ICLR 2021, arXiv:2102.07623); with
the head private, FedPer (Arivazhagan et al. 2019, arXiv:1912.00818); with `tail`, the rounds at the end are
averaged (Polyak & Juditsky, SIAM J Control Optim 1992, doi:10.1137/0330046; as SWA: arXiv:1803.05407).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import cos, pi
from typing import Any

import numpy as np

from coread.learning.federated.strategies import State
from coread.learning.federated.strategies.arrays import moved, out_of, under, weighted_mean
from coread.learning.federated.task import Parameters, Update

Aggregate = Callable[[Mapping[str, Update], Mapping[str, float]], Parameters]
"""Makes one set of parameters of the updates and the weight of each site."""


@dataclass(frozen=True)
class LocalPlan:
    """What every site does in every round.

    Attributes
    ----------
    rounds, steps
        Rounds, and local updates of each site in a round.
    batch
        Examples of one update.
    rate, cooled
        Step size, and whether it falls to 0 over the rounds by half a cosine.
    decay
        Weight decay.
    optimiser
        ``sgd`` or ``adam`` (AdamW).
    moments
        Whether a site keeps AdamW's moments from round to round; else it begins anew each round.
    """

    rounds: int = 20
    steps: int = 20
    batch: int = 8
    rate: float = 1e-2
    cooled: bool = True
    decay: float = 0.0
    optimiser: str = "adam"
    moments: bool = False

    def told(self, round_: int) -> dict[str, Any]:
        """What sites are told in a round, counted from 1."""
        shrink = (1 + cos(pi * min(round_ - 1, self.rounds) / self.rounds)) / 2 if self.cooled else 1.0
        return {**asdict(self), "rate": self.rate * shrink, "round": round_}


def site_weight(examples: int, power: float) -> float:
    """How much a site counts: examples to a power; 1 is FedAvg's, 0 counts all sites alike."""
    return float(max(examples, 1) ** power)


def by_weight(updates: Mapping[str, Update], weights: Mapping[str, float]) -> Parameters:
    """The weighted mean; sites in the order of their names, so that the sum is the same on every machine."""
    names = sorted(updates)
    return weighted_mean([updates[name].parameters for name in names], [weights[name] for name in names])


SHARE = "share"
"""Prefix of extra arrays that say to how much of a parameter a site's examples speak, 0..1."""


def by_share(
    before: Parameters, mean: Parameters, updates: Mapping[str, Update], weights: Mapping[str, float]
) -> Parameters:
    """Let those decide on a parameter whose examples speak of it.

    A site that has no label for a finding gives the change 0 and the share 0 for the finding's row. The mean
    change, taken over all, is divided by the mean share: what is left is the mean over those who have the
    label, each counting as its labelled examples. Both means are sums over sites, so that the same holds
    where the coordinator knows no site's update, weight or share.

    Parameters
    ----------
    before
        The federation's parameters before the round.
    mean
        The mean of what the sites gave, each having multiplied its change by its share.
    updates, weights
        Of the sites; shares are extra arrays named ``share/<parameter>`` that fit its shape.
    """
    names = sorted(updates)
    held = [out_of(SHARE, updates[name].extra) for name in names]
    if not any(held):
        return mean
    shares = weighted_mean(held, [weights[name] for name in names])
    made = dict(mean)
    for name, share in shares.items():
        there = np.broadcast_to(share > LEAST_SHARE, before[name].shape)
        change = (mean[name] - before[name]) / np.maximum(share, LEAST_SHARE)
        made[name] = np.where(there, before[name] + change, before[name]).astype(np.float32)
    return made


LEAST_SHARE = 1e-6
"""Shares below are 0: the fixed point of secure aggregation rounds at 3e-8."""


@dataclass(frozen=True)
class Averaging:
    """Sites train from the same parameters; their parameters are averaged.

    Attributes
    ----------
    local
        What a site does in a round.
    power
        See `site_weight`.
    proximal
        Pull of the local parameters to those of the federation (FedProx's mu).
    private
        Patterns of names (as file names: ``norm*``) that stay at each site.
    tail
        So many rounds at the end are averaged into the final parameters; 0 or 1 for none.
    aggregate
        By weight, or a robust one.
    also
        Further instructions, e.g. ``privacy``.
    """

    local: LocalPlan
    power: float = 1.0
    proximal: float = 0.0
    private: tuple[str, ...] = ()
    tail: int = 0
    aggregate: Aggregate = by_weight
    also: Mapping[str, Any] = field(default_factory=dict)

    def begin(self, parameters: Parameters) -> State:
        """Give the state before the first round."""
        return State(parameters, {}, {"round": 0})

    def instructions(self, state: State, round_: int) -> Mapping[str, Any]:
        """Say what sites do, what they keep to themselves and how much they count."""
        told = {"proximal": self.proximal, "private": list(self.private), "power": self.power}
        return {**self.local.told(round_), **told, **self.also}

    def combine(self, state: State, updates: Mapping[str, Update]) -> State:
        """Average, and in the last round average the tail too."""
        weights = {name: site_weight(update.examples, self.power) for name, update in updates.items()}
        mean = self.aggregate(updates, weights)
        return self.settled(state, by_share(state.parameters, mean, updates, weights))

    def settled(self, state: State, parameters: Parameters) -> State:
        """Count the round and keep the tail."""
        done = int(state.facts["round"]) + 1
        facts = {**state.facts, "round": done}
        behind = done - (self.local.rounds - self.tail)
        if self.tail < 2 or behind < 1:
            return State(parameters, state.arrays, facts)
        before = out_of("tail", state.arrays)
        mean = weighted_mean([before, parameters], [behind - 1, 1]) if before else parameters
        last = done == self.local.rounds
        return State(mean if last else parameters, {**state.arrays, **under("tail", mean)}, facts)


@dataclass(frozen=True)
class Cyclic:
    """The parameters travel from site to site, one a round.

    Chang et al., JAMIA 2018, doi:10.1093/jamia/ocy017 (cyclical weight transfer).

    Attributes
    ----------
    local
        What the site whose turn it is does.
    """

    local: LocalPlan

    def begin(self, parameters: Parameters) -> State:
        """Give the state before the first round."""
        return State(parameters, {}, {"round": 0})

    def instructions(self, state: State, round_: int) -> Mapping[str, Any]:
        """Name the ``turn``: site number (turn - 1) modulo the number of sites, by name, takes part alone."""
        return {**self.local.told(round_), "turn": round_}

    def combine(self, state: State, updates: Mapping[str, Update]) -> State:
        """Take what the site gave."""
        (update,) = updates.values()
        return State(update.parameters, {}, {"round": int(state.facts["round"]) + 1})


@dataclass(frozen=True)
class Scaffold:
    """Averaging with control variates against the drift of unlike sites.

    Karimireddy et al., ICML 2020, arXiv:1910.06378, option II; local updates are plain gradient steps.

    Attributes
    ----------
    averaging
        How sites are averaged; its optimiser must be ``sgd`` without decay of the rate within a round.
    sites
        Number of sites in the federation.
    """

    averaging: Averaging
    sites: int

    def begin(self, parameters: Parameters) -> State:
        """Give the state before the first round: a control variate of zeros."""
        if self.averaging.local.optimiser != "sgd":
            raise ValueError(f"SCAFFOLD needs plain steps (sgd), found {self.averaging.local.optimiser}")
        zeros = {name: 0 * array for name, array in parameters.items()}
        return State(parameters, under("control", zeros), {"round": 0})

    def instructions(self, state: State, round_: int) -> Mapping[str, Any]:
        """Send the control variate along."""
        control = under("control", out_of("control", state.arrays))
        return {**self.averaging.instructions(state, round_), "scaffold": True, "arrays": control}

    def combine(self, state: State, updates: Mapping[str, Update]) -> State:
        """Average parameters by weight, changes of the control variate evenly."""
        changes = [out_of("control", updates[name].extra) for name in sorted(updates)]
        mean = weighted_mean(changes, [1.0] * len(changes))
        control = moved(out_of("control", state.arrays), mean, len(changes) / self.sites)
        after = self.averaging.combine(state, updates)
        return replace(after, arrays={**after.arrays, **under("control", control)})
