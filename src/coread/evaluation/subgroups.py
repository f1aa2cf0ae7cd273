"""The same measures for parts of the patients, with a warning where there are too few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.evaluation.bootstrap import auc_interval
from coread.evaluation.decisions import Operating, operating
from coread.evaluation.samples import Interval

MIN_CASES = 20
"""Fewer positives or negatives than this and a subgroup's figures are flagged: with 20 per class the
standard error of an
area of 0.85 is about 0.06 (Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747)."""


@dataclass(frozen=True, slots=True)
class Cases:
    """Scored cases.

    Attributes
    ----------
    truth
        0 or 1, [case].
    score
        The reader's own score, [case]; decides the area, because calibration may tie extreme cases.
    probability
        Calibrated probability, [case]; decides the calls.
    patient
        Patient of each case.
    """

    truth: NDArray[np.int64]
    score: NDArray[np.float64]
    probability: NDArray[np.float64]
    patient: tuple[str, ...]

    def where(self, chosen: NDArray[np.bool_]) -> Cases:
        """The cases for which `chosen` [case] is true."""
        patients = tuple(p for p, keep in zip(self.patient, chosen, strict=True) if keep)
        return Cases(self.truth[chosen], self.score[chosen], self.probability[chosen], patients)


@dataclass(frozen=True, slots=True)
class Subgroup:
    """One part of the patients.

    Attributes
    ----------
    name
        Value that its cases share.
    cases, patients
        Their numbers.
    auc
        With patient-bootstrap interval; nan if a class is absent.
    at_threshold
        Sensitivity and specificity at the given threshold.
    enough
        False if either class has fewer than `MIN_CASES` cases: read the figures as a hint only.
    """

    name: str
    cases: int
    patients: int
    auc: Interval
    at_threshold: Operating
    enough: bool


def subgroups(cases: Cases, group: Sequence[str | None], threshold: float) -> tuple[Subgroup, ...]:
    """Measure each part of the cases by itself.

    Parameters
    ----------
    cases
        All scored cases.
    group
        Name of the part of each case; None = unknown, reported as "unknown".
    threshold
        Fixed beforehand.

    Returns
    -------
    tuple of Subgroup
        Sorted by name.
    """
    names = np.array([name or "unknown" for name in group])
    return tuple(
        subgroup(name, cases.where(names == name), threshold) for name in sorted(set(names.tolist()))
    )


def subgroup(name: str, cases: Cases, threshold: float) -> Subgroup:
    """Measure one set of cases."""
    at = operating(cases.truth, cases.probability, threshold)
    auc = auc_interval(cases.truth, cases.score, cases.patient)
    enough = min(at.positives, at.negatives) >= MIN_CASES
    return Subgroup(name, len(cases.truth), len(set(cases.patient)), auc, at, enough)
