"""What a fixed threshold does: sensitivity, specificity, and how to choose the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from coread.evaluation.samples import Interval, both_classes, scores_of


@dataclass(frozen=True, slots=True)
class Operating:
    """A test at one threshold.

    Attributes
    ----------
    threshold
        A score at or above it is called positive.
    sensitivity, specificity
        With Wilson intervals; nan where the class is absent.
    positives, negatives
        Number of cases.
    """

    threshold: float
    sensitivity: Interval
    specificity: Interval
    positives: int
    negatives: int


def operating(truth: ArrayLike, score: ArrayLike, threshold: float) -> Operating:
    """Sensitivity and specificity of `score >= threshold`.

    Parameters
    ----------
    truth, score
        [case].
    threshold
        Fixed beforehand, on other patients.

    Returns
    -------
    Operating
        Both rates with Wilson intervals.
    """
    positive, scores = scores_of(truth, score)
    called = scores >= threshold
    sick, well = int(positive.sum()), int((~positive).sum())
    hits, passes = int((called & positive).sum()), int((~called & ~positive).sum())
    return Operating(threshold, wilson_interval(hits, sick), wilson_interval(passes, well), sick, well)


def wilson_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """A proportion with Wilson's score interval.

    Parameters
    ----------
    successes, trials
        Counts.
    level
        Coverage wanted.

    Returns
    -------
    Interval
        nan and 0..1 if there are no trials.

    Notes
    -----
    Wilson, JASA 1927, doi:10.1080/01621459.1927.10502953; recommended for small n by Brown, Cai & DasGupta,
    Stat. Sci. 2001, doi:10.1214/ss/1009213286. *Assumes* independent trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes lie between 0 and the trials; found {successes} of {trials}")
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0, level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z / (1 + z * z / trials) * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(share, max(0.0, float(centre - reach)), min(1.0, float(centre + reach)), level)


def youden_threshold(truth: ArrayLike, score: ArrayLike) -> float:
    """The threshold with the largest sensitivity + specificity.

    Parameters
    ----------
    truth, score
        [case], validation patients only.

    Returns
    -------
    float
        Half-way between the two scores that it separates, so that it does not sit on a case.

    Notes
    -----
    Youden, Cancer 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.
    """
    positive, scores = scores_of(truth, score)
    both_classes(positive)
    levels = np.unique(scores)
    sick, well = np.sort(scores[positive]), np.sort(scores[~positive])
    sensitivity = 1 - np.searchsorted(sick, levels, "left") / len(sick)
    specificity = np.searchsorted(well, levels, "left") / len(well)
    best = int(np.argmax(sensitivity + specificity))
    return float(levels[best] if best == 0 else (levels[best] + levels[best - 1]) / 2)
