"""What a reader found: where, how sure, and what it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from coread.domain.codes import Code
from coread.domain.study import InstanceRef


class Presence(StrEnum):
    """Whether a finding is there, at the reader's validated threshold."""

    PRESENT = "present"
    ABSENT = "absent"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Confidence:
    """A calibrated probability with its interval.

    *Assumes* patients like those of `calibrated_on`. *Does not* speak for others.
    """

    probability: float
    """Calibrated probability that the finding is present, 0..1."""
    lower: float
    upper: float
    level: float = 0.95
    """Coverage of [lower, upper]."""
    calibrated_on: str = ""
    """The held-out set on which calibration was fitted."""

    def __post_init__(self) -> None:
        if not 0 <= self.lower <= self.probability <= self.upper <= 1:
            raise ValueError(f"Expected 0 <= lower <= probability <= upper <= 1, got {self!r}.")


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box in pixels of the stored image.

    Origin: the outer corner of the top left pixel; x runs along columns, y along rows.
    """

    left_px: float
    top_px: float
    width_px: float
    height_px: float


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Where a reader looked: a coarse grid stretched over the whole stored frame.

    `values` is float32 [row, column] in 0..1. Its cells tile `extent`, which is in
    pixels of the stored image. Outside `extent` the reader saw nothing.
    """

    values: npt.NDArray[np.float32]
    extent: Box
    frame: int = 1
    """Frame number, counted from 1."""
    method: str = ""
    """Name of the explanation method, e.g. ``class activation map``."""

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not np.isfinite(self.values).all():
            raise ValueError(f"A heat map is finite [row, column], got shape {self.values.shape}.")
        self.values.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HeatMap):
            return NotImplemented
        same = (self.extent, self.frame, self.method) == (other.extent, other.frame, other.method)
        return same and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.values.tobytes(), self.extent, self.frame, self.method))


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number with its quantity and unit (UCUM)."""

    quantity: Code
    value: float
    unit: Code


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of a reader about one image.

    `tracking_uid` is a function of input, reader and version, so that the same
    finding bears the same identifier in SR, SEG and FHIR.
    """

    code: Code
    presence: Presence
    confidence: Confidence
    image: InstanceRef
    site: Code | None
    tracking_uid: str
    tracking_id: str
    """Short name of the finding for people, e.g. ``Lung opacity 1``."""
    boxes: tuple[Box, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    heat_map: HeatMap | None = None
    """Present only when the reader's explanation passed its faithfulness test."""
