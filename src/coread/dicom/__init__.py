"""The grammar of DICOM: the only room that reads pydicom data sets."""

from coread.dicom.directory import is_directory, referenced_files
from coread.dicom.frames import Plane, Window, order_along_normal
from coread.dicom.json_model import facts_json, keyword_of, tag_of
from coread.dicom.objects import DicomObject, open_object
from coread.dicom.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    FileMeta,
    data_set_offset,
    part10_prefix,
    read_meta,
)
from coread.dicom.scanner import scan_header
from coread.dicom.sop_classes import sop_class_name, storage_sop_class_uids, transfer_syntax_uids
from coread.dicom.structure import check_structure
from coread.dicom.writing import write_object

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "DicomObject",
    "FileMeta",
    "Plane",
    "Window",
    "check_structure",
    "data_set_offset",
    "facts_json",
    "is_directory",
    "keyword_of",
    "open_object",
    "order_along_normal",
    "part10_prefix",
    "read_meta",
    "referenced_files",
    "scan_header",
    "sop_class_name",
    "storage_sop_class_uids",
    "tag_of",
    "transfer_syntax_uids",
    "write_object",
]
