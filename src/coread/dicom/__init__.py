"""The grammar of DICOM: the only room that reads pydicom data sets."""

from coread.dicom.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    data_set_offset,
    part10_prefix,
)
from coread.dicom.scanner import scan_header
from coread.dicom.sop_classes import sop_class_name, storage_sop_class_uids, transfer_syntax_uids

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "data_set_offset",
    "part10_prefix",
    "scan_header",
    "sop_class_name",
    "storage_sop_class_uids",
    "transfer_syntax_uids",
]
