"""From a reader's score to a calibrated probability, its interval, and the courage to say "I do not know"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from coread.domain.bundle import Card, Declared
from coread.domain.finding import Confidence, Presence
from coread.domain.reading import Reason

DECIMALS = 4
"""Digits of a probability that are kept: finer than any interval, coarser than the noise of threads."""


@dataclass(frozen=True, slots=True)
class Band:
    """Open interval of probabilities in which a reader abstains; empty when `lower` equals `upper`."""

    lower: float
    upper: float

    def __post_init__(self) -> None:
        if not 0 <= self.lower <= self.upper <= 1:
            raise ValueError(f"Expected 0 <= lower <= upper <= 1, got {self!r}.")

    def holds(self, probability: float) -> bool:
        """Tell whether the reader abstains at this probability."""
        return self.lower < probability < self.upper


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone curve from score to probability with its pointwise interval.

    The curve is given at knots and is linear between them; beyond the first and
    the last knot it is constant, so that no score is ever more certain than the
    held-out patients can bear witness to.

    *Assumes* that the knots were fitted on patients whom the reader did not
    learn from, like those it is used on. *Does not* notice when they are not.

    Examples
    --------
    >>> curve = Calibration((-2.0, 2.0), (0.1, 0.9), (0.05, 0.8), (0.2, 0.95), "100 patients", Band(0.4, 0.6))
    >>> curve.confidence(0.0).probability, curve.confidence(99.0).probability
    (0.5, 0.9)
    """

    score: tuple[float, ...]
    """Knots, rising."""
    probability: tuple[float, ...]
    """Probability at each knot, 0..1, never falling."""
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    calibrated_on: str
    """The held-out set, for people, e.g. ``NIH validation, 400 patients``."""
    band: Band
    """Where the reader abstains."""
    level: float = 0.95
    """Coverage of [lower, upper]."""
    calibrated_on_zh: str = ""
    """`calibrated_on` in Chinese, for Chinese pages; empty where the maker gave none."""

    def __post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise ValueError("A calibration is not usable: " + "; ".join(faults) + ".")

    def confidence(self, score: float) -> Confidence:
        """Calibrate one finite score."""
        return Confidence(
            probability=self._at(score, self.probability),
            lower=self._at(score, self.lower),
            upper=self._at(score, self.upper),
            level=self.level,
            calibrated_on=self.calibrated_on,
            calibrated_on_zh=self.calibrated_on_zh,
        )

    def _at(self, score: float, curve: tuple[float, ...]) -> float:
        return round(float(np.interp(score, self.score, curve)), DECIMALS)


def uncalibrated(threshold: float) -> Calibration:
    """Calibration of a reader whose score is shown as it is, with an interval that claims nothing.

    Parameters
    ----------
    threshold
        Threshold of the reader's card; no probability is abstained on.
    """
    return Calibration((0.0, 1.0), (0.0, 1.0), (0.0, 0.0), (1.0, 1.0), "", Band(threshold, threshold))


def presence(confidence: Confidence, card: Card | Declared, band: Band) -> Presence:
    """Call a finding present, absent or indeterminate at the reader's validated threshold."""
    if band.holds(confidence.probability):
        return Presence.INDETERMINATE
    return Presence.PRESENT if confidence.probability >= card.threshold else Presence.ABSENT


def band_reason(confidence: Confidence, band: Band) -> Reason:
    """Say why the reader abstains at this probability."""
    chance, low, high = (f"{100 * p:.0f} %" for p in (confidence.probability, band.lower, band.upper))
    return Reason(
        "not-sure",
        f"The calibrated probability of {chance} lies between {low} and {high}: this reader does not decide.",
        f"校准概率为 {chance}，处于 {low} 至 {high} 之间，本模型在此区间不作判断。",
    )


def _faults(curve: Calibration) -> list[str]:
    columns = (curve.score, curve.probability, curve.lower, curve.upper)
    if len({len(column) for column in columns}) != 1 or len(curve.score) < 2:
        return ["score, probability, lower and upper need the same number of knots, at least two"]
    checks = {
        "every number must be finite": bool(np.isfinite(np.array(columns)).all()),
        "the scores of the knots must rise": all(a < b for a, b in pairwise(curve.score)),
        "the probability must never fall": all(a <= b for a, b in pairwise(curve.probability)),
        "expected 0 <= lower <= probability <= upper <= 1 at every knot": _ordered(curve),
        "the level must lie between 0 and 1": 0 < curve.level < 1,
    }
    return [text for text, holds in checks.items() if not holds]


def _ordered(curve: Calibration) -> bool:
    rows = zip(curve.lower, curve.probability, curve.upper, strict=True)
    return all(0 <= low <= middle <= high <= 1 for low, middle, high in rows)


@dataclass(frozen=True, slots=True)
class PredictionSets:
    """Which calls cannot be ruled out at a probability: the true one is among them as often as promised.

    Conformal sets, fitted by `coread.evaluation.certainty.fit_conformal` with the method ``lac``. *Assumes*
    that later patients are like those of the calibration. *Does not* notice when they are not: that is the
    gate's task.

    Examples
    --------
    >>> sets = PredictionSets(0.9, (0.6, 0.7), {}, "100 patients")
    >>> [sorted(sets.possible(p)) for p in (0.5, 0.95)] == [["absent", "present"], ["present"]]
    True
    """

    level: float
    """Share of patients whose set holds the true call."""
    limits: tuple[float, float]
    """Largest score of absent and of present in a set; the score of a call is 1 less its probability."""
    of_group: Mapping[str, tuple[float, float]]
    """Limits of groups that had enough patients, such as a view; others have `limits`."""
    calibrated_on: str
    """The held-out set, for people."""

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"A level lies between 0 and 1, got {self.level}.")

    def possible(self, probability: float, group: str = "") -> frozenset[Presence]:
        """Give the calls that cannot be ruled out: one, both, or none where no patient was like this one.

        Parameters
        ----------
        probability
            Calibrated, of the finding.
        group
            Group of this image, if it is known.
        """
        absent, present = self.of_group.get(group, self.limits)
        found = {Presence.ABSENT} if probability <= absent else set()
        return frozenset(found | ({Presence.PRESENT} if 1 - probability <= present else set()))

    def reason(self, possible: frozenset[Presence]) -> Reason | None:
        """Say why a set makes the reader abstain; None if it holds one call."""
        if len(possible) == 1:
            return None
        share = f"{100 * self.level:.0f} %"
        if possible:
            return Reason(
                "both-possible",
                f"At {share} coverage neither present nor absent can be ruled out.",
                f"在 {share} 覆盖率下，存在与不存在均不能排除。",
            )
        return Reason(
            "neither-fits",
            f"At {share} coverage neither present nor absent fits this image.",
            f"在 {share} 覆盖率下，存在与不存在均与该影像不符。",
        )
