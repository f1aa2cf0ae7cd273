"""How well a score tells two groups apart: the area under the ROC curve and its intervals."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.samples import Interval, both_classes, scores_of

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two correlated areas compared on the same cases.

    Attributes
    ----------
    difference
        First area minus second, with its interval.
    p_value
        Two-sided, of no difference.
    """

    difference: Interval
    p_value: float


def roc_auc(truth: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the chance that a positive outscores a negative, ties counted half.

    Parameters
    ----------
    truth
        0 or 1, [case].
    score
        Higher = more likely positive, [case].
    weight
        Non-negative weight of each case; all 1 if left out.

    Returns
    -------
    float
        The area, 0..1; nan if either class is absent.

    Notes
    -----
    The Mann-Whitney form: Hanley & McNeil, Radiology 1982, doi:10.1148/radiology.143.1.7063747.
    """
    positive, scores = scores_of(truth, score)
    weights = np.ones(len(scores)) if weight is None else np.asarray(weight, dtype=np.float64)
    return float(weighted_auc(positive, scores, weights[None, :])[0])


def weighted_auc(positive: NDArray[np.bool_], score: Float, weights: Float) -> Float:
    """Areas for many weightings of the same cases, sorting once.

    Parameters
    ----------
    positive, score
        [case].
    weights
        [repeat, case].

    Returns
    -------
    Float
        [repeat]; nan where a weighting leaves a class empty.
    """
    order = np.argsort(score, kind="stable")
    heads = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    sick = np.add.reduceat(weights[:, order] * positive[order], heads, axis=1)
    well = np.add.reduceat(weights[:, order] * ~positive[order], heads, axis=1)
    below = np.cumsum(well, axis=1) - well / 2
    pairs = sick.sum(1) * well.sum(1)
    wins = (sick * below).sum(1)
    areas: Float = np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return areas


def delong_interval(truth: ArrayLike, score: ArrayLike, level: float = 0.95) -> Interval:
    """Area under the ROC curve with DeLong's interval.

    Parameters
    ----------
    truth, score
        [case]; every case its own patient.
    level
        Coverage wanted.

    Returns
    -------
    Interval
        Normal on the logit of the area, so that it stays inside 0..1.

    Raises
    ------
    ValueError
        If a class has fewer than two cases.

    Notes
    -----
    DeLong, DeLong & Clarke-Pearson, Biometrics 1988, doi:10.2307/2531595; ranks as in Sun & Xu, IEEE Signal
    Process. Lett. 2014, doi:10.1109/LSP.2014.2337313; logit scale: Pepe, The Statistical Evaluation of
    Medical Tests, 2003, section 5.2.5.

    *Assumes* independent cases. *Does not* allow for several images of one patient: use the patient
    bootstrap then.
    """
    positive, scores = scores_of(truth, score)
    area, variance = _placements(positive, scores[None, :])
    return _logit_interval(float(area[0]), float(variance[0, 0]), level)


def delong_compare(truth: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Comparison:
    """Compare two scores on the same cases by DeLong's test.

    Parameters
    ----------
    truth, first, second
        [case].
    level
        Coverage of the interval of the difference.

    Returns
    -------
    Comparison
        Difference of the areas and the two-sided p value; p = 1 if the scores rank all cases alike.
    """
    positive, scores = scores_of(truth, first)
    areas, covariance = _placements(positive, np.stack([scores, scores_of(truth, second)[1]]))
    difference = float(areas[0] - areas[1])
    deviation = float(np.sqrt(max(0.0, covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])))
    reach = NormalDist().inv_cdf((1 + level) / 2) * deviation
    p_value = 1.0 if deviation == 0 else 2 * NormalDist().cdf(-abs(difference) / deviation)
    return Comparison(Interval(difference, difference - reach, difference + reach, level), p_value)


def _placements(positive: NDArray[np.bool_], scores: Float) -> tuple[Float, Float]:
    """Areas [score] and their covariance [score, score], from DeLong's structural components."""
    both_classes(positive, at_least=2)
    of_sick, of_well = [], []
    for score in scores:
        sick, well = score[positive], score[~positive]
        of_sick.append(_share_below(sick, well))
        of_well.append(1 - _share_below(well, sick))
    v_sick, v_well = np.stack(of_sick), np.stack(of_well)
    covariance = (
        np.atleast_2d(np.cov(v_sick)) / v_sick.shape[1] + np.atleast_2d(np.cov(v_well)) / v_well.shape[1]
    )
    return v_sick.mean(1), covariance


def _share_below(these: Float, others: Float) -> Float:
    """For each of `these`, the share of `others` that lie below, ties counted half."""
    ordered = np.sort(others)
    twice = np.searchsorted(ordered, these, "left") + np.searchsorted(ordered, these, "right")
    return np.asarray(twice / (2 * len(others)))


def _logit_interval(area: float, variance: float, level: float) -> Interval:
    if area in (0.0, 1.0) or variance == 0:
        return Interval(area, area, area, level)
    reach = NormalDist().inv_cdf((1 + level) / 2) * np.sqrt(variance) / (area * (1 - area))
    centre = np.log(area / (1 - area))
    lower, upper = (float(1 / (1 + np.exp(-(centre + sign * reach)))) for sign in (-1, 1))
    return Interval(area, lower, upper, level)
