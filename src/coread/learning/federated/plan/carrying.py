"""What a plan means when it is carried out; site and coordinator read it from the same lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coread.errors import FederationRefused
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.strategies import State, Strategy
from coread.learning.federated.strategies.averaging import LocalPlan
from coread.learning.federated.strategies.catalogue import strategy_of


def strategy_in(plan: Plan) -> Strategy:
    """Make the plan's strategy.

    Raises
    ------
    FederationRefused
        If it names none, or options that are not its.
    """
    return _made(plan, str(plan.strategy.get("name", "")), plan.strategy.get("options", {}))


def told(plan: Plan, round_: int) -> dict[str, Any]:
    """What a site does in a round, from its own approved copy of the plan; arrays come with the order."""
    plain = dict(strategy_in(plan).instructions(State({}), round_))
    plain.pop("arrays", None)
    return {**plain, "privacy": _privacy(plan, plain)}


def told_alone(plan: Plan, round_: int) -> dict[str, Any]:
    """What a site does in a round that it trains without the others: as many local updates, nothing else."""
    plain = dict(_made(plan, "fedavg", {}).instructions(State({}), round_))
    return {**plain, "privacy": _privacy(plan, plain)}


def taking_part(plan: Plan, sites: list[str], round_: int) -> list[str]:
    """Who trains in a round: all, or the one whose turn it is."""
    names, turn = sorted(plan.sites), told(plan, round_).get("turn")
    return sites if turn is None else [site for site in sites if site == names[(int(turn) - 1) % len(names)]]


def _privacy(plan: Plan, plain: Mapping[str, Any]) -> dict[str, Any]:
    """What noise must cover: every local update of the federation, whatever number the plan names."""
    asked = dict(plan.privacy.differential)
    return {**asked, "updates": plan.rounds * int(plain["steps"])} if asked else {}


def _made(plan: Plan, name: str, options: Mapping[str, Any]) -> Strategy:
    try:
        local = LocalPlan(**{**plan.strategy.get("local", {}), "rounds": plan.rounds})
        return strategy_of(name, local, options)
    except (ValueError, TypeError) as fault:
        raise FederationRefused(
            str(fault), "a strategy of the catalogue", "correct the plan", plan.name
        ) from fault
