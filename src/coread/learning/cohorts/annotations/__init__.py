"""Annotations of other programs as labels: DICOM SEG, SR and RTSTRUCT, COCO, Pascal VOC, CSV."""

from coread.learning.cohorts.annotations.importing import Imported, with_annotations
from coread.learning.cohorts.annotations.tables import read_coco, read_csv, read_voc

__all__ = ["Imported", "read_coco", "read_csv", "read_voc", "with_annotations"]
