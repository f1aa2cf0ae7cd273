"""Where pixels lie: spacing, and the plane of a frame in the patient (PS3.3 C.7.6.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from coread.dicom.frames.groups import functional_group
from coread.dicom.quiet import LIBRARY_ERRORS

# In order of trust: in the patient, then at the detector (PS3.3 C.8.11.4, 10.7.1.3), then as scanned.
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The plane of one frame: from (row, column) to the patient's LPS coordinates in mm and back.

    Indices count from 0 at the centre of the top left pixel; x of LPS runs to the patient's left,
    y to the back, z to the head (PS3.3 C.7.6.2.1.1).
    """

    origin_lps_mm: Vector
    """Image Position (Patient): the centre of the top left pixel."""
    along_row: Vector
    """Unit vector in which the column index grows."""
    along_column: Vector
    """Unit vector in which the row index grows."""
    spacing_mm: tuple[float, float]
    """(between rows, between columns)."""

    @property
    def normal(self) -> Vector:
        """Unit vector across the plane, right-handed with `along_row` and `along_column`."""
        return np.cross(self.along_row, self.along_column)

    def point_lps_mm(self, row: float, column: float) -> Vector:
        """Return where the point at (`row`, `column`) lies, equation C.7.6.2.1-1.

        Examples
        --------
        >>> plane = Plane(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), (2.0, 0.5))
        >>> plane.point_lps_mm(row=1, column=4).tolist()
        [2.0, 2.0, 0.0]
        """
        between_rows, between_columns = self.spacing_mm
        across = self.along_row * (column * between_columns)
        point: Vector = self.origin_lps_mm + across + self.along_column * (row * between_rows)
        return point

    def index_of(self, point_lps_mm: Vector) -> tuple[float, float, float]:
        """Return (row, column, distance from the plane in mm along `normal`) of a point."""
        offset = point_lps_mm - self.origin_lps_mm
        row = float(offset @ self.along_column) / self.spacing_mm[0]
        column = float(offset @ self.along_row) / self.spacing_mm[1]
        return row, column, float(offset @ self.normal)


def plane_of(dataset: Dataset, frame: int = 1) -> Plane | None:
    """Return the plane of `frame`, None where the object does not place it in the patient.

    An orientation whose vectors are not of unit length and square to each other is no orientation.
    """
    position = _numbers(_holder(dataset, frame, "PlanePositionSequence"), "ImagePositionPatient", 3)
    cosines = _numbers(_holder(dataset, frame, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    spacing = pixel_spacing_mm(dataset, frame)
    if position is None or cosines is None or spacing is None:
        return None
    along_row, along_column = cosines[:3], cosines[3:]
    gram = np.array([along_row @ along_row, along_column @ along_column, along_row @ along_column])
    if not np.allclose(gram, [1, 1, 0], atol=1e-3):
        return None
    return Plane(position, along_row, along_column, spacing)


def order_along_normal(planes: Sequence[Plane]) -> tuple[int, ...]:
    """Return the indices of parallel planes in ascending order along the normal of the first.

    The order does not depend on the order in which they are given; planes at one place keep
    their order.
    """
    if not planes:
        return ()
    normal = _canonical(planes[0].normal)
    distances = [float(plane.origin_lps_mm @ normal) for plane in planes]
    return tuple(sorted(range(len(planes)), key=distances.__getitem__))


def pixel_spacing_mm(dataset: Dataset, frame: int = 1) -> tuple[float, float] | None:
    """Return the distance of pixel centres as (between rows, between columns) in mm, or None.

    *Does not* correct the magnification of a projection: a spacing at the detector is given as it is.
    """
    for holder in (functional_group(dataset, frame, "PixelMeasuresSequence"), dataset):
        for keyword in _SPACINGS:
            spacing = None if holder is None else _numbers(holder, keyword, 2)
            if spacing is not None and (spacing > 0).all():
                return (float(spacing[0]), float(spacing[1]))
    return None


def _canonical(normal: Vector) -> Vector:
    """Turn a normal so that its greatest component is positive: one direction for both faces of a plane."""
    return normal if normal[np.argmax(np.abs(normal))] > 0 else -normal


def _holder(dataset: Dataset, frame: int, keyword: str) -> Dataset:
    return functional_group(dataset, frame, keyword) or dataset


def _numbers(holder: Dataset, keyword: str, count: int) -> Vector | None:
    try:
        numbers = np.array([float(number) for number in holder.get(keyword) or ()])
    except LIBRARY_ERRORS:
        return None
    return numbers if numbers.size == count and all(map(math.isfinite, numbers)) else None
