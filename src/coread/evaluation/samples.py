"""What the statistics are fed with and give back: checked scores, and an estimate with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes
    ----------
    value, lower, upper
        Estimate and bounds.
    level
        Coverage, 0..1.
    """

    value: float
    lower: float
    upper: float
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.lower:.3f}-{self.upper:.3f})"


def scores_of(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Check truth and score against each other.

    Parameters
    ----------
    truth
        0 or 1, [case].
    score
        Finite numbers, [case].

    Returns
    -------
    (bool [case], float64 [case])
        Positive or not; score.

    Raises
    ------
    ValueError
        If lengths differ, truth is not 0/1 or a score is not finite.
    """
    labels, scores = np.asarray(truth), np.asarray(score, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(
            f"truth and score need one value per case; found shapes {labels.shape} and {scores.shape}"
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"truth is 0 or 1; found {sorted(set(labels.tolist()))[:5]}")
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite; {int((~np.isfinite(scores)).sum())} are not")
    return labels.astype(bool), scores


def both_classes(positive: NDArray[np.bool_], at_least: int = 1) -> None:
    """Make sure that positives and negatives are there.

    Raises
    ------
    ValueError
        If either class has fewer than `at_least` cases.
    """
    sick = int(positive.sum())
    well = len(positive) - sick
    if min(sick, well) < at_least:
        raise ValueError(
            f"at least {at_least} case(s) of each class are needed; found {sick} positive, {well} negative"
        )
