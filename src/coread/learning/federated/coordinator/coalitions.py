"""Every group of sites trains on its own, so that the worth of each site can be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.contribution.agreeing import account_from, told
from coread.learning.federated.contribution.statement import DIGITS, name_of
from coread.learning.federated.contribution.values import coalitions
from coread.learning.federated.coordinator.rounds import Rounds
from coread.learning.federated.strategies import State
from coread.learning.federated.task import Parameters


def worths(rounds: Rounds, state: State, initial: Callable[[], Parameters]) -> dict[str, float]:
    """Worth of each coalition: the mean over the sites of the plan's figure on their validation patients.

    Parameters
    ----------
    rounds
        Of the whole federation.
    state
        Its last.
    initial
        Parameters before the first round, which are those of nobody.

    Raises
    ------
    FederationRefused
        If no site could measure every one of them.
    """
    measure = rounds.plan.contribution
    found: dict[str, Mapping[str, Any]] = {}
    for some in coalitions(list(rounds.plan.sites)):
        name = name_of(some)
        kept = rounds.kept.read(f"worth-{name or 'nobody'}")
        if kept is None:
            kept = _measured(rounds, some, state, initial)
            rounds.kept.write(f"worth-{name or 'nobody'}", kept)
        found[name] = kept
    measuring = [
        site for site in sorted(rounds.plan.sites) if all(measure in h.get(site, {}) for h in found.values())
    ]
    if not measuring:
        remedy = "name a figure that the task gives (contribution in the plan)"
        raise FederationRefused(
            f"no site that measures {measure!r}", "one at least", remedy, rounds.plan.name
        )
    return {name: round(fmean(held[s][measure] for s in measuring), DIGITS) for name, held in found.items()}


def _measured(
    rounds: Rounds, some: frozenset[str], state: State, initial: Callable[[], Parameters]
) -> dict[str, Any]:
    if some == frozenset(rounds.plan.sites):
        return rounds.evaluate("evaluate", "val", state)
    group = rounds.of(some)
    made = group.run(initial) if some else State(initial())
    return rounds.evaluate("evaluate", "val", made, coalition=group.coalition)


def stated(rounds: Rounds, result: Mapping[str, Any], worth: Mapping[str, float]) -> dict[str, Any]:
    """Account and statements of a finished federation, from what is on record."""
    seconds: dict[str, float] = {}
    for entry in rounds.kept.history():
        for site, metrics in entry["metrics"].items():
            seconds[site] = seconds.get(site, 0.0) + float(metrics.get("seconds", 0.0))
    return told(account_from(result, rounds.plan.contribution, worth, seconds))
