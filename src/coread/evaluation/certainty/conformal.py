"""Sets of classes that hold the true one as often as promised.

Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005; Angelopoulos & Bates, Found. Trends
Mach. Learn. 2023, doi:10.1561/2200000101. *Assumes* that calibration patients and later patients are
exchangeable: another hospital, another device or another prevalence breaks the promise, and nothing here
notices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.decisions import wilson_interval
from coread.evaluation.samples import Interval

Float = NDArray[np.float64]
Boolean = NDArray[np.bool_]
Method = Literal["lac", "aps"]

MIN_GROUP = 20
"""Calibration cases below which a group gets the threshold of all: at 90 % the quantile of fewer than 20
cases
is their largest or second largest score."""


@dataclass(frozen=True)
class Conformal:
    """How to make sets from class probabilities.

    Attributes
    ----------
    method
        ``lac``: classes of at least a probability; ``aps``: classes by falling probability up to a mass.
    level
        Promised coverage.
    threshold
        Largest score of a class in the set, for groups without one of their own.
    of_group
        Threshold of each group that had enough calibration cases (Mondrian).
    seed
        Of the ties broken by `aps`; sets depend on it and on the order of the cases.
    """

    method: Method
    level: float
    threshold: float
    of_group: Mapping[str, float]
    seed: int = 0

    def sets(self, probability: ArrayLike, group: Sequence[str] | None = None) -> Boolean:
        """The set of each case.

        Parameters
        ----------
        probability
            [case, class], rows sum to 1.
        group
            Group of each case; needed only where groups have thresholds of their own.

        Returns
        -------
        Boolean
            Whether a class is in the set, [case, class].
        """
        scores = nonconformity(probability, self.method, self.seed)
        names = group if group is not None else [""] * len(scores)
        limits = np.array([self.of_group.get(name, self.threshold) for name in names])
        return np.asarray(scores <= limits[:, None])


def nonconformity(probability: ArrayLike, method: Method, seed: int = 0) -> Float:
    """How ill each class fits each case, [case, class].

    Notes
    -----
    ``lac``: 1 - probability (Sadinle, Lei & Wasserman, JASA 2019, doi:10.1080/01621459.2017.1395341).
    ``aps``: the mass of the classes that are more probable and a random part of its own (Romano, Sesia &
    Candès, NeurIPS 2020, arXiv:2006.02544).
    """
    p = _probabilities(probability)
    if method == "lac":
        return 1 - p
    order = np.argsort(-p, axis=1, kind="stable")
    sorted_p = np.take_along_axis(p, order, axis=1)
    part = np.random.default_rng(seed).random((len(p), 1))
    mass = np.cumsum(sorted_p, axis=1) - sorted_p * part
    out = np.empty_like(p)
    np.put_along_axis(out, order, mass, axis=1)
    return out


def fit_conformal(
    probability: ArrayLike,
    label: ArrayLike,
    level: float,
    method: Method = "lac",
    group: Sequence[str] | None = None,
    patients: Sequence[str] | None = None,
) -> Conformal:
    """Choose the threshold on calibration patients whom the model did not learn from.

    Parameters
    ----------
    probability, label
        [case, class], [case].
    level
        Coverage promised.
    method
        See `nonconformity`.
    group
        Group of each case; each with at least `MIN_GROUP` cases gets a threshold of its own, so that the
        promise holds within it.
    patients
        Patient of each case; each patient then counts once, however many images there are, and the promise is
        one for a random image of a random patient.

    Returns
    -------
    Conformal
        With the corrected quantile: the ceil((n + 1) * level)-th smallest score of n.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1; found {level}")
    labels = np.asarray(label, dtype=np.int64)
    own = nonconformity(probability, method)[np.arange(len(labels)), labels]
    weights = _per_patient(patients, len(labels))
    names = np.array(group if group is not None else [""] * len(labels))
    of_group = {
        str(name): weighted_quantile(own[names == name], weights[names == name], level)
        for name in (np.unique(names) if group is not None else ())
        if (names == name).sum() >= MIN_GROUP
    }
    return Conformal(method, level, weighted_quantile(own, weights, level), of_group)


def weighted_quantile(scores: Float, weights: Float, level: float) -> float:
    """The corrected conformal quantile, infinite if there are too few cases for the level.

    Parameters
    ----------
    scores, weights
        [case]; with equal weights the ceil((n + 1) * level)-th smallest.
    level
        Coverage.

    Notes
    -----
    The point at infinity stands for the new case; it weighs as much as an average patient (Tibshirani et al.,
    NeurIPS 2019, arXiv:1904.06019, lemma 3 with weights 1 per patient).
    """
    if not len(scores):
        return math.inf
    order = np.argsort(scores, kind="stable")
    mass = np.cumsum(weights[order])
    need = level * (mass[-1] + 1)
    place = int(np.searchsorted(mass, need - 1e-9 * need))
    return float(scores[order][place]) if place < len(scores) else math.inf


def _per_patient(patients: Sequence[str] | None, cases: int) -> Float:
    if patients is None:
        return np.ones(cases)
    _, member, counts = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[member])


def cross_folds(patients: Sequence[str], folds: int, seed: int = 0) -> Iterator[tuple[Boolean, Boolean]]:
    """Split cases into folds by patient: yields (learn, hold out), [case] each.

    Scores of the held-out parts, pooled, calibrate without losing any patient for learning (cross-conformal
    prediction: Vovk, Ann. Math. Artif. Intell. 2015, doi:10.1007/s10472-013-9368-4; its strict guarantee is
    1 - 2 * (1 - level), in practice the coverage is near the level).
    """
    _, member = np.unique(np.asarray(patients), return_inverse=True)
    size = int(member.max()) + 1
    if not 2 <= folds <= size:
        raise ValueError(
            f"the number of folds lies between 2 and {size}, the number of patients; found {folds}"
        )
    fold = np.random.default_rng(seed).permutation(size) % folds
    for k in range(folds):
        out = fold[member] == k
        yield ~out, out


@dataclass(frozen=True, slots=True)
class Coverage:
    """How sets fared on test patients.

    Attributes
    ----------
    name
        ``all`` or the group.
    cases
        Their number.
    covered
        Share of sets that hold the true class; Wilson interval.
    size
        Mean number of classes in a set.
    single
        Share of sets with exactly one class.
    empty
        Share of sets without any.
    """

    name: str
    cases: int
    covered: Interval
    size: float
    single: float
    empty: float


def coverage(sets: Boolean, label: ArrayLike, group: Sequence[str] | None = None) -> tuple[Coverage, ...]:
    """Measure sets [case, class] against labels [case], over all cases and in each group."""
    labels = np.asarray(label, dtype=np.int64)
    held = sets[np.arange(len(labels)), labels]
    found = [_covered("all", sets, held)]
    if group is not None:
        names = np.array(group)
        found += [_covered(str(name), sets[names == name], held[names == name]) for name in np.unique(names)]
    return tuple(found)


def _covered(name: str, sets: Boolean, held: Boolean) -> Coverage:
    sizes = sets.sum(1)
    return Coverage(
        name, len(held), wilson_interval(int(held.sum()), len(held)),
        float(sizes.mean()), float((sizes == 1).mean()), float((sizes == 0).mean()),
    )  # fmt: skip


def _probabilities(probability: ArrayLike) -> Float:
    p = np.asarray(probability, dtype=np.float64)
    if p.ndim != 2 or not np.isfinite(p).all() or (np.abs(p.sum(1) - 1) > 1e-3).any() or (p < -1e-9).any():
        raise ValueError(f"probabilities [case, class] must sum to 1 in each row; found shape {p.shape}")
    return p
