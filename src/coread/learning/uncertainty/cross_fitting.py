"""Probabilities of patients whom the model did not learn from, for every patient who may be learnt from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coread.evaluation.certainty import cross_folds
from coread.learning.backbone import Probe, fit_probe

Float = NDArray[np.float64]


def choose_strength(train: tuple[Float, NDArray[np.int64]], val: tuple[Float, NDArray[np.int64]]) -> float:
    """The inverse penalty with the least log loss on validation images; see `fit_probe`."""
    tried: list[tuple[float, float]] = []
    for strength in (0.001, 0.003, 0.01, 0.03, 0.1):
        probe, _ = fit_probe(*train, lambda _: 0.0, (strength,))
        p = softmax(probe.logits(val[0]))
        tried.append((float(np.mean(np.log(p[np.arange(len(p)), val[1]] + 1e-12))), strength))
    return max(tried)[1]


def held_out(
    features: Float, label: NDArray[np.int64], patients: Sequence[str], how: tuple[float, int], seed: int
) -> Float:
    """Probabilities [case, class], each from a model that did not learn from the case's patient.

    Parameters
    ----------
    features, label, patients
        [case, feature], [case], [case].
    how
        Inverse penalty and number of folds.
    seed
        Of the folds.
    """
    strength, folds = how
    out = np.zeros((len(label), int(label.max()) + 1))
    for learn, rest in cross_folds(patients, folds, seed):
        probe, _ = fit_probe(features[learn], label[learn], lambda _: 0.0, (strength,))
        out[rest] = softmax(probe.logits(features[rest]))
    return out


def fitted(features: Float, label: NDArray[np.int64], strength: float) -> Probe:
    """One model on all of them."""
    return fit_probe(features, label, lambda _: 0.0, (strength,))[0]


def softmax(logits: NDArray[np.floating]) -> Float:
    """Probabilities [case, class] of logits."""
    shifted = np.asarray(logits, dtype=np.float64)
    powers = np.exp(shifted - shifted.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
