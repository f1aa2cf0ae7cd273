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

from coread.evaluation.bootstrap import statistic_interval
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
class Promise:
    """What sets shall keep.

    Attributes
    ----------
    level
        Share of cases whose set holds the true class.
    method
        ``lac``: classes of at least a probability; ``aps``: classes by falling probability up to a mass.
    by_class
        Keep it for each true class by itself, so that a rare disease is covered as often as a common one
        (label-conditional sets: Vovk, Machine Learning 2013, doi:10.1007/s10994-013-5355-6).
    """

    level: float = 0.9
    method: Method = "lac"
    by_class: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"a level lies between 0 and 1; found {self.level}")


@dataclass(frozen=True)
class Conformal:
    """How to make sets from class probabilities.

    Attributes
    ----------
    promise
        What was promised.
    limits
        Largest score of each class in a set, [class], for groups without limits of their own.
    of_group
        Limits of each group that had enough calibration cases (Mondrian).
    seed
        Of the ties broken by `aps`; sets depend on it and on the order of the cases.
    """

    promise: Promise
    limits: tuple[float, ...]
    of_group: Mapping[str, tuple[float, ...]]
    seed: int = 0

    def sets(self, probability: ArrayLike, group: Sequence[str] | None = None) -> Boolean:
        """The set of each case.

        Parameters
        ----------
        probability
            [case, class], rows sum to 1.
        group
            Group of each case; needed only where groups have limits of their own.

        Returns
        -------
        Boolean
            Whether a class is in the set, [case, class].
        """
        scores = nonconformity(probability, self.promise.method, self.seed)
        names = group if group is not None else [""] * len(scores)
        limits = np.array([self.of_group.get(name, self.limits) for name in names])
        return np.asarray(scores <= limits.reshape(scores.shape))


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
    promise: Promise,
    group: Sequence[str] | None = None,
    patients: Sequence[str] | None = None,
) -> Conformal:
    """Choose the limits on calibration patients whom the model did not learn from.

    Parameters
    ----------
    probability, label
        [case, class], [case].
    promise
        What the sets shall keep.
    group
        Group of each case; each with at least `MIN_GROUP` cases gets limits of its own, so that the promise
        holds within it.
    patients
        Patient of each case; each patient then counts once, however many images there are, and the promise is
        one for a random image of a random patient.

    Returns
    -------
    Conformal
        With the corrected quantile: the ceil((n + 1) * level)-th smallest score of n. Where a class has
        fewer than `MIN_GROUP` cases and the promise is by class, it is in every set.
    """
    labels = np.asarray(label, dtype=np.int64)
    own = nonconformity(probability, promise.method)[np.arange(len(labels)), labels]
    names = np.array(group if group is not None else [""] * len(own))
    people = None if patients is None else np.asarray(patients)
    classes = range(np.asarray(probability).shape[1])

    def limit(part: Boolean) -> float:
        return weighted_quantile(own[part], _weights(part, people), promise.level)

    def limits(part: Boolean, otherwise: tuple[float, ...]) -> tuple[float, ...]:
        if not promise.by_class:
            return (limit(part),) * len(classes)
        of_class = [part & (labels == k) for k in classes]
        return tuple(limit(p) if p.sum() >= MIN_GROUP else otherwise[k] for k, p in enumerate(of_class))

    whole = limits(np.ones(len(own), dtype=bool), (math.inf,) * len(classes))
    of_group = {
        str(name): limits(names == name, whole)
        for name in (np.unique(names) if group is not None else ())
        if (names == name).sum() >= MIN_GROUP
    }
    return Conformal(promise, whole, of_group)


def _weights(part: Boolean, people: NDArray[np.generic] | None) -> Float:
    """Weight 1 for each case of a part, or for each patient."""
    if people is None:
        return np.ones(int(part.sum()))
    _, member, counts = np.unique(people[part], return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[member])


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
    The point at infinity stands for the new case; it weighs as much as an average patient (weighted
    quantiles: Tibshirani et al., NeurIPS 2019, arXiv:1904.06019, here with equal weight for each patient).
    """
    if not len(scores):
        return math.inf
    order = np.argsort(scores, kind="stable")
    mass = np.cumsum(weights[order])
    need = level * (mass[-1] + 1)
    place = int(np.searchsorted(mass, need - 1e-9 * need))
    return float(scores[order][place]) if place < len(scores) else math.inf


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
        Share of sets that hold the true class.
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


def coverage(
    sets: Boolean,
    label: ArrayLike,
    group: Sequence[str] | None = None,
    patients: Sequence[str] | None = None,
) -> tuple[Coverage, ...]:
    """Measure sets against labels, over all cases and in each group.

    Parameters
    ----------
    sets, label
        [case, class], [case].
    group
        Group of each case.
    patients
        Patient of each case: intervals then come from drawing patients; otherwise they are Wilson's, which
        hold for one case per patient.
    """
    labels = np.asarray(label, dtype=np.int64)
    held = sets[np.arange(len(labels)), labels]
    people = None if patients is None else np.asarray(patients)
    names = np.array(group if group is not None else [])
    parts = [("all", np.ones(len(held), dtype=bool)), *((str(n), names == n) for n in np.unique(names))]
    return tuple(
        _covered(name, sets[part], held[part], None if people is None else people[part].tolist())
        for name, part in parts
    )


def _covered(name: str, sets: Boolean, held: Boolean, patients: Sequence[str] | None) -> Coverage:
    sizes = sets.sum(1)
    share = wilson_interval(int(held.sum()), len(held))
    if patients is not None:
        share = statistic_interval(lambda w: float(w @ held / w.sum()), patients)
    return Coverage(
        name, len(held), share,
        float(sizes.mean()), float((sizes == 1).mean()), float((sizes == 0).mean()),
    )  # fmt: skip


def _probabilities(probability: ArrayLike) -> Float:
    p = np.asarray(probability, dtype=np.float64)
    if p.ndim != 2 or not np.isfinite(p).all() or (np.abs(p.sum(1) - 1) > 1e-3).any() or (p < -1e-9).any():
        raise ValueError(f"probabilities [case, class] must sum to 1 in each row; found shape {p.shape}")
    return p
