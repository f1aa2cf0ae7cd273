"""Data elements as they lie in the bytes: values are not interpreted, so what is kept is kept bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR

from coread.errors import UnknownTransferSyntax

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010

#: Value representations whose length field has 32 bits in Explicit VR (PS3.5 table 7.1-1).
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

_VRS: dict[int, bytes] = {tag: str(entry[0]).split(" ")[0].encode() for tag, entry in DicomDictionary.items()}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a data set is written (PS3.5 annex A)."""

    explicit: bool
    little: bool
    deflated: bool = False


class Item(list["Element"]):
    """The elements of one item of a sequence, and where the item began in the bytes."""

    __slots__ = ("offset",)

    def __init__(self, offset: int = -1) -> None:
        super().__init__()
        self.offset = offset


class Element:
    """One data element.

    Parameters
    ----------
    tag
        Group and element as one number, ``0x00100010``.
    vr
        Two letters.
    value
        The bytes of the value with their padding; for encapsulated pixel data all items of it.
    items
        The items of a sequence, None for everything else.
    encapsulated
        Whether `value` holds the items of encapsulated pixel data (PS3.5 A.4).
    """

    __slots__ = ("encapsulated", "items", "tag", "value", "vr")

    def __init__(
        self,
        tag: int,
        vr: bytes,
        value: bytes | memoryview = b"",
        items: list[Item] | None = None,
        encapsulated: bool = False,
    ) -> None:
        self.tag = tag
        self.vr = vr
        self.value = value
        self.items = items
        self.encapsulated = encapsulated

    def __repr__(self) -> str:
        return f"Element({self.tag:08X} {self.vr.decode()})"  # never the value: it may name a person


@cache
def vr_of(tag: int) -> bytes:
    """Return the value representation by the dictionary (PS3.6); ``UN`` for what it does not know.

    Private creators are ``LO`` (PS3.5 section 7.8.1). Where the dictionary offers two, the first is taken.
    """
    known = _VRS.get(tag)
    if known is not None:
        return known
    group, element = tag >> 16, tag & 0xFFFF
    if group & 1:
        return b"LO" if 0x10 <= element <= 0xFF else b"UN"
    if element == 0:
        return b"UL"
    try:
        return dictionary_VR(tag).split(" ")[0].encode()
    except KeyError:
        return b"UN"


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Return how a transfer syntax writes a data set.

    Raises
    ------
    UnknownTransferSyntax
        If the UID is none of DICOM.
    """
    if transfer_syntax_uid == IMPLICIT_LITTLE:
        return Encoding(explicit=False, little=True)
    if transfer_syntax_uid == EXPLICIT_BIG:
        return Encoding(explicit=True, little=False)
    if not transfer_syntax_uid.startswith("1.2.840.10008.1.2."):
        raise UnknownTransferSyntax(found="a transfer syntax that is none of DICOM", where="(0002,0010)")
    return Encoding(explicit=True, little=True, deflated=transfer_syntax_uid == DEFLATED)
