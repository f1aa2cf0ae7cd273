"""From scores to calibrated probabilities, all from validation patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import fit_platt, logit, patient_weights, sigmoid
from coread.readers.uncertainty import Band, Calibration

Float = NDArray[np.floating[Any]]

RESAMPLES = 200
"""Refits of the curve: enough for a 95 % percentile interval to two digits."""

KNOTS = 41
"""Knots of the shipped curve over the range of the validation scores."""

THRESHOLD = 0.5
"""Called where more likely than not; not tuned, because validation has a hundred judged nodules."""

ERROR_GOAL = 0.05
MOST_ABSTAINED = 0.25
"""Abstain round the threshold until at most this share of the called validation cases is wrong, but never
on more than this share of them."""


def curve_of(
    truth: NDArray[np.int64], score: Float, patients: Sequence[str], calibrated_on: str, *, abstain: bool
) -> Calibration:
    """Fit Platt's curve with the interval of its patient bootstrap.

    Parameters
    ----------
    truth, score, patients
        Of validation cases, [case].
    calibrated_on
        In words.
    abstain
        Whether to choose a band of abstention round `THRESHOLD` (El-Yaniv & Wiener, JMLR 2010,
        11:1605-1641).
    """
    curve = fit_platt(truth, score)
    knots = np.linspace(float(score.min()), float(score.max()), KNOTS)
    middle = curve(knots)
    refits = []
    for weight in patient_weights(patients, RESAMPLES, 0):
        if min(weight[truth == 1].sum(), weight[truth == 0].sum()) > 0:
            refits.append(fit_platt(truth, score, weight)(knots))
    lower, upper = np.quantile(refits, [0.025, 0.975], axis=0)
    columns = (knots, middle, np.minimum(lower, middle), np.maximum(upper, middle))
    score_at, middle_at, low_at, high_at = (tuple(np.round(column, 6).tolist()) for column in columns)
    reach = band_reach(truth, curve(score)) if abstain else 0.0
    low, high = (round(float(sigmoid(logit(THRESHOLD) + sign * reach)), 4) for sign in (-1, 1))
    return Calibration(score_at, middle_at, low_at, high_at, calibrated_on, Band(low, high))


def band_reach(truth: NDArray[np.int64], probability: Float) -> float:
    """Half width, in log-odds, of the narrowest band that meets `ERROR_GOAL`, cut off at `MOST_ABSTAINED`."""
    apart = np.abs(logit(probability) - logit(THRESHOLD))
    wrong = (probability >= THRESHOLD) != (truth == 1)
    best = 0.0
    for reach in np.r_[0.0, np.sort(apart)]:
        called = apart > reach
        if (~called).mean() > MOST_ABSTAINED:
            break
        best = float(reach)
        if wrong[called].mean() <= ERROR_GOAL:
            break
    return best
