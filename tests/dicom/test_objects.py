"""Objects opened: frames in and out, pictures, header, broken elements, directories."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from real_files import real_file, with_identifiers

from coread.dicom import DicomObject, is_directory, open_object, referenced_files, scan_header
from coread.errors import NestingTooDeep, NotDicom, TruncatedObject
from coread.testing import chest_radiograph, ct_slice, ultrasound

EXPLICIT = "1.2.840.10008.1.2.1"
J2K = "1.2.840.10008.1.2.4.90"


def test_bytes_and_path_are_one_object(tmp_path):
    data = chest_radiograph()
    path = tmp_path / "a.dcm"
    path.write_bytes(data)
    from_bytes, from_path = open_object(data), open_object(path)
    assert isinstance(from_path, DicomObject)
    assert from_bytes.header == from_path.header == scan_header(data)
    assert from_bytes.dataset == from_path.dataset


def test_facts_of_the_frames():
    found = open_object(chest_radiograph())
    assert (found.has_pixels, found.number_of_frames) == (True, 1)
    assert found.photometric_interpretation == "MONOCHROME2"
    assert found.pixel_spacing_mm == (0.2, 0.2)
    assert found.unreadable == ()


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
)
def test_native_frames_go_out_as_explicit_little_endian(syntax):
    found = open_object(chest_radiograph(transfer_syntax_uid=syntax))
    frame, frame_syntax = found.frame_bytes()
    assert frame_syntax == EXPLICIT
    assert frame == open_object(chest_radiograph()).dataset.PixelData


def test_compressed_frames_go_out_as_they_came():
    found = open_object(chest_radiograph(transfer_syntax_uid=J2K))
    frame, frame_syntax = found.frame_bytes()
    assert frame_syntax == J2K
    assert frame.startswith(b"\xff\x4f\xff\x51")
    assert found.frame_uncompressed() == open_object(chest_radiograph()).frame_uncompressed()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("make", [chest_radiograph, ultrasound])
def test_pictures(kind, make):
    found = open_object(make())
    image = Image.open(io.BytesIO(getattr(found, kind)()))
    assert image.size == (64, 64)
    assert image.mode == ("L" if make is chest_radiograph else "RGB")
    tolerance = 0 if kind == "png" else 5
    assert np.abs(np.asarray(image).astype(int) - found.rendered()).mean() <= tolerance


def test_thumbnails_keep_their_shape():
    found = open_object(real_file("JPEG2000.dcm"))
    assert Image.open(io.BytesIO(found.png(max_px=100))).size == (25, 100)
    assert Image.open(io.BytesIO(found.jpeg(max_px=5000))).size == (256, 1024)


def test_a_window_reaches_the_picture():
    found = open_object(ct_slice())
    narrow = np.asarray(Image.open(io.BytesIO(found.png(window=(-900, 2)))))
    assert narrow[0, 0] == 0
    assert narrow[32, 32] == 255


def test_one_broken_element_does_not_spoil_the_image():
    data = chest_radiograph(facts={"PatientWeight": 70})
    at = data.index(b"\x10\x00\x30\x10DS") + 4
    broken = data[:at] + b"FD" + data[at + 2 :]
    found = open_object(broken)
    assert found.unreadable == ("00101030",)
    assert found.dataset.PatientWeight is None
    np.testing.assert_array_equal(found.display(), open_object(data).display())


def test_a_broken_private_element_is_emptied_too():
    dataset = open_object(chest_radiograph()).dataset
    dataset.add_new(0x00091001, "FD", [1.5])
    file = io.BytesIO()
    dataset.save_as(file)
    data = file.getvalue()
    at = data.index(b"\x09\x00\x01\x10FD") + 6
    found = open_object(data[:at] + b"\x06\0" + data[at + 2 : at + 8] + data[at + 10 :])
    assert found.unreadable == ("00091001",)


def test_the_depth_limit_can_be_set():
    data = chest_radiograph(facts={"ViewCodeSequence": [{"ViewModifierCodeSequence": [{"CodeValue": "1"}]}]})
    open_object(data, max_depth=2)
    with pytest.raises(NestingTooDeep):
        open_object(data, max_depth=1)


def test_every_kind_of_spacing():
    assert open_object(ct_slice()).pixel_spacing_mm == (2.5, 2.5)
    assert open_object(ultrasound()).pixel_spacing_mm is None
    enhanced = open_object(real_file("eCT_Supplemental.dcm"))
    assert enhanced.pixel_spacing_mm == pytest.approx((0.388672, 0.388672))
    for nonsense in ([0, 1], [-1, 1], [float("nan"), 1]):
        found = open_object(ct_slice())
        found.dataset.PixelSpacing = nonsense
        assert found.pixel_spacing_mm is None


def directory() -> bytes:
    folder = real_file("CT_small.dcm").parent / "dicomdirtests"
    return (folder / "DICOMDIR").read_bytes()


def test_a_dicomdir_names_its_files():
    data = directory()
    assert is_directory(data)
    assert not is_directory(chest_radiograph())
    files = referenced_files(data)
    assert len(files) == 31
    assert ("77654033", "CR1", "6154") in files
    folder = real_file("CT_small.dcm").parent / "dicomdirtests"
    assert all(folder.joinpath(*parts).is_file() for parts in files)


def test_a_dicomdir_of_one_component_names_and_of_none():
    dataset = pydicom.dcmread(io.BytesIO(directory()))
    for record in dataset.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = "IM1"
    file = io.BytesIO()
    dataset.save_as(file)
    assert referenced_files(file.getvalue()) == (("IM1",),)
    assert referenced_files(chest_radiograph()) == ()


def test_a_broken_dicomdir():
    with pytest.raises(TruncatedObject):
        referenced_files(directory()[:-20])
    with pytest.raises(NotDicom):
        is_directory(b"")


def test_files_of_real_senders_open():
    for name in ("explicit_VR-UN.dcm", "bad_sequence.dcm", "nested_priv_SQ.dcm", "UN_sequence.dcm"):
        assert open_object(with_identifiers(real_file(name))).header_json()
