"""What a reader loses between the place where it was made and another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.evaluation.bootstrap import patient_weights, percentile_interval
from coread.evaluation.calibration import calibration_in_the_large
from coread.evaluation.discrimination import weighted_auc
from coread.evaluation.samples import Interval
from coread.evaluation.subgroups import Cases

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gap:
    """Internal less external.

    Attributes
    ----------
    auc, sensitivity, specificity
        Difference of each, with intervals by drawing patients of both places.
    calibration
        Intercept at slope 1 of the external cases: the log-odds by which probabilities are too low there.
    internal_cases, external_cases
        Their numbers.
    """

    auc: Interval
    sensitivity: Interval
    specificity: Interval
    calibration: float
    internal_cases: int
    external_cases: int


def gap(internal: Cases, external: Cases, threshold: float, repeats: int = 2000) -> Gap:
    """Compare two places at the same threshold of the calibrated probability.

    Parameters
    ----------
    internal, external
        Test cases of the place where the reader was made, and of another whose patients it never saw.
    threshold
        Chosen on validation patients of the first.
    repeats
        Draws of the patient bootstrap.
    """
    inside, outside = (
        _figures(cases, threshold, repeats, seed) for seed, cases in enumerate((internal, external))
    )
    lost = inside - outside
    auc, sensitivity, specificity = (percentile_interval(float(row[0]), row[1:]) for row in lost)
    calibration = calibration_in_the_large(external.truth, external.probability)
    return Gap(auc, sensitivity, specificity, calibration, len(internal.truth), len(external.truth))


def _figures(cases: Cases, threshold: float, repeats: int, seed: int) -> Float:
    """Area, sensitivity and specificity of the cases and of each draw, [figure, 1 + draw]."""
    positive, called = cases.truth.astype(bool), cases.probability >= threshold
    weights = np.vstack([np.ones(len(positive)), patient_weights(cases.patient, repeats, seed)])
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = (weights @ (positive & called)) / (weights @ positive)
        specificity = (weights @ (~positive & ~called)) / (weights @ ~positive)
    return np.stack([weighted_auc(positive, cases.score, weights), sensitivity, specificity])
