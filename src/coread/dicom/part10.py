"""The file meta information of PS3.10 section 7: read it with patience, write it by the book."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from coread.dicom.sop_classes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding
from coread.domain.identity import derive_uid
from coread.errors import MalformedObject, NotDicom, TruncatedObject

Buffer = bytes | bytearray | memoryview

PREAMBLE = b"\0" * 128 + b"DICM"
IMPLEMENTATION_CLASS_UID = derive_uid("coread", "implementation class")
IMPLEMENTATION_VERSION_NAME = "COREAD_0.1"

#: Value representations with a reserved field and a 32-bit length (PS3.5 table 7.1-1).
LONG_VRS = frozenset(
    vr.encode() for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
)
#: Value representations with a 16-bit length (PS3.5 table 7.1-2).
SHORT_VRS = frozenset(
    vr.encode()
    for vr in (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT"),
        *("PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
)

_MEDIA_STORAGE_SOP_CLASS = 0x0002
_MEDIA_STORAGE_SOP_INSTANCE = 0x0003
_TRANSFER_SYNTAX = 0x0010
_SOURCE_AE = 0x0016
_MAX_META_ELEMENTS = 256


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the file meta information says, with what was guessed where it is silent."""

    transfer_syntax_uid: str
    """Transfer Syntax UID (0002,0010); guessed from the first element where the file has none."""
    sop_class_uid: str
    """Media Storage SOP Class UID (0002,0002), empty where absent."""
    sop_instance_uid: str
    """Media Storage SOP Instance UID (0002,0003), empty where absent."""
    source_ae: str
    """Source Application Entity Title (0002,0016), empty where absent."""
    data_set_offset: int
    """Where the data set starts, in bytes from the start of the file."""
    has_preamble: bool
    """Whether the file begins with the preamble and ``DICM``."""


def read_meta(data: Buffer) -> FileMeta:
    """Read the file meta information at the start of a file.

    A file without preamble, without meta header, or with a wrong group length is
    read as pydicom would: the elements of group 0002 are taken while they last.

    Raises
    ------
    NotDicom
        If the bytes begin neither with the prefix nor with a plausible first element.
    TruncatedObject
        If the bytes end inside the meta information.
    MalformedObject
        If the meta information does not end.
    """
    offset = _start_of_elements(data)
    values, end = _group_two(data, offset)
    syntax = _uid(values.get(_TRANSFER_SYNTAX, b""))
    return FileMeta(
        transfer_syntax_uid=syntax or _guess_transfer_syntax(data, end),
        sop_class_uid=_uid(values.get(_MEDIA_STORAGE_SOP_CLASS, b"")),
        sop_instance_uid=_uid(values.get(_MEDIA_STORAGE_SOP_INSTANCE, b"")),
        source_ae=_uid(values.get(_SOURCE_AE, b"")),
        data_set_offset=end,
        has_preamble=offset > 0,
    )


def data_set_offset(data: Buffer) -> int:
    """Return where the data set starts, after preamble and meta information, in bytes.

    Two files of one object that differ only in how they came (the sender's AE title)
    have the same bytes from here on.

    Raises
    ------
    NotDicom, TruncatedObject, MalformedObject
        As for `read_meta`.
    """
    return read_meta(data).data_set_offset


def actual_encoding(data: Buffer, offset: int, declared: Encoding) -> Encoding:
    """Return how the data set at `offset` is really encoded, as its first element shows.

    Files whose meta information says one and whose data set is the other are met in the field; pydicom
    reads them in the same way. Byte order is believed.
    """
    vr = bytes(data[offset + 4 : offset + 6])
    if len(vr) < 2 or not declared.little:
        return declared
    explicit = all(0x41 <= letter <= 0x5A for letter in vr)
    return Encoding(explicit=explicit, little=True, deflated=declared.deflated)


def part10_prefix(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae: str = ""
) -> bytes:
    """Write what stands before the data set in a file of PS3.10: preamble, prefix, meta information.

    Parameters
    ----------
    sop_class_uid, sop_instance_uid, transfer_syntax_uid
        As agreed with the sender; not checked here.
    source_ae
        AE title that the data set came from, or empty to leave the element out.
    """
    elements = [
        _element(0x0001, b"OB", b"\x00\x01"),
        _element(_MEDIA_STORAGE_SOP_CLASS, b"UI", sop_class_uid.encode("ascii")),
        _element(_MEDIA_STORAGE_SOP_INSTANCE, b"UI", sop_instance_uid.encode("ascii")),
        _element(_TRANSFER_SYNTAX, b"UI", transfer_syntax_uid.encode("ascii")),
        _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
        _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
    ]
    if source_ae:
        elements.append(_element(_SOURCE_AE, b"AE", source_ae.encode("ascii", "replace")[:16]))
    body = b"".join(elements)
    return PREAMBLE + _element(0x0000, b"UL", struct.pack("<I", len(body))) + body


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    padding = b"" if len(value) % 2 == 0 else (b"\0" if vr in (b"UI", b"OB") else b" ")
    length = len(value) + len(padding)
    layout = "<HH2sxxI" if vr in LONG_VRS else "<HH2sH"
    return struct.pack(layout, 0x0002, element, vr, length) + value + padding


def _start_of_elements(data: Buffer) -> int:
    if bytes(data[128:132]) == b"DICM":
        return 132
    if len(data) >= 8 and _looks_like_element(bytes(data[:8])):
        return 0
    raise NotDicom(
        found=f"{len(data)} bytes without the DICM prefix" if len(data) else "an empty file",
        expected="a preamble of 128 bytes and DICM, or a data set that begins with group 0002 or 0008",
        remedy="check that the file is a DICOM object",
    )


def _looks_like_element(head: bytes) -> bool:
    """Tell whether `head` is the start of a data set: group 0002 or 0008, with a sane length or VR."""
    for order in "<>":
        group, element, vr, _ = struct.unpack(order + "HH2sH", head)
        if group in (0x0002, 0x0008) and element <= 0x1000:
            implicit_length = struct.unpack(order + "I", head[4:])[0]
            if vr in SHORT_VRS or vr in LONG_VRS or (order == "<" and implicit_length <= 0xFFFF):
                return True
    return False


def _group_two(data: Buffer, offset: int) -> tuple[dict[int, bytes], int]:
    """Read the elements of group 0002 from `offset`; return them and where they end."""
    values: dict[int, bytes] = {}
    for _ in range(_MAX_META_ELEMENTS):
        head = bytes(data[offset : offset + 12])
        if head[:2] != b"\x02\x00":
            return values, offset
        element, length, start = _meta_element(head, offset)
        if start + length > len(data):
            raise TruncatedObject(
                found=f"{len(data)} bytes, with an element that ends at {start + length}",
                expected="the whole file meta information",
                remedy="send the object again",
                where=f"(0002,{element:04X})",
            )
        values[element] = bytes(data[start : start + length])
        offset = start + length
    raise MalformedObject(
        found=f"more than {_MAX_META_ELEMENTS} elements",
        expected="the few elements of PS3.10 table 7.1-1",
        remedy="correct the object at its source",
        where="file meta information",
    )


def _meta_element(head: bytes, offset: int) -> tuple[int, int, int]:
    """Return (element number, length, where the value starts) of the element whose head is given."""
    if len(head) < 8:
        raise TruncatedObject(found="a file that ends inside the meta information", where="group 0002")
    element, vr, length = struct.unpack("<H2sH", head[2:8])
    if vr in SHORT_VRS:
        return element, length, offset + 8
    if vr in LONG_VRS and len(head) == 12:
        return element, struct.unpack("<I", head[8:12])[0], offset + 12
    # Some writers encode group 0002 in implicit VR, against PS3.10 section 7.1.
    return element, struct.unpack("<I", head[4:8])[0], offset + 8


def _uid(value: bytes) -> str:
    return value.decode("ascii", "replace").strip(" \0")


def _guess_transfer_syntax(data: Buffer, offset: int) -> str:
    """Guess from the first element of the data set, as pydicom does for files without meta header."""
    head = bytes(data[offset : offset + 6])
    if len(head) < 6:
        return IMPLICIT_LITTLE
    if head[4:6] not in SHORT_VRS and head[4:6] not in LONG_VRS:
        return IMPLICIT_LITTLE
    return EXPLICIT_LITTLE if int.from_bytes(head[:2], "little") < 0x0800 else EXPLICIT_BIG
