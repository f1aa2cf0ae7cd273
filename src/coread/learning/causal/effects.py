"""Effects of one exposure on a score: as they look, and as they are once what both owe to is held fixed.

Four estimates of the same quantity, the mean score if all were exposed less the mean score if none were. They
agree where their assumptions hold; where they part, the audit shows all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from coread.evaluation import Interval, statistic_interval

Float = NDArray[np.float64]
Boolean = NDArray[np.bool_]

MIN_CELL = 5
"""Fewest exposed and unexposed cases in a stratum. Cochran's rule of five, Biometrics 1954,
doi:10.2307/3001616, applied here to positivity."""

WEIGHT_LIMITS = (0.05, 0.95)
"""Propensities are kept inside these: Cole & Hernan, Am. J. Epidemiol. 2008, doi:10.1093/aje/kwn164, on
truncation."""

DRAWS = 200
"""Patient bootstrap draws: each refits a model."""


@dataclass(frozen=True)
class Observed:
    """Cases as observed.

    Attributes
    ----------
    exposed
        [case].
    score
        [case], the outcome; any unit.
    held
        Covariates to be held fixed, [case, covariate], finite; none: shape [case, 0].
    stratum
        Name of each case's cell of the covariates (ages in bands).
    patients
        Patient of each case.
    """

    exposed: Boolean
    score: Float
    held: Float
    stratum: tuple[str, ...]
    patients: tuple[str, ...]


Estimate = Callable[[Observed, Float], float]
"""An effect from cases and their weights [case]."""


def unadjusted(seen: Observed, weight: Float) -> float:
    """Difference of the mean scores."""
    return _mean(seen.score, weight * seen.exposed) - _mean(seen.score, weight * ~seen.exposed)


def stratified(seen: Observed, weight: Float) -> float:
    """Mean of the differences within strata, weighted by size; strata without both are left out."""
    names = np.asarray(seen.stratum)
    effects, sizes = [], []
    for name in np.unique(names):
        inside = weight * (names == name)
        if (inside * seen.exposed).sum() > 0 and (inside * ~seen.exposed).sum() > 0:
            effects.append(unadjusted(seen, inside))
            sizes.append(inside.sum())
    return float(np.average(effects, weights=sizes)) if effects else float("nan")


def standardised(seen: Observed, weight: Float) -> float:
    """Difference of predicted means under a linear model of the score in exposure, covariates and products.

    Notes
    -----
    The g-formula: Robins, Math. Modelling 1986, doi:10.1016/0270-0255(86)90088-6.
    """
    held = seen.held - (weight @ seen.held) / weight.sum()
    exposed = seen.exposed[:, None].astype(np.float64)
    design = np.hstack([np.ones_like(exposed), exposed, held, held * exposed])
    root = np.sqrt(weight)[:, None]
    coefficients = np.linalg.lstsq(design * root, seen.score * root[:, 0], rcond=None)[0]
    return float(coefficients[1])


def weighted(seen: Observed, weight: Float) -> float:
    """Difference of means weighted by the inverse of the chance to be exposed as one was.

    Notes
    -----
    Hajek's form; Robins, Hernan & Brumback, Epidemiology 2000, doi:10.1097/00001648-200009000-00011.
    """
    if not seen.held.shape[1]:
        return unadjusted(seen, weight)
    model = LogisticRegression(C=10.0, max_iter=500).fit(seen.held, seen.exposed, sample_weight=weight)
    chance = np.clip(model.predict_proba(seen.held)[:, 1], *WEIGHT_LIMITS)
    return unadjusted(seen, weight / np.where(seen.exposed, chance, 1 - chance))


ESTIMATES: dict[str, Estimate] = {
    "unadjusted": unadjusted,
    "stratified": stratified,
    "standardised": standardised,
    "inverse_probability": weighted,
}
"""Every estimate by the name that it bears in the audit."""


def effects(seen: Observed, seed: int = 0, draws: int = DRAWS) -> dict[str, Interval]:
    """Every estimate with its 95 % patient-bootstrap interval."""
    return {name: _interval(estimate, seen, seed, draws) for name, estimate in ESTIMATES.items()}


def _interval(estimate: Estimate, seen: Observed, seed: int, draws: int) -> Interval:
    def drawn(weight: Float) -> float:
        inside = weight > 0
        if len(set(seen.exposed[inside].tolist())) < 2:
            return float("nan")
        return estimate(seen, np.asarray(weight, dtype=np.float64))

    return statistic_interval(drawn, list(seen.patients), draws, seed)


def gaps(seen: Observed) -> list[str]:
    """Strata in which a comparison has nothing to compare: fewer than `MIN_CELL` exposed or unexposed.

    An effect adjusted over such strata rests on the model, not on patients (positivity: Westreich & Cole,
    Am. J. Epidemiol. 2010, doi:10.1093/aje/kwp436).
    """
    names = np.asarray(seen.stratum)
    counts = {
        str(n): (int(seen.exposed[names == n].sum()), int((~seen.exposed)[names == n].sum()))
        for n in np.unique(names)
    }
    return [n for n, pair in sorted(counts.items()) if min(pair) < MIN_CELL]


def cells(*columns: Sequence[object]) -> tuple[str, ...]:
    """Name of each case's cell: its values joined."""
    return tuple(" / ".join(str(value) for value in row) for row in zip(*columns, strict=True))


def _mean(values: Float, weight: Float) -> float:
    total = float(weight.sum())
    return float(values @ weight) / total if total > 0 else float("nan")
