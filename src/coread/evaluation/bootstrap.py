"""Intervals by drawing patients, not images, with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.discrimination import weighted_auc
from coread.evaluation.samples import Interval, scores_of

Float = NDArray[np.float64]

REPEATS = 2000
"""Repeats of a bootstrap: 1,000 or more for a percentile interval (Efron & Tibshirani 1993, section 13.3)."""


def patient_weights(patients: Sequence[str], repeats: int, seed: int) -> Float:
    """How often each image counts when patients are drawn with replacement.

    Parameters
    ----------
    patients
        Patient of each image, [case].
    repeats
        Number of draws.
    seed
        Seed of the draws.

    Returns
    -------
    Float
        [repeat, case]; all images of one patient bear the same count.

    Notes
    -----
    Cluster bootstrap: Davison & Hinkley, Bootstrap Methods and their Application, 1997, section 3.8
    (strategy 1); Field & Welsh, J R Stat Soc B 2007, doi:10.1111/j.1467-9868.2007.00593.x.
    """
    _, member = np.unique(np.asarray(patients), return_inverse=True)
    size = int(member.max()) + 1
    counts = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=repeats)
    return counts[:, member].astype(np.float64)


def auc_interval(truth: ArrayLike, score: ArrayLike, patients: Sequence[str], seed: int = 0) -> Interval:
    """Area under the ROC curve with a 95 % patient-bootstrap interval.

    Parameters
    ----------
    truth, score
        [case].
    patients
        Patient of each case.
    seed
        Seed of the draws.

    Returns
    -------
    Interval
        Percentile interval over `REPEATS` draws; draws that leave a class empty are left out.
    """
    positive, scores = scores_of(truth, score)
    drawn = weighted_auc(positive, scores, patient_weights(patients, REPEATS, seed))
    area = weighted_auc(positive, scores, np.ones((1, len(scores))))[0]
    return percentile_interval(float(area), drawn)


def statistic_interval(
    statistic: Callable[[Float], float], patients: Sequence[str], repeats: int = 1000, seed: int = 0
) -> Interval:
    """Any weighted statistic with a 95 % patient-bootstrap interval.

    Parameters
    ----------
    statistic
        Takes the weights [case] and gives the statistic.
    patients
        Patient of each case.
    repeats, seed
        Number of draws and their seed.

    Returns
    -------
    Interval
        Percentile interval.
    """
    weights = patient_weights(patients, repeats, seed)
    drawn = np.array([statistic(row) for row in weights])
    return percentile_interval(statistic(np.ones(len(patients))), drawn)


def percentile_interval(value: float, drawn: ArrayLike, level: float = 0.95) -> Interval:
    """Percentile interval of bootstrap draws (Efron & Tibshirani 1993, section 13.3), nan left out."""
    kept = np.asarray(drawn, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return Interval(value, float("nan"), float("nan"), level)
    lower, upper = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(lower), float(upper), level)
