"""What an analysis of a reader study says: a test, differences and means with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from coread.evaluation import Interval
from coread.learning.evidence.grades import Grade

Float = NDArray[np.float64]

Scope = Literal["readers_and_cases", "cases", "readers"]
"""To whom the result may be carried over: what is random, the rest is as in this study."""


@dataclass(frozen=True)
class Test:
    """A test of equal treatments.

    Attributes
    ----------
    statistic
        ``F`` or ``chi2``.
    value
        The statistic.
    df
        Degrees of freedom: (numerator, denominator), the second infinite for chi2.
    p_value
        Of no difference.
    """

    statistic: Literal["F", "chi2"]
    value: float
    df: tuple[float, float]
    p_value: float

    __test__ = False


@dataclass(frozen=True)
class Difference:
    """First treatment minus second, averaged over doctors, or of the one named."""

    first: str
    second: str
    interval: Interval
    standard_error: float
    df: float
    p_value: float
    reader: str = ""


@dataclass(frozen=True)
class Mean:
    """One treatment averaged over doctors."""

    treatment: str
    interval: Interval
    standard_error: float
    df: float


@dataclass(frozen=True)
class Analysis:
    """One analysis of one figure of merit.

    Attributes
    ----------
    method
        Such as ``Obuchowski-Rockette``.
    merit
        Name of the figure.
    scope
        What is random.
    test
        Global test.
    differences, means
        Of each pair of treatments, of each treatment.
    by_reader
        Differences of single doctors; only where doctors are fixed.
    grade
        Of the ratings.
    """

    method: str
    merit: str
    scope: Scope
    test: Test
    differences: tuple[Difference, ...]
    means: tuple[Mean, ...]
    by_reader: tuple[Difference, ...]
    grade: Grade


def f_test(value: float, df: tuple[float, float]) -> Test:
    """An F test."""
    return Test("F", value, df, float(stats.f.sf(value, *df)))


def chi2_test(value: float, df: float) -> Test:
    """A chi-square test."""
    return Test("chi2", value, (df, float("inf")), float(stats.chi2.sf(value, df)))


def interval(value: float, standard_error: float, df: float, level: float = 0.95) -> Interval:
    """A t interval; normal if df is infinite."""
    reach = float(_t(df).ppf((1 + level) / 2)) * standard_error
    return Interval(value, value - reach, value + reach, level)


def pairs(
    names: tuple[str, ...], means: Float, spread: tuple[float, float], reader: str = ""
) -> tuple[Difference, ...]:
    """Differences of all pairs of treatments.

    Parameters
    ----------
    names, means
        [treatment].
    spread
        Standard error and degrees of freedom, the same for each pair.
    reader
        Whose.
    """
    error, df = spread
    return tuple(
        Difference(
            names[i], names[k], interval(float(means[i] - means[k]), error, df), error, df,
            two_sided(float(means[i] - means[k]), error, df), reader,
        )
        for i, k in combinations(range(len(names)), 2)
    )  # fmt: skip


def two_sided(value: float, standard_error: float, df: float) -> float:
    """Two-sided p value; 1 for no difference, 0 for one without any error."""
    if standard_error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * _t(df).sf(abs(value) / standard_error))


def _t(df: float) -> stats.rv_frozen:
    return stats.norm() if np.isinf(df) else stats.t(df)
