"""Dawid-Skene: true classes and readers' confusion from several classifications of the same cases.

Dawid & Skene, Applied Statistics 1979, doi:10.2307/2346806.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]

ROUNDS = 200
SETTLED = 1e-6
"""Largest change of any posterior at which the estimate is done."""

MISSING = -1
"""A reader who did not classify a case."""


@dataclass(frozen=True, eq=False)
class Consensus:
    """What the estimate gives.

    Attributes
    ----------
    posterior
        [case, class].
    confusion
        [reader, true class, said class], rows sum to 1; one reader if they are pooled.
    prevalence
        [class].
    """

    posterior: Float
    confusion: Float
    prevalence: Float


def dawid_skene(
    said: NDArray[np.integer[Any]], classes: int, weight: Float | None = None, *, pooled: bool = False
) -> Consensus:
    """Estimate by expectation-maximisation, beginning from the share of votes.

    Parameters
    ----------
    said
        [case, reader], classes from 0, `MISSING` where a reader said nothing; each case has one answer at
        least.
    classes
        How many there are.
    weight
        How many cases each row stands for, [case]; one if left out.
    pooled
        Give all readers one confusion matrix: for readers who are not the same persons from case to case,
        such as the slots of LIDC-IDRI.

    Raises
    ------
    ValueError
        If a case has no answer or a class is out of range.
    """
    if said.min() < MISSING or said.max() >= classes or (said == MISSING).all(1).any():
        raise ValueError(f"each case needs an answer among 0..{classes - 1}, or {MISSING} for none")
    votes = (said[:, :, None] == np.arange(classes)).astype(np.float64)
    if pooled:
        votes = votes.sum(1, keepdims=True)
    times = np.ones(len(said)) if weight is None else np.asarray(weight, dtype=np.float64)
    posterior = votes.sum(1) / votes.sum((1, 2))[:, None]
    for _ in range(ROUNDS):
        prevalence = (times @ posterior + 1e-6) / (times.sum() + classes * 1e-6)
        counts = np.einsum("c,ct,crs->rts", times, posterior, votes) + 1e-2
        confusion = counts / counts.sum(2, keepdims=True)
        score = np.log(prevalence) + np.einsum("crs,rts->ct", votes, np.log(confusion))
        renewed = np.exp(score - score.max(1, keepdims=True))
        renewed /= renewed.sum(1, keepdims=True)
        change = float(np.abs(renewed - posterior).max())
        posterior = renewed
        if change < SETTLED:
            break
    return Consensus(posterior, confusion, prevalence)
