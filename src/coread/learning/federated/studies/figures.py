"""Figures of the studies: means over seeds with intervals by patients, and differences on the same draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import patient_weights, percentile_interval
from coread.evaluation.discrimination import weighted_auc
from coread.learning.federated.studies.arms import FEDERATION, Said
from coread.learning.federated.tasks.cases import Judged

Draws = NDArray[np.float64]
"""First the value, then every bootstrap draw, [1 + REPEATS]."""

REPEATS = 2000
"""Draws of patients: 1,000 or more for a percentile interval (Efron & Tibshirani 1993, section 13.3)."""


def weights_of(site: str, patients: Sequence[str]) -> Draws:
    """Weights [1 + REPEATS, case]: ones, then draws of the site's patients; the same for every model."""
    drawn = patient_weights(list(patients), REPEATS, crc32(site.encode()))
    return np.vstack([np.ones((1, len(patients))), drawn])


def measured(said: Judged, weights: Draws) -> Draws:
    """Area under the ROC curve (nan without both classes), or the mean where the score is the measure."""
    if len(said.truth) and (said.truth < 0).all():
        return np.asarray(weights @ said.score / weights.sum(1))
    return weighted_auc(said.truth == 1, said.score, weights)


def at_site(seeds: Sequence[Said], model: str, site: str) -> Draws:
    """Mean over the seeds of a model's figure on one site's patients."""
    weights = weights_of(site, seeds[0][model, site].patients)
    return np.asarray(np.mean([measured(said[model, site], weights) for said in seeds], axis=0))


def together(seeds: Sequence[Said], sites: Iterable[str], model: str = FEDERATION) -> Draws:
    """Mean over the seeds of the figure on all sites' patients as one group; patients drawn within sites.

    Parameters
    ----------
    seeds
        What was said, by seed.
    sites
        Whose patients.
    model
        Name of the model; ``own`` for each site's own.
    """
    names = list(sites)
    pick = {site: site if model == "own" else model for site in names}
    weights = np.hstack([weights_of(site, seeds[0][pick[site], site].patients) for site in names])
    each = [measured(_joined([said[pick[site], site] for site in names]), weights) for said in seeds]
    return np.asarray(np.mean(each, axis=0))


def _joined(parts: Sequence[Judged]) -> Judged:
    return Judged(
        np.concatenate([one.score for one in parts]),
        np.concatenate([one.truth for one in parts]),
        [patient for one in parts for patient in one.patients],
    )


def by_seed(seeds: Sequence[Said], sites: Iterable[str], model: str = FEDERATION) -> list[float]:
    """The figure of `together` of each seed by itself."""
    names = list(sites)
    return [float(together([said], names, model)[0]) for said in seeds]


def ensembled(said: Said, members: Sequence[str]) -> Said:
    """The mean score of several models, as one model."""
    sites = sorted({site for _, site in said})
    held: Said = {}
    for site in sites:
        scores = np.mean([said[model, site].score for model in members], axis=0)
        one = said[members[0], site]
        held[FEDERATION, site] = Judged(scores, one.truth, one.patients)
    return held


def figure(draws: Draws, n: int) -> dict[str, Any]:
    """A figure with its 95 % interval."""
    interval = percentile_interval(float(draws[0]), draws[1:])
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": n}


def cases_of(seeds: Sequence[Said], sites: Iterable[str]) -> int:
    """How many cases stand behind a figure."""
    models = {site: next(model for model, s in seeds[0] if s == site) for site in sites}
    return sum(len(seeds[0][model, site].score) for site, model in models.items())


def row(what: str, held: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A line of the lab's table."""
    blank = {"baseline": None, "baseline_name": "", "goal": "", "met": None, "note": ""}
    return {"what": what, "figure": dict(held), **blank, **more}
