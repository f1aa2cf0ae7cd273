"""All rounds of a federation in one process, resumable, and what each site reads with at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coread.learning.federated.strategies import State, Strategy
from coread.learning.federated.strategies.arrays import out_of, under
from coread.learning.federated.strategies.at_site import personal, round_seed, take_part
from coread.learning.federated.strategies.checking import sound
from coread.learning.federated.task import FederatedTask, Parameters, SiteData, Update
from coread.learning.runs.files import replace_file

Change = Callable[[str, int, Update], Update | None]
"""What a site does to its update on the way out (site, round, update); None if it is silent."""


@dataclass(frozen=True)
class Federated:
    """What came of a federation.

    Attributes
    ----------
    parameters
        The federation's.
    kept
        What each site keeps to itself.
    metrics
        Of every round, by site.
    left_out
        Updates that were not averaged: (round, site, reasons).
    """

    parameters: Parameters
    kept: Mapping[str, Parameters]
    metrics: list[dict[str, dict[str, float]]] = field(default_factory=list)
    left_out: list[tuple[int, str, tuple[str, ...]]] = field(default_factory=list)

    def at(self, site: str) -> Parameters:
        """What a site reads with: the federation's parameters and, where it has any, its own."""
        return personal(self.parameters, self.kept.get(site, {}))


@dataclass(frozen=True)
class Plan:
    """How a federation is run.

    Attributes
    ----------
    task, strategy
        What is trained, and how it is combined.
    rounds
        Number of rounds.
    seed
        Of every draw.
    change
        For studies of faulty sites; None for honest ones.
    checked
        Whether updates are checked before they are combined.
    """

    task: FederatedTask
    strategy: Strategy
    rounds: int
    seed: int
    change: Change | None = None
    checked: bool = True


def federate(
    sites: Mapping[str, SiteData], plan: Plan, keep: Path | None = None, every: int = 5
) -> Federated:
    """Run all rounds.

    Parameters
    ----------
    sites
        Who takes part, by name.
    plan
        How.
    keep
        File for what is needed to go on after a stop; none is written if left out.
    every
        Rounds between two writings.
    """
    state, held = _taken_up(keep) or (
        plan.strategy.begin(plan.task.initial(plan.seed)),
        Federated({}, {name: {} for name in sites}),
    )
    for round_ in range(len(held.metrics) + 1, plan.rounds + 1):
        state, held = one_round(sites, plan, state, held, round_)
        if keep and (round_ % every == 0 or round_ == plan.rounds):
            _write(keep, state, held)
    return Federated(state.parameters, held.kept, held.metrics, held.left_out)


def one_round(
    sites: Mapping[str, SiteData], plan: Plan, state: State, held: Federated, round_: int
) -> tuple[State, Federated]:
    """Let the sites train, check what they give, combine it."""
    told = plan.strategy.instructions(state, round_)
    updates: dict[str, Update] = {}
    kept = dict(held.kept)
    for name in taking_part(list(sites), told):
        seed = round_seed(plan.seed, name, round_)
        update, kept[name] = take_part(plan.task, sites[name], state.parameters, told, seed, kept[name])
        changed = plan.change(name, round_, update) if plan.change else update
        updates |= {name: changed} if changed else {}
    good, faults = sound(updates, state.parameters) if plan.checked else (updates, {})
    after = plan.strategy.combine(state, good) if good else state
    metrics = {name: dict(update.metrics) for name, update in good.items()}
    left_out = [*held.left_out, *((round_, name, why) for name, why in faults.items())]
    return after, Federated(after.parameters, kept, [*held.metrics, metrics], left_out)


def taking_part(sites: list[str], told: Mapping[str, Any]) -> list[str]:
    """Who trains in a round: all, or the one whose ``turn`` it is; in the order of the names."""
    names = sorted(sites)
    return [names[(int(told["turn"]) - 1) % len(names)]] if "turn" in told else names


def _write(path: Path, state: State, held: Federated) -> None:
    facts = {
        "facts": dict(state.facts),
        "metrics": held.metrics,
        "left_out": held.left_out,
        "sites": list(held.kept),
    }
    arrays: dict[str, Any] = {**under("parameters", state.parameters), **under("arrays", state.arrays)}
    for name, kept in held.kept.items():
        arrays |= under(f"kept/{name}", kept)
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    arrays["facts"] = text
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda file: np.savez(file, **arrays))


def _taken_up(path: Path | None) -> tuple[State, Federated] | None:
    if path is None or not path.exists():
        return None
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    facts = json.loads(arrays.pop("facts").tobytes())
    state = State(out_of("parameters", arrays), out_of("arrays", arrays), facts["facts"])
    kept = {name: out_of(f"kept/{name}", arrays) for name in facts["sites"]}
    left_out = [(int(r), str(name), tuple(why)) for r, name, why in facts["left_out"]]
    return state, Federated(state.parameters, kept, facts["metrics"], left_out)
