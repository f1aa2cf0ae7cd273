"""File meta information: written by the book, read with patience."""

from __future__ import annotations

import io
import struct
import subprocess

import pydicom
import pytest

from coread.dicom import IMPLEMENTATION_CLASS_UID, data_set_offset, part10_prefix, read_meta
from coread.dicom.part10 import LONG_VRS, SHORT_VRS
from coread.domain.identity import is_uid
from coread.errors import MalformedObject, NotDicom, TruncatedObject
from coread.testing import chest_radiograph

EXPLICIT = "1.2.840.10008.1.2.1"
SOP = ("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4", EXPLICIT)


@pytest.mark.parametrize("source_ae", ["", "SCANNER1", "SIXTEENLETTERS16"])
def test_pydicom_reads_the_prefix(source_ae):
    meta = pydicom.dcmread(io.BytesIO(part10_prefix(*SOP, source_ae))).file_meta
    assert meta.FileMetaInformationGroupLength == len(part10_prefix(*SOP, source_ae)) - 132 - 12
    assert meta.FileMetaInformationVersion == b"\x00\x01"
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID) == SOP
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.get("SourceApplicationEntityTitle", "") == source_ae


def test_who_we_are_is_a_uid():
    assert is_uid(IMPLEMENTATION_CLASS_UID)


@pytest.mark.peer
def test_dcmtk_reads_the_prefix(tool, tmp_path):
    path = tmp_path / "a.dcm"
    data = chest_radiograph()
    path.write_bytes(part10_prefix(*SOP, "SCANNER1") + data[data_set_offset(data) :])
    said = subprocess.run([tool("dcmdump"), path], check=True, capture_output=True, text=True)
    assert "SCANNER1" in said.stdout
    assert "E:" not in said.stderr
    assert "W:" not in said.stderr


@pytest.mark.parametrize("odd", ["1.2.3", "1.2.34"])
def test_what_is_written_is_read_again(odd):
    prefix = part10_prefix("1.2.840", odd, EXPLICIT, "AE")
    meta = read_meta(prefix)
    assert (meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid) == ("1.2.840", odd, EXPLICIT)
    assert (meta.source_ae, meta.has_preamble, meta.data_set_offset) == ("AE", True, len(prefix))


def test_a_wrong_group_length_is_not_believed():
    prefix = part10_prefix(*SOP)
    lying = prefix[:140] + struct.pack("<I", 9999) + prefix[144:]
    assert read_meta(lying).data_set_offset == len(prefix)


def test_no_group_length():
    prefix = part10_prefix(*SOP)
    meta = read_meta(prefix[:132] + prefix[144:])
    assert meta.sop_instance_uid == "1.2.3.4"


def test_meta_information_without_preamble():
    meta = read_meta(part10_prefix(*SOP)[132:])
    assert (meta.sop_instance_uid, meta.has_preamble) == ("1.2.3.4", False)


def test_meta_information_in_implicit_vr():
    uid = b"1.2.840.10008.1.2\0"
    data = bytes(128) + b"DICM" + struct.pack("<HHI", 2, 0x10, len(uid)) + uid
    assert read_meta(data).transfer_syntax_uid == "1.2.840.10008.1.2"


def test_the_same_data_set_from_two_senders_differs_only_before_the_offset():
    one, other = part10_prefix(*SOP, "A") + b"same", part10_prefix(*SOP, "LONGER") + b"same"
    assert one[data_set_offset(one) :] == other[data_set_offset(other) :] == b"same"


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 200, b"PK\x03\x04" * 100, b"%PDF-1.7" * 50, b"\x89PNG\r\n\x1a\n" * 20]
)
def test_other_files_are_not_dicom(data):
    with pytest.raises(NotDicom):
        read_meta(data)


@pytest.mark.parametrize("cut", [134, 139, 150, 200])
def test_cut_inside_the_meta_information(cut):
    with pytest.raises(TruncatedObject):
        read_meta(part10_prefix(*SOP)[:cut])


def test_endless_meta_information():
    with pytest.raises(MalformedObject):
        read_meta(bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0x13, b"SH", 0) * 1000)


def test_the_two_tables_of_vrs_hold_every_vr_of_the_standard():
    standard = {vr.value for vr in pydicom.valuerep.VR if " or " not in vr.value}
    assert {vr.decode() for vr in LONG_VRS | SHORT_VRS} == standard
    assert not LONG_VRS & SHORT_VRS
    assert {vr.decode() for vr in LONG_VRS} == {vr.value for vr in pydicom.valuerep.EXPLICIT_VR_LENGTH_32}
