"""Fitting the concept bottleneck: features to characteristics, characteristics and size to malignancy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from coread.domain import codes
from coread.domain.codes import Code
from coread.evaluation import patient_weights
from coread.learning.nodule.cohort import Nodule, patients_of
from coread.learning.nodule.rating.measured import Measured
from coread.readers.ct_nodule.traits import CONCEPTS, SHARPNESS, SPHERICITY, Judge, answer_inputs

Float = NDArray[np.floating[Any]]

STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
"""Inverse strengths of the penalty that are tried on validation patients."""

AXES = 40
"""Principal axes of the features in which everything is fitted: more than nine tenths of the variance."""

REFITS = 20
"""Refits on training patients drawn anew: enough for the interval of one stated probability."""

FOLDS = 5

ALWAYS = 5.0
"""Log-odds of a value that all readers gave: more than 99 %."""


def said(nodule: Nodule, concept: Code) -> Float:
    """Share of the nodule's readers who said each value of a concept, [value].

    Notes
    -----
    LIDC-IDRI rates texture 1 non-solid, 3 part-solid, 5 solid; calcification 6 absent; margin 1 poorly
    defined to 5 sharp; sphericity 1 linear, 3 ovoid, 5 round; lobulation and spiculation 1 none to 5 marked
    (Armato et al. 2011, doi:10.1118/1.3528204). Where a scale has a middle, "marked" begins there;
    where it names its ends, the nearer end counts. The publishers know of early cases in which lobulation
    and spiculation may be reversed.
    """
    values = CONCEPTS[concept]
    each = [_VALUE[concept](nodule, reader) for reader in range(nodule.readers)]
    return np.bincount(each, minlength=len(values)) / len(each)


def _texture(nodule: Nodule, reader: int) -> int:
    rated = nodule.ratings["texture"][reader]
    return 0 if rated <= 2 else 1 if rated < 4 else 2


def _margins(nodule: Nodule, reader: int) -> int:
    spiculated, lobulated = (nodule.ratings[name][reader] >= 3 for name in ("spiculation", "lobulation"))
    return 2 if spiculated else 1 if lobulated else 0


_VALUE: Mapping[Code, Callable[[Nodule, int], int]] = {
    codes.TEXTURE: _texture,
    codes.MARGINS: _margins,
    codes.CALCIFICATION: lambda nodule, reader: int(nodule.ratings["calcification"][reader] < 6),
    SHARPNESS: lambda nodule, reader: int(nodule.ratings["margin"][reader] >= 4),
    SPHERICITY: lambda nodule, reader: int(nodule.ratings["sphericity"][reader] >= 4),
}


def fit_judge(
    learners: Measured, judges: Measured, seed: int, refits: int = REFITS
) -> tuple[Judge, dict[str, float]]:
    """Fit the bottleneck on training nodules; penalties are chosen on validation nodules.

    Parameters
    ----------
    learners, judges
        Training and validation nodules on which something was outlined.
    seed
        Of the refits.
    refits
        How many.

    Returns
    -------
    (Judge, dict)
        Ready to ship; the chosen strength of each concept by code value.
    """
    mean, scale = learners.features.mean(0), learners.features.std(0) + 1e-6
    bare = Judge(mean, scale, {}, np.zeros(1))
    axes = principal_axes(bare.standardised(learners.features))
    old, new = (bare.standardised(held.features) @ axes for held in (learners, judges))
    patients = patients_of(learners.nodules)
    drawn = patient_weights(patients, refits, seed)
    weights, chosen = {}, {}
    inside: dict[Code, Float] = {}
    for concept in CONCEPTS:
        target = np.stack([said(nodule, concept) for nodule in learners.nodules])
        counts = np.array([nodule.readers for nodule in learners.nodules], dtype=np.float64)
        check = np.stack([said(nodule, concept) for nodule in judges.nodules])
        losses = {
            c: cross_entropy(check, _predict(fit_shares(old, target, counts, c), new)) for c in STRENGTHS
        }
        best = min(losses, key=lambda c: losses[c])
        fits = [fit_shares(old, target, counts * w, best) for w in (np.ones(len(old)), *drawn)]
        unfolded = [np.vstack([axes @ fit[:-1], fit[-1:]]) for fit in fits]
        weights[concept.value], chosen[concept.value] = np.stack(unfolded), best
        inside[concept] = out_of_fold(old, target, counts, best, patients)
    return Judge(mean, scale, weights, _answer(learners, inside)), chosen


def principal_axes(standardised: Float, count: int = AXES) -> Float:
    """Leading principal axes of standardised features, scaled to unit variance, [feature, axis]."""
    _, spread, axes = np.linalg.svd(standardised - standardised.mean(0), full_matrices=False)
    kept = spread[:count] / np.sqrt(len(standardised))
    return np.asarray(axes[:count].T / np.maximum(kept, 1e-6))


def fit_shares(features: Float, target: Float, weight: Float, strength: float) -> Float:
    """Multinomial logistic regression on soft labels, [feature + 1, value]; the last row is the intercept.

    Parameters
    ----------
    features, target, weight
        [case, feature], [case, value] summing to 1, [case].
    strength
        Inverse of the penalty.
    """
    values = target.shape[1]
    rows = np.repeat(np.arange(len(features)), values)
    labels = np.tile(np.arange(values), len(features))
    share = (target * weight[:, None]).ravel()
    kept = share > 0
    held = np.zeros((features.shape[1] + 1, values))
    if len(set(labels[kept])) < 2:  # nobody said anything else: nothing to learn but that
        held[-1, labels[kept][:1]] = ALWAYS
        return held
    model = LogisticRegression(C=strength, max_iter=400, tol=1e-4)
    model.fit(features[rows[kept]], labels[kept], sample_weight=share[kept])
    if values == 2:  # one row of coefficients stands for the second value against the first
        held[:-1, 1], held[-1, 1] = model.coef_[0], model.intercept_[0]
    else:
        held[:-1, model.classes_], held[-1, model.classes_] = model.coef_.T, model.intercept_
    return held


def _predict(weights: Float, features: Float) -> Float:
    score = features @ weights[:-1] + weights[-1]
    raised = np.exp(score - score.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def out_of_fold(
    features: Float, target: Float, weight: Float, strength: float, patients: Sequence[str]
) -> Float:
    """Probabilities [case, value] of each case by a fit that has not seen its patient."""
    found = np.zeros_like(target)
    for old, new in GroupKFold(FOLDS).split(features, groups=np.asarray(patients)):
        found[new] = _predict(fit_shares(features[old], target[old], weight[old], strength), features[new])
    return found


def cross_entropy(target: Float, probability: Float) -> float:
    """Mean cross-entropy of soft labels."""
    return float(-(target * np.log(np.clip(probability, 1e-6, 1))).sum(1).mean())


def _answer(learners: Measured, inside: Mapping[Code, Float]) -> Float:
    """Weights of malignancy, fitted on what is predicted out of fold and on what the readers said, alike.

    So that the answer is right both for the reader's own characteristics and after a doctor's correction.
    """
    rows, labels = [], []
    for at, nodule in enumerate(learners.nodules):
        if nodule.malignant is None or nodule.readers < 2:
            continue
        size = float(learners.size_mm[at])
        rows.append(answer_inputs({concept: inside[concept][at] for concept in CONCEPTS}, size))
        rows.append(answer_inputs({concept: said(nodule, concept) for concept in CONCEPTS}, size))
        labels += [nodule.malignant] * 2
    model = LogisticRegression(C=1.0, max_iter=1000).fit(np.stack(rows)[:, :-1], labels)
    return np.asarray(np.r_[model.coef_[0], model.intercept_[0]])


def predicted(judge: Judge, features: Float) -> dict[Code, Float]:
    """Probabilities [case, value] of each concept."""
    ready = judge.standardised(features)
    return {concept: _predict(judge.weights[concept.value][0], ready) for concept in CONCEPTS}


def answers(judge: Judge, held: Measured, corrected: Sequence[Code] = ()) -> Float:
    """Log-odds of malignancy [case], the named concepts replaced by what the readers said."""
    states = predicted(judge, held.features)
    for concept in corrected:
        states[concept] = np.stack([said(nodule, concept) for nodule in held.nodules])
    sizes = held.size_mm
    return np.array(
        [
            judge.score({c: states[c][at] for c in CONCEPTS}, float(sizes[at]))
            for at in range(len(held.nodules))
        ]
    )
