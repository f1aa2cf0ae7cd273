"""How well several classes are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coread.evaluation.bootstrap import patient_weights, percentile_interval
from coread.evaluation.samples import Interval

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassReport:
    """What was called what.

    Attributes
    ----------
    confusion
        Number of cases, [true class, called class].
    f1
        Of each class, with interval.
    macro_f1, balanced_accuracy, accuracy
        With intervals.
    """

    confusion: NDArray[np.int64]
    f1: tuple[Interval, ...]
    macro_f1: Interval
    balanced_accuracy: Interval
    accuracy: Interval


def class_report(
    truth: ArrayLike, called: ArrayLike, patients: Sequence[str], classes: int, repeats: int = 2000
) -> ClassReport:
    """Compare called with true classes.

    Parameters
    ----------
    truth, called
        Class of each case, 0..classes - 1, [case].
    patients
        Patient of each case; where none is known, the case itself.
    classes
        Their number.
    repeats
        Draws of the patient bootstrap.

    Returns
    -------
    ClassReport
        With 95 % percentile intervals.

    Notes
    -----
    Macro-F1 = mean of the classes' F1 (Opitz & Burst 2019, arXiv:1911.03347); a class that is neither true
    nor called in a draw counts 0 there.
    """
    true, said = (_classes(x, classes) for x in (truth, called))
    if true.shape != said.shape:
        raise ValueError(f"truth and call need one value per case; found {true.shape} and {said.shape}")
    cell = true * classes + said
    weights = np.vstack([np.ones(len(true)), patient_weights(patients, repeats, seed=0)])
    cells = np.stack([np.bincount(cell, w, classes * classes) for w in weights]).astype(np.float64)
    tables = cells.reshape(-1, classes, classes)
    f1, recall = _f1(tables), _recall(tables)
    hits = np.trace(tables, axis1=1, axis2=2) / tables.sum((1, 2))
    return ClassReport(
        tables[0].astype(np.int64),
        tuple(percentile_interval(float(f1[0, k]), f1[1:, k]) for k in range(classes)),
        *(percentile_interval(float(x[0]), x[1:]) for x in (f1.mean(1), np.nanmean(recall, axis=1), hits)),
    )


def _f1(tables: Float) -> Float:
    hits = np.diagonal(tables, axis1=1, axis2=2)
    return np.asarray(2 * hits / np.maximum(tables.sum(1) + tables.sum(2), 1e-12))


def _recall(tables: Float) -> Float:
    """Recall of each class, nan where it is absent."""
    hits, size = np.diagonal(tables, axis1=1, axis2=2), tables.sum(2)
    return np.asarray(np.divide(hits, size, out=np.full(size.shape, np.nan), where=size > 0))


def _classes(values: ArrayLike, classes: int) -> NDArray[np.int64]:
    found = np.asarray(values, dtype=np.int64)
    if found.ndim != 1 or (found.size and (found.min() < 0 or found.max() >= classes)):
        raise ValueError(f"a class is a number from 0 to {classes - 1}, one per case")
    return found
