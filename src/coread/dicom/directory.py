"""DICOMDIR: the files that a medium's directory names (PS3.10 section 8, PS3.3 annex F)."""

from __future__ import annotations

import io

from pydicom import dcmread

from coread.dicom.part10 import Buffer, read_meta
from coread.dicom.quiet import LIBRARY_ERRORS
from coread.dicom.structure import check_structure
from coread.errors import MalformedObject

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


def is_directory(data: Buffer) -> bool:
    """Tell whether the bytes begin a DICOMDIR.

    Raises
    ------
    NotDicom, TruncatedObject, MalformedObject
        As for `read_meta`.
    """
    return read_meta(data).sop_class_uid == MEDIA_STORAGE_DIRECTORY


def referenced_files(data: Buffer) -> tuple[tuple[str, ...], ...]:
    """Return the components of each Referenced File ID (0004,1500), relative to the DICOMDIR's folder.

    Components are given as written: the caller must refuse those that leave the folder.

    Raises
    ------
    NotDicom, TruncatedObject, MalformedObject, NestingTooDeep, UnknownTransferSyntax
        As for `check_structure`.
    """
    check_structure(data)
    try:
        records = dcmread(io.BytesIO(bytes(data))).get("DirectoryRecordSequence") or []
        names = [record.get("ReferencedFileID") for record in records]
        parts = [(name,) if isinstance(name, str) else tuple(map(str, name)) for name in names if name]
    except LIBRARY_ERRORS:
        raise MalformedObject(
            found="directory records that cannot be read",
            expected="a directory record sequence by PS3.3 annex F",
            remedy="import the folder itself instead of its DICOMDIR",
            where="DirectoryRecordSequence (0004,1220)",
        ) from None
    return tuple(dict.fromkeys(parts))
