"""Confident learning: which labels are probably wrong, from out-of-sample probabilities.

Northcutt, Jiang & Chuang, J Artif Intell Res 2021, doi:10.1613/jair.1.12125 (prune by noise rate).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Int = NDArray[np.integer[Any]]


def confident_joint(labels: Int, probability: Float) -> Float:
    """Joint distribution of given and true label.

    Parameters
    ----------
    labels
        Given labels from 0, [case]; every class occurs.
    probability
        Out-of-sample (cross-validated), [case, class].

    Returns
    -------
    float [given, true]
        Sums to 1; rows keep the frequency of the given labels.
    """
    classes = probability.shape[1]
    limits = np.array([probability[labels == k, k].mean() for k in range(classes)])
    above = probability >= limits
    likely = np.where(above, probability, -1.0).argmax(1)
    counts = np.zeros((classes, classes))
    sure = above.any(1)
    np.add.at(counts, (labels[sure], likely[sure]), 1)
    given = np.bincount(labels, minlength=classes)
    counts = counts / np.maximum(counts.sum(1, keepdims=True), 1) * given[:, None]
    return np.asarray(counts / counts.sum())


def probably_wrong(labels: Int, probability: Float) -> NDArray[np.bool_]:
    """Say which labels to leave out, [case].

    For each pair of given and other class, as many cases as the joint says, those in which the other class
    most outweighs the given.
    """
    joint = confident_joint(labels, probability)
    wrong = np.zeros(len(labels), dtype=bool)
    for given in range(len(joint)):
        rows = np.flatnonzero(labels == given)
        for true in range(len(joint)):
            if true == given or not len(rows):
                continue
            count = round(float(joint[given, true]) * len(labels))
            margin = probability[rows, true] - probability[rows, given]
            wrong[rows[np.argsort(-margin, kind="stable")[:count]]] = True
    return wrong
