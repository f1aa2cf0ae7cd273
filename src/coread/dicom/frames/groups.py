"""Functional groups of multi-frame objects (PS3.3 C.7.6.16)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from coread.dicom.quiet import LIBRARY_ERRORS
from coread.errors import BrokenPixelData


def functional_group(dataset: Dataset, frame: int, keyword: str) -> Dataset | None:
    """Return the macro `keyword` that holds for `frame`: per frame first, then shared; None where absent.

    Raises
    ------
    BrokenPixelData
        If the functional groups cannot be read.
    """
    try:
        per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
        shared = dataset.get("SharedFunctionalGroupsSequence") or []
        groups = [*per_frame[frame - 1 : frame], *shared[:1]]
        macros: list[Dataset] = [group[keyword].value[0] for group in groups if group.get(keyword)]
    except LIBRARY_ERRORS:
        raise BrokenPixelData(
            found="functional groups that cannot be read",
            expected="items by PS3.3 section C.7.6.16",
            remedy="correct the object at its source",
            where=keyword,
        ) from None
    return macros[0] if macros else None
