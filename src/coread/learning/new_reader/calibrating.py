"""Probability, threshold and abstention from validation images, with intervals as wide as these are few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import fit_platt, logit, patient_weights, sigmoid

Float = NDArray[np.floating]

RESAMPLES = 300
"""Refits of the curve: enough for a 95 % percentile interval to two digits."""

KNOTS = 41

THRESHOLD = 0.5
"""The finding is called where it is more likely than not; not tuned: a few dozen images cannot."""

ERROR_GOAL = 0.1
"""Abstain around the threshold until at most this share of the called validation images is wrong."""

MOST_ABSTAINED = 0.25
"""But never on more than this share of them."""


def calibration(truth: NDArray[np.int64], score: Float, patients: Sequence[str], told: str) -> dict[str, Any]:
    """Fit the curve and the band, as ``calibration.json`` holds one finding.

    Parameters
    ----------
    truth, score, patients
        Validation images: 0 or 1, the network's logit, whose image it is, [image].
    told
        Which images these are, for people.

    Notes
    -----
    Platt scaling with the interval of a patient bootstrap; the band is the narrowest, symmetric in log odds,
    that meets `ERROR_GOAL` (selective classification: El-Yaniv & Wiener, JMLR 2010, 11:1605-1641).
    """
    curve = fit_platt(truth, score)
    knots = np.linspace(float(score.min()), float(score.max()), KNOTS)
    middle = np.maximum.accumulate(curve(knots))
    drawn = patient_weights(patients, RESAMPLES, 0)
    refits = [fit_platt(truth, score, row)(knots) for row in drawn if 0 < (row * truth).sum() < row.sum()]
    lower, upper = np.quantile(refits, [0.025, 0.975], axis=0)
    reach = _reach(truth, curve(score))
    low, high = (round(float(sigmoid(logit(THRESHOLD) + sign * reach)), 4) for sign in (-1, 1))
    columns = {"score": knots, "probability": middle}
    columns |= {"lower": np.minimum(lower, middle), "upper": np.maximum(upper, middle)}
    held: dict[str, Any] = {name: np.round(column, 6).tolist() for name, column in columns.items()}
    return {**held, "level": 0.95, "calibrated_on": told, "abstain": {"lower": low, "upper": high}}


def _reach(truth: NDArray[np.int64], probability: Float) -> float:
    """Half width of the band in log odds."""
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
