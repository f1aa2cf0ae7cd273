"""Strategies by the name under which a plan asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coread.learning.federated.strategies import Strategy
from coread.learning.federated.strategies.averaging import Averaging, Cyclic, LocalPlan, Scaffold
from coread.learning.federated.strategies.robust import krum, median, trimmed_mean
from coread.learning.federated.strategies.server_optimisers import Adaptive

DEFAULT = "site-balanced"
"""Chosen on validation patients; see docs/federation_results.md."""

Make = Callable[[LocalPlan, Mapping[str, Any]], Strategy]

BALANCED_POWER = 0.5
"""Sites count as the root of their examples: between one voice each and one voice an image."""

TAIL_SHARE = 0.3
"""Share of the rounds at the end whose parameters are averaged."""

PROXIMAL = 0.01
"""FedProx's mu; the middle of the paper's grid 0.001, 0.01, 0.1, 1."""


def _balanced(local: LocalPlan, options: Mapping[str, Any]) -> Strategy:
    tail = max(2, round(TAIL_SHARE * local.rounds))
    return Averaging(local, **{"power": BALANCED_POWER, "tail": tail, **options})


def _scaffold(local: LocalPlan, options: Mapping[str, Any]) -> Strategy:
    rest = {name: value for name, value in options.items() if name != "sites"}
    return Scaffold(Averaging(local, **rest), int(options["sites"]))


def _robust(local: LocalPlan, options: Mapping[str, Any]) -> Strategy:
    aggregates = {
        "median": median,
        "trimmed-mean": trimmed_mean(float(options.get("share", 0.2))),
        "krum": krum(int(options.get("faulty", 1)), int(options.get("keep", 1))),
    }
    return Averaging(local, aggregate=aggregates[str(options["by"])])


NAMES: dict[str, Make] = {
    DEFAULT: _balanced,
    "fedavg": lambda local, options: Averaging(local, **options),
    "fedprox": lambda local, options: Averaging(local, **{"proximal": PROXIMAL, **options}),
    "fedbn": lambda local, options: Averaging(local, **{"private": ("*norm*",), **options}),
    "personal-head": lambda local, options: Averaging(local, **{"private": ("head*",), **options}),
    "fedadam": lambda local, options: Adaptive(Averaging(local), "adam", **options),
    "fedyogi": lambda local, options: Adaptive(Averaging(local), "yogi", **options),
    "scaffold": _scaffold,
    "cyclic": lambda local, options: Cyclic(local),
    "robust": _robust,
}


def strategy_of(name: str, local: LocalPlan, options: Mapping[str, Any] | None = None) -> Strategy:
    """Make a strategy.

    Parameters
    ----------
    name
        One of `NAMES`.
    local
        What a site does in a round.
    options
        The strategy's own, e.g. ``{"power": 1}``; ``{"by": "krum", "faulty": 1}`` for ``robust``; the
        number of ``sites`` for ``scaffold``.

    Raises
    ------
    ValueError
        If there is none of this name, or an option is not its.
    """
    if name not in NAMES:
        raise ValueError(f"expected a strategy among {', '.join(sorted(NAMES))}, found {name!r}")
    try:
        return NAMES[name](local, dict(options or {}))
    except (TypeError, KeyError) as fault:
        raise ValueError(
            f"options {dict(options or {})} do not fit the strategy {name!r}: {fault}"
        ) from fault
