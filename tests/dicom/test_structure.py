"""The bounded walk: what pydicom may be shown, and what it must never see."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib

import pytest
from real_files import REAL_FILES, real_file

from coread.dicom import check_structure, open_object, part10_prefix, structure
from coread.errors import (
    CoReadError,
    MalformedObject,
    NestingTooDeep,
    ObjectTooLarge,
    TruncatedObject,
)
from coread.testing import BROKEN, broken, text_report

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
UNKNOWN_LENGTH = 0xFFFFFFFF


def tag(number: int, order: str = "<") -> bytes:
    return struct.pack(order + "HH", number >> 16, number & 0xFFFF)


def sequence(content: bytes, *, known: bool, number: int = 0x00081140, vr: bytes = b"SQ") -> bytes:
    if known:
        return tag(number) + vr + b"\0\0" + struct.pack("<I", len(content)) + content
    end = tag(0xFFFEE0DD) + bytes(4)
    return tag(number) + vr + b"\0\0" + struct.pack("<I", UNKNOWN_LENGTH) + content + end


def item(content: bytes, *, known: bool) -> bytes:
    if known:
        return tag(0xFFFEE000) + struct.pack("<I", len(content)) + content
    return tag(0xFFFEE000) + struct.pack("<I", UNKNOWN_LENGTH) + content + tag(0xFFFEE00D) + bytes(4)


def nested(depth: int, *, known: bool) -> bytes:
    content = b""
    for _ in range(depth):
        content = sequence(item(content, known=known), known=known)
    return content


def file(data_set: bytes, syntax: str = EXPLICIT) -> bytes:
    return part10_prefix("1.2.3", "1.2.3", syntax) + data_set


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda p: p.name)
def test_real_files_are_walked_or_found_cut_short(path):
    try:
        check_structure(path.read_bytes())
    except TruncatedObject:
        assert "trunc" in path.name or "too_short" in path.name
    except CoReadError:
        assert path.name == "no_meta.dcm"  # junk before its first element


@pytest.mark.parametrize("known", [True, False])
def test_depth_is_limited_whatever_the_lengths(known):
    check_structure(file(nested(8, known=known)), max_depth=8)
    with pytest.raises(NestingTooDeep, match="8"):
        check_structure(file(nested(9, known=known)), max_depth=8)


def test_depth_is_limited_in_implicit_vr_too():
    content = b""
    for _ in range(40):
        inner = tag(0xFFFEE000) + struct.pack("<I", len(content)) + content
        content = tag(0x00081140) + struct.pack("<I", len(inner)) + inner
    with pytest.raises(NestingTooDeep):
        check_structure(file(content, IMPLICIT))


def test_a_thousand_levels_cost_no_time():
    started = time.monotonic()
    with pytest.raises(NestingTooDeep):
        open_object(text_report() + nested(1000, known=False))
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("known", [True, False])
def test_a_length_beyond_its_container_is_found(known):
    inner = tag(0x00100010) + b"PN" + struct.pack("<H", 400) + b"x" * 4
    with pytest.raises(TruncatedObject):
        check_structure(file(sequence(item(inner, known=known), known=True)))


def test_something_else_than_items():
    wrong = tag(0x00100010) + b"PN" + struct.pack("<H", 4) + b"x" * 4
    check_structure(file(sequence(wrong, known=True)))  # can be stepped over
    with pytest.raises(MalformedObject):
        check_structure(file(sequence(wrong, known=False)))


def test_delimiters_that_are_not_needed_are_harmless():
    stray = tag(0xFFFEE00D) + bytes(4)
    check_structure(file(sequence(item(stray, known=True), known=True) + stray))


def test_an_encapsulated_frame_holds_bytes_not_elements():
    fragment = tag(0xFFFEE000) + struct.pack("<I", 6) + b"\xfe\xff\x00\xe0zz"
    check_structure(file(sequence(fragment, known=False, number=0x7FE00010, vr=b"OB")))


def test_a_un_sequence_is_walked_in_implicit_vr():
    inner = tag(0x00100010) + struct.pack("<I", 4) + b"A^B "
    check_structure(file(sequence(item(inner, known=False), known=False, number=0x00091001, vr=b"UN")))


def test_no_more_parts_than_the_limit(monkeypatch):
    monkeypatch.setattr(structure, "MAX_PARTS", 100)
    with pytest.raises(MalformedObject, match="100"):
        check_structure(file((tag(0x00090010) + b"LO\0\0") * 200))


def deflated(plain: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return file(deflater.compress(plain) + deflater.flush(), DEFLATED)


def test_a_deflated_bomb_is_too_large(monkeypatch):
    monkeypatch.setattr(structure, "MAX_INFLATED_BYTES", 1 << 20)
    bomb = deflated(tag(0x00091001) + b"OB\0\0" + struct.pack("<I", 2 << 20) + bytes(2 << 20))
    with pytest.raises(ObjectTooLarge):
        check_structure(bomb)


def test_a_deflated_stream_cut_short_or_of_noise():
    with pytest.raises(TruncatedObject):
        check_structure(deflated(tag(0x00090010) + b"LO\0\0")[:-3])
    with pytest.raises(MalformedObject):
        check_structure(file(b"\xff" * 50, DEFLATED))


@pytest.mark.parametrize(("kind", "error"), BROKEN.items())
def test_each_kind_of_bad_input_gives_its_error_within_bounds(kind, error):
    data = broken(kind)
    tracemalloc.start()
    started = time.monotonic()
    with pytest.raises(error) as caught:
        open_object(data).display()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 30 << 20
    assert time.monotonic() - started < 5
    assert type(caught.value) is error
    assert caught.value.__cause__ is None  # a library's message may quote a value
    assert "Zzyzx" not in str(caught.value)


def test_big_endian_real_file():
    check_structure(real_file("MR_small_bigendian.dcm").read_bytes())
