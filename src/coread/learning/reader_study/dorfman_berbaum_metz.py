"""Dorfman, Berbaum and Metz's analysis of jackknife pseudo-values, as unified by Hillis.

Dorfman, Berbaum & Metz, Invest. Radiol. 1992;27:723-731; Hillis, Berbaum & Metz, Acad. Radiol. 2008,
doi:10.1016/j.acra.2007.12.015.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.learning.reader_study.analysis import Analysis, Difference, Mean, Scope, f_test, interval, pairs
from coread.learning.reader_study.merit import Merit

Float = NDArray[np.float64]
METHOD = "Dorfman-Berbaum-Metz"


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of treatment (t), reader (r), case (c) and their interactions."""

    t: float
    r: float
    c: float
    tr: float
    tc: float
    rc: float
    trc: float


def pseudo_values(merit: Merit) -> Float:
    """Jackknife pseudo-values n * theta - (n - 1) * theta without the case, [treatment, reader, case].

    Notes
    -----
    Quenouille, Biometrika 1956, doi:10.1093/biomet/43.3-4.353. They are moved so that their mean is the
    figure itself (Hillis, Obuchowski, Schartz & Berbaum, Stat. Med. 2005, doi:10.1002/sim.2024).
    """
    n, values = merit.cases, merit.values[..., None]
    raw = n * values - (n - 1) * merit.without_each()
    return np.asarray(raw + values - raw.mean(2, keepdims=True))


def mean_squares(y: Float) -> MeanSquares:
    """Three-way analysis of variance of values [treatment, reader, case] with one value per cell."""
    sizes = np.array(y.shape)

    def effect(*axes: int) -> float:
        """Mean square of the interaction of some axes."""
        part = y
        for axis in range(3):
            mean = part.mean(axis, keepdims=True)
            part = part - mean if axis in axes else mean
        others = np.prod([sizes[a] for a in range(3) if a not in axes])
        freedom = np.prod([sizes[a] - 1 for a in axes])
        return float((part**2).sum() * others / freedom)

    of_one, of_two = (effect(0), effect(1), effect(2)), (effect(0, 1), effect(0, 2), effect(1, 2))
    return MeanSquares(*of_one, *of_two, effect(0, 1, 2))


def components(y: Float) -> dict[str, float]:
    """Variance components of pseudo-values; they may be negative."""
    t, r, c = y.shape
    ms = mean_squares(y)
    return {
        "reader": (ms.r - ms.tr - ms.rc + ms.trc) / (t * c),
        "case": (ms.c - ms.tc - ms.rc + ms.trc) / (t * r),
        "treatment_by_reader": (ms.tr - ms.trc) / c,
        "treatment_by_case": (ms.tc - ms.trc) / r,
        "reader_by_case": (ms.rc - ms.trc) / t,
        "error": ms.trc,
    }


def analyse(merit: Merit, scope: Scope) -> Analysis:
    """Analyse a figure of merit.

    Parameters
    ----------
    merit
        With at least two treatments and two doctors.
    scope
        What is random.

    Returns
    -------
    Analysis
        Test, differences and means.
    """
    y = pseudo_values(merit)
    t, r, c = y.shape
    ms = mean_squares(y)
    error, df = _error(ms, scope, (t, r, c))
    spread = (float(np.sqrt(2 * error / (r * c))), df)
    differences = pairs(merit.treatments, merit.values.mean(1), spread)
    means = tuple(_mean(name, y[i], scope) for i, name in enumerate(merit.treatments))
    by_reader = _each_reader(merit, y) if scope == "cases" else ()
    test = f_test(ms.t / error, (t - 1, df))
    return Analysis(METHOD, merit.name, scope, test, differences, means, by_reader, merit.grade)


def _error(ms: MeanSquares, scope: Scope, shape: tuple[int, int, int]) -> tuple[float, float]:
    """Error mean square of the treatment test and its degrees of freedom."""
    t, r, c = shape
    if scope == "cases":
        return ms.tc, float((t - 1) * (c - 1))
    if scope == "readers":
        return ms.tr, float((t - 1) * (r - 1))
    error = ms.tr + max(ms.tc - ms.trc, 0.0)
    return error, error**2 / (ms.tr**2 / ((t - 1) * (r - 1)))


def _mean(name: str, y: Float, scope: Scope) -> Mean:
    """Mean of pseudo-values [reader, case] of one treatment."""
    r, c = y.shape
    of_r, of_c = y.mean(1), y.mean(0)
    ms_r, ms_c = float(c * of_r.var(ddof=1)), float(r * of_c.var(ddof=1))
    rest = y - of_r[:, None] - of_c[None, :] + y.mean()
    ms_rc = float((rest**2).sum() / ((r - 1) * (c - 1)))
    error = {"cases": ms_c, "readers": ms_r, "readers_and_cases": ms_r + max(ms_c - ms_rc, 0.0)}[scope]
    df = {
        "cases": c - 1.0,
        "readers": r - 1.0,
        "readers_and_cases": error**2 / (ms_r**2 / (r - 1)) if ms_r > 0 else float("inf"),
    }[scope]
    deviation = float(np.sqrt(error / (r * c)))
    return Mean(name, interval(float(y.mean()), deviation, df), deviation, df)


def _each_reader(merit: Merit, y: Float) -> tuple[Difference, ...]:
    t, _, c = y.shape
    found: list[Difference] = []
    for j, name in enumerate(merit.readers):
        values = y[:, j]
        rest = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
        ms_tc = float((rest**2).sum() / ((t - 1) * (c - 1)))
        spread = (float(np.sqrt(2 * ms_tc / c)), float((t - 1) * (c - 1)))
        found += pairs(merit.treatments, merit.values[:, j], spread, name)
    return tuple(found)
