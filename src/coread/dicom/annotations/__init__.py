"""What DICOM objects say about other objects: segmentations, reports and structure sets, as values."""

from coread.dicom.annotations.annotation import ANNOTATION_SOP_CLASS_UIDS, Annotation, Kind
from coread.dicom.annotations.reading import read_annotations

__all__ = ["ANNOTATION_SOP_CLASS_UIDS", "Annotation", "Kind", "read_annotations"]
