"""Sets that keep their promise in groups that overlap, such as view, age and sex at once.

Limits of their own for every crossing of groups would need patients for every crossing. Here the limit of a
case is a sum of one part for each group that it belongs to, fitted so that coverage holds in each group.
Batch multivalid conformal prediction: Jung, Noarov, Ramalingam & Roth, ICLR 2023, arXiv:2209.15145; the same
as conformal prediction with group weights of Gibbs, Cherian & Candès, arXiv:2305.12616, but for their
treatment of the new case. *Assumes* that calibration patients and later patients are exchangeable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import QuantileRegressor

from coread.evaluation.certainty import cross_folds
from coread.evaluation.certainty.conformal import nonconformity

Float = NDArray[np.float64]
Boolean = NDArray[np.bool_]
Facts = Mapping[str, Sequence[str]]
"""Columns by name, [case]; empty text = unknown."""

MIN_GROUP = 40
"""Calibration cases below which a value gets no part of its own: 4 of them lie beyond a limit of 90 %."""

JUDGED = 100
"""Calibration cases from which a group counts when columns are chosen."""

FOLDS = 10


@dataclass(frozen=True)
class GroupLimits:
    """Limits of the scores, as a sum over the groups of a case.

    Attributes
    ----------
    groups
        Column and value of each group.
    parts
        [class, 1 + group]: the part of every case, then of each group.
    """

    groups: tuple[tuple[str, str], ...]
    parts: Float

    def sets(self, probability: Float, facts: Facts) -> Boolean:
        """Whether a class is in the set of a case, [case, class]."""
        scores = nonconformity(probability, "lac")
        return np.asarray(scores <= _members(self.groups, facts, len(scores)) @ self.parts.T)


def fit_group_limits(
    probability: Float, label: NDArray[np.int64], facts: Facts, columns: Sequence[str], level: float
) -> GroupLimits:
    """Fit limits for each true class and, within it, for every group of some columns.

    Parameters
    ----------
    probability, label
        Of calibration patients whom the model did not learn from, [case, class], [case].
    facts, columns
        What is known of them before the reading; which of it makes groups.
    level
        Share of cases whose set holds the true class.
    """
    own = nonconformity(probability, "lac")[np.arange(len(label)), label]
    groups = tuple(
        (column, value)
        for column in columns
        for value in sorted(set(facts[column]) - {""})
        if sum(held == value for held in facts[column]) >= MIN_GROUP
    )
    members = _members(groups, facts, len(label))
    classes = range(np.asarray(probability).shape[1])
    parts = [_quantile(members[label == k], own[label == k], level) for k in classes]
    return GroupLimits(groups, np.array(parts))


def _quantile(members: Float, own: Float, level: float) -> Float:
    """Quantile regression of scores on memberships, at the corrected level of a split conformal quantile.

    A class without a case gets an infinite limit: it is in every set.
    """
    if not len(own):
        return np.asarray(np.r_[np.inf, np.zeros(members.shape[1] - 1)])
    corrected = min(level * (1 + 1 / len(own)), 1 - 1e-9)
    model = QuantileRegressor(quantile=corrected, alpha=0, fit_intercept=False, solver="highs")
    return np.asarray(model.fit(members, own).coef_)


def _members(groups: Sequence[tuple[str, str]], facts: Facts, count: int) -> Float:
    """1 for every case, then 0 or 1 for each group, [case, 1 + group]."""
    marks = [[float(held == value) for held in facts[column]] for column, value in groups]
    return np.array([[1.0] * count, *marks]).T


def choose_columns(
    candidates: Sequence[Sequence[str]],
    calibration: tuple[Float, NDArray[np.int64], Facts, Sequence[str]],
    looked_at: Sequence[str],
    level: float,
    seed: int = 0,
) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Choose the columns whose worst group lies nearest to the level, by folds of calibration patients.

    Parameters
    ----------
    candidates
        Sets of columns, the plainest first; a tie goes to the plainer.
    calibration
        Probability, label, facts and patients.
    looked_at
        Columns whose groups are looked at.
    level, seed
        Coverage; of the folds.
    """
    probability, label, facts, patients = calibration
    tried: list[tuple[float, tuple[str, ...]]] = []
    for columns in candidates:
        held = np.zeros(len(label), dtype=bool)
        for learn, rest in cross_folds(patients, FOLDS, seed):
            fit = fit_group_limits(probability[learn], label[learn], _where(facts, learn), columns, level)
            sets = fit.sets(probability[rest], _where(facts, rest))
            held[rest] = sets[np.arange(int(rest.sum())), label[rest]]
        tried.append((_worst(held, facts, looked_at, level), tuple(columns)))
    best = min(tried, key=lambda one: round(one[0], 3))[1]
    return best, [{"columns": list(columns), "worst": worst} for worst, columns in tried]


def _where(facts: Facts, rows: Boolean) -> dict[str, list[str]]:
    return {name: [v for v, kept in zip(held, rows, strict=True) if kept] for name, held in facts.items()}


def _worst(held: Boolean, facts: Facts, looked_at: Sequence[str], level: float) -> float:
    """Largest distance of a group's coverage from the level, among groups of at least `JUDGED` cases."""
    parts = [np.array(facts[c]) == v for c in looked_at for v in sorted(set(facts[c]) - {""})]
    return max((abs(float(held[p].mean()) - level) for p in parts if p.sum() >= JUDGED), default=0.0)
