"""The statement that each site gets: a pure function of figures that all sites have, to the last digit.

Two sites that hold the same account make the same statements, byte for byte, and so the same digest; the
ledger signs that digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from coread.learning.federated.contribution.values import (
    EXACT_UP_TO,
    Coalition,
    Value,
    coalitions,
    divided,
    exact_shapley,
    leave_one_out,
)

DIGITS = 6
"""To which every figure is rounded before anything is computed of it."""


@dataclass(frozen=True)
class Account:
    """All figures of a federation that its sites know.

    Attributes
    ----------
    federation
        Its name.
    score
        What the worth of a coalition is, in words.
    worth
        Of each coalition of seats, names joined by ``+`` in their order; the empty one is ``""``. Empty if
        no coalition was trained: then nobody's value is stated.
    seat
        Seat of each site.
    estimated
        Shapley values of the seats where there are too many to train every coalition; else empty.
    signals, compute_s
        Of each site: signals of quality, seconds of training given.
    before, after
        Validation score on each site's own patients of its own model and of the federation's; None where it
        cannot be measured.
    """

    federation: str
    score: str
    worth: Mapping[str, float]
    seat: Mapping[str, str]
    estimated: Mapping[str, Value]
    signals: Mapping[str, Mapping[str, float | int | None]]
    compute_s: Mapping[str, float]
    before: Mapping[str, float | None]
    after: Mapping[str, float | None]


@dataclass(frozen=True)
class Statement:
    """What one site gave and gained.

    Attributes
    ----------
    federation, site, score
        Of which federation, to whom, and in what unit.
    value, error
        Shapley value and its standard error (0: exact); None where no coalition was trained.
    missed
        What the federation would lose without the site; None beyond `EXACT_UP_TO` seats.
    seat
        Whose patients it shares; its own name if nobody's.
    gained
        Score on its own patients, after less before; None where it cannot be measured.
    loses
        Whether it would have done better alone.
    compute_s, signals
        As in the account.
    """

    federation: str
    site: str
    score: str
    value: float | None
    error: float | None
    missed: float | None
    seat: str
    gained: float | None
    loses: bool
    compute_s: float
    signals: Mapping[str, float | int | None]


def name_of(some: Coalition) -> str:
    """A coalition in words: names in their order, joined by ``+``."""
    return "+".join(sorted(some))


def statements(account: Account) -> dict[str, Statement]:
    """Make every site's statement.

    Raises
    ------
    ValueError
        If a coalition's worth is missing.
    """
    players = sorted(set(account.seat.values()))
    values, missed = _values(account, players)
    by_site = divided(values, account.seat) if values else {}
    return {name: _statement(account, name, by_site.get(name), missed) for name in sorted(account.seat)}


def _values(account: Account, players: list[str]) -> tuple[dict[str, Value], Mapping[str, float]]:
    if account.estimated:
        return {name: account.estimated[name] for name in players}, {}
    if not account.worth:
        return {}, {}
    if len(players) > EXACT_UP_TO:
        raise ValueError(f"{len(players)} seats need estimated values; every coalition is for {EXACT_UP_TO}")
    known = {some: account.worth.get(name_of(some)) for some in coalitions(players)}
    absent = [name_of(some) or "(nobody)" for some, worth in known.items() if worth is None]
    if absent:
        raise ValueError(f"the account lacks the worth of {', '.join(absent[:3])}")
    worth = {some: round(float(value or 0), DIGITS) for some, value in known.items()}
    return exact_shapley(players, worth), leave_one_out(players, worth)


def _statement(account: Account, name: str, value: Value | None, missed: Mapping[str, float]) -> Statement:
    before, after = account.before.get(name), account.after.get(name)
    gained = None if before is None or after is None else round(after - before, DIGITS)
    seat = account.seat[name]
    shared = sum(other == seat for other in account.seat.values()) > 1
    lost = 0.0 if shared and missed else missed.get(seat)
    return Statement(
        federation=account.federation,
        site=name,
        score=account.score,
        value=round(value.value, DIGITS) if value else None,
        error=round(value.error, DIGITS) if value else None,
        missed=None if lost is None else round(lost, DIGITS),
        seat=seat,
        gained=gained,
        loses=gained is not None and gained < 0,
        compute_s=round(account.compute_s.get(name, 0.0), 1),
        signals=_rounded(account.signals.get(name, {})),
    )


def _rounded(held: Mapping[str, float | int | None]) -> dict[str, float | int | None]:
    return {key: round(v, DIGITS) if isinstance(v, float) else v for key, v in sorted(held.items())}


def canonical(held: Statement | Mapping[str, Statement]) -> bytes:
    """Statements as bytes: JSON, names sorted, no spaces, numbers as rounded."""
    plain = asdict(held) if isinstance(held, Statement) else {n: asdict(one) for n, one in held.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(held: Statement | Mapping[str, Statement]) -> str:
    """SHA-256 of `canonical`: what sites compare, and what is signed."""
    return hashlib.sha256(canonical(held)).hexdigest()
