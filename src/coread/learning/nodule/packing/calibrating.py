"""From scores to calibrated probabilities, all from validation patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import patient_weights
from coread.learning.calibrating import AbstentionGoal, knotted
from coread.learning.nodule.rating.curves import CURVES
from coread.readers.uncertainty import Calibration

Float = NDArray[np.floating[Any]]

RESAMPLES = 200
"""Refits of the curve: enough for a 95 % percentile interval to two digits."""

KNOTS = 41
"""Knots of the shipped curve over the range of the validation scores."""

THRESHOLD = 0.5
"""Called where more likely than not; not tuned, because validation has a hundred judged nodules."""

GOAL = AbstentionGoal(error=0.05, threshold=THRESHOLD)


def curve_of(
    truth: NDArray[np.int64], score: Float, patients: Sequence[str], how: str, calibrated_on: tuple[str, str]
) -> Calibration:
    """Fit a curve with the interval of its patient bootstrap; it abstains nowhere.

    Parameters
    ----------
    truth, score, patients
        Of validation cases, [case].
    how
        One of `coread.learning.nodule.rating.curves.CURVES`.
    calibrated_on
        The held-out set in English and in Chinese words.
    """
    fit = CURVES[how]
    curve = fit(truth, score, np.ones(len(score)))
    drawn = patient_weights(patients, RESAMPLES, 0)
    refits = [fit(truth, score, row) for row in drawn if 0 < (row * truth).sum() < row.sum()]
    knots = np.linspace(float(score.min()), float(score.max()), KNOTS)
    return knotted(curve, refits, knots, GOAL.band(0.0), calibrated_on)


def abstaining(held: Calibration, truth: NDArray[np.int64], score: Float) -> Calibration:
    """Give a curve the band of abstention that meets `GOAL` on the same validation cases, [case]."""
    probability = np.interp(score, held.score, held.probability)
    return replace(held, band=GOAL.band(GOAL.reach(truth, probability)))
