"""From peaks to counted cells: thresholds, curves and intervals, all from validation fields and cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from coread.evaluation import Logistic, fit_platt, logit
from coread.learning.blood.sets import KIND_NAMES, Field
from coread.readers.blood_smear.peaks import Cells, overlaps

Float = NDArray[np.floating]

ENOUGH_OVERLAP = 0.5
"""Intersection over union from which a box counts as the annotated cell (PASCAL VOC: Everingham et al., IJCV
2010, doi:10.1007/s11263-009-0275-4, section 4.2)."""

NAMED_RIGHT = 0.99
"""Share of the named validation cells that must be named rightly."""

MOST_UNNAMED = 0.15
"""But at most this share of them stays without a name."""

MISCOVERAGE = 0.05

CONFIDENCE = 0.95
"""That the interval of a count covers what it says, over draws of validation fields."""


def hits(found: Cells, field: Field) -> NDArray[np.bool_]:
    """Which found cells are annotated ones, [cell]; each annotation is claimed once, by the surest."""
    claimed = np.zeros(len(field.kind), dtype=np.bool_)
    right = np.zeros(len(found.kind), dtype=np.bool_)
    if not len(field.kind):
        return right
    over = overlaps(found.boxes, field.boxes) * (found.kind[:, None] == field.kind)
    for index in np.argsort(-found.score, kind="stable"):
        best = int(np.argmax(np.where(claimed, -1.0, over[index])))
        if not claimed[best] and over[index, best] >= ENOUGH_OVERLAP:
            right[index] = claimed[best] = True
    return right


def tally(found: Sequence[Cells], fields: Sequence[Field], kind: int) -> NDArray[np.int64]:
    """Hits, false alarms and misses of one kind on each field, [field, 3]."""
    rows = []
    for cells, field in zip(found, fields, strict=True):
        right = hits(cells, field)[cells.kind == kind]
        there = int((field.kind == kind).sum())
        rows.append((int(right.sum()), int((~right).sum()), there - int(right.sum())))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def f1_of(counts: NDArray[np.number]) -> float:
    """F1 of hits, false alarms and misses [3]."""
    return float(2 * counts[0] / max(2 * counts[0] + counts[1] + counts[2], 1e-9))


def thresholds(found: Sequence[Cells], fields: Sequence[Field]) -> Float:
    """Height of a peak from which it is a cell: for each kind the one of best F1, [kind]."""
    return np.array([_threshold(found, fields, kind) for kind in range(len(KIND_NAMES))])


def _threshold(found: Sequence[Cells], fields: Sequence[Field], kind: int) -> float:
    """Half-way between the two heights that the best cut separates, so that it sits on no cell."""
    score, right, there = _scored(found, fields, kind)
    if not len(score):
        return 1.0  # no peak to tell a cell by: none is called
    order = np.argsort(-score, kind="stable")
    caught = np.cumsum(right[order])
    f1 = 2 * caught / (np.arange(1, len(order) + 1) + there)
    best = int(np.argmax(f1))
    below = score[order[best + 1]] if best + 1 < len(order) else 0.0
    return float((score[order[best]] + below) / 2)


def curves(found: Sequence[Cells], fields: Sequence[Field]) -> tuple[Float, Float]:
    """Slope and intercept [kind] from the log odds of a peak to the probability of a cell (Platt)."""
    fits = []
    for kind in range(len(KIND_NAMES)):
        score, right, _ = _scored(found, fields, kind)
        fits.append(curve_of(right, logit(score)))
    return np.array([fit.slope for fit in fits]), np.array([fit.intercept for fit in fits])


def curve_of(right: NDArray[np.bool_], score: Float) -> Logistic:
    """Platt's curve; where all cases are of one class, their smoothed share whatever the score (Laplace)."""
    if 0 < right.sum() < len(right):
        return fit_platt(right, score)
    return Logistic(0.0, float(logit((right.sum() + 1) / (len(right) + 2))))


def _scored(
    found: Sequence[Cells], fields: Sequence[Field], kind: int
) -> tuple[Float, NDArray[np.bool_], int]:
    """Height and rightness of every peak of one kind, and how many cells there are."""
    pairs = [(cells.of_kind(kind), field) for cells, field in zip(found, fields, strict=True)]
    score = np.concatenate([cells.score for cells, _ in pairs])
    right = np.concatenate([hits(cells, field) for cells, field in pairs])
    return score, right, sum(int((field.kind == kind).sum()) for _, field in pairs)


def reaches(found: Sequence[Cells], fields: Sequence[Field]) -> Float:
    """How far a count's interval reaches for each kind, [kind], in units of sqrt(count + 1).

    Parameters
    ----------
    found
        Every peak of each validation field, those below the thresholds too.
    fields
        The validation fields.

    Returns
    -------
    Float
        The wider of two reaches. One is the conformal quantile (Lei et al., JASA 2018,
        doi:10.1080/01621459.2017.1307116), which covers `1 - MISCOVERAGE` only on average over draws of
        validation fields. The other is a tolerance reach (`tolerance`): with `CONFIDENCE`, this very draw of
        few fields covers that share. Each field is counted at thresholds chosen without it, since a threshold
        that saw the field flatters its count.
    """
    error = _errors_unseen(found, fields)
    return np.array([max(conformal(of_kind), tolerance(of_kind)) for of_kind in error], dtype=np.float64)


def _errors_unseen(found: Sequence[Cells], fields: Sequence[Field]) -> Float:
    """(true - counted) / sqrt(counted + 1) of each kind on each field, [kind, field]."""
    rows = []
    for left_out, (cells, field) in enumerate(zip(found, fields, strict=True)):
        others = [n for n in range(len(fields)) if n != left_out]
        limits = thresholds([found[n] for n in others], [fields[n] for n in others])
        said = np.bincount(cells.above(limits).kind, minlength=len(KIND_NAMES))
        true = np.bincount(field.kind, minlength=len(KIND_NAMES))
        rows.append((true - said) / np.sqrt(said + 1))
    return np.array(rows, dtype=np.float64).reshape(-1, len(KIND_NAMES)).T


def conformal(error: Float) -> float:
    """Quantile of the absolute errors [field] at the rank of Lei et al. 2018."""
    rank = min(int(np.ceil((len(error) + 1) * (1 - MISCOVERAGE))), len(error))
    return float(np.sort(np.abs(error))[rank - 1])


def tolerance(error: Float) -> float:
    """Two-sided normal tolerance reach of errors [field], about zero.

    Howe, JASA 1969, 64(326):610-620: mean and spread of a sample, widened so that the share
    `1 - MISCOVERAGE` of the population lies within with `CONFIDENCE`. The mean's distance from zero is added,
    because the interval is about the count itself.
    """
    n = len(error)
    spread = np.sqrt((n - 1) * (1 + 1 / n) / chi2.ppf(1 - CONFIDENCE, n - 1)) * error.std(ddof=1)
    return float(abs(error.mean()) + norm.ppf(1 - MISCOVERAGE / 2) * spread)


def white_count_right(cells: Cells, field: Field) -> bool:
    """Whether every annotated white cell was found, and nothing else called one."""
    counts = tally([cells], [field], 0)[0]
    return bool(counts[1] == 0 and counts[2] == 0)


def temperature(labels: NDArray[np.int64], logits: Float) -> float:
    """By which logits are to be divided for the best likelihood (Guo et al., ICML 2017, arXiv:1706.04599)."""
    tried = np.exp(np.linspace(np.log(0.2), np.log(5), 161))
    return float(tried[int(np.argmin([_surprise(labels, logits / t) for t in tried]))])


def _surprise(labels: NDArray[np.int64], logits: Float) -> float:
    """Mean negative log likelihood."""
    raised = logits - logits.max(1, keepdims=True)
    return float(np.mean(np.log(np.exp(raised).sum(1)) - raised[np.arange(len(labels)), labels]))


def least_probability(labels: NDArray[np.int64], probability: Float) -> float:
    """Smallest probability at which a cell is named.

    Parameters
    ----------
    labels, probability
        Validation cells: class number [cell], calibrated probabilities [cell, class].

    Returns
    -------
    float
        The lowest at which `NAMED_RIGHT` of the named ones are right, but never so high that more than
        `MOST_UNNAMED` stay without a name (El-Yaniv & Wiener, JMLR 2010, 11:1605-1641).
    """
    sure, right = probability.max(1), probability.argmax(1) == labels
    highest = float(np.quantile(sure, MOST_UNNAMED))
    for level in np.sort(np.r_[0.0, sure]):
        if level >= highest or right[sure >= level].mean() >= NAMED_RIGHT:
            return float(round(min(level, highest), 4))
    return round(highest, 4)
