"""How the figures of doctors who read the same cases vary together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.learning.reader_study.merit import Merit

Float = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorCovariance:
    """Error variance and covariances of the Obuchowski-Rockette model.

    Attributes
    ----------
    variance
        Of one doctor in one treatment.
    cov1, cov2, cov3
        Same doctor, other treatment; same treatment, other doctor; both others.
    of_treatment
        (variance, cov2) of each treatment by itself.
    of_reader
        (variance, cov1) of each doctor alone.
    """

    variance: float
    cov1: float
    cov2: float
    cov3: float
    of_treatment: tuple[tuple[float, float], ...]
    of_reader: tuple[tuple[float, float], ...]


def jackknife(merit: Merit) -> ErrorCovariance:
    """Covariances by leaving out one case at a time.

    Notes
    -----
    Efron & Stein, Ann. Stat. 1981, doi:10.1214/aos/1176345462, with the factor (n - 1) / n; used by
    Obuchowski & Rockette, Commun. Stat. Simul. 1995, doi:10.1080/03610919508813243.
    """
    left_out = merit.without_each()
    spread = (left_out - left_out.mean(2, keepdims=True)).reshape(-1, merit.cases)
    return _averaged((merit.cases - 1) / merit.cases * spread @ spread.T, merit)


def delong(merit: Merit) -> ErrorCovariance:
    """Covariances from the structural components of a mean over pairs.

    Notes
    -----
    DeLong, DeLong & Clarke-Pearson, Biometrics 1988, doi:10.2307/2531595.
    """
    normal, abnormal = merit.kernel.shape[2:]
    of_normal = merit.kernel.mean(3).reshape(-1, normal)
    of_abnormal = merit.kernel.mean(2).reshape(-1, abnormal)
    matrix = np.cov(of_normal) / normal + np.cov(of_abnormal) / abnormal
    return _averaged(np.atleast_2d(matrix), merit)


COVARIANCES = {"jackknife": jackknife, "delong": delong}


def _averaged(matrix: Float, merit: Merit) -> ErrorCovariance:
    """Averages of a matrix [treatment x reader, treatment x reader] over its four kinds of entries."""
    t, r = len(merit.treatments), len(merit.readers)
    four = matrix.reshape(t, r, t, r)
    same_t, same_r = np.eye(t, dtype=bool)[:, None, :, None], np.eye(r, dtype=bool)[None, :, None, :]
    kinds = (same_t & same_r, ~same_t & same_r, same_t & ~same_r, ~same_t & ~same_r)
    variance, cov1, cov2, cov3 = (_mean(four, kind) for kind in kinds)
    return ErrorCovariance(
        variance, cov1, cov2, cov3,
        tuple((float(np.diag(four[i, :, i, :]).mean()), _beside(four[i, :, i, :])) for i in range(t)),
        tuple((float(np.diag(four[:, j, :, j]).mean()), _beside(four[:, j, :, j])) for j in range(r)),
    )  # fmt: skip


def _mean(four: Float, kind: NDArray[np.bool_]) -> float:
    chosen = np.broadcast_to(kind, four.shape)
    return float(four[chosen].mean()) if chosen.any() else 0.0


def _beside(square: Float) -> float:
    """Mean of what lies beside the diagonal; 0 if nothing does."""
    return _mean(square, ~np.eye(len(square), dtype=bool))
