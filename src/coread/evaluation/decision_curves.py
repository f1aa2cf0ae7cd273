"""Whether acting on a probability does more good than harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.bootstrap import patient_weights, percentile_interval
from coread.evaluation.samples import Interval, both_classes, scores_of

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NetBenefit:
    """Net benefit at one threshold probability, in true positives per case.

    Attributes
    ----------
    threshold
        Probability from which the patient is treated: it states how many needless treatments one good one is
        worth.
    model
        Of acting on the probability.
    treat_all
        Of treating everybody; treating nobody has 0.
    gain
        Model less the better of treating all and none, with its interval.
    """

    threshold: float
    model: Interval
    treat_all: float
    gain: Interval


def decision_curve(
    truth: ArrayLike,
    probability: ArrayLike,
    patients: Sequence[str],
    thresholds: Sequence[float],
    prevalence: float | None = None,
    repeats: int = 1000,
) -> tuple[NetBenefit, ...]:
    """Net benefit over a range of threshold probabilities.

    Parameters
    ----------
    truth, probability
        [case].
    patients
        Patient of each case.
    thresholds
        Each between 0 and 1.
    prevalence
        Of the disease where the reader will be used; that of the cases if left out. Sets made up by hand need
        it.
    repeats
        Draws of the patient bootstrap.

    Returns
    -------
    tuple of NetBenefit
        In the order of the thresholds.

    Notes
    -----
    Vickers & Elkin, Med. Decis. Making 2006, doi:10.1177/0272989X06295361: sensitivity * prevalence -
    (1 - specificity) * (1 - prevalence) * t / (1 - t). *Assumes* calibrated probabilities.
    """
    positive, probabilities = scores_of(truth, probability)
    both_classes(positive)
    if not all(0 < t < 1 for t in thresholds):
        raise ValueError(f"threshold probabilities lie between 0 and 1; found {list(thresholds)}")
    weights = np.vstack([np.ones(len(positive)), patient_weights(patients, repeats, seed=0)])
    share = weights @ positive / weights.sum(1) if prevalence is None else np.full(len(weights), prevalence)
    return tuple(_at(positive, probabilities >= t, t, weights, share) for t in thresholds)


def _at(
    positive: NDArray[np.bool_], called: NDArray[np.bool_], threshold: float, weights: Float, share: Float
) -> NetBenefit:
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = (weights @ (called & positive)) / (weights @ positive)
        alarms = (weights @ (called & ~positive)) / (weights @ ~positive)
    odds = threshold / (1 - threshold)
    model = sensitivity * share - alarms * (1 - share) * odds
    everybody = share - (1 - share) * odds
    gain = model - np.maximum(everybody, 0)
    return NetBenefit(
        threshold, percentile_interval(float(model[0]), model[1:]), float(everybody[0]),
        percentile_interval(float(gain[0]), gain[1:]),
    )  # fmt: skip
