"""What the house ships for the tests of others: synthetic patients, contract suites."""

from coread.testing.patients import (
    BROKEN,
    broken,
    chest_pixels,
    chest_radiograph,
    ct_slice,
    dicom_from_pixels,
    mr_slice,
    text_report,
    ultrasound,
)

__all__ = [
    "BROKEN",
    "broken",
    "chest_pixels",
    "chest_radiograph",
    "ct_slice",
    "dicom_from_pixels",
    "mr_slice",
    "text_report",
    "ultrasound",
]
