"""Which wrong answers to look at: the gallery of failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coread.evaluation.subgroups import Cases

Kind = Literal["missed", "false alarm"]
Why = Literal["most certain", "near the threshold", "drawn at random"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One wrong answer.

    Attributes
    ----------
    index
        Position of the case.
    kind
        A disease missed or a healthy patient called ill.
    why
        Why it was chosen. The worst cases show what can happen, random ones what usually does.
    probability
        Calibrated, as the doctor would have seen it.
    part
        Subgroup of the case; empty if none was given.
    """

    index: int
    kind: Kind
    why: Why
    probability: float
    part: str


def failures(
    cases: Cases, threshold: float, of_each: int = 4, part: Sequence[str | None] | None = None, seed: int = 0
) -> tuple[Failure, ...]:
    """Choose wrong answers, no patient twice.

    Parameters
    ----------
    cases
        Test cases.
    threshold
        Calibrated probability from which a case is called positive.
    of_each
        How many of each kind and reason.
    part
        Subgroup of each case.
    seed
        Of the random ones.

    Returns
    -------
    tuple of Failure
        Missed first; fewer where there are not enough.
    """
    called = cases.probability >= threshold
    positive = cases.truth.astype(bool)
    names = part if part is not None else [None] * len(positive)
    rng = np.random.default_rng(seed)
    seen: set[str] = set()
    found: list[Failure] = []
    kinds: tuple[tuple[Kind, NDArray[np.bool_]], ...] = (
        ("missed", positive & ~called),
        ("false alarm", ~positive & called),
    )
    for kind, wrong in kinds:
        rows = np.flatnonzero(wrong)
        far = np.abs(cases.probability[rows] - threshold)
        orders: tuple[tuple[Why, NDArray[np.int64]], ...] = (
            ("most certain", rows[np.argsort(-far, kind="stable")]),
            ("near the threshold", rows[np.argsort(far, kind="stable")]),
            ("drawn at random", rng.permutation(rows)),
        )
        for why, order in orders:
            for row in _fresh(order, cases.patient, seen, of_each):
                found.append(Failure(row, kind, why, float(cases.probability[row]), names[row] or ""))
    return tuple(found)


def _fresh(order: NDArray[np.int64], patients: Sequence[str], seen: set[str], count: int) -> list[int]:
    """The first rows whose patients were not taken yet; takes them."""
    chosen: list[int] = []
    for row in order:
        if len(chosen) == count:
            break
        if patients[row] not in seen:
            seen.add(patients[row])
            chosen.append(int(row))
    return chosen
