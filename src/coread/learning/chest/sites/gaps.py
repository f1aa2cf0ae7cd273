"""How far two views are apart: areas by view, their gap, and the area that no view can buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation import Interval, patient_weights, percentile_interval
from coread.evaluation.discrimination import weighted_auc

Float = NDArray[np.float64]

DRAWS = 2000
"""Patient bootstrap draws: a 95 % percentile interval to two digits."""


@dataclass(frozen=True)
class Areas:
    """Areas on one set of patients, with every bootstrap draw kept so that two readers can be compared.

    Attributes
    ----------
    whole, by_part
        All cases; each part; first the value, then every draw.
    within
        Mean over the parts, weighted by their positives: no pair crosses parts.
    gap
        Last part by name minus first.
    """

    whole: Float
    by_part: dict[str, Float]
    within: Float
    gap: Float

    def interval(self, name: str) -> Interval:
        """Value and 95 % interval of `whole`, `within` or `gap`."""
        return _interval(getattr(self, name))

    def parts(self) -> dict[str, Interval]:
        """Value and 95 % interval of each part."""
        return {name: _interval(draws) for name, draws in self.by_part.items()}


def areas_by(
    truth: ArrayLike, score: ArrayLike, part: Sequence[str], patients: Sequence[str], seed: int = 0
) -> Areas:
    """Measure areas by part (for example by view).

    Parameters
    ----------
    truth, score
        [case].
    part
        Name of each case's part; two names.
    patients
        Of each case; draws are by patient.
    seed
        Of the bootstrap; two readers of the same cases and seed share their draws.

    Notes
    -----
    `within` is the covariate-adjusted area: Janes & Pepe, Biometrika 2009, doi:10.1093/biomet/asp002, for a
    categorical covariate, here with the parts weighted by their share of the positives.
    """
    positive, scores = np.asarray(truth) == 1, np.asarray(score, dtype=np.float64)
    names = np.asarray(part)
    weights = np.vstack([np.ones(len(scores)), patient_weights(list(patients), DRAWS, seed)])
    found = {
        n: weighted_auc(positive[names == n], scores[names == n], weights[:, names == n])
        for n in sorted(set(part))
    }
    share = {n: (weights[:, names == n] * positive[names == n]).sum(1) for n in found}
    total = np.sum(list(share.values()), axis=0)
    within = np.sum([found[n] * share[n] for n in found], axis=0) / total
    ordered = list(found.values())
    return Areas(weighted_auc(positive, scores, weights), found, within, ordered[-1] - ordered[0])


def _interval(draws: Float) -> Interval:
    return percentile_interval(float(draws[0]), draws[1:][np.isfinite(draws[1:])])


def difference(first: Float, second: Float) -> Interval:
    """First minus second of two readers' draws on the same patients, with its 95 % interval."""
    return _interval(first - second)
