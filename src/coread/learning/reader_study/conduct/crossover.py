"""Who reads which case when and how: a randomised crossover with washout."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

WASHOUT_DAYS = 28
"""Days between two readings of a case by one doctor: the usual four weeks (Obuchowski & Bullen, Radiology
2022,
doi:10.1148/radiol.211593)."""

PER_SITTING = 50
"""Most cases in one sitting unless said otherwise: tired doctors read worse (Krupinski et al., J. Am. Coll.
Radiol.
2010, doi:10.1016/j.jacr.2010.03.004)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One reading that is to be done.

    Attributes
    ----------
    reader, case
        Who reads what.
    period
        1 for the first reading of this case by this doctor, 2 for the second, after the washout.
    sitting, position
        Of this doctor, counted from 1.
    treatment
        Such as ``with AI`` and ``without AI``.
    not_before_day
        Days after the doctor's first sitting.
    """

    reader: str
    case: str
    period: int
    sitting: int
    position: int
    treatment: str
    not_before_day: int


@dataclass(frozen=True)
class Plan:
    """How a crossover is laid out.

    Attributes
    ----------
    treatments
        Two ways of reading.
    washout_days
        Days between the periods.
    per_sitting
        Most cases in a sitting.
    seed
        Of the random order.
    """

    treatments: tuple[str, str] = ("without AI", "with AI")
    washout_days: int = WASHOUT_DAYS
    per_sitting: int = PER_SITTING
    seed: int = 0


def crossover(readers: Sequence[str], truth: Mapping[str, bool], plan: Plan) -> tuple[Turn, ...]:
    """Lay out a fully crossed study.

    Each doctor reads every case in both treatments, in two periods. In the first period a random half of
    the normal and of the abnormal cases is read in one treatment, the rest in the other; in the second
    period it is the other way round. So treatment, period and case do not go together, and no sitting tells
    which cases are abnormal.

    Parameters
    ----------
    readers
        Doctors.
    truth
        Whether each case is abnormal.
    plan
        Treatments, washout, size of a sitting, seed.

    Returns
    -------
    tuple of Turn
        By doctor, period and position.
    """
    if len(set(readers)) < len(readers) or not readers:
        raise ValueError("doctors need names of their own, and there must be at least one")
    if len(truth) < 4 or len(set(truth.values())) < 2:
        raise ValueError("a study needs at least 4 cases, normal and abnormal ones")
    turns: list[Turn] = []
    for number, reader in enumerate(readers):
        rng = np.random.default_rng([plan.seed, number])
        first = _halves(truth, rng)
        before = 0
        for period in (1, 2):
            order = [sorted(truth)[i] for i in rng.permutation(len(truth))]
            for place, case in enumerate(order):
                which = int(first[case]) ^ (period - 1)
                sitting = before + place // plan.per_sitting + 1
                day = 0 if period == 1 else plan.washout_days
                position = place % plan.per_sitting + 1
                turns.append(Turn(reader, case, period, sitting, position, plan.treatments[which], day))
            before = turns[-1].sitting
    return tuple(turns)


def _halves(truth: Mapping[str, bool], rng: np.random.Generator) -> dict[str, bool]:
    """Which treatment comes first for each case: half of each class, at random."""
    first: dict[str, bool] = {}
    for abnormal in (False, True):
        cases = sorted(case for case, value in truth.items() if value is abnormal)
        order = rng.permutation(len(cases))
        start = int(rng.integers(0, 2))
        first |= {cases[i]: bool((rank + start) % 2) for rank, i in enumerate(order)}
    return first


def faults(turns: Sequence[Turn], days: Mapping[tuple[str, str, int], float], washout_days: int) -> list[str]:
    """Say where a study was not carried out as laid out.

    Parameters
    ----------
    turns
        The plan.
    days
        When (reader, case, period) was read, in days from any origin; what is missing was not read.
    washout_days
        Days that must lie between both readings of a case.

    Returns
    -------
    list of str
        One sentence per fault.
    """
    found = []
    for turn in turns:
        if (turn.reader, turn.case, turn.period) not in days:
            found.append(f"reader {turn.reader} has not read case {turn.case} in period {turn.period}")
    for reader, case in sorted({(t.reader, t.case) for t in turns}):
        read = [days[reader, case, period] for period in (1, 2) if (reader, case, period) in days]
        for early, late in pairwise(read):
            if late - early < washout_days:
                found.append(f"reader {reader} read case {case} again after {late - early:.0f} days")
    return found


def write_turns(turns: Sequence[Turn], path: Path) -> None:
    """Write a plan as CSV, one line per reading."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Turn)])
        table.writeheader()
        table.writerows(asdict(turn) for turn in turns)


def read_turns(path: Path) -> tuple[Turn, ...]:
    """Read what `write_turns` wrote."""
    numbers = ("period", "sitting", "position", "not_before_day")
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    texts: list[dict[str, Any]] = [
        {key: int(row[key]) if key in numbers else row[key] for key in row} for row in rows
    ]
    return tuple(Turn(**row) for row in texts)


def read_cases(path: Path) -> dict[str, bool]:
    """Read the truth of each case from a CSV file with the columns case and truth (0 or 1).

    Raises
    ------
    ValueError
        If a column is missing, a case comes twice or a truth is neither 0 nor 1.
    """
    with path.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        if not {"case", "truth"} <= set(table.fieldnames or ()):
            raise ValueError(f"{path.name} needs the columns case and truth")
        rows = list(table)
    if len({row["case"] for row in rows}) < len(rows):
        raise ValueError("a case comes more than once")
    if not {row["truth"] for row in rows} <= {"0", "1"}:
        raise ValueError("truth is 0 or 1")
    return {row["case"]: row["truth"] == "1" for row in rows}
