"""Membership inference: from a model, tell who was in its training. Area 0.5 is a coin, 1 is certainty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import Interval, auc_interval, sigmoid

Float = NDArray[np.float64]

SMALLEST_SPREAD = 1e-3
"""Added to the spread of shadow scores, log-odds: two shadows that agree prove nothing."""


def losses(score: Float, truth: NDArray[np.int64]) -> Float:
    """Cross-entropy of log-odds [case] against 0 or 1."""
    signed = np.where(truth == 1, score, -score)
    return np.asarray(np.logaddexp(0.0, -signed))


def confidence(score: Float, truth: NDArray[np.int64]) -> Float:
    """Log-odds of the right class [case]: nearly normal over trainings, unlike the loss."""
    return np.asarray(np.where(truth == 1, score, -score), dtype=np.float64)


def by_loss(inside: Float, outside: Float, patients: list[str]) -> Interval:
    """Area of the attack that calls members those whose loss is small.

    Parameters
    ----------
    inside, outside
        Losses of members and of others.
    patients
        Of the members, then of the others; the interval draws them.

    Notes
    -----
    Yeom et al., CSF 2018, arXiv:1709.01604.
    """
    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))].astype(np.int64)
    return auc_interval(truth, -np.r_[inside, outside], patients)


def lira_scores(target: Float, shadows: Float, inside: NDArray[np.bool_]) -> Float:
    """Likelihood ratio of each case having been a member.

    Parameters
    ----------
    target
        `confidence` of the attacked model, [case].
    shadows
        The same of models that the attacker trained, [shadow, case].
    inside
        Whether each shadow was trained with each case, [shadow, case]; each case must be in and out of two
        shadows or more.

    Returns
    -------
    NDArray
        Log of the ratio, [case].

    Notes
    -----
    LiRA of Carlini et al., IEEE S&P 2022, arXiv:2112.03570, section VI, with one spread for all cases, as
    there for few shadows.
    """
    ins, outs = inside.sum(0), (~inside).sum(0)
    if min(ins.min(), outs.min()) < 2:
        raise ValueError("each case must be in 2 shadows or more and out of 2 or more")
    mean_in = np.where(inside, shadows, 0).sum(0) / ins
    mean_out = np.where(inside, 0, shadows).sum(0) / outs
    spread_in = np.sqrt(np.mean((shadows - mean_in)[inside] ** 2)) + SMALLEST_SPREAD
    spread_out = np.sqrt(np.mean((shadows - mean_out)[~inside] ** 2)) + SMALLEST_SPREAD
    into = -(((target - mean_in) / spread_in) ** 2) / 2 - np.log(spread_in)
    out = -(((target - mean_out) / spread_out) ** 2) / 2 - np.log(spread_out)
    return np.asarray(into - out)


def sensitivity_at(scores: Float, member: NDArray[np.bool_], false_share: float) -> float:
    """Share of members found when so small a share of the others is falsely called members."""
    limit = np.quantile(scores[~member], 1 - false_share)
    return float((scores[member] > limit).mean())


def mean_probability(score: Float) -> float:
    """Mean probability of log-odds: how sure a model is, on the whole."""
    return float(sigmoid(score).mean())
