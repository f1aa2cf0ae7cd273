"""The first look at an object: a scanner over bytes that reads what an archive indexes.

It walks the top level of the data set up to the last element that it wants, never
into pixel data, never allocating by a length that the file claims. PS3.5 section 7.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from pydicom.datadict import keyword_dict

from coread.dicom.charset import text_of
from coread.dicom.part10 import LONG_VRS, SHORT_VRS, Buffer, FileMeta, actual_encoding, read_meta
from coread.dicom.sop_classes import Encoding, encoding_of
from coread.domain.identity import check_uid
from coread.domain.study import Header, InstanceRef
from coread.errors import MalformedObject, MissingIdentifier, NestingTooDeep, TruncatedObject

#: Sequences within sequences that are followed. Real objects nest less than ten deep.
MAX_DEPTH = 32
#: Elements at which a scan gives up; a real header has some hundreds.
MAX_ELEMENTS = 100_000
#: Bytes that a deflated header may grow to.
MAX_INFLATED_BYTES = 4 << 20

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD

_FACTS = (
    *(
        "SpecificCharacterSet",
        "ImageType",
        "StudyDate",
        "SeriesDate",
    ),
    *(
        "ContentDate",
        "StudyTime",
        "SeriesTime",
        "ContentTime",
    ),
    *(
        "AccessionNumber",
        "Modality",
        "PresentationIntentType",
        "Manufacturer",
    ),
    *(
        "InstitutionName",
        "ReferringPhysicianName",
        "TimezoneOffsetFromUTC",
        "StationName",
    ),
    *(
        "StudyDescription",
        "SeriesDescription",
        "ManufacturerModelName",
        "PatientName",
    ),
    *(
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
    ),
    *(
        "PatientAge",
        "BodyPartExamined",
        "ProtocolName",
        "ViewPosition",
    ),
    *(
        "StudyID",
        "SeriesNumber",
        "InstanceNumber",
        "PatientOrientation",
    ),
    *(
        "FrameOfReferenceUID",
        "Laterality",
        "ImageLaterality",
        "NumberOfFrames",
    ),
    *(
        "PhotometricInterpretation",
        "Rows",
        "Columns",
        "BitsAllocated",
    ),
    *(
        "BitsStored",
        "BurnedInAnnotation",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
    ),
)
_IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")

_KEYWORDS: Mapping[int, str] = {keyword_dict[word]: word for word in (*_FACTS, *_IDENTIFIERS)}
_TAGS: Mapping[str, int] = {word: tag for tag, word in _KEYWORDS.items()}
_CHARACTER_SET = _TAGS["SpecificCharacterSet"]
_NAMES = frozenset({_TAGS["PatientName"], _TAGS["ReferringPhysicianName"]})
_NUMBERS = frozenset(_TAGS[word] for word in ("Rows", "Columns", "BitsAllocated", "BitsStored"))
_LAST_WANTED = max(_KEYWORDS)
_FIRST_PIXEL_DATA = 0x7FE00008
_LAST_PIXEL_DATA = 0x7FE00010

# Both tables in one look: where the value starts after the tag, by VR.
_IS_LONG = dict.fromkeys(SHORT_VRS, False) | dict.fromkeys(LONG_VRS, True)

Values = dict[int, bytes]


def scan_header(data: Buffer, *, total_bytes: int | None = None) -> Header:
    """Read the identifiers and index facts of an object from its first bytes.

    Parameters
    ----------
    data
        The object from its first byte on (preamble, meta information, data set): the whole
        of it, or a prefix that reaches beyond (0040,0245). 64 KiB suffice for nearly all.
    total_bytes
        Size of the whole object. When given, every length met up to and including the pixel
        data is held against it, so that an object cut short is found out.

    Returns
    -------
    Header
        `facts` holds those of the known keywords that are present with a value, as text in Unicode.

    Raises
    ------
    NotDicom
        If the bytes are no DICOM object.
    TruncatedObject
        If an element runs over the end of `data` (or of `total_bytes`) before all is read.
    MissingIdentifier
        If SOP Class, SOP Instance, Study Instance or Series Instance UID is absent or empty.
    InvalidUid
        If one of them is no UID by PS3.5 section 9.1.
    MalformedObject
        If the elements do not follow PS3.5 section 7.
    NestingTooDeep
        If sequences of undefined length nest deeper than `MAX_DEPTH`.
    UnknownTransferSyntax
        If the transfer syntax is not listed in PS3.6.
    """
    meta = read_meta(data)
    encoding = encoding_of(meta.transfer_syntax_uid)
    offset = meta.data_set_offset
    whole = len(data) if total_bytes is None else max(total_bytes, len(data))
    if encoding.deflated:
        data, offset, whole = _inflated(data, offset), 0, 0
    encoding = actual_encoding(data, offset, encoding)
    scan = _Scan(data, encoding, whole if total_bytes is not None else 0)
    values = scan.explicit(offset) if encoding.explicit else scan.implicit(offset)
    return _header(values, encoding, meta)


def _inflated(data: Buffer, offset: int) -> bytes:
    """Inflate the beginning of a deflated data set, within bounds."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[offset:], MAX_INFLATED_BYTES)
    except zlib.error:
        raise _malformed("a stream that cannot be inflated", "deflated data set") from None


class _Scan:
    """One pass over the top level of a data set.

    Two loops, for explicit and implicit VR, are written out in full: they are the hot path
    of reception, and a call per element would double their time.
    """

    def __init__(self, data: Buffer, encoding: Encoding, whole: int) -> None:
        self.data = data
        self.end = len(data)
        self.whole = whole
        """Size of the whole object in bytes where it is to be checked, otherwise 0."""
        self.encoding = encoding
        self.last = _LAST_PIXEL_DATA if whole else _LAST_WANTED

    def explicit(self, offset: int) -> Values:
        """Walk explicit VR elements from `offset` and return the wanted values."""
        data, end, last = self.data, self.end, self.last
        order = self.encoding.byte_order
        head = struct.Struct(order + "HH2sH").unpack_from
        long = struct.Struct(order + "I").unpack_from
        found: Values = {}
        for _ in range(MAX_ELEMENTS):
            if offset + 8 > end:
                return self._at_end(found, offset)
            group, element, vr, length = head(data, offset)
            tag = group << 16 | element
            if tag > last or not group:
                return found
            offset += 8
            is_long = _IS_LONG.get(vr)
            if is_long is not False:
                if is_long is None and not vr.isalpha():
                    length = long(data, offset - 4)[0]  # an element in implicit VR among explicit ones
                else:
                    if offset + 4 > end:
                        return self._at_end(found, offset)
                    length = long(data, offset)[0]
                    offset += 4
            stop = offset + length
            if length == UNDEFINED or stop > end:
                stop = self._beyond(tag, vr, offset, length)
                if not stop:
                    return found
            elif tag in _KEYWORDS:
                found[tag] = bytes(data[offset:stop])
            offset = stop
        raise _malformed(f"more than {MAX_ELEMENTS} elements", "data set")

    def implicit(self, offset: int) -> Values:
        """Walk implicit VR elements from `offset` and return the wanted values."""
        data, end, last = self.data, self.end, self.last
        head = struct.Struct("<HHI").unpack_from
        found: Values = {}
        for _ in range(MAX_ELEMENTS):
            if offset + 8 > end:
                return self._at_end(found, offset)
            group, element, length = head(data, offset)
            tag = group << 16 | element
            if tag > last or not group:
                return found
            offset += 8
            stop = offset + length
            if length == UNDEFINED or stop > end:
                stop = self._beyond(tag, b"", offset, length)
                if not stop:
                    return found
            elif tag in _KEYWORDS:
                found[tag] = bytes(data[offset:stop])
            offset = stop
        raise _malformed(f"more than {MAX_ELEMENTS} elements", "data set")

    def _beyond(self, tag: int, vr: bytes, offset: int, length: int) -> int:
        """Return where an element ends that has no length or outruns the bytes; 0 to stop the scan."""
        is_pixels = _FIRST_PIXEL_DATA <= tag <= _LAST_PIXEL_DATA
        if length == UNDEFINED and is_pixels:
            if 0 < self.whole <= self.end:
                end_of_sequence(self.data, offset, self.encoding)  # all fragments are here: are they whole?
            return 0
        if length == UNDEFINED:
            return self._skip_undefined(tag, vr, offset)
        if self.whole and offset + length > self.whole:
            raise _cut_short(offset + length, self.whole, tag)
        if tag > _LAST_WANTED:
            return 0
        raise _cut_short(offset + length, self.end, tag)

    def _skip_undefined(self, tag: int, vr: bytes, offset: int) -> int:
        # A UN of undefined length holds implicit VR items whatever surrounds it (PS3.5 section 6.2.2).
        encoding = Encoding(explicit=False, little=True) if vr == b"UN" else self.encoding
        try:
            return end_of_sequence(self.data, offset, encoding)
        except TruncatedObject:
            if tag > _LAST_WANTED and self.end < self.whole:
                return 0
            raise

    def _at_end(self, found: Values, offset: int) -> Values:
        """Judge a scan that met the end of the bytes before the last wanted tag."""
        is_prefix = self.end < self.whole and not found.keys() >= _TAGS_OF_IDENTIFIERS
        if is_prefix or (0 < self.end - offset < 8 and any(self.data[offset:])):
            raise _cut_short(offset + 8, self.end, 0)
        return found


_TAGS_OF_IDENTIFIERS = frozenset(_TAGS[word] for word in _IDENTIFIERS)


def end_of_sequence(data: Buffer, offset: int, encoding: Encoding) -> int:
    """Return where a sequence of undefined length ends, just after its delimiter.

    Parameters
    ----------
    data, offset
        The first item starts at ``data[offset]``.
    encoding
        How the items' elements are encoded.

    Raises
    ------
    NestingTooDeep
        If more than `MAX_DEPTH` sequences of undefined length are open at one time.
    TruncatedObject
        If the bytes end before the delimiter.
    MalformedObject
        If something else than items, elements and delimiters is met.
    """
    end = len(data)
    tags = struct.Struct(encoding.byte_order + "HHI").unpack_from
    # One entry for each open container: (is it a sequence?, are its elements explicit?).
    open_containers = [(True, encoding.explicit)]
    for _ in range(MAX_ELEMENTS * 10):
        if offset + 8 > end:
            raise _cut_short(offset + 8, end, 0)
        group, element, length = tags(data, offset)
        tag = group << 16 | element
        in_sequence, explicit = open_containers[-1]
        if tag == (SEQUENCE_END if in_sequence else ITEM_END):
            open_containers.pop()
            offset += 8
            if not open_containers:
                return offset
            continue
        if in_sequence:
            if tag != ITEM:
                raise _malformed("a tag that is no item", "sequence of undefined length")
            offset += 8
            opens = (False, explicit)
        else:
            vr, length, offset = element_head(data, offset, explicit, encoding.byte_order)
            opens = (True, explicit and vr != b"UN")
        if length != UNDEFINED:
            offset += length
            continue
        open_containers.append(opens)
        if len(open_containers) > 2 * MAX_DEPTH:
            raise NestingTooDeep(
                found=f"more than {MAX_DEPTH} sequences within each other",
                expected=f"at most {MAX_DEPTH}",
                remedy="correct the object at its source",
                where="sequence of undefined length",
            )
    raise _malformed("a sequence without end", "sequence of undefined length")


def element_head(data: Buffer, offset: int, explicit: bool, byte_order: str) -> tuple[bytes, int, int]:
    """Return (VR or empty, length, where the value starts) of the element at `offset`.

    Raises
    ------
    TruncatedObject
        If the bytes end inside the head.
    """
    if offset + 8 > len(data):
        raise _cut_short(offset + 8, len(data), 0)
    vr, short = struct.unpack_from(byte_order + "2sH", data, offset + 4)
    is_long = _IS_LONG.get(vr)
    if explicit and is_long is False:
        return vr, short, offset + 8
    if explicit and (is_long or vr.isalpha()):
        if offset + 12 > len(data):
            raise _cut_short(offset + 12, len(data), 0)
        return vr, struct.unpack_from(byte_order + "I", data, offset + 8)[0], offset + 12
    return b"", struct.unpack_from(byte_order + "I", data, offset + 4)[0], offset + 8


def _header(values: Values, encoding: Encoding, meta: FileMeta) -> Header:
    sop_class, sop_instance, study, series = (_identifier(values, word) for word in _IDENTIFIERS)
    facts = _facts(values, encoding.byte_order)
    return Header(InstanceRef(study, series, sop_instance, sop_class), meta.transfer_syntax_uid, facts)


def _identifier(values: Values, keyword: str) -> str:
    text = values.pop(_TAGS[keyword], b"").decode("ascii", "replace").strip(" \0")
    if not text:
        raise MissingIdentifier(
            found="no value",
            expected="one UID",
            remedy="correct the object at its source and send it again",
            where=keyword,
        )
    return check_uid(text, keyword)


def _facts(values: Values, byte_order: str) -> dict[str, str]:
    character_sets = _character_sets(values.get(_CHARACTER_SET, b""))
    facts = {}
    for tag, value in values.items():
        if tag in _NUMBERS:
            text = _number(value, byte_order)
        else:
            text = text_of(value, character_sets, is_name=tag in _NAMES)
        if text:
            facts[_KEYWORDS[tag]] = text
    return facts


def _character_sets(value: bytes) -> tuple[str, ...]:
    text = text_of(value)
    return tuple(part.strip() for part in text.split("\\")) if text else ()


def _number(value: bytes, byte_order: str) -> str:
    """Return an unsigned short as text; a writer that put text there instead is believed."""
    if len(value) == 2:
        return str(struct.unpack(byte_order + "H", value)[0])
    text = text_of(value)
    return text if text.isdigit() else ""


def _cut_short(needed: int, present: int, tag: int) -> TruncatedObject:
    return TruncatedObject(
        found=f"{present} bytes, with an element that ends at {needed}",
        expected="every element within the object",
        remedy="send the object again; if it stays so, its lengths are wrong at the source",
        where=f"({tag >> 16:04X},{tag & 0xFFFF:04X})" if tag else "data set",
    )


def _malformed(found: str, where: str) -> MalformedObject:
    return MalformedObject(
        found=found,
        expected="data elements by PS3.5 section 7",
        remedy="correct the object at its source",
        where=where,
    )
