"""How many errors are left if the least certain cases are handed back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.bootstrap import patient_weights, percentile_interval
from coread.evaluation.samples import Interval

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SelectiveRisk:
    """Share of errors among the cases that a reader keeps.

    Attributes
    ----------
    coverage, risk
        Share kept, rising, and share of errors among them, [case].
    area
        Mean risk over all coverages (AURC), with interval; 0 is perfect.
    excess
        The same less that of an ideal order of the same errors.
    full
        Risk if every case is kept.
    """

    coverage: Float
    risk: Float
    area: Interval
    excess: float
    full: float

    def at(self, coverage: float) -> float:
        """Risk when at least this share is kept."""
        return float(self.risk[int(np.searchsorted(self.coverage, coverage - 1e-12))])


def selective_risk(
    wrong: ArrayLike, confidence: ArrayLike, patients: Sequence[str], repeats: int = 1000
) -> SelectiveRisk:
    """Order cases by confidence and count the errors.

    Parameters
    ----------
    wrong
        Whether the reader errs, [case].
    confidence
        Higher = surer, [case]; ties are counted by their mean risk.
    patients
        Patient of each case.
    repeats
        Draws of the patient bootstrap.

    Notes
    -----
    Geifman & El-Yaniv, NeurIPS 2017, arXiv:1705.08500; area and its excess: Geifman, Uziel & El-Yaniv, ICLR
    2019, arXiv:1805.08206.
    """
    errors, sure = np.asarray(wrong, dtype=np.float64), np.asarray(confidence, dtype=np.float64)
    if errors.shape != sure.shape or errors.ndim != 1 or not len(errors):
        raise ValueError(f"wrong and confidence need one value per case; found {errors.shape}, {sure.shape}")
    weights = patient_weights(patients, repeats, seed=0)
    risk = _risk(errors, sure)
    drawn = [_weighted_area(errors, sure, w) for w in weights]
    area = percentile_interval(float(risk.mean()), drawn)
    best = _risk(errors, -errors).mean()
    share = np.arange(1, len(errors) + 1) / len(errors)
    return SelectiveRisk(share, risk, area, float(risk.mean() - best), float(errors.mean()))


def _weighted_area(errors: Float, sure: Float, weights: Float) -> float:
    kept = np.repeat(np.arange(len(errors)), weights.astype(int))
    return float(_risk(errors[kept], sure[kept]).mean())


def _risk(errors: Float, sure: Float) -> Float:
    """Risk after each case, surest first; within a tie every case counts as the mean of the tie."""
    order = np.argsort(-sure, kind="stable")
    _, tie = np.unique(-sure[order], return_inverse=True)
    mean = np.bincount(tie, errors[order]) / np.bincount(tie)
    return np.asarray(np.cumsum(mean[tie]) / np.arange(1, len(errors) + 1))
