"""Cases of one site as a frozen trunk saw them, with label, patient and part."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from coread.learning.federated.task import SiteData

Float = NDArray[np.float32]
Rows = NDArray[np.int64]

PARTS = ("train", "val", "test")

FLOOR = 1e-3
"""Added to deviations of features: channels that are silent at a site stay silent."""


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases of one site.

    Attributes
    ----------
    features
        float32 [case, feature].
    target
        What is learned, 0..1 [case]; nan where nobody said: such a case is left out of every loss.
    truth
        1, 0, or -1 where it is not sure or not known [case]; what is measured on.
    patients
        [case].
    part
        train, val or test [case].
    """

    features: Float
    target: Float
    truth: NDArray[np.int64]
    patients: Sequence[str]
    part: Sequence[str]

    def learned(self) -> Rows:
        """Labelled training cases, each image once: what is byte for byte the same counts once."""
        return self._learned

    @cached_property
    def _learned(self) -> Rows:
        rows = np.flatnonzero((np.asarray(self.part) == "train") & np.isfinite(self.target))
        first: dict[bytes, int] = {}
        for row in rows:
            first.setdefault(self.features[row].tobytes(), int(row))
        return np.array(sorted(first.values()), dtype=np.int64)

    @cached_property
    def statistics(self) -> Float | None:
        """Mean and deviation [2, feature] of the training cases, labelled or not; None if there are none."""
        train = self.features[np.asarray(self.part) == "train"].astype(np.float64)
        if not len(train):
            return None
        return np.stack([train.mean(0), train.std(0) + FLOOR]).astype(np.float32)

    def judged(self, part: str) -> Rows:
        """Cases of a part whose truth is known."""
        return np.flatnonzero((np.asarray(self.part) == part) & (self.truth >= 0)).astype(np.int64)

    def only(self, rows: Rows) -> Cases:
        """The cases at these places, in this order; a place may come twice."""
        chosen = [int(row) for row in rows]
        return Cases(
            self.features[rows],
            self.target[rows],
            self.truth[rows],
            [self.patients[row] for row in chosen],
            [self.part[row] for row in chosen],
        )

    def relabelled(self, rows: Rows, target: Float) -> Cases:
        """The same cases with other targets in some places: for planting wrong labels."""
        changed = self.target.copy()
        changed[rows] = target
        return replace(self, target=changed)


def joined(parts: Sequence[Cases]) -> Cases:
    """Cases of several sites as if they were one."""
    return Cases(
        np.concatenate([one.features for one in parts]),
        np.concatenate([one.target for one in parts]),
        np.concatenate([one.truth for one in parts]),
        [patient for one in parts for patient in one.patients],
        [name for one in parts for name in one.part],
    )


class Remembered:
    """Remembers the cases of each site: read once, whoever asks.

    Parameters
    ----------
    make
        Reads the cases of a site.
    """

    def __init__(self, make: Callable[[SiteData], Cases]) -> None:
        self._make = make
        self._held: dict[tuple[str, str, str], Cases] = {}

    def __call__(self, data: SiteData) -> Cases:
        """Cases of a site, the same object each time."""
        key = (data.site, str(data.folder), json.dumps(dict(data.query), sort_keys=True))
        if key not in self._held:
            self._held[key] = self._make(data)
        return self._held[key]


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model said of cases.

    Attributes
    ----------
    score
        [case]: log-odds, or a measure of quality such as the Dice of a nodule.
    truth
        0 or 1 [case]; all -1 where the score is itself the measure.
    patients
        [case].
    """

    score: NDArray[np.float64]
    truth: NDArray[np.int64]
    patients: list[str]
