"""The naive baselines that stand beside every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from coread.evaluation.bootstrap import REPEATS, patient_weights, percentile_interval
from coread.evaluation.discrimination import weighted_auc
from coread.evaluation.samples import Interval, scores_of
from coread.evaluation.subgroup_tests import bootstrap_p


@dataclass(frozen=True, slots=True)
class Beside:
    """A model beside one baseline on the same cases.

    Attributes
    ----------
    baseline
        Its name.
    area
        Of the baseline.
    gain
        Area of the model less that of the baseline, by drawing patients for both alike.
    p_value
        Two-sided, of no gain.
    """

    baseline: str
    area: Interval
    gain: Interval
    p_value: float


def beside(
    truth: ArrayLike,
    score: ArrayLike,
    baselines: Mapping[str, ArrayLike],
    patients: Sequence[str],
    repeats: int = REPEATS,
) -> tuple[Beside, ...]:
    """Set a model beside naive baselines: size alone, age, view, mean grey, the untrained backbone.

    Parameters
    ----------
    truth, score
        [case].
    baselines
        Score of each baseline, [case]; its sense must have been fixed on other patients.
    patients
        Patient of each case.
    repeats
        Draws of the patient bootstrap.

    Returns
    -------
    tuple of Beside
        The best baseline first.
    """
    positive, model = scores_of(truth, score)
    weights = np.vstack([np.ones(len(model)), patient_weights(patients, repeats, seed=0)])
    of_model = weighted_auc(positive, model, weights)
    found = []
    for name, values in baselines.items():
        drawn = weighted_auc(positive, scores_of(truth, values)[1], weights)
        gain = of_model - drawn
        found.append(
            Beside(
                name, percentile_interval(float(drawn[0]), drawn[1:]),
                percentile_interval(float(gain[0]), gain[1:]), bootstrap_p(gain[1:]),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda b: -b.area.value))
