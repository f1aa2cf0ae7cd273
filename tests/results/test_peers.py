"""What others say of our objects: dciodvfy, dcmtk, Orthanc."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pydicom.data
import pytest
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


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    """A private Orthanc; its address and its DICOM port."""
    from_path = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if from_path is None:
        if os.environ.get("COREAD_REQUIRE_PEERS") == "1":
            pytest.fail("required here, but Orthanc is not installed")
        pytest.skip("Orthanc is not installed (see CONTRIBUTING.md for the Debian packages)")
    folder = tmp_path_factory.mktemp("orthanc")
    with socket.socket() as web, socket.socket() as dimse:
        web.bind(("127.0.0.1", 0))
        dimse.bind(("127.0.0.1", 0))
        ports = web.getsockname()[1], dimse.getsockname()[1]
    configuration = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "HttpPort": ports[0],
        "DicomPort": ports[1],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": False,
        "UnknownSopClassAccepted": True,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    server = subprocess.Popen(
        [from_path, str(folder / "orthanc.json")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{ports[0]}"
    try:
        _wait(address)
        yield address, ports[1]
    finally:
        server.terminate()
        server.wait(20)


def _wait(address):
    for _ in range(150):
        try:
            httpx.get(f"{address}/system", timeout=2).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail("Orthanc did not start within 30 s")


def sent_and_fetched(made, orthanc, tool, folder):
    """Send one object by C-STORE, fetch it back by its SOP Instance UID."""
    address, port = orthanc
    path = folder / "object.dcm"
    path.write_bytes(made.data)
    subprocess.run(
        [tool("storescu"), "-xf", _profile(folder, made), "Ours", "127.0.0.1", str(port), str(path)],
        check=True,
        capture_output=True,
    )
    (found,) = httpx.post(f"{address}/tools/lookup", content=made.id).json()
    kept = httpx.get(f"{address}{found['Path']}/file").content
    # The next variant of the same reading bears the same UID; Orthanc would keep the first.
    httpx.delete(f"{address}{found['Path']}").raise_for_status()
    return kept


def _profile(folder, made):
    """A storescu profile that proposes just this object's class."""
    sop_class = pydicom.dcmread(io.BytesIO(made.data), specific_tags=["SOPClassUID"]).SOPClassUID
    path = folder / "store.cfg"
    path.write_text(
        "[[TransferSyntaxes]]\n[Plain]\nTransferSyntax1 = LittleEndianExplicit\n"
        "[[PresentationContexts]]\n[Result]\n"
        f"PresentationContext1 = {sop_class}\\Plain\n"
        "[[Profiles]]\n[Ours]\nPresentationContexts = Result\n"
    )
    return str(path)


def dump(dataset):
    """Every element with its value, nested ones and pixel data included."""
    return {str(element.tag): (element.VR, element.value) for element in dataset}


@pytest.mark.parametrize("name", ["dx", "dx chinese", "ct", "us colour"])
def test_orthanc_takes_all_and_returns_them_unchanged(name, orthanc, tool, tmp_path):
    for made in all_objects(open_object(IMAGES[name]())):
        returned = sent_and_fetched(made, orthanc, tool, tmp_path)
        ours = pydicom.dcmread(io.BytesIO(made.data))
        theirs = pydicom.dcmread(io.BytesIO(returned))
        assert dump(theirs) == dump(ours)
        assert theirs.SpecificCharacterSet == "ISO_IR 192"
