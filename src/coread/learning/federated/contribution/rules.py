"""From statements to shares, by a rule file that the sites agreed upon before.

Example::

    [parts]              # how the whole is divided, must add up to 1
    value = 0.7          # by Shapley value; a site below the floor gets nothing of it
    equal = 0.2          # the same for every site whose value is not below the floor
    compute = 0.1        # by seconds of training given

    [floor]
    value = 0.0          # in units of the score
    agreement = 0.5      # sites whose labels the others contradict get nothing; left out: no floor
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coread.learning.federated.contribution.statement import Statement

PARTS = ("value", "equal", "compute")


@dataclass(frozen=True)
class Rules:
    """How the whole is divided.

    Attributes
    ----------
    parts
        Share of the whole that is divided by each of `PARTS`; adds up to 1.
    floor_value, floor_agreement
        Below which a site gets nothing.
    """

    parts: Mapping[str, float] = field(default_factory=lambda: {"value": 0.7, "equal": 0.2, "compute": 0.1})
    floor_value: float = 0.0
    floor_agreement: float | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.parts) - set(PARTS))
        if unknown or any(part < 0 for part in self.parts.values()):
            raise ValueError(f"parts are {', '.join(PARTS)}, none negative; found {dict(self.parts)}")
        if abs(sum(self.parts.values()) - 1) > 1e-9:
            raise ValueError(f"parts must add up to 1, found {sum(self.parts.values()):g}")


def read_rules(path: Path) -> Rules:
    """Read a rule file.

    Raises
    ------
    ValueError
        If it is no such file; the message says what was found.
    """
    with path.open("rb") as file:
        held = tomllib.load(file)
    unknown = sorted(set(held) - {"parts", "floor"})
    floor = held.get("floor", {})
    odd = sorted(set(floor) - {"value", "agreement"})
    if unknown or odd:
        raise ValueError(f"a rule file has [parts] and [floor] with value, agreement; found {unknown + odd}")
    agreement = floor.get("agreement")
    return Rules(
        {name: float(part) for name, part in held.get("parts", {}).items()},
        float(floor.get("value", 0.0)),
        None if agreement is None else float(agreement),
    )


def shares(given: Mapping[str, Statement], rules: Rules) -> dict[str, float]:
    """Share of the whole of each site; they add up to 1, or are all 0 if no site has earned anything.

    Parameters
    ----------
    given
        The statements of all sites.
    rules
        The rule file.

    Notes
    -----
    Sites on one seat stand as one among the equal, and divide what the seat gets.
    """
    earned = {name: one for name, one in given.items() if _earns(one, rules)}
    seats = {one.seat for one in earned.values()}
    on_seat = {seat: sum(one.seat == seat for one in earned.values()) for seat in seats}
    measures = {
        "value": {name: max(one.value or 0.0, 0.0) for name, one in earned.items()},
        "equal": {name: 1 / on_seat[one.seat] for name, one in earned.items()},
        "compute": {name: one.compute_s / on_seat[one.seat] for name, one in earned.items()},
    }
    used = {part: rules.parts.get(part, 0.0) for part in PARTS if sum(measures[part].values()) > 0}
    whole = sum(used.values())
    if not whole:
        return dict.fromkeys(sorted(given), 0.0)
    return {
        name: sum(w / whole * measures[p].get(name, 0.0) / sum(measures[p].values()) for p, w in used.items())
        for name in sorted(given)
    }


def _earns(one: Statement, rules: Rules) -> bool:
    agreement = one.signals.get("agreement")
    contradicted = (
        rules.floor_agreement is not None and agreement is not None and agreement < rules.floor_agreement
    )
    return one.value is not None and one.value >= rules.floor_value and not contradicted
