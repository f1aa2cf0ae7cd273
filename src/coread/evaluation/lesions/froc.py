"""Free-response curves: lesions found against false alarms per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.bootstrap import patient_weights, percentile_interval
from coread.evaluation.lesions.matching import Candidates
from coread.evaluation.samples import Interval

Float = NDArray[np.float64]

CPM_RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False alarms per scan whose sensitivities LUNA16 averages (Niemeijer et al., IEEE Trans. Med. Imaging 2011,
doi:10.1109/TMI.2010.2072789)."""


@dataclass(frozen=True, eq=False)
class Froc:
    """A free-response curve.

    Attributes
    ----------
    threshold
        Score from which marks count, falling, [point].
    false_alarms_per_image, sensitivity
        [point].
    """

    threshold: Float
    false_alarms_per_image: Float
    sensitivity: Float


def froc(marks: Candidates, weight: ArrayLike | None = None) -> Froc:
    """The curve of a set of matched marks.

    Parameters
    ----------
    marks
        Matched; doubles count for nothing.
    weight
        Weight of each image; all 1 if left out.

    Returns
    -------
    Froc
        Starts at (0, 0) with an infinite threshold.

    Notes
    -----
    Bunch et al., Proc. SPIE 1977, doi:10.1117/12.955926.
    """
    weights = np.ones(len(marks.lesions)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(marks.lesions) or not (weights @ marks.lesions) > 0:
        raise ValueError("a free-response curve needs at least one lesion")
    order = np.argsort(-marks.score, kind="stable")
    score, of_mark = marks.score[order], weights[marks.image[order]]
    hits, alarms = np.cumsum(of_mark * marks.hits[order]), np.cumsum(of_mark * marks.false_alarms[order])
    last = np.flatnonzero(np.r_[score[:-1] != score[1:], True]) if len(score) else np.zeros(0, dtype=int)
    return Froc(
        np.r_[np.inf, score[last]],
        np.r_[0.0, alarms[last] / weights.sum()],
        np.r_[0.0, hits[last] / (weights @ marks.lesions)],
    )


def sensitivity_at(curve: Froc, rates: Sequence[float] = CPM_RATES) -> Float:
    """Sensitivity at given false alarms per image, linear between points and flat beyond the last."""
    rate, steps = np.unique(curve.false_alarms_per_image[::-1], return_index=True)
    return np.interp(rates, rate, curve.sensitivity[::-1][steps])


def cpm(marks: Candidates, weight: ArrayLike | None = None) -> float:
    """Competition performance metric: mean sensitivity at `CPM_RATES` false alarms per scan.

    Notes
    -----
    Setio et al., Med. Image Anal. 2017, doi:10.1016/j.media.2017.06.015.
    """
    return float(sensitivity_at(froc(marks, weight)).mean())


def cpm_interval(marks: Candidates, patients: Sequence[str], repeats: int = 1000, seed: int = 0) -> Interval:
    """The metric with a 95 % interval by drawing patients.

    Parameters
    ----------
    marks
        Matched.
    patients
        Patient of each image.
    repeats, seed
        Of the draws; LUNA16 takes 1,000.
    """
    weights = patient_weights(patients, repeats, seed)
    drawn = [cpm(marks, w) if w @ marks.lesions > 0 else np.nan for w in weights]
    return percentile_interval(cpm(marks), drawn)
