"""Counting: how many cells, how many of each class, and how sure one can be of either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.domain.codes import COUNTS, PERCENT
from coread.domain.finding import Measurement
from coread.evaluation import Interval, wilson_interval
from coread.readers.blood_smear.cells import CLASSES, DIFFERENTIAL, ERYTHROBLAST, KINDS, UNCLASSIFIED

Float = NDArray[np.floating]

UNSURE = -1
"""Class number of a white cell that the classifier does not name."""


@dataclass(frozen=True, slots=True)
class Naming:
    """When a white cell is given a name.

    Attributes
    ----------
    temperature
        By which logits are divided (Guo et al., ICML 2017, arXiv:1706.04599), fitted on validation cells.
    least
        Smallest probability at which a cell is named, chosen on validation cells.
    """

    temperature: float
    least: float

    def probabilities(self, logits: Float) -> Float:
        """Calibrated probability of each class, [cell, class]."""
        scaled = np.asarray(logits, dtype=np.float64) / self.temperature
        raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def names(self, logits: Float) -> NDArray[np.int64]:
        """Class number of each cell, `UNSURE` where no class is probable enough, [cell]."""
        probability = self.probabilities(logits)
        surest = probability.argmax(axis=1)
        return np.where(probability.max(axis=1) >= self.least, surest, UNSURE).astype(np.int64)


def count_interval(found: int, reach: float) -> tuple[float, float]:
    """95 % prediction interval of the true number of cells on a field.

    Parameters
    ----------
    found
        Cells that were counted.
    reach
        Of |true - found| / sqrt(found + 1), from validation fields: the wider of the conformal quantile and
        the reach of a normal tolerance interval of 95 % of fields at 95 % confidence.

    Returns
    -------
    (float, float)
        Whole numbers, the lower one at least 0.

    Notes
    -----
    Split conformal prediction with a locally weighted score: Lei et al., JASA 2018,
    doi:10.1080/01621459.2017.1307116, section 5.2; tolerance: Howe, JASA 1969, 64(326):610-620.
    *Assumes* fields like those of the validation split.
    """
    half = reach * np.sqrt(found + 1)
    return float(max(0.0, np.ceil(found - half))), float(np.floor(found + half))


def shares(names: Sequence[int] | NDArray[np.int64]) -> dict[str, tuple[int, Interval]]:
    """Leukocyte differential of one field or of many.

    Parameters
    ----------
    names
        Class number of each white cell, `UNSURE` left out of the reckoning.

    Returns
    -------
    dict
        For each class of `DIFFERENTIAL`: how many, and the share of the named leukocytes with Wilson's 95 %
        interval. The interval is that of counting so few cells; it knows nothing of misnamed ones.
    """
    labels = list(CLASSES)
    counts = {name: int(np.sum(np.asarray(names) == labels.index(name))) for name in DIFFERENTIAL}
    total = sum(counts.values())
    return {name: (count, wilson_interval(count, total)) for name, count in counts.items()}


def measurements(kinds: Mapping[int, int], reach: Float, names: NDArray[np.int64]) -> tuple[Measurement, ...]:
    """What is written down of one field.

    Parameters
    ----------
    kinds
        Number of cells found, by index into `KINDS`.
    reach
        Reach [kind], see `count_interval`.
    names
        Class number of each white cell.

    Returns
    -------
    tuple of Measurement
        Count of each kind with its interval; of each class the count, and where any leukocyte was named its
        share in percent with interval; nucleated red cells and cells without a name, counted.
    """
    found = [_count(kind, kinds.get(index, 0), float(reach[index])) for index, kind in enumerate(KINDS)]
    for name, (count, share) in shares(names).items():
        found.append(Measurement(CLASSES[name], float(count), COUNTS))
        if np.isfinite(share.value):
            found.append(_percent(name, share))
    nucleated = int(np.sum(names == list(CLASSES).index("erythroblast")))
    found.append(Measurement(ERYTHROBLAST, float(nucleated), COUNTS))
    found.append(Measurement(UNCLASSIFIED, float(unnamed(names)), COUNTS))
    return tuple(found)


def unnamed(names: NDArray[np.int64]) -> int:
    """White cells without a leukocyte's name: unsure, or looking like a platelet."""
    return int(np.sum((names == UNSURE) | (names == list(CLASSES).index("platelet"))))


def _count(kind: object, count: int, reach: float) -> Measurement:
    lower, upper = count_interval(count, reach)
    return Measurement(kind, float(count), COUNTS, lower=lower, upper=upper, level=0.95)  # type: ignore[arg-type]


def _percent(name: str, share: Interval) -> Measurement:
    value, lower, upper = (round(100 * part, 1) for part in (share.value, share.lower, share.upper))
    return Measurement(CLASSES[name], value, PERCENT, lower=lower, upper=upper, level=share.level)
