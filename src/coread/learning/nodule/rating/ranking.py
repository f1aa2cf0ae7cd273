"""Areas under the curve over several seeds, at equal size, and their differences, patients drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, patient_weights, percentile_interval
from coread.evaluation.discrimination import weighted_auc

Float = NDArray[np.floating[Any]]

REPEATS = 2000

EQUAL = 1.2
"""Two nodules are of equal size if their diameters differ by no more than this factor: the readers' own
diameters of one nodule differ by about as much."""


def seed_areas(truth: NDArray[Any], scores: Float, weights: Float) -> Float:
    """Mean over the seeds of the area, for many weightings.

    Parameters
    ----------
    truth
        0/1 [case].
    scores
        [seed, case].
    weights
        [repeat, case].
    """
    positive = truth.astype(bool)
    drawn = np.asarray(weights, dtype=np.float64)
    return np.asarray(np.mean([weighted_auc(positive, score, drawn) for score in scores], axis=0))


def area(truth: NDArray[Any], scores: Float, patients: Sequence[str]) -> Interval:
    """Mean area over the seeds with its 95 % patient-bootstrap interval."""
    drawn = seed_areas(truth, scores, patient_weights(patients, REPEATS, 0))
    return percentile_interval(float(seed_areas(truth, scores, np.ones((1, len(truth))))[0]), drawn)


def area_gain(truth: NDArray[Any], first: Float, second: Float, patients: Sequence[str]) -> Interval:
    """First area minus second, each a mean over its seeds; patients are drawn together."""
    weights = patient_weights(patients, REPEATS, 0)
    ones = np.ones((1, len(truth)))
    drawn = seed_areas(truth, first, weights) - seed_areas(truth, second, weights)
    value = seed_areas(truth, first, ones)[0] - seed_areas(truth, second, ones)[0]
    return percentile_interval(float(value), drawn)


def equal_size_area(
    truth: NDArray[Any], scores: Float, sizes: Float, patients: Sequence[str]
) -> tuple[Interval, int]:
    """Chance that a positive outscores a negative of equal size, mean over the seeds.

    Parameters
    ----------
    truth, scores
        0/1 [case]; [seed, case].
    sizes
        Readers' diameters, mm, [case].
    patients
        Of each case.

    Returns
    -------
    (Interval, int)
        The chance, and the number of pairs of equal size.
    """
    sick, well = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    apart = np.abs(np.log(sizes[sick])[:, None] - np.log(sizes[well])[None])
    first, second = np.nonzero(apart <= np.log(EQUAL))
    i, j = sick[first], well[second]
    wins = np.mean([(s[i] > s[j]) + 0.5 * (s[i] == s[j]) for s in scores], axis=0)
    weights = patient_weights(patients, REPEATS, 0)
    pairs = weights[:, i] * weights[:, j]
    with np.errstate(invalid="ignore"):
        drawn = (pairs @ wins) / pairs.sum(1)
    return percentile_interval(float(wins.mean()) if len(wins) else float("nan"), drawn), len(wins)
