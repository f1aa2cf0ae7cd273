"""An ``evaluation.json`` as tables: what is there is shown, whatever else a reader's maker wrote into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_FIGURES = ("sensitivity", "specificity", "auc")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured share or area with its interval."""

    value: float
    lower: float
    upper: float
    level: float

    @property
    def text(self) -> str:
        """As people write it."""
        return f"{self.value:.2f} ({self.lower:.2f}–{self.upper:.2f})"


@dataclass(frozen=True, slots=True)
class Line:
    """One group of test patients."""

    source: str
    dimension: str
    """Empty for all patients of the source."""
    group: str
    images: int
    patients: int
    positives: int
    is_enough: bool
    figures: Mapping[str, Figure | None]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Predicted against observed, by bins, of one source."""

    source: str
    points: tuple[tuple[float, float, int], ...]
    """Mean probability, frequency, cases."""
    error: float | None
    """Expected calibration error."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often the gate refuses the images of one source."""

    source: str
    images: int
    refused: Figure


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of a reader."""

    lines: tuple[Line, ...] = ()
    reliabilities: tuple[Reliability, ...] = ()
    refusals: tuple[Refusals, ...] = ()
    grade: str = ""
    weights_sha256: str = ""
    has_passed_explanation: bool = False

    @property
    def overall(self) -> tuple[Line, ...]:
        """The lines of whole sources."""
        return tuple(line for line in self.lines if not line.dimension)


def measures(evaluation: Mapping[str, Any]) -> Measures:
    """Read an evaluation."""
    sites = _table(evaluation, "sites")
    return Measures(
        lines=(*_overall(sites), *_subgroups(_table(evaluation, "subgroups"))),
        reliabilities=tuple(_reliabilities(sites)),
        refusals=tuple(_refusals(_table(evaluation, "gate"))),
        grade=str(evaluation.get("evidence_grade", "")),
        weights_sha256=str(evaluation.get("weights_sha256", "")),
        has_passed_explanation=evaluation.get("explanation_passed") is True,
    )


def _overall(sites: Mapping[str, Any]) -> Iterator[Line]:
    for source, measured in sites.items():
        if isinstance(measured, Mapping):
            yield _line(source, "", "", measured)


def _subgroups(sources: Mapping[str, Any]) -> Iterator[Line]:
    for source, dimensions in sources.items():
        for dimension, groups in dimensions.items() if isinstance(dimensions, Mapping) else ():
            for group, measured in groups.items() if isinstance(groups, Mapping) else ():
                if isinstance(measured, Mapping):
                    yield _line(source, dimension, group, measured)


def _line(source: str, dimension: str, group: str, measured: Mapping[str, Any]) -> Line:
    return Line(
        source=source,
        dimension=dimension,
        group=group,
        images=_whole(measured.get("images")),
        patients=_whole(measured.get("patients")),
        positives=_whole(measured.get("positives")),
        is_enough=measured.get("enough_cases") is True,
        figures={name: _figure(measured.get(name)) for name in _FIGURES},
    )


def _reliabilities(sites: Mapping[str, Any]) -> Iterator[Reliability]:
    for source, measured in sites.items():
        calibration = _table(measured, "calibration") if isinstance(measured, Mapping) else {}
        bins = calibration.get("reliability_mean_probability_frequency_n")
        if not isinstance(bins, Sequence):
            continue
        error = calibration.get("ece_10_equal_mass")
        points = tuple((float(p), float(f), int(n)) for p, f, n in bins)
        yield Reliability(source, points, error if isinstance(error, float) else None)


def _refusals(gate: Mapping[str, Any]) -> Iterator[Refusals]:
    for source, measured in gate.items():
        refused = _figure(measured.get("refused")) if isinstance(measured, Mapping) else None
        if refused is not None:
            yield Refusals(source, _whole(measured.get("images")), refused)


def _figure(value: object) -> Figure | None:
    if not isinstance(value, Mapping):
        return None
    numbers = [value.get(name) for name in ("value", "lower", "upper")]
    if not all(isinstance(number, int | float) for number in numbers):
        return None
    middle, lower, upper = (float(number or 0) for number in numbers)
    return Figure(middle, lower, upper, float(value.get("level", 0.95)))


def _table(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, Mapping) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
