"""Probability, threshold and abstention from validation images, with intervals as wide as these are few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import fit_platt, patient_weights
from coread.learning.calibrating import AbstentionGoal, as_kept, knotted

Float = NDArray[np.floating]

RESAMPLES = 300
"""Refits of the curve: enough for a 95 % percentile interval to two digits."""

KNOTS = 41

THRESHOLD = 0.5
"""The finding is called where it is more likely than not; not tuned: a few dozen images cannot."""

GOAL = AbstentionGoal(error=0.1, threshold=THRESHOLD)


def calibration(
    truth: NDArray[np.int64], score: Float, patients: Sequence[str], told: tuple[str, str]
) -> dict[str, Any]:
    """Fit the curve and the band, as ``calibration.json`` holds one finding.

    Parameters
    ----------
    truth, score, patients
        Validation images: 0 or 1, the network's logit, whose image it is, [image].
    told
        Which images these are, for people, in English and in Chinese.

    Notes
    -----
    Platt scaling with the interval of a patient bootstrap; the band is the narrowest, symmetric in log odds,
    that meets `GOAL`.
    """
    curve = fit_platt(truth, score)
    drawn = patient_weights(patients, RESAMPLES, 0)
    refits = [fit_platt(truth, score, row) for row in drawn if 0 < (row * truth).sum() < row.sum()]
    knots = np.linspace(float(score.min()), float(score.max()), KNOTS)
    band = GOAL.band(GOAL.reach(truth, curve(score)))
    return as_kept(knotted(curve, refits, knots, band, told))
