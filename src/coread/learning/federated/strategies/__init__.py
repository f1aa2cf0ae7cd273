"""Strategies: how a coordinator makes one set of parameters of the sites' updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from coread.learning.federated.task import Parameters, Update


@dataclass(frozen=True)
class State:
    """All that a strategy remembers between rounds; saved after each, so that a restart goes on with it."""

    parameters: Parameters
    """The federation's parameters after the last round."""
    arrays: Parameters = field(default_factory=dict)
    """Further arrays, e.g. the moments of FedAdam or SCAFFOLD's control variate."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON: plain values."""


@runtime_checkable
class Strategy(Protocol):
    """Server side and pure: no clock, no disk, no chance that the state does not hold."""

    def begin(self, parameters: Parameters) -> State:
        """Give the state before the first round."""
        ...

    def instructions(self, state: State, round_: int) -> Mapping[str, Any]:
        """Say what sites are told in a round (counted from 1), beside the parameters themselves.

        Plain values; ``steps`` at least. Arrays for the sites stand under ``arrays``. What a site may send
        beside its parameters (SCAFFOLD) it learns from the plain values.
        """
        ...

    def combine(self, state: State, updates: Mapping[str, Update]) -> State:
        """Make the next state of the updates that came, by site; at least one.

        Under secure aggregation only the weighted mean is known: it comes as the one update of a site named
        ``"*"``, so that strategies that look at single updates (median, Krum) cannot be joined with it.
        """
        ...
