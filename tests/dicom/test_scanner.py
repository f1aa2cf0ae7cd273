"""scan_header against pydicom on real files, and against the text of the standard on made ones."""

from __future__ import annotations

import struct
import warnings
import zlib

import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from real_files import REAL_FILES, real_file

from coread.dicom import data_set_offset, part10_prefix, scan_header
from coread.dicom.scanner import _FACTS, MAX_DEPTH, MAX_ELEMENTS
from coread.errors import (
    CoReadError,
    InvalidUid,
    MalformedObject,
    MissingIdentifier,
    NestingTooDeep,
    NotDicom,
    TruncatedObject,
    UnknownTransferSyntax,
)
from coread.testing import BROKEN, broken, chest_radiograph, text_report

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
CT = "1.2.840.10008.5.1.4.1.1.2"

NAMES = b"".join(
    struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"UI", 6) + b"1.2.3\0"
    for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def made(*elements: bytes, syntax: str = EXPLICIT) -> bytes:
    """Build an explicit VR file of the four identifiers and `elements`, ascending by tag."""
    parts = sorted([*elements, *(NAMES[i : i + 14] for i in range(0, len(NAMES), 14))], key=_order)
    return part10_prefix(CT, "1.2.3", syntax) + b"".join(parts)


def _order(part: bytes) -> tuple[int, ...]:
    return struct.unpack("<HH", part[:4])


def text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, pydicom.multival.MultiValue)):
        return "\\".join(map(str, value))
    return str(value).strip(" \0")


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda p: p.name)
def test_facts_agree_with_pydicom_on_every_real_file(path):
    data = path.read_bytes()
    try:
        header = scan_header(data)
    except CoReadError:
        return  # what is refused, and why, is told by the tests of bad input
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        assert header.ref.sop_instance_uid == dataset.SOPInstanceUID
        assert header.ref.study_instance_uid == dataset.StudyInstanceUID
        assert header.ref.series_instance_uid == dataset.SeriesInstanceUID
        assert header.ref.sop_class_uid == dataset.SOPClassUID
        assert {k: header.facts.get(k, "") for k in _FACTS} == {k: text(dataset.get(k)) for k in _FACTS}


def test_nearly_every_real_file_is_readable():
    refused = set()
    for path in REAL_FILES:
        try:
            scan_header(path.read_bytes(), total_bytes=path.stat().st_size)
        except CoReadError as error:
            refused.add((path.name, type(error)))
    kinds = {kind for _, kind in refused}
    assert kinds == {MissingIdentifier, InvalidUid, TruncatedObject, NotDicom}
    assert len(refused) < 20


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_each_encoding_gives_the_same_header(syntax):
    expected = scan_header(chest_radiograph(3))
    header = scan_header(chest_radiograph(3, transfer_syntax_uid=syntax))
    assert header.transfer_syntax_uid == syntax
    assert (header.ref, header.facts) == (expected.ref, expected.facts)


def test_numbers_and_text_of_a_chest_radiograph():
    header = scan_header(chest_radiograph(1, facts={"PatientName": "王^小东=Wang^XiaoDong"}))
    assert header.facts["PatientName"] == "王^小东=Wang^XiaoDong"
    assert (header.facts["Rows"], header.facts["BitsStored"]) == ("64", "12")
    assert header.facts["ImageType"] == "ORIGINAL\\PRIMARY\\"
    assert "PixelData" not in header.facts


@pytest.mark.parametrize("kind", ["memoryview", "bytearray"])
def test_any_buffer_will_do(kind):
    data = chest_radiograph()
    assert scan_header({"memoryview": memoryview, "bytearray": bytearray}[kind](data)) == scan_header(data)


@pytest.mark.parametrize(
    ("charset", "raw", "expected"),
    [
        # PS3.5 annexes H to K and PS3.3 C.12.1.1.2, as bytes.
        (b"ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
        (b"ISO_IR 144", "Люксембург".encode("iso8859_5"), "Люксембург"),
        (b"ISO_IR 192", "王^小东".encode(), "王^小东"),
        (b"GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
        (b"GBK", b"\xcd\xf5^\xd0\xa1\xb6\xab", "王^小东"),
        (
            b"\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        (b"ISO_IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (
            b"\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        (
            b"\\ISO 2022 IR 58",
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
            "Zhang^XiaoDong=张^小东=",
        ),
        (b"", b"plain", "plain"),
        (b"ISO_IR 192", b"abc\xff", "abc�"),
    ],
)
def test_character_sets(charset, raw, expected):
    data = made(element(0x00080005, b"CS", charset), element(0x00100010, b"PN", raw))
    assert scan_header(data).facts["PatientName"] == expected


@pytest.mark.filterwarnings("ignore")
def test_an_unknown_character_set_still_gives_text():
    data = made(element(0x00080005, b"CS", b"NONSENSE"), element(0x00100010, b"PN", b"abc\xff"))
    assert scan_header(data).facts["PatientName"].startswith("abc")


def test_text_is_bounded_and_printable():
    data = made(element(0x00081030, b"LO", b"A\0B\x07" + b"x" * 5000))
    description = scan_header(data).facts["StudyDescription"]
    assert description.startswith("ABx")
    assert description.isprintable()
    assert len(description) <= 1024


def test_a_prefix_is_enough():
    data = chest_radiograph(size_px=256)
    assert scan_header(data[:4096]) == scan_header(data)
    assert scan_header(data[:4096], total_bytes=len(data)) == scan_header(data)


@pytest.mark.parametrize("end", [133, 140, 200, 500, 700])
def test_a_prefix_that_ends_too_early_is_said_to_be_cut_short(end):
    data = chest_radiograph()
    with pytest.raises((TruncatedObject, MissingIdentifier)):
        scan_header(data[:end])
    with pytest.raises(TruncatedObject):
        scan_header(data[:end], total_bytes=len(data))


def test_a_prefix_that_ends_between_elements_is_cut_short_where_the_whole_is_known_to_be_longer():
    data = chest_radiograph()
    end = data.index(b"\x10\x00\x10\x00PN")
    with pytest.raises(MissingIdentifier):
        scan_header(data[:end])
    with pytest.raises(TruncatedObject):
        scan_header(data[:end], total_bytes=len(data))


def test_cut_pixel_data_is_found_out_when_the_size_is_told():
    data = broken("truncated")
    scan_header(data)
    with pytest.raises(TruncatedObject, match="7FE0,0010"):
        scan_header(data, total_bytes=len(data))


def test_cut_fragments_are_found_out_when_all_is_there_to_see():
    whole = chest_radiograph(transfer_syntax_uid="1.2.840.10008.1.2.4.90")
    scan_header(whole, total_bytes=len(whole))
    for cut in (len(whole) - 4, len(whole) - 100):
        scan_header(whole[:cut])
        with pytest.raises(TruncatedObject):
            scan_header(whole[:cut], total_bytes=cut)


def test_an_object_without_pixels_ends_where_it_ends():
    data = text_report()
    assert scan_header(data, total_bytes=len(data)).facts["Modality"] == "SR"


SCANNED = {
    k: e for k, e in BROKEN.items() if k not in {"deep_nesting", "broken_pixels", "contradicting_pixels"}
}


@pytest.mark.parametrize(("kind", "error"), SCANNED.items())
def test_bad_input_has_its_own_error(kind, error):
    data = broken(kind)
    with pytest.raises(error):
        scan_header(data, total_bytes=len(data))


def test_nested_sequences_before_the_identifiers_are_bounded():
    with pytest.raises(NestingTooDeep, match=str(MAX_DEPTH)):
        scan_header(broken("deep_nesting"))


def test_wrong_vr_of_a_number_is_read_by_what_is_there():
    data = made(element(0x00280010, b"IS", b"512"), element(0x00280011, b"DS", b"abcd"))
    facts = scan_header(data).facts
    assert facts["Rows"] == "512"
    assert "Columns" not in facts


def test_an_unknown_vr_has_a_long_length():
    odd = struct.pack("<HH2sHI", 0x0009, 0x1001, b"ZZ", 0, 4) + b"abcd"
    assert scan_header(made(odd)).ref.study_instance_uid == "1.2.3"


def test_an_implicit_element_among_explicit_ones_is_stepped_over():
    odd = struct.pack("<HHI", 0x0009, 0x1001, 4) + b"abcd"
    assert scan_header(made(odd)).ref.study_instance_uid == "1.2.3"


def undefined(tag: int, content: bytes, vr: bytes = b"SQ") -> bytes:
    head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, 0xFFFFFFFF)
    return head + content + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def item(content: bytes, *, known: bool = False) -> bytes:
    if known:
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
    return struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + content + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)


def test_sequences_of_every_kind_of_length_are_stepped_over():
    inner = element(0x0020000D, b"UI", b"9.9.9")
    nested = undefined(0x00081111, item(inner) + item(inner, known=True) + item(b""))
    data = made(undefined(0x00081110, item(nested + inner)))
    assert scan_header(data).ref.study_instance_uid == "1.2.3"


def test_a_un_sequence_holds_implicit_elements():
    inner = struct.pack("<HHI", 0x0020, 0x000D, 6) + b"9.9.9\0"
    deeper = (
        struct.pack("<HHI", 0x0009, 0x1010, 0xFFFFFFFF) + item(inner) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    )
    data = made(undefined(0x00091001, item(inner + deeper), b"UN"))
    assert scan_header(data).ref.study_instance_uid == "1.2.3"


def test_something_else_than_items_in_a_sequence_is_malformed():
    with pytest.raises(MalformedObject):
        scan_header(made(undefined(0x00081110, element(0x00100010, b"PN", b"x" * 8))))


def test_a_sequence_without_end_is_cut_short():
    data = made()[: data_set_offset(made())] + undefined(0x00081110, item(b""))[:-8]
    with pytest.raises(TruncatedObject):
        scan_header(data)


def test_more_elements_than_any_header_has_are_refused():
    flood = struct.pack("<HH2sH", 0x0009, 0x0010, b"LO", 0) * (MAX_ELEMENTS + 1)
    for data in (
        made(flood),
        part10_prefix(CT, "1.2.3", IMPLICIT) + struct.pack("<HHI", 8, 1, 0) * (MAX_ELEMENTS + 1),
    ):
        with pytest.raises(MalformedObject):
            scan_header(data)


def test_trailing_zeros_end_a_data_set():
    data = made() + b"\0" * 64
    assert scan_header(data, total_bytes=len(data)).ref.sop_class_uid == "1.2.3"


def test_a_deflated_bomb_inflates_within_bounds():
    plain = NAMES[:28] + struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, 64 << 20) + bytes(64 << 20)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = part10_prefix(CT, "1.2.3", DEFLATED) + deflater.compress(plain) + deflater.flush()
    with pytest.raises(TruncatedObject):
        scan_header(bomb)


def test_a_deflated_object_of_noise_is_malformed():
    with pytest.raises(MalformedObject):
        scan_header(part10_prefix(CT, "1.2.3", DEFLATED) + b"\xff" * 100)


@pytest.mark.parametrize(("declared", "real"), [(IMPLICIT, EXPLICIT), (EXPLICIT, IMPLICIT)])
def test_a_data_set_that_is_not_encoded_as_declared_is_read_as_it_is(declared, real):
    good = chest_radiograph(transfer_syntax_uid=real)
    data = part10_prefix(CT, "1.2.3", declared) + good[data_set_offset(good) :]
    assert scan_header(data).ref == scan_header(good).ref


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_bare_data_set_is_guessed(syntax):
    good = chest_radiograph(transfer_syntax_uid=syntax)
    header = scan_header(good[data_set_offset(good) :])
    assert header.ref == scan_header(good).ref
    assert header.transfer_syntax_uid == syntax


@pytest.mark.parametrize("name", ["ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm"])
def test_real_files_without_meta_header(name):
    path = real_file(name)
    header = scan_header(path.read_bytes())
    assert header.ref.sop_instance_uid == pydicom.dcmread(path, force=True).SOPInstanceUID


@pytest.mark.parametrize(
    "trick", ["../../etc/passwd", "1.2.3/../../x", "1..2", "1.02.3", "1" * 65, "C:\\x", "1.2.3\n4"]
)
def test_tricks_in_uids_never_come_through(trick):
    data = made()
    bad = element(0x0020000D, b"UI", trick.encode())
    data = data.replace(element(0x0020000D, b"UI", b"1.2.3\0"), bad)
    with pytest.raises(InvalidUid) as caught:
        scan_header(data)
    assert trick not in str(caught.value)


def test_an_unlisted_transfer_syntax_is_unknown():
    with pytest.raises(UnknownTransferSyntax):
        scan_header(made(syntax="1.2.840.113619.5.2"))


@pytest.mark.parametrize("kind", SCANNED)
def test_no_error_holds_a_value(kind):
    with pytest.raises(CoReadError) as caught:
        scan_header(broken(kind), total_bytes=len(broken(kind)))
    assert "Zzyzx" not in str(caught.value)
    assert "passwd" not in str(caught.value)


def test_every_fact_is_an_element_of_the_standard():
    assert all(tag_for_keyword(word) for word in _FACTS)
