"""From log-odds to probabilities: several ways, of which patients held back within validation choose one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from coread.evaluation import Logistic, fit_platt, logit, sigmoid
from coread.learning.calibrating import Curve

Float = NDArray[np.floating[Any]]

Fit = Callable[[NDArray[np.int64], Float, Float], Curve]
"""A curve from truth, log-odds and weight, each [case]."""

FOLDS = 5
ROUNDS = 10
"""Folds of patients, drawn so many times: one draw of a hundred cases says little."""

CERTAIN = 0.01
"""A stepped curve says nothing nearer to 0 or 1: a hundred cases cannot show more."""

TEMPERATURES = np.exp(np.linspace(np.log(0.2), np.log(5.0), 97))
"""What log-odds are divided by is looked for here."""


def temperature(truth: NDArray[np.int64], score: Float, weight: Float) -> Curve:
    """Log-odds divided by one number (Guo et al., ICML 2017, arXiv:1706.04599)."""
    losses = [log_loss(truth, sigmoid(score / t), weight) for t in TEMPERATURES]
    return Logistic(float(1 / TEMPERATURES[int(np.argmin(losses))]), 0.0)


def platt(truth: NDArray[np.int64], score: Float, weight: Float) -> Curve:
    """Slope and intercept (Platt 1999; see `coread.evaluation.fit_platt`)."""
    return fit_platt(truth, score, weight)


def beta(truth: NDArray[np.int64], score: Float, weight: Float) -> Curve:
    """Beta calibration: a slope for either end, and an intercept (Kull et al., AISTATS 2017, PMLR 54:623)."""
    model = LogisticRegression(C=100.0, max_iter=1000).fit(_ends(score), truth, weight)
    if model.coef_.min() < 0:  # a falling end: one slope for both is what remains (section 3.2 there)
        return fit_platt(truth, score, weight)
    coefficients, intercept = model.coef_[0], float(model.intercept_[0])
    return lambda held: sigmoid(_ends(held) @ coefficients + intercept)


def isotonic(truth: NDArray[np.int64], score: Float, weight: Float) -> Curve:
    """Rising steps (Zadrozny & Elkan, KDD 2002, doi:10.1145/775047.775151)."""
    model = IsotonicRegression(y_min=CERTAIN, y_max=1 - CERTAIN, out_of_bounds="clip")
    model.fit(score, truth, weight)
    return lambda held: np.asarray(model.predict(held))


CURVES: Mapping[str, Fit] = {"temperature": temperature, "platt": platt, "beta": beta, "isotonic": isotonic}
"""The simplest first: a tie is won by it."""


def _ends(score: Float) -> Float:
    """Logarithms of p and of 1 / (1 - p), [case, 2]."""
    return np.stack([-np.logaddexp(0, -score), np.logaddexp(0, score)], 1)


def log_loss(truth: NDArray[np.int64], probability: Float, weight: Float | None = None) -> float:
    """Mean negative log likelihood."""
    inside = logit(probability)
    each = np.logaddexp(0, np.where(truth == 1, -inside, inside))
    return float(np.average(each, weights=weight))


def choose(truth: NDArray[np.int64], score: Float, patients: Sequence[str]) -> tuple[str, dict[str, float]]:
    """Choose the way whose curve fits patients best that it was not fitted to.

    Parameters
    ----------
    truth, score, patients
        Of validation cases, [case].

    Returns
    -------
    (str, dict)
        Its name in `CURVES`, and the log loss of each on patients held back.
    """
    names = np.array(patients)
    held: dict[str, list[float]] = {name: [] for name in CURVES}
    for number in range(ROUNDS):
        groups = _shuffled(names, number)
        for old, new in GroupKFold(min(FOLDS, len(set(patients)))).split(score, groups=groups):
            if len(set(truth[old].tolist())) < 2:
                continue
            for name, fit in CURVES.items():
                curve = fit(truth[old], score[old], np.ones(len(old)))
                held[name].append(log_loss(truth[new], curve(score[new])))
    losses = {name: float(np.mean(each)) for name, each in held.items()}
    return min(losses, key=lambda name: losses[name]), losses


def _shuffled(names: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """Patients under new numbers, so that `GroupKFold` parts them anew."""
    known, at = np.unique(names, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(known))[at])
