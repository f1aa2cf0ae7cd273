"""How much faster or slower doctors read with a reader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval
from coread.learning.evidence.grades import Grade

Float = NDArray[np.float64]


@dataclass(frozen=True)
class TimeRatio:
    """Reading time in one treatment over that in another.

    Attributes
    ----------
    ratio
        Geometric mean over doctors and cases, cleared of the period; below 1 = faster.
    period
        Second over first period: practice and memory.
    by_reader
        Ratio of each doctor alone.
    median_s
        (first treatment, second treatment), seconds.
    pairs
        Pairs of readings that were compared.
    grade
        Of the readings.
    """

    ratio: Interval
    period: Interval
    by_reader: tuple[tuple[str, Interval], ...]
    median_s: tuple[float, float]
    pairs: int
    grade: Grade


def time_ratio(
    seconds: Float, period: NDArray[np.int64], readers: tuple[str, ...], grade: Grade, repeats: int = 2000
) -> TimeRatio:
    """Compare active reading times, paired by doctor and case.

    Parameters
    ----------
    seconds
        Active seconds, [treatment, reader, case] with two treatments; nan where it was not recorded.
    period
        1 or 2, when the second treatment's reading of each pair was done, [reader, case].
    readers
        Names.
    grade
        Of the readings.
    repeats
        Draws of doctors and of cases.

    Returns
    -------
    TimeRatio
        Second treatment over first. Model: log ratio of a pair = treatment + period if the second treatment
        came in period 2, - period if in period 1; fitted by least squares. Intervals draw doctors and cases
        with replacement, both at once (Owen, Ann. Appl. Stat. 2007, doi:10.1214/07-AOAS122).

    Notes
    -----
    Reading times are skewed to the right, so that they are compared by their ratio. *Does not* mend a time
    that was measured while the doctor was called away: take active seconds.
    """
    if seconds.ndim != 3 or seconds.shape[0] != 2 or (seconds[np.isfinite(seconds)] <= 0).any():
        raise ValueError(
            f"seconds need the shape [2, reader, case] and must be positive; found {seconds.shape}"
        )
    logs = np.log(seconds[1]) - np.log(seconds[0])
    known = np.isfinite(logs)
    sign = np.where(np.asarray(period) == 2, 1.0, -1.0)
    rng = np.random.default_rng(0)
    shape = logs.shape
    drawn = [_fit(logs, sign, known * _twice(rng, *shape)) for _ in range(repeats)]
    whole = _fit(logs, sign, known * np.ones(shape))
    alone = []
    for j, name in enumerate(readers):
        own = [
            _fit(logs[j : j + 1], sign[j : j + 1], known[j : j + 1] * _drawn(rng, shape[1]))
            for _ in range(repeats)
        ]
        value = _fit(logs[j : j + 1], sign[j : j + 1], known[j : j + 1] * np.ones((1, shape[1])))
        alone.append((name, _exponent(value[0], [d[0] for d in own])))
    medians = (float(np.nanmedian(seconds[0])), float(np.nanmedian(seconds[1])))
    ratio, later = (_exponent(whole[k], [d[k] for d in drawn]) for k in (0, 1))
    return TimeRatio(ratio, later, tuple(alone), medians, int(known.sum()), grade)


def _fit(logs: Float, sign: Float, weight: Float) -> tuple[float, float]:
    """Weighted least squares of log ratio on (1, sign): treatment and period."""
    value = np.where(weight > 0, logs, 0.0)
    n, s, y, sy = (float((weight * x).sum()) for x in (np.ones_like(sign), sign, value, sign * value))
    if n == 0:
        return float("nan"), float("nan")
    determinant = n * n - s * s
    if determinant < 1e-9 * n * n:  # one order only: treatment and period cannot be told apart
        return y / n, float("nan")
    return (n * y - s * sy) / determinant, (n * sy - s * y) / determinant


def _twice(rng: np.random.Generator, readers: int, cases: int) -> Float:
    return np.asarray(_drawn(rng, readers)[:, None] * _drawn(rng, cases)[None, :])


def _drawn(rng: np.random.Generator, size: int) -> Float:
    return rng.multinomial(size, np.full(size, 1 / size)).astype(np.float64)


def _exponent(value: float, drawn: list[float]) -> Interval:
    kept = np.array(drawn)[np.isfinite(drawn)]
    if not len(kept):
        return Interval(float(np.exp(value)), float("nan"), float("nan"))
    lower, upper = np.exp(np.quantile(kept, [0.025, 0.975]))
    return Interval(float(np.exp(value)), float(lower), float(upper))
