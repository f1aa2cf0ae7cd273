"""What is measured on the test split of both sets, beside what the reader must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.linear_model import LogisticRegression

from coread.evaluation import (
    Interval,
    brier,
    expected_calibration_error,
    statistic_interval,
    wilson_interval,
)
from coread.learning.blood import counting
from coread.learning.blood.sets import KIND_NAMES, CellSet, Field
from coread.readers.blood_smear.cells import CLASSES
from coread.readers.blood_smear.differential import UNSURE, Naming, count_interval
from coread.readers.blood_smear.field import balanced
from coread.readers.blood_smear.peaks import Cells

Float = NDArray[np.floating]

NAMES = tuple(CLASSES)

REPEATS = 1000

PURPLE = 0.12
"""Excess of red and blue over green, of a 0..1 image, from which the baseline takes a pixel for a nucleus: of
0.08, 0.10, 0.12, 0.14, 0.15, 0.20, 0.25, 0.30 the one of best F1 (0.92) on every third training field."""

NUCLEUS_PX = 1500
"""Fewest pixels of a nucleus for the baseline, on fields of 480 x 640 pixels."""


def figure(interval: Interval, n: int) -> dict[str, float]:
    """A figure as results hold it."""
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper, "n": n}


def weighted_macro_f1(
    labels: NDArray[np.int64], said: NDArray[np.int64], weights: Float, classes: int
) -> float:
    """Macro F1 of weighted cases; a class that was drawn empty is left out."""
    table = np.zeros((classes, classes + 1))
    np.add.at(table, (labels, np.where(said == UNSURE, classes, said)), weights)
    right, there, called = np.diag(table[:, :classes]), table.sum(1), table[:, :classes].sum(0)
    present = there > 0
    return float(np.mean(2 * right[present] / np.maximum((there + called)[present], 1e-9)))


def naming_report(cells: CellSet, logits: Float, naming: Naming) -> dict[str, Any]:
    """Macro F1, F1 of each class, accuracy, calibration, and what is left unnamed."""
    labels, said = cells.labels, logits.argmax(1)
    probability, named = naming.probabilities(logits), naming.names(logits)
    sure = named != UNSURE
    macro = statistic_interval(lambda w: weighted_macro_f1(labels, said, w, len(NAMES)), cells.names, REPEATS)
    return {
        "cells": len(labels),
        "macro_f1": figure(macro, len(labels)),
        "accuracy": figure(wilson_interval(int((said == labels).sum()), len(labels)), len(labels)),
        "f1_per_class": {name: _class_f1(cells, said, k) for k, name in enumerate(NAMES)},
        "confusion_rows_are_truth": _confusion(labels, said).tolist(),
        "unnamed": figure(wilson_interval(int((~sure).sum()), len(labels)), len(labels)),
        "accuracy_of_named": figure(
            wilson_interval(int((named == labels)[sure].sum()), int(sure.sum())), int(sure.sum())
        ),
        "calibration": {
            "ece_10_equal_mass": expected_calibration_error(said == labels, probability.max(1)),
            "brier_of_the_named_class": brier(said == labels, probability.max(1)),
        },
    }


def _class_f1(cells: CellSet, said: NDArray[np.int64], k: int) -> dict[str, float]:
    there, called = cells.labels == k, said == k

    def f1(weights: Float) -> float:
        return counting.f1_of(
            np.array([weights[a].sum() for a in (there & called, called & ~there, there & ~called)])
        )

    return figure(statistic_interval(f1, cells.names, 400), int(there.sum()))


def _confusion(labels: NDArray[np.int64], said: NDArray[np.int64]) -> NDArray[np.int64]:
    table = np.zeros((len(NAMES), len(NAMES)), np.int64)
    np.add.at(table, (labels, said), 1)
    return table


def mean_colour(learners: CellSet, examined: CellSet) -> dict[str, float]:
    """Macro F1 of a logistic regression on mean and spread of the colours: the naive baseline."""
    old, new = (_colours(cells) for cells in (learners, examined))
    centre, scale = old.mean(0), old.std(0)
    model = LogisticRegression(max_iter=2000).fit((old - centre) / scale, learners.labels)
    said = model.predict((new - centre) / scale)
    macro = statistic_interval(
        lambda w: weighted_macro_f1(examined.labels, said, w, len(NAMES)), examined.names, REPEATS
    )
    return figure(macro, len(said))


def _colours(cells: CellSet) -> Float:
    images = [balanced(cells.image(i).astype(np.float32) / np.float32(255)) for i in range(len(cells.labels))]
    return np.array([np.r_[im.mean((0, 1)), im.std((0, 1)), im[40:88, 40:88].mean((0, 1))] for im in images])


def finding_report(found: Sequence[Cells], fields: Sequence[Field], reach: Float) -> dict[str, Any]:
    """Precision, recall and F1 of each kind with bootstrap over fields; counts and their intervals."""
    files = [field.path.name for field in fields]
    report: dict[str, Any] = {}
    for kind, name in enumerate(KIND_NAMES):
        tally = counting.tally(found, fields, kind)
        cells = int(tally[:, 0].sum() + tally[:, 2].sum())
        report[name] = {
            "cells": cells,
            "f1": figure(_over_fields(tally, files, counting.f1_of), cells),
            "precision": figure(_over_fields(tally, files, lambda c: _share(c[0], c[1])), cells),
            "recall": figure(_over_fields(tally, files, lambda c: _share(c[0], c[2])), cells),
            "count": _count_report(found, fields, kind, float(reach[kind])),
        }
    return {"fields": len(fields), "kinds": report}


def _share(hits: float, others: float) -> float:
    return float(hits / max(hits + others, 1e-9))


def _over_fields(tally: NDArray[np.int64], files: Sequence[str], statistic: Any) -> Interval:
    return statistic_interval(lambda w: statistic(w @ tally), files, REPEATS)


def _count_report(found: Sequence[Cells], fields: Sequence[Field], kind: int, reach: float) -> dict[str, Any]:
    """Error of the count, coverage and width of its 95 % interval."""
    said = np.array([int((cells.kind == kind).sum()) for cells in found])
    true = np.array([int((field.kind == kind).sum()) for field in fields])
    bounds = np.array([count_interval(int(n), reach) for n in said])
    inside = int(((bounds[:, 0] <= true) & (true <= bounds[:, 1])).sum())
    return {
        "mean_absolute_error": figure(_mean(np.abs(said - true), fields), len(true)),
        "mean_error": figure(_mean(said - true, fields), len(true)),
        "interval_coverage": figure(wilson_interval(inside, len(true)), len(true)),
        "interval_mean_width": float((bounds[:, 1] - bounds[:, 0]).mean()),
        "mean_true": float(true.mean()),
    }


def _mean(values: NDArray[np.int64], fields: Sequence[Field]) -> Interval:
    files = [field.path.name for field in fields]
    return statistic_interval(lambda w: float((w * values).sum() / w.sum()), files, REPEATS)


def purple_blobs(field: Field, excess: float = PURPLE) -> Cells:
    """White cells by colour alone: connected purple places of some size. The naive baseline."""
    image = balanced(field.image().astype(np.float32) / np.float32(255))
    purple = (image[..., 0] + image[..., 2]) / 2 - image[..., 1] > excess
    labels, _ = ndimage.label(ndimage.binary_closing(purple, iterations=3))
    boxes, sizes = [], []
    for number, part in enumerate(ndimage.find_objects(labels), 1):
        size = int((labels[part] == number).sum())
        if size >= NUCLEUS_PX:
            rows, columns = part
            boxes.append((columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start))
            sizes.append(size)
    kind = np.zeros(len(sizes), np.int64)
    score = np.array(sizes, dtype=np.float64) / image[..., 0].size
    return Cells(np.array(boxes, dtype=np.float64).reshape(-1, 4), kind, score)


def crossing_report(
    names: dict[str, NDArray[np.int64]], sure: dict[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    """How the single-cell classifier fares on cells of the other set, whose white cells bear no class.

    Parameters
    ----------
    names
        For each of `KIND_NAMES`: the likeliest class of each annotated cell, cut out by its annotated box.
    sure
        Whether it would be given that name.
    """
    platelet, unwanted = NAMES.index("platelet"), {NAMES.index("platelet"), NAMES.index("erythroblast")}
    white, other = names["WBC"], names["Platelets"]
    as_white = int(sum(int(n) not in unwanted for n in white))
    as_platelet = int((other == platelet).sum())
    return {
        "what": "PBC classifier on BCCD's annotated boxes; BCCD gives no classes of white cells",
        "white_cells_called_leukocytes": figure(wilson_interval(as_white, len(white)), len(white)),
        "platelets_called_platelets": figure(wilson_interval(as_platelet, len(other)), len(other)),
        "balanced_accuracy_white_against_platelet": (as_white / len(white) + as_platelet / len(other)) / 2,
        "named_at_all": {
            kind: figure(wilson_interval(int(held.sum()), len(held)), len(held))
            for kind, held in sure.items()
        },
        "classes_of_white_cells": {name: int((white == k).sum()) for k, name in enumerate(NAMES)},
    }
