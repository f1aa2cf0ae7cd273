"""Figures with intervals, found wherever they stand in an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

COUNTS = ("n", "images", "nodules", "fields", "cells", "patients", "cases", "pairs")
"""Members that say of how many a figure is, the first that is there."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes
    ----------
    path
        Keys from the top of the evaluation to it.
    value, lower, upper
        The figure and its interval; value None where it could not be measured, no ends where none was.
    n
        Of how many; None where it is not said.
    few
        Whether the evaluation itself says that there are too few cases.
    """

    path: tuple[str, ...]
    value: float | None
    lower: float | None
    upper: float | None
    n: int | None
    few: bool = False

    @property
    def label(self) -> str:
        """Path without the section, in words."""
        return " / ".join(key.replace("_", " ") for key in self.path[1:]) or self.path[0].replace("_", " ")

    def text(self) -> str:
        """The figure as it is printed."""
        if self.value is None:
            return "-"
        interval = (
            "" if self.lower is None or self.upper is None else f" ({self.lower:.3g} to {self.upper:.3g})"
        )
        return f"{self.value:.3g}{interval}"


def is_figure(held: Any) -> bool:
    """Whether something is a figure: a mapping with value, lower and upper."""
    return isinstance(held, Mapping) and {"value", "lower", "upper"} <= held.keys()


def figures(
    held: Any, path: tuple[str, ...] = (), n: int | None = None, few: bool = False
) -> Iterator[Figure]:
    """All figures below a member of an evaluation, in its order."""
    if is_figure(held):
        own = held.get("n", n)
        yield Figure(path, held["value"], held["lower"], held["upper"], own, few)
    elif isinstance(held, Mapping):
        n = next((held[key] for key in COUNTS if isinstance(held.get(key), int)), n)
        few = few or held.get("enough_cases") is False
        for key, value in held.items():
            yield from figures(value, (*path, str(key)), n, few)
    elif isinstance(held, list):
        for number, value in enumerate(held):
            name = value.get("name") or value.get("what") if isinstance(value, Mapping) else None
            yield from figures(value, (*path, str(name or number)), n, few)


def bare_numbers(held: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Numbers, words and verdicts that are no figures, as (label, text); lists of numbers are left out."""
    if is_figure(held) or isinstance(held, list):
        return
    if isinstance(held, Mapping):
        for key, value in held.items():
            yield from bare_numbers(value, (*path, str(key)))
    elif held is not None and len(path) > 1:
        text = f"{held:.4g}" if isinstance(held, float) else str(held)
        yield " / ".join(key.replace("_", " ") for key in path[1:]), text


def reliabilities(held: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[list[float]]]]:
    """Calibration bins (mean probability, frequency, n), wherever they stand, with a label."""
    if isinstance(held, Mapping):
        for key, value in held.items():
            if key == "reliability_mean_probability_frequency_n":
                yield " / ".join(part.replace("_", " ") for part in path), value
            else:
                yield from reliabilities(value, (*path, str(key)))
