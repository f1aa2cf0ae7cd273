"""How many doctors and cases a study of two treatments needs.

Hillis, Obuchowski & Berbaum, Acad. Radiol. 2011, doi:10.1016/j.acra.2010.09.007; Hillis & Schartz, J. Med.
Imaging 2018, doi:10.1117/1.JMI.5.4.045503.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from coread.learning.reader_study import obuchowski_rockette
from coread.learning.reader_study.analysis import Scope
from coread.learning.reader_study.obuchowski_rockette import Table

MOST_CASES = 100_000
"""Where the search for a number of cases ends: no study of doctors has come near."""


@dataclass(frozen=True)
class Pilot:
    """Variances of a study in Obuchowski and Rockette's terms, from a pilot or from the literature.

    Attributes
    ----------
    treatment_by_reader
        Variance component; a negative estimate counts as 0.
    variance, cov1, cov2, cov3
        Of the error, see `ErrorCovariance`.
    cases
        Number of cases that they were measured on.
    """

    treatment_by_reader: float
    variance: float
    cov1: float
    cov2: float
    cov3: float
    cases: int


@dataclass(frozen=True)
class Power:
    """Chance to find a true difference.

    Attributes
    ----------
    power
        0..1.
    noncentrality, df, critical
        Of the F test: non-centrality, denominator degrees of freedom, critical value.
    readers, cases
        Size of the study.
    effect
        The difference that is to be found.
    scope
        What is random.
    """

    power: float
    noncentrality: float
    df: float
    critical: float
    readers: int
    cases: int
    effect: float
    scope: Scope


def pilot(study: Table, cases: int) -> Pilot:
    """Take the variances of an analysed study."""
    e = study.error
    interaction = obuchowski_rockette.components(study)["treatment_by_reader"]
    return Pilot(interaction, e.variance, e.cov1, e.cov2, e.cov3, cases)


def power(
    known: Pilot,
    effect: float,
    size: tuple[int, int],
    scope: Scope = "readers_and_cases",
    alpha: float = 0.05,
) -> Power:
    """Power of the two-sided test of two treatments.

    Parameters
    ----------
    known
        Variances.
    effect
        True difference of the treatments.
    size
        Numbers of doctors and of cases; normal and abnormal in the proportion of the pilot.
    scope
        What is random.
    alpha
        Level of the test.

    Returns
    -------
    Power
        Of the non-central F distribution.

    Notes
    -----
    Error covariances shrink with the number of cases, the treatment-by-reader component does not.
    """
    readers, cases = size
    _check(readers, cases, alpha)
    shrink = known.cases / cases
    between = max(known.cov2 - known.cov3, 0.0)
    per_reader = shrink * (known.variance - known.cov1 - between)
    interaction = 0.0 if scope == "cases" else max(known.treatment_by_reader, 0.0)
    shared = 0.0 if scope == "readers" else readers * shrink * between
    error = interaction + per_reader + shared
    df = _freedom(scope, size, error, interaction + per_reader)
    noncentrality = readers * effect**2 / 2 / error
    critical = float(stats.f.ppf(1 - alpha, 1, df))
    chance = float(stats.ncf.sf(critical, 1, df, noncentrality))
    return Power(chance, float(noncentrality), df, critical, readers, cases, float(effect), scope)


def cases_needed(
    known: Pilot,
    effect: float,
    readers: int,
    wanted: float = 0.8,
    scope: Scope = "readers_and_cases",
    alpha: float = 0.05,
) -> Power | None:
    """The smallest number of cases that gives the wanted power; None if no number does."""
    low, high = 4, 8
    while power(known, effect, (readers, high), scope, alpha).power < wanted:
        low, high = high, 2 * high
        if high > MOST_CASES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(known, effect, (readers, middle), scope, alpha).power >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return power(known, effect, (readers, high), scope, alpha)


def _freedom(scope: Scope, size: tuple[int, int], error: float, interaction: float) -> float:
    readers, cases = size
    if scope == "cases":
        return cases - 1.0
    return (readers - 1) * (error / interaction) ** 2 if scope == "readers_and_cases" else readers - 1.0


def _check(readers: int, cases: int, alpha: float) -> None:
    if readers < 2 or cases < 4:
        raise ValueError(f"a study needs at least 2 doctors and 4 cases; found {readers} and {cases}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1; found {alpha}")
