"""The analysis table: one line for each reading that was done."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coread.learning.evidence.grades import Grade, grade_of
from coread.learning.reader_study.ratings import Ratings
from coread.learning.reader_study.reliance import Advised

Float = NDArray[np.float64]

COLUMNS = ("reader", "case", "treatment", "period", "truth", "ai_call", "call", "rating", "seconds", "day")
"""Columns of the table. ``call``, ``ai_call`` and ``truth`` are 0 or 1; ``rating`` (higher = more
suspicious), ``seconds`` (active reading time), ``ai_call`` and ``day`` may be empty."""


@dataclass(frozen=True)
class Reading:
    """One line of the table; nan or None for what was not recorded."""

    reader: str
    case: str
    treatment: str
    period: int
    truth: bool
    ai_call: bool | None
    call: bool
    rating: float
    seconds: float
    day: float


@dataclass(frozen=True)
class Sheet:
    """A study as it was read.

    Attributes
    ----------
    readings
        All of them.
    treatments
        The one without AI first.
    readers, cases
        Sorted.
    grade
        ``human_trial`` or ``simulated``.
    """

    readings: tuple[Reading, ...]
    treatments: tuple[str, str]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    grade: Grade

    def ratings(self) -> Ratings | None:
        """Ratings, if every reading has one."""
        values = self._cube([r.rating for r in self.readings])
        return self._rated(values) if np.isfinite(values).all() else None

    def calls(self) -> Ratings:
        """Calls as ratings 0 and 1: for sensitivity and specificity at threshold 1."""
        return self._rated(self._cube([float(r.call) for r in self.readings]))

    def seconds(self) -> tuple[Float, NDArray[np.int64]]:
        """Active seconds [treatment, reader, case], and the period of the second treatment [reader, case]."""
        times = self._cube([r.seconds for r in self.readings])
        period = self._cube([float(r.period) for r in self.readings])[1]
        return times, np.where(np.isfinite(period), period, 0).astype(np.int64)

    def advised(self) -> Advised | None:
        """Calls without and with advice, if the advice on every case is known."""
        told = {r.case: r.ai_call for r in self.readings if r.ai_call is not None}
        if set(told) != set(self.cases):
            return None
        calls = self._cube([float(r.call) for r in self.readings])
        if not np.isfinite(calls).all():
            return None
        advice = np.array([bool(told[case]) for case in self.cases])
        before, after = calls.astype(bool)
        return Advised(self.truth(), advice, before, after, self.grade)

    def truth(self) -> NDArray[np.bool_]:
        """Whether each case is abnormal, [case]."""
        known = {r.case: r.truth for r in self.readings}
        return np.array([known[case] for case in self.cases])

    def days(self) -> dict[tuple[str, str, int], float]:
        """When (reader, case, period) was read; what has no day is left out."""
        return {(r.reader, r.case, r.period): r.day for r in self.readings if np.isfinite(r.day)}

    def _rated(self, values: Float) -> Ratings:
        return Ratings(self.truth(), values, self.treatments, self.readers, self.cases, self.grade)

    def _cube(self, values: Sequence[float]) -> Float:
        """Values of the readings as [treatment, reader, case]; nan where none was done."""
        cube = np.full((2, len(self.readers), len(self.cases)), np.nan)
        rows = {name: i for i, name in enumerate(self.readers)}
        columns = {name: i for i, name in enumerate(self.cases)}
        for reading, value in zip(self.readings, values, strict=True):
            place = (self.treatments.index(reading.treatment), rows[reading.reader], columns[reading.case])
            cube[place] = value
        return cube


def read_sheet(path: Path, treatments: tuple[str, str], grade: str) -> Sheet:
    """Read the table from CSV.

    Parameters
    ----------
    path
        With the columns `COLUMNS`.
    treatments
        Names, the one without AI first.
    grade
        ``human_trial`` if people read; ``simulated`` if a program did.

    Raises
    ------
    ValueError
        If a column is missing, a treatment is unknown, a reading comes twice, or a case has two truths.
    """
    with path.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
        if missing:
            raise ValueError(f"{path.name} lacks the column(s) {', '.join(missing)}")
        return sheet_of([_reading(row) for row in table], treatments, grade)


def sheet_of(readings: Sequence[Reading], treatments: tuple[str, str], grade: str) -> Sheet:
    """Check readings and put them together; see `read_sheet`."""
    unknown = sorted({r.treatment for r in readings} - set(treatments))
    if unknown:
        raise ValueError(f"treatments are {' and '.join(treatments)}; found {', '.join(unknown)}")
    seen: set[tuple[str, str, str]] = set()
    truth: dict[str, bool] = {}
    for r in readings:
        key = (r.reader, r.case, r.treatment)
        if key in seen:
            raise ValueError(f"reader {r.reader} read case {r.case} twice {r.treatment}")
        if truth.setdefault(r.case, r.truth) is not r.truth:
            raise ValueError(f"case {r.case} is both normal and abnormal")
        seen.add(key)
    readers = tuple(sorted({r.reader for r in readings}))
    return Sheet(tuple(readings), treatments, readers, tuple(sorted(truth)), grade_of(grade))


def write_sheet(readings: Sequence[Reading], path: Path) -> None:
    """Write the table as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for r in readings:
            ai_call = "" if r.ai_call is None else int(r.ai_call)
            numbers = ("" if np.isnan(x) else f"{x:g}" for x in (r.rating, r.seconds, r.day))
            table.writerow(
                [r.reader, r.case, r.treatment, r.period, int(r.truth), ai_call, int(r.call), *numbers]
            )


def _reading(row: Mapping[str, str]) -> Reading:
    return Reading(
        row["reader"], row["case"], row["treatment"], int(row["period"]), _flag(row, "truth"),
        _flag(row, "ai_call") if row["ai_call"].strip() else None, _flag(row, "call"),
        *(float(row[name]) if row[name].strip() else float("nan") for name in ("rating", "seconds", "day")),
    )  # fmt: skip


def _flag(row: Mapping[str, str], name: str) -> bool:
    if row[name].strip() not in ("0", "1"):
        raise ValueError(
            f"{name} is 0 or 1; found {row[name]!r} for reader {row['reader']}, case {row['case']}"
        )
    return row[name].strip() == "1"
