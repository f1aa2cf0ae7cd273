"""Lines of the page of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coread.evaluation import Interval


@dataclass(frozen=True)
class Goal:
    """What a figure was to reach, and whether it did."""

    text: str
    met: bool


def row(
    what: str,
    figure: Mapping[str, Any],
    *,
    beside: tuple[str, Mapping[str, Any]] | None = None,
    goal: Goal | None = None,
    note: str = "",
) -> dict[str, Any]:
    """One line: a figure, the naive one beside it by name, its goal, a note."""
    return {
        "what": what,
        "figure": dict(figure),
        "baseline": dict(beside[1]) if beside else None,
        "baseline_name": beside[0] if beside else "",
        "goal": goal.text if goal else "",
        "met": goal.met if goal else None,
        "note": note,
    }


def figure(interval: Interval, n: int) -> dict[str, Any]:
    """An estimate with its interval and number of cases."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": n}


def bare(value: float, n: int) -> dict[str, Any]:
    """An estimate without an interval."""
    return {"value": value, "lower": None, "upper": None, "n": n}
