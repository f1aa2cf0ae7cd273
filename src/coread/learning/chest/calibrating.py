"""Probability and abstention of the chest reader, all from validation patients.

Both sources count alike, however many images each has: the clinic may be either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Logistic, fit_platt, logit, patient_weights, sigmoid
from coread.learning.chest.cohort import Radiograph
from coread.readers.uncertainty import Band, Calibration

Float = NDArray[np.float64]

RESAMPLES = 200
"""Refits of the calibration curve: enough for a 95 % percentile interval to two digits."""

THRESHOLD = 0.5
"""Opacity is called where it is more likely than not. Looked at on validation patients but not tuned there:
with 101 adults the best sum of sensitivity and specificity lay anywhere from 0.25 to 0.83, within noise."""

KNOTS = 61
"""Knots of the shipped curve over the range of the validation scores; linear between them to within 0.002."""

ERROR_GOAL = 0.10
"""Abstain around the threshold until at most this share of the called validation cases is wrong, mean
of the sources."""

MOST_ABSTAINED = 0.25
"""But never on more than this share of the validation cases, mean of the sources: beyond it the reader
is of no use."""

CALIBRATED_ON = "validation split: NIH ChestX-ray14 adults and Guangzhou children, equal weight per source"


def fit_calibration(
    judges: Sequence[Radiograph], logits: NDArray[np.floating], seed: int = 0
) -> tuple[Calibration, float]:
    """Fit the curve and choose the band.

    Parameters
    ----------
    judges
        Radiographs of the validation split.
    logits
        Of those, [n].
    seed
        Seed of the bootstrap.

    Returns
    -------
    (Calibration, float)
        The curve with the 95 % interval of its patient bootstrap and the abstention band; the threshold.

    Notes
    -----
    Curve: Platt scaling. Band: the narrowest one, symmetric in log-odds around `THRESHOLD`, that meets
    `ERROR_GOAL`, cut off at `MOST_ABSTAINED` (selective classification: El-Yaniv & Wiener, JMLR 2010,
    11:1605-1641).
    """
    truth = np.array([item.opacity for item in judges])
    weight = source_weights(judges)
    curve = fit_platt(truth, logits, weight)
    reach = band_reach(truth, curve(logits), weight, THRESHOLD)
    low, high = (round(float(sigmoid(logit(THRESHOLD) + sign * reach)), 4) for sign in (-1, 1))
    drawn = patient_weights([item.patient for item in judges], RESAMPLES, seed)
    refits = [fit_platt(truth, logits, row * weight) for row in drawn]
    return _knotted(curve, refits, (float(logits.min()), float(logits.max())), Band(low, high)), THRESHOLD


def _knotted(
    curve: Logistic, refits: Sequence[Logistic], span: tuple[float, float], band: Band
) -> Calibration:
    """The curve at knots with its pointwise 95 % interval."""
    knots = np.linspace(*span, KNOTS)
    middle = curve(knots)
    lower, upper = np.quantile([refit(knots) for refit in refits], [0.025, 0.975], axis=0)
    columns = (knots, middle, np.minimum(lower, middle), np.maximum(upper, middle))
    score, probability, low, high = (tuple(np.round(column, 6).tolist()) for column in columns)
    return Calibration(score, probability, low, high, CALIBRATED_ON, band)


def source_weights(items: Sequence[Radiograph]) -> Float:
    """Weight [n] by which every source counts alike; the mean is 1."""
    sites = np.array([item.site for item in items])
    names, member, counts = np.unique(sites, return_inverse=True, return_counts=True)
    return np.asarray((len(sites) / len(names) / counts)[member])


def band_reach(truth: NDArray[np.int64], probability: Float, weight: Float, threshold: float) -> float:
    """Half width of the band in log-odds."""
    apart = np.abs(logit(probability) - logit(threshold))
    wrong = ((probability >= threshold) != (truth == 1)) * weight
    for reach in np.r_[0.0, np.sort(apart)]:
        called = apart > reach
        if weight[~called].sum() > MOST_ABSTAINED * weight.sum():
            break
        best = float(reach)
        if wrong[called].sum() <= ERROR_GOAL * weight[called].sum():
            break
    return best
