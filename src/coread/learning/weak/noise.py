"""Wrong labels planted on purpose: how much they hurt, how many are found, what leaving them out brings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from coread.learning.weak.confident import probably_wrong

Float = NDArray[np.floating[Any]]
Int = NDArray[np.int64]

RATES = (0.0, 0.1, 0.2, 0.3)
"""Shares of training labels that are turned over."""

STRENGTH = 0.05
FOLDS = 5


def with_noise(
    old: Float, labels: Int, patients: NDArray[np.str_], new: Float, rate: float, rng: Generator
) -> dict[str, Any]:
    """Turn over a share of the labels, fit with and without confident learning, score new cases.

    Parameters
    ----------
    old, labels, patients
        Training features [case, feature], true labels 0/1 and patients.
    new
        Features of the cases that are scored, [case, feature].
    rate
        Share that is turned over.
    rng
        Which ones.

    Returns
    -------
    dict
        ``noisy`` and ``pruned``: scores [case] of a fit on all given labels and on those kept; ``planted``,
        ``called`` and ``found``: how many labels were wrong, were called wrong, and both.
    """
    wrong = np.zeros(len(labels), dtype=bool)
    wrong[rng.permutation(len(labels))[: round(rate * len(labels))]] = True
    given = np.where(wrong, 1 - labels, labels)
    called = probably_wrong(given, _out_of_fold(old, given, patients))
    if len(set(given[~called])) < 2:  # a class that is wrong altogether cannot be told from one that is not
        called = np.zeros(len(labels), dtype=bool)
    return {
        "noisy": _fit(old, given).decision_function(new),
        "pruned": _fit(old[~called], given[~called]).decision_function(new),
        "planted": int(wrong.sum()),
        "called": int(called.sum()),
        "found": int((wrong & called).sum()),
    }


def _fit(features: Float, labels: Int) -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, max_iter=500).fit(features, labels)


def _out_of_fold(features: Float, labels: Int, patients: NDArray[np.str_]) -> Float:
    """Probabilities [case, class] by fits that have not seen the patient."""
    found = np.zeros((len(labels), 2))
    for old, new in GroupKFold(FOLDS).split(features, groups=patients):
        found[new] = _fit(features[old], labels[old]).predict_proba(features[new])
    return found
