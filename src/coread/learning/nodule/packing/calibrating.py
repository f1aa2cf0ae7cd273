"""From scores to calibrated probabilities, all from validation patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import fit_platt, patient_weights
from coread.learning.calibrating import AbstentionGoal, knotted
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
    truth: NDArray[np.int64],
    score: Float,
    patients: Sequence[str],
    calibrated_on: tuple[str, str],
    *,
    abstain: bool,
) -> Calibration:
    """Fit Platt's curve with the interval of its patient bootstrap.

    Parameters
    ----------
    truth, score, patients
        Of validation cases, [case].
    calibrated_on
        The held-out set in English and in Chinese words.
    abstain
        Whether to choose a band of abstention that meets `GOAL`.
    """
    curve = fit_platt(truth, score)
    drawn = patient_weights(patients, RESAMPLES, 0)
    refits = [fit_platt(truth, score, row) for row in drawn if 0 < (row * truth).sum() < row.sum()]
    knots = np.linspace(float(score.min()), float(score.max()), KNOTS)
    band = GOAL.band(GOAL.reach(truth, curve(score)) if abstain else 0.0)
    return knotted(curve, refits, knots, band, calibrated_on)
