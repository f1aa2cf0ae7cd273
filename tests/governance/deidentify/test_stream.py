"""Bytes to elements and back: nothing is lost, nothing is believed that the bytes do not hold."""

from __future__ import annotations

import io

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from real_files import REAL_FILES

from coread.dicom import read_meta
from coread.errors import InputFault, MalformedObject, NestingTooDeep, TruncatedObject
from coread.governance.deidentify.stream import (
    Element,
    Item,
    encoding_of,
    read_elements,
    vr_of,
    write_elements,
)
from coread.governance.deidentify.stream.elements import DEFLATED, EXPLICIT_LITTLE, IMPLICIT_LITTLE

SMALL = [path for path in REAL_FILES if path.stat().st_size < 600_000]


def same(one: Dataset, other: Dataset) -> bool:
    keys = [tag for tag in one.keys() if tag.element]  # noqa: SIM118 - a data set gives elements
    return keys == list(other.keys()) and all(same_element(one[tag], other[tag]) for tag in keys)


def same_element(one, other) -> bool:
    if one.VR == "SQ":
        return len(one.value) == len(other.value) and all(map(same, one.value, other.value))
    if isinstance(one.value, bytes):  # a value of odd length comes back padded, PS3.5 section 7.1.1
        return one.value.rstrip(b"\0") == other.value.rstrip(b"\0")
    return one.value == other.value


def once_more(data: bytes) -> bytes:
    meta = read_meta(data)
    encoding = encoding_of(meta.transfer_syntax_uid)
    elements = read_elements(data, meta.data_set_offset, encoding)
    return data[: meta.data_set_offset] + write_elements(elements, encoding)


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_a_real_file_says_the_same_after_a_round_trip(path):
    data = path.read_bytes()
    try:
        again = once_more(data)
    except InputFault:
        return  # a broken file of the corpus: refused, never half read
    before = pydicom.dcmread(io.BytesIO(data), force=True)
    if read_meta(data).transfer_syntax_uid == before.file_meta.get("TransferSyntaxUID"):
        assert same(before, pydicom.dcmread(io.BytesIO(again), force=True))
    assert once_more(again) == again


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED, "1.2.840.10008.1.2.2"):
        try:
            read_elements(data, 0, encoding_of(syntax))
        except InputFault:
            continue


def test_sequences_without_end_are_refused():
    encoding = encoding_of(IMPLICIT_LITTLE)
    head = b"\x40\x00\x30\xa7\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(NestingTooDeep):
        read_elements(head * 40, 0, encoding)
    with pytest.raises(TruncatedObject):
        read_elements(head, 0, encoding)


def test_an_item_that_overruns_is_refused():
    item = Item()
    item.append(Element(0x00080018, b"UI", b"1.2.3.4.5.6.7.8.9.10"))
    good = write_elements([Element(0x00081140, b"SQ", items=[item])], encoding_of(EXPLICIT_LITTLE))
    broken = bytearray(good)
    broken[16] -= 2  # length of the item
    broken[8] -= 2  # length of the sequence
    with pytest.raises((MalformedObject, TruncatedObject)):
        read_elements(bytes(broken), 0, encoding_of(EXPLICIT_LITTLE))


def test_the_dictionary_speaks_where_the_bytes_do_not():
    assert vr_of(0x00100010) == b"PN"
    assert vr_of(0x60003000) == b"OB"
    assert vr_of(0x00090010) == b"LO"
    assert vr_of(0x00091001) == b"UN"
    assert vr_of(0x00080000) == b"UL"


def test_an_element_never_shows_its_value():
    assert "Zzyzx" not in repr(Element(0x00100010, b"PN", b"Zzyzx^Canary"))
