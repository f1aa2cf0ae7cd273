"""The size that a compressed frame claims."""

from __future__ import annotations

import struct

import pytest

from coread.dicom import open_object
from coread.dicom.charset import text_of
from coread.dicom.frames.codestream import bare, frame_size, jpeg_precision
from coread.testing import chest_radiograph

JPEG, LOSSLESS, JPEG_LS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80"
J2K, RLE = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"


def jpeg(marker: int, *before: bytes) -> bytes:
    header = struct.pack(">BBHBHHB", 0xFF, marker, 11, 12, 300, 200, 1)
    return b"\xff\xd8" + b"".join(before) + header + b"\0" * 4


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC3, 0xF7])
def test_frame_headers_of_each_process(marker):
    assert frame_size(jpeg(marker), JPEG) == (300, 200)
    assert jpeg_precision(jpeg(marker)) == 12


@pytest.mark.parametrize(
    "before",
    [
        b"\xff\xe0\x00\x04ab",
        b"\xff\xff",
        b"\xff\xd0",
        b"\xff\xc4\x00\x03a\xff\xfe\x00\x02",
        b"\xff\xff\xff\xe1\x00\x02",
    ],
)
def test_what_may_stand_before_the_frame_header(before):
    assert frame_size(jpeg(0xC0, before), JPEG) == (300, 200)


@pytest.mark.parametrize(
    "frame", [b"", b"\xff\xd8", b"\xff\xd8" + b"x" * 50, b"\xff\xd8\xff\xe0\xff\xff" + b"0" * 50]
)
def test_no_frame_header(frame):
    assert frame_size(frame, JPEG) == (0, 0)
    assert frame_size(frame, J2K) == (0, 0)
    assert jpeg_precision(frame) == 0


@pytest.mark.parametrize("syntax", [J2K, JPEG_LS])
def test_real_encoders_say_the_size(syntax):
    frame, _ = open_object(chest_radiograph(size_px=80, transfer_syntax_uid=syntax)).frame_bytes()
    assert frame_size(frame, syntax) == (80, 80)


def test_rle_has_no_size_of_its_own():
    assert frame_size(b"", RLE) is None


def test_a_file_wrapper_is_taken_off():
    stream = b"\xff\x4f\xff\x51" + b"x" * 40
    assert bare(b"\0\0\0\x0cjP  boxes" + stream, J2K) == stream
    assert bare(b"no codestream", J2K) == b"no codestream"
    assert bare(b"\0" + stream, LOSSLESS) == b"\0" + stream


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sets", [("ISO_IR 100", "NONSENSE"), ("\\",), ("ISO 2022 IR 6", "ISO 2022 IR 999")])
def test_impossible_character_sets_still_give_text(sets):
    assert text_of(b"abc\xe9", sets).startswith("abc")
    assert text_of(b"abc\x1b$)Zd", sets).startswith("abc")
