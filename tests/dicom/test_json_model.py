"""The DICOM JSON model against PS3.18 annex F's own example, pydicom and dicomweb-client."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from real_files import real_file, with_identifiers

from coread.dicom import facts_json, keyword_of, open_object, scan_header, tag_of
from coread.dicom.json_model import bulk_data, dataset_json
from coread.errors import NotFound
from coread.testing import chest_radiograph

URL = "http://here/bulk"

FILES = ["CT_small.dcm", "MR_small.dcm", "emri_small.dcm", "rtplan.dcm", "rtstruct.dcm", "test-SR.dcm",
         "US1_UNCR.dcm", "liver_1frame.dcm", "waveform_ecg.dcm",
         "MR_small_bigendian.dcm", "RG1_J2KR.dcm"]  # fmt: skip


def same(found, expected) -> bool:
    """Compare values; numbers as numbers, for JSON does not keep how a decimal was written."""
    if isinstance(expected, (int, float)) or (
        isinstance(expected, pydicom.multival.MultiValue) and isinstance(expected[0], (int, float))
    ):
        return bool(np.allclose(np.asarray(found, float), np.asarray(expected, float)))
    return str(found or "") == str(expected or "")


def model(data: bytes):
    return json.loads(json.dumps(open_object(data).json(URL), allow_nan=False))


@pytest.mark.parametrize("name", FILES)
def test_pydicom_reads_back_what_is_written(name):
    data = with_identifiers(real_file(name))
    expected = open_object(data).dataset
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = Dataset.from_json(model(data), bulk_data_uri_handler=lambda _uri: b"")
    for element in expected:
        skipped = element.keyword == "SpecificCharacterSet" or not element.tag.element
        if not skipped and element.VR not in ("OB", "OW", "OF", "UN", "SQ", "OB or OW"):
            assert same(found[element.tag].value, element.value), element.keyword


@pytest.mark.parametrize("name", FILES)
def test_each_bulk_value_can_be_fetched_by_its_uri(name):
    found = open_object(with_identifiers(real_file(name)))
    uris = list(_uris(found.json(URL)))
    for uri in uris:
        assert uri.startswith(f"{URL}/")
        assert len(found.bulk_data(uri.removeprefix(f"{URL}/"))) > 0
    assert ("PixelData" in found.dataset) == (f"{URL}/7FE00010" in uris)


def _uris(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "BulkDataURI":
                yield value
            else:
                yield from _uris(value)
    elif isinstance(node, list):
        for part in node:
            yield from _uris(part)


def test_the_standards_own_forms():
    dataset = Dataset()
    dataset.PatientName = "Wang^XiaoDong=王^小东"
    dataset.OtherPatientIDs = ["a", "", "c"]
    dataset.PatientSize = "1.80"
    dataset.Rows = 512
    dataset.FrameIncrementPointer = 0x00181063
    dataset.AccessionNumber = ""
    dataset.ReferencedStudySequence = [Dataset()]
    dataset.RequestAttributesSequence = []
    dataset.SpecificCharacterSet = "GB18030"
    dataset.RealWorldValueIntercept = float("nan")
    dataset.RealWorldValueSlope = float("-inf")
    dataset.EncryptedContent = b"\1\2\3\4"
    dataset.ICCProfile = b""
    assert dataset_json(dataset, URL) == {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080050": {"vr": "SH"},
        "00081110": {"vr": "SQ", "Value": [{}]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}]},
        "00101000": {"vr": "LO", "Value": ["a", None, "c"]},
        "00101020": {"vr": "DS", "Value": [1.8]},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00280010": {"vr": "US", "Value": [512]},
        "00282000": {"vr": "OB"},
        "00400275": {"vr": "SQ"},
        "00409224": {"vr": "FD", "Value": ["NaN"]},
        "00409225": {"vr": "FD", "Value": ["-Infinity"]},
        "04000520": {"vr": "OB", "InlineBinary": "AQIDBA=="},
    }


def test_large_values_lie_elsewhere_also_within_sequences():
    inner = Dataset()
    inner.EncryptedContent = b"x" * 1000
    dataset = Dataset()
    dataset.EncryptedAttributesSequence = [Dataset(), inner]
    found = dataset_json(dataset, URL)["04000500"]["Value"][1]["04000520"]
    assert found == {"vr": "OB", "BulkDataURI": f"{URL}/04000500/1/04000520"}
    assert bulk_data(dataset, "04000500/1/04000520") == b"x" * 1000
    assert dataset_json(dataset, None)["04000500"]["Value"][1] == {}


@pytest.mark.parametrize(
    "path", ["", "7FE00010", "../../etc", "04000500/9/04000520", "00100010", "zz/zz/zz", "1/2"]
)
def test_no_path_leads_astray(path):
    dataset = Dataset()
    dataset.PatientName = "A^B"
    with pytest.raises(NotFound):
        bulk_data(dataset, path)


def test_values_that_cannot_be_read_are_left_out():
    dataset = Dataset()
    dataset.add_new(0x00101030, "DS", None)
    dataset.add_new(0x00100040, "CS", "O")
    dataset.add_new(0x00280010, "US", 1)
    dataset[0x00280010]._value = "abc"
    dataset[0x00101030]._value = "heavy"
    assert dataset_json(dataset, URL) == {"00100040": {"vr": "CS", "Value": ["O"]}}


def test_the_available_transfer_syntax_is_told():
    assert model(chest_radiograph())["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]


def test_header_json_has_no_large_values():
    found = open_object(chest_radiograph()).header_json()
    assert "7FE00010" not in found
    assert list(_uris(found)) == []


def test_chinese_names_in_iso_2022():
    dataset = open_object(chest_radiograph()).dataset
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 58"]
    dataset["PatientName"]._value = pydicom.valuerep.PersonName(
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", ["latin_1", "iso_ir_58"]
    )
    found = dataset_json(dataset, URL)["00100010"]["Value"]
    assert found == [{"Alphabetic": "Zhang^XiaoDong", "Ideographic": "张^小东"}]


def test_facts_are_written_with_the_dictionarys_vr():
    facts = {"PatientName": "A^B=王", "Rows": "64", "ImageType": "ORIGINAL\\PRIMARY", "StudyDate": "",
             "Nonsense": "x", "SeriesNumber": "x1"}  # fmt: skip
    assert facts_json(facts) == {
        "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]},
        "00080020": {"vr": "DA"},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "王"}]},
        "00200011": {"vr": "IS", "Value": ["x1"]},
        "00280010": {"vr": "US", "Value": [64]},
    }


def test_facts_and_data_set_say_the_same():
    data = chest_radiograph()
    whole = model(data)
    for tag, written in facts_json(scan_header(data).facts).items():
        expected = whole[tag]
        values = [value or "" for value in expected.get("Value", [])]
        assert (written["vr"], [v or "" for v in written["Value"]]) == (expected["vr"], values)


def test_names_of_attributes():
    assert (keyword_of("0020000D"), keyword_of("0020000d"), keyword_of("StudyInstanceUID")) == (
        ("StudyInstanceUID",) * 3
    )
    assert (keyword_of("Nonsense"), keyword_of("zzzzzzzz"), keyword_of("00091001")) == ("", "", "")
    assert (tag_of("StudyInstanceUID"), tag_of("Nonsense")) == ("0020000D", "")


def test_binary_values_of_a_big_endian_object_are_told_little_endian():
    big = open_object(real_file("MR_small_bigendian.dcm"))
    little = open_object(real_file("MR_small.dcm"))
    assert big.bulk_data("7FE00010") == little.bulk_data("7FE00010")
    dataset = Dataset()
    dataset.add_new(0x00091001, "OW", b"\x01\x02\x03\x04")
    assert dataset_json(dataset, URL, big_endian=True)["00091001"]["InlineBinary"] == "AgEEAw=="
