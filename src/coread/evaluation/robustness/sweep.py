"""How much a reader loses when its images are disturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.bootstrap import patient_weights, percentile_interval
from coread.evaluation.discrimination import weighted_auc
from coread.evaluation.robustness.disturbances import DISTURBANCES, Disturbance
from coread.evaluation.samples import Interval, scores_of

Float = NDArray[np.float64]
Score = Callable[[Sequence[Float]], ArrayLike]
"""Scores [image] of images [row, column] with values 0..1, which may differ in size."""


@dataclass(frozen=True, slots=True)
class Strain:
    """A reader under one disturbance.

    Attributes
    ----------
    disturbance, strength, unit
        What was done; ``none`` first.
    auc
        With patient-bootstrap interval.
    loss
        Area without the disturbance less area with it, by drawing patients for both alike.
    flipped
        Share of images whose call at the threshold changed.
    """

    disturbance: str
    strength: float
    unit: str
    auc: Interval
    loss: Interval
    flipped: float


def sweep(
    score: Score,
    images: Sequence[Float],
    truth: ArrayLike,
    patients: Sequence[str],
    threshold: float,
    disturbances: Sequence[Disturbance] = DISTURBANCES,
) -> Iterator[Strain]:
    """Score disturbed copies of test images.

    Parameters
    ----------
    score
        The reader.
    images
        [row, column] each, values 0..1.
    truth, patients
        Of each image.
    threshold
        Score from which an image is called positive.
    disturbances
        What to try; random ones are drawn alike in every call.

    Yields
    ------
    Strain
        The undisturbed images first, then each disturbance from its first to its last strength.
    """
    weights = np.vstack([np.ones(len(images)), patient_weights(patients, 1000, seed=0)])
    positive, clean = scores_of(truth, score(images))
    areas = weighted_auc(positive, clean, weights)
    nothing = Interval(0.0, 0.0, 0.0)
    yield Strain("none", 0.0, "", percentile_interval(float(areas[0]), areas[1:]), nothing, 0.0)
    for number, disturbance in enumerate(disturbances):
        for strength in disturbance.strengths:
            rng = np.random.default_rng([number, round(1000 * strength)])
            disturbed = [disturbance.apply(image, strength, rng) for image in images]
            found = scores_of(truth, score(disturbed))[1]
            drawn = weighted_auc(positive, found, weights)
            loss = areas - drawn
            yield Strain(
                disturbance.name, strength, disturbance.unit,
                percentile_interval(float(drawn[0]), drawn[1:]),
                percentile_interval(float(loss[0]), loss[1:]),
                float(((found >= threshold) != (clean >= threshold)).mean()),
            )  # fmt: skip
