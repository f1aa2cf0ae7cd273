"""What others say of our objects: dciodvfy, dcmtk, Orthanc."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from orthanc_peer import dump, sent_and_fetched
from written_results import finding_on, hot_map, written

from coread.dicom import open_object
from coread.domain.finding import Box, Presence
from coread.domain.reading import Outcome
from coread.testing.patients import (
    chest_pixels,
    chest_radiograph,
    ct_slice,
    dicom_from_pixels,
    mr_slice,
    ultrasound,
)

pytestmark = pytest.mark.peer

US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"


def multi_frame():
    pixels = np.zeros((3, 48, 64), np.uint8)
    return dicom_from_pixels(
        pixels, modality="US", sop_class=US_MULTI_FRAME, facts={"BodyPartExamined": "CHEST"}
    )


IMAGES = {
    "dx": chest_radiograph,
    "dx inverse": lambda: chest_radiograph(photometric="MONOCHROME1"),
    "dx chinese": lambda: chest_radiograph(
        facts={"SpecificCharacterSet": "GB18030", "PatientName": "Wang^XiaoDong=王^小东"}
    ),
    "dx nameless": lambda: chest_radiograph(
        facts={"PatientName": "", "PatientBirthDate": "", "PatientSex": "", "StudyID": "", "StudyTime": ""}
    ),
    "cr": lambda: dicom_from_pixels(chest_pixels(), modality="CR"),
    "oblong": lambda: dicom_from_pixels(chest_pixels()[:40], facts={"ImagerPixelSpacing": [0.3, 0.1]}),
    "ct": ct_slice,
    "mr": mr_slice,
    "us colour": lambda: ultrasound(facts={"BodyPartExamined": "CHEST"}),
    "us frames": multi_frame,
}


def all_objects(image):
    """Everything that may be written of an image."""
    findings = [
        finding_on(image, hot_map(image), boxes=[Box(4, 4, 20, 10)]),
        finding_on(image, None, boxes=[Box(4, 4, 20, 10), Box(30, 30, 9, 9)], number=2),
        finding_on(image, presence=Presence.ABSENT, number=3),
        finding_on(image, presence=Presence.INDETERMINATE, number=4),
    ]
    yield from written(image, findings, predecessor_uid="2.25.5").dicom()
    yield from written(image, findings=()).dicom()
    for outcome in (Outcome.ABSTAINED, Outcome.REFUSED, Outcome.FAILED):
        yield from written(image, outcome=outcome).dicom()


#: Warnings that no better object could avoid.
EXCUSED = (
    # QUANTITY is a term of PS3.3 section C.8.16.1.4 that came after this edition of dciodvfy.
    "Unrecognized defined term <QUANTITY> for value 4",
    # What the source does not know, its results cannot: Study ID and Time are copied.
    "needed to build DICOMDIR - Study",
)


def _is_excused(warning):
    return any(reason in warning for reason in EXCUSED)


@pytest.mark.parametrize("name", IMAGES)
def test_dciodvfy_finds_no_error_and_no_warning(name, verdict):
    for made in all_objects(open_object(IMAGES[name]())):
        errors, warnings = verdict(made.data)
        assert (made.kind, errors, [w for w in warnings if not _is_excused(w)]) == (made.kind, [], [])


def test_dciodvfy_can_fail(verdict):
    result = written(open_object(chest_radiograph())).dataset("seg")
    del result.SegmentSequence
    stream = io.BytesIO()
    result.save_as(stream)
    assert verdict(stream.getvalue())[0]


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm", "examples_rgb_color.dcm"]
)
def test_dciodvfy_on_results_of_files_from_the_field(name, verdict):
    """No error, even of an odd source; a warning only where the source names no body part."""
    image = open_object(Path(str(pydicom.data.get_testdata_file(name, download=False))))
    for made in all_objects(image):
        errors, warnings = verdict(made.data)
        assert (made.kind, errors) == (made.kind, [])
        assert not [line for line in warnings if "Laterality" not in line and not _is_excused(line)]


@pytest.mark.parametrize("name", ["dx", "dx chinese", "ct"])
def test_dsrdump_reads_the_reports(name, tool, tmp_path):
    program = tool("dsrdump")
    for made in all_objects(open_object(IMAGES[name]())):
        if made.kind != "sr":
            continue
        path = tmp_path / "report.dcm"
        path.write_bytes(made.data)
        said = subprocess.run([program, str(path)], capture_output=True, check=False)
        assert said.returncode == 0
        assert not [line for line in said.stderr.decode().splitlines() if line.startswith("E:")]
        assert "Imaging Measurement Report" in said.stdout.decode()


@pytest.mark.parametrize("name", ["dx", "dx chinese", "ct", "us colour"])
def test_orthanc_takes_all_and_returns_them_unchanged(name, orthanc, tool, tmp_path):
    for made in all_objects(open_object(IMAGES[name]())):
        returned = sent_and_fetched(made, orthanc, tool, tmp_path)
        ours = pydicom.dcmread(io.BytesIO(made.data))
        theirs = pydicom.dcmread(io.BytesIO(returned))
        assert dump(theirs) == dump(ours)
        assert theirs.SpecificCharacterSet == "ISO_IR 192"
