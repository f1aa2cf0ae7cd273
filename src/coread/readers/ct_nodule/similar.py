"""Case-based evidence: the training nodules that look most like this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.domain.finding import SimilarCase

Float = NDArray[np.floating[Any]]

SHOWN = 3
"""Cases shown to the doctor."""


@dataclass(frozen=True, eq=False)
class Casebook:
    """Training nodules in a space where near means alike.

    Attributes
    ----------
    axes
        From standardised features to the space, [feature, axis].
    places
        Of the training nodules, [case, axis].
    reach
        Median distance of a training nodule to its nearest: the distance at which similarity is one half.
    names, notes, notes_zh
        Of each case; names as published.
    """

    axes: Float
    places: Float
    reach: float
    names: NDArray[np.str_]
    notes: NDArray[np.str_]
    notes_zh: NDArray[np.str_]

    @classmethod
    def of_arrays(cls, held: Mapping[str, NDArray[Any]]) -> Casebook:
        """Make it from the arrays of the bundle's ``cases.npz``."""
        texts = (held[name] for name in ("names", "notes", "notes_zh"))
        return cls(held["axes"], held["places"], float(held["reach"]), *texts)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The same as arrays."""
        return {name: np.asarray(getattr(self, name)) for name in self.__dataclass_fields__}

    def nearest(self, standardised: Float, count: int = SHOWN) -> tuple[NDArray[np.int64], Float]:
        """Places of the nearest cases and their distances, nearest first, [count]."""
        apart = np.sqrt(((self.places - standardised @ self.axes) ** 2).sum(1))
        order = np.argsort(apart, kind="stable")[:count]
        return order, apart[order]

    def similar(self, standardised: Float) -> tuple[SimilarCase, ...]:
        """The cases that are shown."""
        order, apart = self.nearest(standardised)
        return tuple(self._case(i, d) for i, d in zip(order, apart, strict=True))

    def _case(self, at: int, distance: float) -> SimilarCase:
        alike = round(float(self.reach / (self.reach + distance)), 3)
        return SimilarCase(str(self.names[at]), alike, str(self.notes[at]), str(self.notes_zh[at]))
