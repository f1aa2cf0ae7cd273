"""What the doctors of a study said: one rating of each doctor for each case in each way of reading."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coread.learning.evidence.grades import Grade, grade_of

Float = NDArray[np.float64]
Boolean = NDArray[np.bool_]

COLUMNS = ("reader", "treatment", "case", "truth", "rating")


@dataclass(frozen=True, eq=False)
class Ratings:
    """A fully crossed study: every doctor rated every case in every treatment.

    Attributes
    ----------
    truth
        Whether the case is abnormal, [case].
    rating
        Higher = more suspicious, [treatment, reader, case].
    treatments, readers, cases
        Names along the axes. A treatment is a way of reading, such as with and without AI.
    grade
        ``human_trial`` if people read, ``simulated`` if a program did.
    """

    truth: Boolean
    rating: Float
    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    grade: Grade

    def __post_init__(self) -> None:
        shape = (len(self.treatments), len(self.readers), len(self.cases))
        if self.rating.shape != shape or self.truth.shape != shape[2:]:
            raise ValueError(
                f"ratings need the shape [treatment, reader, case] = {shape}; found {self.rating.shape}, "
                f"truth {self.truth.shape}"
            )
        if not np.isfinite(self.rating).all():
            raise ValueError(f"{int((~np.isfinite(self.rating)).sum())} ratings are not finite")
        if min(self.truth.sum(), (~self.truth).sum()) < 2:
            raise ValueError("a study needs at least two abnormal and two normal cases")


def read_ratings(path: Path, grade: str) -> Ratings:
    """Read a study from a CSV file.

    Parameters
    ----------
    path
        Columns reader, treatment, case, truth (0 or 1) and rating, one line per rating.
    grade
        ``human_trial`` or ``simulated``.

    Raises
    ------
    ValueError
        If a column is missing, a rating is given twice or is missing, or a case has two truths.
    """
    with path.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
        if missing:
            raise ValueError(f"{path.name} lacks the column(s) {', '.join(missing)}")
        return crossed(table, grade)


def crossed(rows: Iterable[Mapping[str, str]], grade: str) -> Ratings:
    """Set up a fully crossed study from single ratings; see `read_ratings`."""
    truth: dict[str, bool] = {}
    rating: dict[tuple[str, str, str], float] = {}
    for row in rows:
        key = (row["treatment"], row["reader"], row["case"])
        if key in rating:
            raise ValueError(f"reader {key[1]} rated case {key[2]} twice in treatment {key[0]}")
        if truth.setdefault(key[2], _truth(row)) != _truth(row):
            raise ValueError(f"case {key[2]} is both normal and abnormal")
        rating[key] = float(row["rating"])
    return _filled(truth, rating, grade)


def _truth(row: Mapping[str, str]) -> bool:
    if row["truth"].strip() not in ("0", "1"):
        raise ValueError(f"truth is 0 or 1; found {row['truth']!r} for case {row['case']}")
    return row["truth"].strip() == "1"


def _filled(truth: Mapping[str, bool], rating: Mapping[tuple[str, str, str], float], grade: str) -> Ratings:
    treatments, readers = (tuple(sorted({key[axis] for key in rating})) for axis in (0, 1))
    cases = tuple(sorted(truth))
    absent = [key for key in product(treatments, readers, cases) if key not in rating]
    if absent:
        treatment, reader, case = absent[0]
        raise ValueError(
            f"the study is not fully crossed: {len(absent)} rating(s) are missing, the first is reader "
            f"{reader}, case {case}, treatment {treatment}"
        )
    values = np.array([[[rating[t, r, c] for c in cases] for r in readers] for t in treatments])
    return Ratings(np.array([truth[c] for c in cases]), values, treatments, readers, cases, grade_of(grade))
