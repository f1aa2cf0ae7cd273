"""Objects written: valid by dciodvfy, the same bytes for the same arguments, refused otherwise."""

from __future__ import annotations

import subprocess

import numpy as np
import pydicom
import pytest
from PIL import Image

from coread.dicom import open_object, scan_header, write_object
from coread.errors import MalformedObject, UnknownTransferSyntax
from coread.testing import (
    chest_pixels,
    chest_radiograph,
    ct_slice,
    dicom_from_pixels,
    mr_slice,
    text_report,
    ultrasound,
)

GREY = (chest_pixels() >> 4).astype(np.uint8)

SPECIMENS = {
    "DX": lambda: chest_radiograph(1),
    "DX inverse": lambda: chest_radiograph(1, photometric="MONOCHROME1"),
    "DX of 8 bits": lambda: dicom_from_pixels(GREY),
    "DX compressed": lambda: chest_radiograph(1, transfer_syntax_uid="1.2.840.10008.1.2.4.90"),
    "CR": lambda: dicom_from_pixels(chest_pixels(), modality="CR", facts={"BitsStored": 12}),
    "CT": lambda: ct_slice(1, position=2),
    "MR": lambda: mr_slice(1),
    "US": lambda: ultrasound(1),
    "OT": lambda: dicom_from_pixels(GREY, modality="OT"),
    "SR": lambda: text_report(1),
    "Chinese name": lambda: chest_radiograph(facts={"PatientName": "Wang^XiaoDong=王^小东"}),
}


@pytest.mark.peer
@pytest.mark.parametrize("name", SPECIMENS)
def test_dciodvfy_finds_no_error(name, tool, tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(SPECIMENS[name]())
    said = subprocess.run([tool("dciodvfy"), path], check=False, capture_output=True, text=True)
    assert "Error" not in said.stdout + said.stderr
    assert said.returncode == 0


@pytest.mark.parametrize("name", SPECIMENS)
def test_the_same_arguments_give_the_same_bytes(name):
    assert SPECIMENS[name]() == SPECIMENS[name]()
    assert open_object(SPECIMENS[name]()).unreadable == ()


def test_identity_is_chosen_or_follows_from_the_picture():
    chosen = scan_header(
        chest_radiograph(patient_id="P1", study_uid="1.2.3", series_uid="1.2.4", sop_uid="1.2.5")
    )
    assert chosen.facts["PatientID"] == "P1"
    assert (chosen.ref.study_instance_uid, chosen.ref.sop_instance_uid) == ("1.2.3", "1.2.5")
    one, other = scan_header(chest_radiograph(1)), scan_header(chest_radiograph(2))
    assert one.ref.study_instance_uid != other.ref.study_instance_uid
    assert one.ref.sop_instance_uid != other.ref.sop_instance_uid
    same_study = [scan_header(ct_slice(1, position=n)).ref for n in (0, 1)]
    assert same_study[0].study_instance_uid == same_study[1].study_instance_uid
    assert same_study[0].series_instance_uid == same_study[1].series_instance_uid
    assert same_study[0].sop_instance_uid != same_study[1].sop_instance_uid
    with pytest.raises(TypeError, match="patient_id"):
        chest_radiograph(patient="x")


def test_an_element_can_be_left_out():
    assert "PatientSex" not in scan_header(chest_radiograph(facts={"PatientSex": None})).facts


@pytest.mark.parametrize("facts", [{"Nonsense": 1}, {"Rows": "abc"}, {"BeamSequence": [1]}])
def test_values_that_do_not_fit(facts):
    with pytest.raises(MalformedObject):
        write_object({"SOPClassUID": "1.2.3", "SOPInstanceUID": "1.2.3.4"} | facts)


def test_an_object_without_identifier_cannot_be_written():
    with pytest.raises(MalformedObject):
        write_object({"SOPClassUID": "1.2.3"})


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.102", "1.2.3"])
def test_transfer_syntaxes_that_are_not_written(syntax):
    with pytest.raises(UnknownTransferSyntax):
        chest_radiograph(transfer_syntax_uid=syntax)


def test_the_file_says_who_wrote_it(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(chest_radiograph())
    assert pydicom.dcmread(path).file_meta.ImplementationVersionName.startswith("COREAD")


@pytest.mark.peer
@pytest.mark.shared_data
@pytest.mark.parametrize("folder", ["cxr_nih", "cxr_paediatric", "cxr_covid_ccby"])
@pytest.mark.parametrize("modality", ["DX", "CR"])
def test_real_radiographs_become_valid_objects(folder, modality, shared_data, tool, tmp_path):
    picture = sorted((shared_data / folder / "images").iterdir())[0]
    grey = np.asarray(Image.open(picture).convert("L"))
    data = dicom_from_pixels(grey, modality=modality, patient_id="P1", facts={"ViewPosition": "AP"})
    path = tmp_path / "a.dcm"
    path.write_bytes(data)
    said = subprocess.run([tool("dciodvfy"), path], check=False, capture_output=True, text=True)
    assert "Error" not in said.stdout + said.stderr
    np.testing.assert_array_equal(open_object(data).rendered(), grey)
