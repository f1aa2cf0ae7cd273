"""Obuchowski and Rockette's analysis of variance of doctors' figures, with Hillis' degrees of freedom.

Obuchowski & Rockette, Commun. Stat. Simul. Comput. 1995, doi:10.1080/03610919508813243; Hillis, Stat. Med.
2007, doi:10.1002/sim.2532; Hillis, Stat. Med. 2014, doi:10.1002/sim.5926.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.learning.evidence.grades import Grade
from coread.learning.reader_study.analysis import (
    Analysis,
    Difference,
    Mean,
    Scope,
    Test,
    chi2_test,
    f_test,
    interval,
    pairs,
)
from coread.learning.reader_study.covariance import COVARIANCES, ErrorCovariance
from coread.learning.reader_study.merit import Merit

Float = NDArray[np.float64]
METHOD = "Obuchowski-Rockette"


@dataclass(frozen=True, eq=False)
class Table:
    """What the analysis needs of a study: it can be filled from ratings or from a published table.

    Attributes
    ----------
    merit
        Name of the figure.
    values
        [treatment, reader].
    error
        Covariances of the values.
    treatments, readers
        Names along the axes.
    grade
        Of the ratings.
    """

    merit: str
    values: Float
    error: ErrorCovariance
    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    grade: Grade

    @property
    def mean_squares(self) -> tuple[float, float, float]:
        """Mean squares of treatment, reader, and treatment by reader."""
        return mean_squares(self.values)


def table(merit: Merit, covariance: str = "jackknife") -> Table:
    """Prepare a figure of merit; `covariance` is a key of `COVARIANCES`."""
    error = COVARIANCES[covariance](merit)
    return Table(merit.name, merit.values, error, merit.treatments, merit.readers, merit.grade)


def mean_squares(values: Float) -> tuple[float, float, float]:
    """Mean squares of treatment, reader, and treatment by reader of values [treatment, reader]."""
    t, r = values.shape
    of_t, of_r, all_over = values.mean(1), values.mean(0), values.mean()
    rest = values - of_t[:, None] - of_r[None, :] + all_over
    return (
        float(r * ((of_t - all_over) ** 2).sum() / (t - 1)),
        float(t * ((of_r - all_over) ** 2).sum() / (r - 1)),
        float((rest**2).sum() / ((t - 1) * (r - 1))),
    )


def components(study: Table) -> dict[str, float]:
    """Variance components of doctors and of treatment by doctor; they may be negative."""
    _, ms_r, ms_tr = study.mean_squares
    error, t = study.error, len(study.treatments)
    interaction = ms_tr - error.variance + error.cov1 + error.cov2 - error.cov3
    return {"reader": (ms_r - ms_tr) / t - error.cov1 + error.cov3, "treatment_by_reader": interaction}


def readers_and_cases(study: Table) -> Analysis:
    """Doctors and cases are random: the result holds for others like them."""
    t, r = study.values.shape
    ms_t, _, ms_tr = study.mean_squares
    excess = r * max(study.error.cov2 - study.error.cov3, 0.0)
    error = ms_tr + excess
    df = error**2 / (ms_tr**2 / ((t - 1) * (r - 1)))
    means = tuple(
        _mean_of_random_readers(study, i, r * max(cov2, 0.0))
        for i, (_, cov2) in enumerate(study.error.of_treatment)
    )
    return _analysis(
        study, "readers_and_cases", f_test(ms_t / error, (t - 1, df)), (2 / r * error, df), means
    )


def cases_only(study: Table) -> Analysis:
    """Cases are random, doctors are these and no others."""
    t, r = study.values.shape
    e = study.error
    error = e.variance - e.cov1 + (r - 1) * max(e.cov2 - e.cov3, 0.0)
    test = chi2_test((t - 1) * study.mean_squares[0] / error, t - 1)
    means = []
    for i, (variance, cov2) in enumerate(e.of_treatment):
        deviation = float(np.sqrt((variance + (r - 1) * max(cov2, 0.0)) / r))
        value = float(study.values[i].mean())
        means.append(Mean(study.treatments[i], interval(value, deviation, np.inf), deviation, float("inf")))
    return _analysis(study, "cases", test, (2 / r * error, float("inf")), tuple(means), _each_reader(study))


def readers_only(study: Table) -> Analysis:
    """Doctors are random, cases are these and no others: for two treatments a paired t test."""
    t, r = study.values.shape
    ms_t, _, ms_tr = study.mean_squares
    df = float((t - 1) * (r - 1))
    means = tuple(_mean_of_random_readers(study, i, 0.0) for i in range(t))
    return _analysis(study, "readers", f_test(ms_t / ms_tr, (t - 1, df)), (2 / r * ms_tr, df), means)


ANALYSES: dict[Scope, Callable[[Table], Analysis]] = {
    "readers_and_cases": readers_and_cases,
    "cases": cases_only,
    "readers": readers_only,
}


def _mean_of_random_readers(study: Table, i: int, case_share: float) -> Mean:
    values = study.values[i]
    r, ms_r = len(values), float(values.var(ddof=1))
    error = ms_r + case_share
    df = error**2 / (ms_r**2 / (r - 1)) if ms_r > 0 else float("inf")
    deviation = float(np.sqrt(error / r))
    return Mean(study.treatments[i], interval(float(values.mean()), deviation, df), deviation, df)


def _each_reader(study: Table) -> tuple[Difference, ...]:
    found: list[Difference] = []
    for j, (variance, cov1) in enumerate(study.error.of_reader):
        deviation = float(np.sqrt(2 * max(variance - cov1, 0.0)))
        found += pairs(study.treatments, study.values[:, j], (deviation, float("inf")), study.readers[j])
    return tuple(found)


def _analysis(
    study: Table,
    scope: Scope,
    test: Test,
    spread: tuple[float, float],
    means: tuple[Mean, ...],
    by_reader: tuple[Difference, ...] = (),
) -> Analysis:
    variance, df = spread
    differences = pairs(study.treatments, study.values.mean(1), (float(np.sqrt(variance)), df))
    return Analysis(METHOD, study.merit, scope, test, differences, means, by_reader, study.grade)
