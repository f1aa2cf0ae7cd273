"""Whether a probability means what it says, and how to make it so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.samples import both_classes, scores_of

Float = NDArray[np.float64]

NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Logistic:
    """Probability = 1 / (1 + exp(-(slope * score + intercept)))."""

    slope: float
    intercept: float

    def __call__(self, score: ArrayLike) -> Float:
        """Probabilities [case] of scores [case]."""
        return sigmoid(self.slope * np.asarray(score, dtype=np.float64) + self.intercept)


def sigmoid(x: ArrayLike) -> Float:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x, dtype=np.float64) / 2)))


def logit(probability: ArrayLike) -> Float:
    """log(p / (1 - p)); p is kept 1e-9 away from 0 and 1."""
    p = np.clip(np.asarray(probability, dtype=np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def fit_platt(truth: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> Logistic:
    """Fit a logistic curve from score to probability (Platt scaling).

    Parameters
    ----------
    truth, score
        [case], validation patients only.
    weight
        Weight of each case; all 1 if left out.

    Returns
    -------
    Logistic
        Maximum likelihood by Newton's method, with Platt's smoothed targets so that separable data stay
        finite.

    Notes
    -----
    Platt, Advances in Large Margin Classifiers, 1999, pp. 61-74; targets (n+ + 1)/(n+ + 2) and 1/(n- + 2);
    Lin, Lin & Weng, Machine Learning 2007, doi:10.1007/s10994-007-5018-6.
    """
    positive, scores = scores_of(truth, score)
    both_classes(positive)
    weights = np.ones(len(scores)) if weight is None else np.asarray(weight, dtype=np.float64)
    sick, well = float(weights[positive].sum()), float(weights[~positive].sum())
    target = np.where(positive, (sick + 1) / (sick + 2), 1 / (well + 2))
    design = np.stack([scores, np.ones(len(scores))], axis=1)
    slope, intercept = _newton(design, target, weights)
    return Logistic(float(slope), float(intercept))


def fit_temperature(truth: ArrayLike, logits: ArrayLike) -> float:
    """The temperature T for which sigmoid(logit / T) is most likely.

    Parameters
    ----------
    truth, logits
        [case], validation patients only.

    Returns
    -------
    float
        T > 0.

    Notes
    -----
    Guo et al., ICML 2017, arXiv:1706.04599.
    """
    positive, scores = scores_of(truth, logits)
    both_classes(positive)
    slope = _newton(scores[:, None], positive.astype(np.float64), np.ones(len(scores)))[0]
    if slope <= 0:
        raise ValueError(
            f"the logits do not rise with the truth (slope {slope:.3g}); no temperature can mend that"
        )
    return float(1 / slope)


def calibration_line(truth: ArrayLike, probability: ArrayLike) -> Logistic:
    """Calibration slope, and the intercept at that slope.

    Parameters
    ----------
    truth, probability
        [case].

    Returns
    -------
    Logistic
        Of the truth on the logit of the probability: slope 1 and intercept 0 are perfect; a slope below 1
        means too extreme.

    Notes
    -----
    Cox, Biometrika 1958, doi:10.1093/biomet/45.3-4.562; Van Calster et al., BMC Med. 2019,
    doi:10.1186/s12916-019-1466-7.
    """
    positive, probabilities = scores_of(truth, probability)
    both_classes(positive)
    design = np.stack([logit(probabilities), np.ones(len(probabilities))], axis=1)
    slope, intercept = _newton(design, positive.astype(np.float64), np.ones(len(probabilities)))
    return Logistic(float(slope), float(intercept))


def calibration_in_the_large(truth: ArrayLike, probability: ArrayLike) -> float:
    """Intercept at slope 1: the log-odds by which probabilities are too low on the whole.

    Van Calster et al., BMC Med. 2019, doi:10.1186/s12916-019-1466-7.
    """
    positive, probabilities = scores_of(truth, probability)
    both_classes(positive)
    offset, shift = logit(probabilities), 0.0
    for _ in range(NEWTON_STEPS):
        p = sigmoid(offset + shift)
        step = float((positive - p).sum() / np.maximum((p * (1 - p)).sum(), 1e-12))
        shift += step
        if abs(step) < NEWTON_TOLERANCE:
            break
    return shift


def brier(truth: ArrayLike, probability: ArrayLike) -> float:
    """Mean squared error of the probability (Brier, Mon. Weather Rev. 1950)."""
    positive, probabilities = scores_of(truth, probability)
    return float(np.mean((probabilities - positive) ** 2))


def expected_calibration_error(truth: ArrayLike, probability: ArrayLike, bins: int = 10) -> float:
    """Mean gap between probability and frequency over bins of equal numbers of cases.

    Parameters
    ----------
    truth, probability
        [case].
    bins
        Number of bins; fewer if there are fewer cases.

    Returns
    -------
    float
        0 is perfect. Biased upwards when bins are small.

    Notes
    -----
    Naeini, Cooper & Hauskrecht, AAAI 2015; equal-mass bins: Nixon et al., CVPR Workshops 2019,
    arXiv:1904.01685.
    """
    groups = reliability(truth, probability, bins)
    return float(np.sum(groups[:, 2] * np.abs(groups[:, 0] - groups[:, 1])) / groups[:, 2].sum())


def reliability(truth: ArrayLike, probability: ArrayLike, bins: int = 10) -> Float:
    """Mean probability, frequency and number of cases [bin, 3], over bins of equal numbers of cases."""
    positive, probabilities = scores_of(truth, probability)
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return np.array([[probabilities[p].mean(), positive[p].mean(), len(p)] for p in parts])


def calibration_report(truth: ArrayLike, probability: ArrayLike) -> dict[str, object]:
    """Return the measures of this file by name, as an evaluation holds them."""
    line = calibration_line(truth, probability)
    return {
        "brier": brier(truth, probability),
        "ece_10_equal_mass": expected_calibration_error(truth, probability),
        "slope": line.slope,
        "intercept_at_slope": line.intercept,
        "calibration_in_the_large": calibration_in_the_large(truth, probability),
        "reliability_mean_probability_frequency_n": reliability(truth, probability).tolist(),
    }


def _newton(design: Float, target: Float, weights: Float) -> Float:
    """Logistic regression coefficients by Newton's method with step halving."""
    beta = np.zeros(design.shape[1])
    loss = _log_loss(design, target, weights, beta)
    for _ in range(NEWTON_STEPS):
        p = sigmoid(design @ beta)
        curvature = weights * p * (1 - p)
        hessian = design.T @ (design * curvature[:, None]) + 1e-9 * np.eye(len(beta))
        step = np.asarray(np.linalg.solve(hessian, design.T @ (weights * (target - p))), dtype=np.float64)
        beta, next_loss = _shortened(design, target, weights, beta, step)
        if loss - next_loss < NEWTON_TOLERANCE:
            break
        loss = next_loss
    return beta


def _shortened(design: Float, target: Float, weights: Float, beta: Float, step: Float) -> tuple[Float, float]:
    """The first of the steps 1, 1/2, 1/4 ... that does not make the loss worse."""
    now = _log_loss(design, target, weights, beta)
    for power in range(20):
        tried = beta + step * 0.5**power
        loss = _log_loss(design, target, weights, tried)
        if loss <= now:
            return tried, loss
    return beta, now


def _log_loss(design: Float, target: Float, weights: Float, beta: Float) -> float:
    score = design @ beta
    return float(np.sum(weights * (np.logaddexp(0, score) - target * score)))
