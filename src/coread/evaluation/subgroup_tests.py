"""Whether a part of the patients is read worse than the rest, allowing for the number of questions asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.bootstrap import REPEATS, patient_weights, percentile_interval
from coread.evaluation.discrimination import weighted_auc
from coread.evaluation.samples import Interval, scores_of
from coread.evaluation.subgroups import MIN_CASES, Cases

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contrast:
    """One part against all other cases.

    Attributes
    ----------
    name
        Of the part.
    positives, negatives
        Cases of the part.
    difference
        Area of the part less area of the rest.
    p_value
        Two-sided, of no difference, from the patient bootstrap.
    adjusted_p
        Holm's, over all parts with enough cases; nan for the others.
    enough
        Whether part and rest both have `MIN_CASES` of each class.
    """

    name: str
    positives: int
    negatives: int
    difference: Interval
    p_value: float
    adjusted_p: float
    enough: bool


def holm(p_values: ArrayLike) -> Float:
    """Holm's step-down adjusted p values: they bound the chance of any false claim.

    Notes
    -----
    Holm, Scand. J. Stat. 1979;6:65-70.
    """
    p = _p_values(p_values)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    return _in_place(np.minimum(steps, 1.0), order)


def benjamini_hochberg(p_values: ArrayLike) -> Float:
    """Benjamini and Hochberg's adjusted p values: they bound the expected share of false claims.

    Notes
    -----
    Benjamini & Hochberg, J. R. Stat. Soc. B 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    p = _p_values(p_values)
    order = np.argsort(p)
    steps = p[order] * len(p) / (np.arange(len(p)) + 1)
    return _in_place(np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0), order)


def contrasts(cases: Cases, group: Sequence[str | None], repeats: int = REPEATS) -> tuple[Contrast, ...]:
    """Compare each part's area with that of all other cases.

    Parameters
    ----------
    cases
        All scored cases.
    group
        Part of each case; None = "unknown".
    repeats
        Draws of the patient bootstrap; a patient with cases in both is drawn for both.

    Returns
    -------
    tuple of Contrast
        Sorted by name; empty if there is but one part.
    """
    names = np.array([name or "unknown" for name in group])
    parts = sorted(set(names.tolist()))
    if len(parts) < 2:
        return ()
    found = [_contrast(cases, names == part, part, repeats) for part in parts]
    tested = [i for i, c in enumerate(found) if c.enough]
    adjusted = np.full(len(found), np.nan)
    adjusted[tested] = holm([found[i].p_value for i in tested])
    return tuple(
        Contrast(c.name, c.positives, c.negatives, c.difference, c.p_value, float(p), c.enough)
        for c, p in zip(found, adjusted, strict=True)
    )


def _contrast(cases: Cases, inside: NDArray[np.bool_], name: str, repeats: int) -> Contrast:
    positive, score = scores_of(cases.truth, cases.score)
    weights = np.vstack([np.ones(len(score)), patient_weights(cases.patient, repeats, seed=0)])
    areas = [weighted_auc(positive[part], score[part], weights[:, part]) for part in (inside, ~inside)]
    drawn = areas[0] - areas[1]
    sizes = [int((positive & inside).sum()), int((~positive & inside).sum())]
    rest = [int((positive & ~inside).sum()), int((~positive & ~inside).sum())]
    difference = percentile_interval(float(drawn[0]), drawn[1:])
    enough = min(sizes + rest) >= MIN_CASES
    return Contrast(name, sizes[0], sizes[1], difference, bootstrap_p(drawn[1:]), float("nan"), enough)


def bootstrap_p(drawn: ArrayLike) -> float:
    """Two-sided p value of no difference: twice the smaller tail beyond 0, never below 1 / (draws + 1).

    Notes
    -----
    Davison & Hinkley, Bootstrap Methods and their Application, 1997, section 4.2.5.
    """
    kept = np.asarray(drawn, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return float("nan")
    tail = min((kept <= 0).sum(), (kept >= 0).sum())
    return float(min(1.0, 2 * (tail + 1) / (len(kept) + 1)))


def _p_values(values: ArrayLike) -> Float:
    p = np.asarray(values, dtype=np.float64).reshape(-1)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p values lie between 0 and 1")
    return p


def _in_place(sorted_values: Float, order: NDArray[np.int64]) -> Float:
    out = np.empty_like(sorted_values)
    out[order] = sorted_values
    return out
