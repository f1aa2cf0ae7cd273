"""The threshold of a new version of a reader at one site.

A new version's scores do not mean what the old version's did. Kept at the old threshold it may find fewer
diseases or call more healthy people ill, a known clinical failure (Roschewitz et al., Nat. Commun. 2023,
doi:10.1038/s41467-023-42396-y: a scanner's software update moved the operating point). The new threshold is
chosen on cases of the site so that one rate stays as it was, and says how sure that is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.bootstrap import patient_weights, percentile_interval
from coread.evaluation.samples import Interval, both_classes, scores_of

Float = NDArray[np.float64]
Held = Literal["sensitivity", "specificity"]


@dataclass(frozen=True, slots=True)
class SiteThreshold:
    """A threshold for the new version.

    Attributes
    ----------
    threshold
        With an interval: how far it would move with other cases of the same site.
    held
        Which rate was kept.
    old, unchanged, new
        (sensitivity, specificity) of the old version, of the new version at the old threshold, and of the new
        version at its own.
    change_if_unchanged, change
        New less old of the held rate: at the old threshold, and at the new one (chosen anew in each draw).
    other_change
        New less old of the other rate at the new threshold: what the new version brings.
    cases, wanted
        Cases that decide the held rate (positives for sensitivity), and how many the precision asked for
        needs.
    enough
        Whether there are as many.
    """

    threshold: Interval
    held: Held
    old: tuple[float, float]
    unchanged: tuple[float, float]
    new: tuple[float, float]
    change_if_unchanged: Interval
    change: Interval
    other_change: Interval
    cases: int
    wanted: int
    enough: bool


def follow_version(  # noqa: PLR0913
    truth: ArrayLike,
    old_score: ArrayLike,
    new_score: ArrayLike,
    old_threshold: float,
    patients: Sequence[str],
    *,
    held: Held = "sensitivity",
    half_width: float = 0.05,
    repeats: int = 2000,
) -> SiteThreshold:
    """Choose the new version's threshold so that one rate stays what it was at this site.

    Parameters
    ----------
    truth
        0 or 1, [case]: decided cases of the site that neither version learnt from.
    old_score, new_score
        Of both versions on the same cases, [case].
    old_threshold
        In use.
    patients
        Patient of each case.
    held
        The rate to keep.
    half_width
        Half the width that the 95 % interval of the held rate may have.
    repeats
        Draws of the patient bootstrap; the choice is repeated in each.

    Returns
    -------
    SiteThreshold
        The highest threshold with at least the old sensitivity (or the lowest with at least the old
        specificity).
    """
    positive, old = scores_of(truth, old_score)
    new = scores_of(truth, new_score)[1]
    both_classes(positive)
    weights = np.vstack([np.ones(len(old)), patient_weights(patients, repeats, seed=0)])
    rows = np.array([_follow(positive, old, new, old_threshold, w, held) for w in weights])
    first, drawn = rows[0], rows[1:]
    which = 0 if held == "sensitivity" else 1
    cases = int(positive.sum() if which == 0 else (~positive).sum())
    wanted = cases_for_half_width(float(first[1 + which]), half_width)

    def change(column: int, base: int) -> Interval:
        return percentile_interval(float(first[column] - first[base]), drawn[:, column] - drawn[:, base])

    return SiteThreshold(
        percentile_interval(float(first[0]), drawn[:, 0]), held,
        (float(first[1]), float(first[2])), (float(first[3]), float(first[4])),
        (float(first[5]), float(first[6])), change(3 + which, 1 + which), change(5 + which, 1 + which),
        change(6 - which, 2 - which), cases, wanted, cases >= wanted,
    )  # fmt: skip


def cases_for_half_width(rate: float, half_width: float, level: float = 0.95) -> int:
    """Number of cases for which the interval of a rate is no wider than +- half_width.

    Notes
    -----
    n = z^2 p (1 - p) / d^2 (Buderer, Acad. Emerg. Med. 1996, doi:10.1111/j.1553-2712.1996.tb03538.x); a
    rate is kept 0.02 away from 0 and 1, where the formula would ask for no cases at all.
    """
    if not 0 < half_width < 0.5:
        raise ValueError(f"half_width lies between 0 and 0.5; found {half_width}")
    p = min(max(rate, 0.02), 0.98)
    z = NormalDist().inv_cdf((1 + level) / 2)
    return math.ceil(z * z * p * (1 - p) / half_width**2)


def _follow(
    positive: NDArray[np.bool_], old: Float, new: Float, threshold: float, weights: Float, held: Held
) -> Float:
    """New threshold, then both rates of old at old, new at old and new at new threshold, [7]."""
    before = _rates(positive, old >= threshold, weights)
    if not np.isfinite(before).all():
        return np.full(7, np.nan)
    chosen = _keep(positive, new, weights, before[0 if held == "sensitivity" else 1], held)
    unchanged, after = (_rates(positive, new >= t, weights) for t in (threshold, chosen))
    return np.array([chosen, *before, *unchanged, *after])


def _rates(positive: NDArray[np.bool_], called: NDArray[np.bool_], weights: Float) -> tuple[float, float]:
    sick, well = float(weights[positive].sum()), float(weights[~positive].sum())
    if not sick or not well:
        return float("nan"), float("nan")
    return float(weights[positive & called].sum()) / sick, float(weights[~positive & ~called].sum()) / well


def _keep(positive: NDArray[np.bool_], score: Float, weights: Float, rate: float, held: Held) -> float:
    """The threshold just kind enough to reach the rate, half-way to the next score."""
    part = positive if held == "sensitivity" else ~positive
    counted = part & (weights > 0)
    order = np.argsort(score[counted], kind="stable")
    values, mass = score[counted][order], weights[counted][order]
    below = np.r_[0.0, np.cumsum(mass)] / mass.sum()
    levels = np.unique(values)
    under = below[np.searchsorted(values, levels, "left")]
    gaps = (levels[1:] + levels[:-1]) / 2
    ladder = np.r_[levels[0] - 1e-9, gaps, levels[-1] + 1e-9]
    passed = np.r_[under, 1.0]
    if held == "sensitivity":
        return float(ladder[np.flatnonzero(1 - passed >= rate - 1e-9)[-1]])
    return float(ladder[np.flatnonzero(passed >= rate - 1e-9)[0]])
