"""What a site's part is worth: by leaving it out, and as its Shapley value.

The worth of a coalition is the validation score of the model that these sites, and only they, trained:
trained anew for each coalition, nothing approximated. Shapley 1953 (doi:10.1515/9781400881970-018); for data
Ghorbani & Zou, ICML 2019, arXiv:1904.02868; estimate by permutations: Castro et al., Comput Oper Res 2009,
doi:10.1016/j.cor.2008.04.004.

Sites that hold the same patients sit on one seat (`seats`), so that nobody gains by coming twice (the
replication problem: Han et al. 2020, arXiv:2006.14583).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

Coalition = frozenset[str]
Worth = Callable[[Coalition], float]

EXACT_UP_TO = 6
"""Players up to which every coalition is trained: 64 trainings; beyond, permutations are drawn."""


@dataclass(frozen=True)
class Value:
    """A site's value.

    Attributes
    ----------
    value
        In units of the score.
    error
        Standard error of the estimate; 0 where it is exact.
    """

    value: float
    error: float = 0.0


def coalitions(players: Sequence[str]) -> list[Coalition]:
    """All sets of players, the empty one first, always in the same order."""
    names = sorted(players)
    return [frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size)]


def exact_shapley(players: Sequence[str], worth: Mapping[Coalition, float]) -> dict[str, Value]:
    """Shapley values from the worth of every coalition.

    Parameters
    ----------
    players
        At least one.
    worth
        Of each of `coalitions`; they must all be there.
    """
    names = sorted(players)
    found = {}
    for name in names:
        others = [one for one in names if one != name]
        total = 0.0
        for some in coalitions(others):
            share = 1 / (len(names) * comb(len(others), len(some)))
            total += share * (worth[some | {name}] - worth[some])
        found[name] = Value(total)
    return found


def estimated_shapley(players: Sequence[str], worth: Worth, permutations: int, seed: int) -> dict[str, Value]:
    """Shapley values from random orders of arrival, each taken forwards and backwards, with their error.

    Parameters
    ----------
    players
        Any number.
    worth
        Asked once for each coalition that occurs.
    permutations
        Pairs of orders; at least 2.
    seed
        Of the draws.
    """
    if permutations < 2:
        raise ValueError(f"an error needs 2 pairs of orders or more, found {permutations}")
    names, known, rng = sorted(players), dict[Coalition, float](), np.random.default_rng(seed)
    gains = np.zeros((permutations, len(names)))
    for row in gains:
        order = [int(k) for k in rng.permutation(len(names))]
        for way in (order, order[::-1]):
            here: Coalition = frozenset()
            for index in way:
                there = here | {names[index]}
                row[index] += (_asked(worth, known, there) - _asked(worth, known, here)) / 2
                here = there
    error = gains.std(0, ddof=1) / np.sqrt(permutations)
    return {name: Value(float(gains[:, k].mean()), float(error[k])) for k, name in enumerate(names)}


def _asked(worth: Worth, known: dict[Coalition, float], some: Coalition) -> float:
    if some not in known:
        known[some] = float(worth(some))
    return known[some]


def leave_one_out(players: Sequence[str], worth: Mapping[Coalition, float]) -> dict[str, float]:
    """What the whole federation would lose without each site; of two alike sites neither is missed."""
    whole = frozenset(players)
    return {name: worth[whole] - worth[whole - {name}] for name in sorted(players)}


def seats(fingerprints: Mapping[str, Iterable[str]], limit: float) -> dict[str, str]:
    """Seat of each site: the first name among those with which it shares too many patients or images.

    Parameters
    ----------
    fingerprints
        Of each site, see `coread.learning.federated.contribution.quality.fingerprints`.
    limit
        Two sites share a seat if more than this share (0..1) of the smaller one's fingerprints are the
        other's, too.
    """
    held = {name: frozenset(fingerprints[name]) for name in sorted(fingerprints)}
    seat: dict[str, str] = {}
    for name, own in held.items():
        alike = [
            seat[other]
            for other in seat
            if own and held[other] and len(own & held[other]) > limit * min(len(own), len(held[other]))
        ]
        seat[name] = min(alike) if alike else name
    return seat


def divided(values: Mapping[str, Value], seat: Mapping[str, str]) -> dict[str, Value]:
    """Value of each site from the values of the seats: those on one seat divide its value evenly."""
    members = {one: [name for name in seat if seat[name] == one] for one in set(seat.values())}
    return {
        name: Value(values[one].value / len(members[one]), values[one].error / len(members[one]))
        for name, one in sorted(seat.items())
    }
