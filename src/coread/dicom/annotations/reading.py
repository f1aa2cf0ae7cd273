"""From an object to what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from coread.dicom.annotations.annotation import LABEL_MAP, REPORTS, SEGMENTATION, STRUCTURE_SET, Annotation
from coread.dicom.annotations.reports import report_groups
from coread.dicom.annotations.segmentation import segmentation_masks
from coread.dicom.annotations.structures import structure_contours
from coread.dicom.objects import DicomObject
from coread.dicom.quiet import LIBRARY_ERRORS
from coread.errors import MalformedObject, UnsupportedPixels

_READERS: Mapping[str, Callable[[DicomObject], Iterator[Annotation]]] = {
    SEGMENTATION: segmentation_masks,
    LABEL_MAP: segmentation_masks,
    STRUCTURE_SET: structure_contours,
    **dict.fromkeys(REPORTS, report_groups),
}


def read_annotations(annotating: DicomObject) -> tuple[Annotation, ...]:
    """Give all statements of a segmentation, structured report or structure set.

    Parameters
    ----------
    annotating
        An object of one of `ANNOTATION_SOP_CLASS_UIDS`.

    Raises
    ------
    UnsupportedPixels
        If the object is of another class.
    MalformedObject
        If it does not hold what its class demands.
    BrokenPixelData
        If a mask cannot be decoded.
    """
    read = _READERS.get(annotating.header.ref.sop_class_uid)
    if read is None:
        raise UnsupportedPixels("an object that annotates nothing", "a SEG, SR or RTSTRUCT object")
    try:
        return tuple(read(annotating))
    except LIBRARY_ERRORS as fault:
        raise MalformedObject(
            found=f"an annotation that lacks or garbles something ({type(fault).__name__})",
            expected="the modules of PS3.3 A.51, A.35 or A.19",
            remedy="export it again",
        ) from None
