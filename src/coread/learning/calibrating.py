"""What calibrations of all recipes share: the curve at knots with its interval, the band of abstention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import logit, sigmoid
from coread.readers.uncertainty import Band, Calibration

Float = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class AbstentionGoal:
    """When a band of abstention is wide enough.

    Attributes
    ----------
    error
        At most this share of the called validation cases may be wrong.
    most_abstained
        But never more than this share of them is abstained on.
    threshold
        Probability in the band's middle.
    """

    error: float
    most_abstained: float = 0.25
    threshold: float = 0.5

    def reach(self, truth: NDArray[np.int64], probability: Float, weight: Float | None = None) -> float:
        """Half width, in log-odds, of the narrowest band that meets the goal.

        Parameters
        ----------
        truth, probability, weight
            Of validation cases, [case]; all count alike if `weight` is left out.

        Notes
        -----
        Selective classification: El-Yaniv & Wiener, JMLR 2010, 11:1605-1641.
        """
        counts = np.ones(len(truth)) if weight is None else weight
        apart = np.abs(logit(probability) - logit(self.threshold))
        wrong = ((probability >= self.threshold) != (truth == 1)) * counts
        best = 0.0
        for reach in np.r_[0.0, np.sort(apart)]:
            called = apart > reach
            if counts[~called].sum() > self.most_abstained * counts.sum():
                break
            best = float(reach)
            if wrong[called].sum() <= self.error * counts[called].sum():
                break
        return best

    def band(self, reach: float) -> Band:
        """Return the band of a half width."""
        low, high = (round(float(sigmoid(logit(self.threshold) + sign * reach)), 4) for sign in (-1, 1))
        return Band(low, high)


Curve = Callable[[Float], Float]
"""Probabilities [case] of scores [case]."""


def knotted(
    curve: Curve, refits: Sequence[Curve], knots: Float, band: Band, calibrated_on: tuple[str, str]
) -> Calibration:
    """Return a curve at knots with the pointwise 95 % interval of its refits.

    Parameters
    ----------
    curve, refits
        Fitted to the validation cases, and to draws of their patients.
    knots
        Scores at which the curve is held, rising, [knot].
    band
        Of abstention.
    calibrated_on
        The held-out set in English and in Chinese words.
    """
    middle = np.maximum.accumulate(curve(knots))  # the clinic takes no falling curve
    lower, upper = np.quantile([refit(knots) for refit in refits], [0.025, 0.975], axis=0)
    columns = (knots, middle, np.minimum(lower, middle), np.maximum(upper, middle))
    score, probability, low, high = (tuple(np.round(column, 6).tolist()) for column in columns)
    english, chinese = calibrated_on
    return Calibration(score, probability, low, high, english, band, calibrated_on_zh=chinese)


def as_kept(curve: Calibration) -> dict[str, Any]:
    """Return a calibration as ``calibration.json`` of a bundle holds it (`coread.readers.bundle`)."""
    columns = {name: list(getattr(curve, name)) for name in ("score", "probability", "lower", "upper")}
    band = {"lower": curve.band.lower, "upper": curve.band.upper}
    named = {name: getattr(curve, name) for name in ("calibrated_on", "calibrated_on_zh")}
    return {**columns, "level": curve.level, **named, "abstain": band}
