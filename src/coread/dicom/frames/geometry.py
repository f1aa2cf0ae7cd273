"""Where pixels lie: spacing, and the plane of a slice in the patient (PS3.3 C.7.6.2)."""

from __future__ import annotations

import math

from pydicom.dataset import Dataset

from coread.dicom.frames.display import functional_group
from coread.dicom.quiet import LIBRARY_ERRORS

# In order of trust: in the patient, then at the detector (PS3.3 C.8.11.4, 10.7.1.3), then as scanned.
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def pixel_spacing_mm(dataset: Dataset) -> tuple[float, float] | None:
    """Return the distance of pixel centres as (between rows, between columns) in mm, or None.

    *Does not* correct the magnification of a projection: a spacing at the detector is given as it is.
    """
    measures = functional_group(dataset, 1, "PixelMeasuresSequence")
    for holder in (measures, dataset):
        for keyword in _SPACINGS:
            spacing = None if holder is None else _two_lengths(holder, keyword)
            if spacing is not None:
                return spacing
    return None


def _two_lengths(holder: Dataset, keyword: str) -> tuple[float, float] | None:
    try:
        row, column = (float(number) for number in holder.get(keyword) or ())
    except LIBRARY_ERRORS:
        return None
    return (row, column) if _is_length(row) and _is_length(column) else None


def _is_length(number: float) -> bool:
    return math.isfinite(number) and number > 0
