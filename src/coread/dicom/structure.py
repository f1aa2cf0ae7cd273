"""The whole skeleton of an object, walked within bounds before a recursive parser may see it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import Enum

from pydicom._dicom_dict import DicomDictionary

from coread.dicom.part10 import Buffer, actual_encoding, read_meta
from coread.dicom.scanner import ITEM, ITEM_END, MAX_DEPTH, SEQUENCE_END, UNDEFINED, element_head
from coread.dicom.sop_classes import Encoding, encoding_of
from coread.errors import MalformedObject, NestingTooDeep, ObjectTooLarge, TruncatedObject

#: Elements and items at which a walk gives up. An enhanced object of 1,000 frames has some 100,000.
MAX_PARTS = 2_000_000
#: Bytes that a deflated data set may grow to.
MAX_INFLATED_BYTES = 1 << 30

_SEQUENCE_TAGS = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
_PIXEL_DATA = 0x7FE00010


class _Kind(Enum):
    DATA_SET = "data set"
    SEQUENCE = "sequence"
    FRAGMENTS = "encapsulated pixel data"


@dataclass(frozen=True, slots=True)
class _Container:
    """What is open at one point of the walk."""

    kind: _Kind
    explicit: bool
    end: int
    """Where it ends; of an undefined length, where its nearest container of known length ends."""
    delimiter: int | None
    """The tag that ends it, None where its length is known."""


def check_structure(data: Buffer, *, max_depth: int = MAX_DEPTH) -> None:
    """Walk every element, sequence and item of an object; read no value.

    Raises
    ------
    NestingTooDeep
        If sequences nest deeper than `max_depth`.
    TruncatedObject
        If a length runs over the end of its container or of the object.
    MalformedObject
        If items and delimiters are not where they must be, or there is no end to them.
    ObjectTooLarge
        If a deflated data set grows beyond `MAX_INFLATED_BYTES`.
    NotDicom, UnknownTransferSyntax
        As for `scan_header`.
    """
    meta = read_meta(data)
    encoding = encoding_of(meta.transfer_syntax_uid)
    offset = meta.data_set_offset
    if encoding.deflated:
        data, offset = _inflated(data, offset), 0
    _Walk(data, actual_encoding(data, offset, encoding), max_depth).run(offset)


def _inflated(data: Buffer, offset: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(data[offset:], MAX_INFLATED_BYTES)
    except zlib.error:
        raise _malformed("a stream that cannot be inflated") from None
    if inflater.unconsumed_tail:
        raise ObjectTooLarge(found=f"a data set that inflates to more than {MAX_INFLATED_BYTES} bytes")
    if not inflater.eof:
        raise TruncatedObject(found="a deflated stream without end", where="data set")
    return plain


class _Walk:
    """One walk with its stack of open containers; iterative, so that depth costs no call stack."""

    def __init__(self, data: Buffer, encoding: Encoding, max_depth: int) -> None:
        self.data = data
        self.byte_order = encoding.byte_order
        self.unpack_tag = struct.Struct(encoding.byte_order + "HH").unpack_from
        self.max_depth = max_depth
        self.stack = [_Container(_Kind.DATA_SET, encoding.explicit, len(data), None)]

    def run(self, offset: int) -> None:
        """Walk from `offset` to the end."""
        stack = self.stack
        for _ in range(MAX_PARTS):
            while len(stack) > 1 and stack[-1].delimiter is None and offset >= stack[-1].end:
                stack.pop()
            if len(stack) == 1 and offset + 8 > stack[0].end:
                return
            offset = self._step(offset)
            if len(stack) > 2 * self.max_depth + 1:
                raise NestingTooDeep(
                    found=f"more than {self.max_depth} sequences within each other",
                    expected=f"at most {self.max_depth}",
                    remedy="correct the object at its source",
                    where="data set",
                )
        raise _malformed(f"more than {MAX_PARTS} elements")

    def _step(self, offset: int) -> int:
        """Take one element, item or delimiter; return where the next one starts."""
        here = self.stack[-1]
        if offset + 8 > here.end:
            raise _outrun(offset + 8, here.end)
        group, element = self.unpack_tag(self.data, offset)
        tag = group << 16 | element
        if tag == here.delimiter:
            self.stack.pop()
            return offset + 8
        if here.kind is _Kind.DATA_SET:
            return self._element(here, tag, offset)
        return self._item(here, tag, offset)

    def _element(self, here: _Container, tag: int, offset: int) -> int:
        if tag in (ITEM, ITEM_END, SEQUENCE_END):
            # A delimiter although the length was given: seen in the field, and harmless.
            return offset + 8
        vr, length, start = element_head(self.data, offset, here.explicit, self.byte_order)
        is_sequence = vr == b"SQ" or (vr in (b"UN", b"") and tag in _SEQUENCE_TAGS)
        if length == UNDEFINED:
            kind = _Kind.FRAGMENTS if tag == _PIXEL_DATA else _Kind.SEQUENCE
            self._open(kind, here.explicit and vr != b"UN", here.end, SEQUENCE_END)
            return start
        end = _within(start + length, here)
        if not is_sequence or not length:
            return end
        self._open(_Kind.SEQUENCE, here.explicit and vr != b"UN", end, None)
        return start

    def _item(self, here: _Container, tag: int, offset: int) -> int:
        if tag != ITEM:
            if here.delimiter is not None:
                raise _malformed(f"a tag that is no item within {here.kind.value}")
            return here.end  # a sequence of known length with something else in it can be stepped over
        _, length, start = element_head(self.data, offset, False, self.byte_order)
        if length == UNDEFINED and here.kind is _Kind.SEQUENCE:
            self._open(_Kind.DATA_SET, here.explicit, here.end, ITEM_END)
            return start
        end = _within(start + length, here)
        if here.kind is _Kind.FRAGMENTS:
            return end
        self._open(_Kind.DATA_SET, here.explicit, end, None)
        return start

    def _open(self, kind: _Kind, explicit: bool, end: int, delimiter: int | None) -> None:
        self.stack.append(_Container(kind, explicit, end, delimiter))


def _within(end: int, here: _Container) -> int:
    if end > here.end:
        raise _outrun(end, here.end)
    return end


def _outrun(needed: int, present: int) -> TruncatedObject:
    return TruncatedObject(
        found=f"a part that ends at byte {needed} within one that ends at {present}",
        expected="every part within its container",
        remedy="send the object again; if it stays so, its lengths are wrong at the source",
        where="data set",
    )


def _malformed(found: str) -> MalformedObject:
    return MalformedObject(
        found=found,
        expected="data elements by PS3.5 section 7",
        remedy="correct the object at its source",
        where="data set",
    )
