"""What others say of signed reports: dciodvfy, dcmtk, Orthanc."""

from __future__ import annotations

import io
import subprocess

import pydicom
import pytest
from orthanc_peer import dump, sent_and_fetched
from signed_reports import (
    Signed,
    addendum_to,
    own,
    rejected,
    report_of,
    signed_on,
    written_of,
)
from written_results import finding_on, reading_of

from coread.dicom import open_object
from coread.domain.reading import Outcome
from coread.results import Kind
from coread.testing.patients import (
    chest_pixels,
    chest_radiograph,
    ct_slice,
    dicom_from_pixels,
    ultrasound,
)

pytestmark = pytest.mark.peer


def japanese():
    sets = ["", "ISO 2022 IR 87"]
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    return chest_radiograph(facts={"SpecificCharacterSet": sets, "PatientName": name})


def korean():
    sets = ["", "ISO 2022 IR 149"]
    name = "Hong^Gildong=洪^吉洞=홍^길동"
    return chest_radiograph(facts={"SpecificCharacterSet": sets, "PatientName": name})


IMAGES = {
    "dx": chest_radiograph,
    "chinese": lambda: chest_radiograph(
        facts={"SpecificCharacterSet": "GB18030", "PatientName": "Wang^XiaoDong=王^小东"}
    ),
    "japanese": japanese,
    "korean": korean,
    "nameless": lambda: chest_radiograph(
        facts={"PatientName": "", "PatientBirthDate": "", "PatientSex": "", "StudyID": "", "StudyTime": ""}
    ),
    "undated": lambda: chest_radiograph(facts={"StudyDate": "", "StudyTime": ""}),
    "cr": lambda: dicom_from_pixels(chest_pixels(), modality="CR"),
    "ct": ct_slice,
    "us": lambda: ultrasound(facts={"BodyPartExamined": "CHEST"}),
}

#: Warnings that no better object could avoid.
EXCUSED = (
    # A private coding scheme, which PS3.16 section 8.2 allows under this form of designator.
    "Unrecognized defined term <99COREAD>",
    # What the source does not know, its results cannot: Study ID, Date and Time are copied.
    "needed to build DICOMDIR - Study",
)


def all_reports(image):
    """Every kind of report that may be signed on an image."""
    full = signed_on(image, "zh")
    reading = reading_of(image, [finding_on(image)])
    nothing = report_of(image, (reading,), [rejected(reading.findings[0], reading)])
    silent = reading_of(image, outcome=Outcome.ABSTAINED)
    yield full
    yield signed_on(image)
    yield addendum_to(full)
    yield Signed(image, nothing, (reading,))
    yield Signed(image, report_of(image, (), [own(None)]), ())
    yield Signed(image, report_of(image, (silent,), []), (silent,))


def all_objects(image):
    for signed in all_reports(image):
        yield from written_of(signed).dicom()


@pytest.mark.parametrize("name", IMAGES)
def test_dciodvfy_finds_no_error_and_no_warning(name, verdict):
    for made in all_objects(open_object(IMAGES[name]())):
        errors, warnings = verdict(made.data)
        left = [line for line in warnings if not any(reason in line for reason in EXCUSED)]
        assert (made.kind, errors, left) == (made.kind, [], [])


def test_why_no_content_assessment_object_is_written(verdict):
    """The judge knows no such class (PS3.3 section A.81): nothing that is written of it could be judged."""
    made = written_of(signed_on(open_object(chest_radiograph()))).dataset(Kind.PDF)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.90.1"
    stream = io.BytesIO()
    made.save_as(stream)
    assert verdict(stream.getvalue())[0] == ["Error - Information Object Not found"]


@pytest.mark.parametrize("name", ["dx", "chinese", "japanese", "korean", "ct"])
def test_dsrdump_reads_the_reports(name, tool, tmp_path):
    for made in all_objects(open_object(IMAGES[name]())):
        if made.kind != Kind.SR:
            continue
        path = tmp_path / "report.dcm"
        path.write_bytes(made.data)
        said = subprocess.run([tool("dsrdump"), str(path)], capture_output=True, check=False)
        assert said.returncode == 0
        assert not [line for line in said.stderr.decode().splitlines() if line.startswith("E:")]
        shown = said.stdout.decode()
        assert "Verification Flag   : VERIFIED" in shown
        assert "LI Wei" in shown


@pytest.mark.parametrize("name", ["chinese", "japanese", "korean"])
def test_names_come_through(name):
    sent = pydicom.dcmread(io.BytesIO(IMAGES[name]()))
    for made in written_of(signed_on(open_object(IMAGES[name]()))).dicom():
        written = pydicom.dcmread(io.BytesIO(made.data))
        assert written.PatientName == sent.PatientName
        assert written.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("name", ["dx", "chinese"])
def test_the_pdf_comes_out_as_it_was_printed(name, tool, tmp_path):
    image = open_object(IMAGES[name]())
    signed = signed_on(image)
    made = written_of(signed)
    wrapped = made.dataset(Kind.PDF)
    length = wrapped.EncapsulatedDocumentLength
    assert wrapped.EncapsulatedDocument[:length].rstrip().endswith(b"%%EOF")
    assert wrapped.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert wrapped.BurnedInAnnotation == "YES"
    assert wrapped.SourceInstanceSequence[0].ReferencedSOPInstanceUID == made.of(Kind.SR)[0].id
    path, out = tmp_path / "report.dcm", tmp_path / "report.pdf"
    path.write_bytes(made.of(Kind.PDF)[0].data)
    subprocess.run([tool("dcm2pdf"), str(path), str(out)], check=True, capture_output=True)
    assert out.read_bytes() == wrapped.EncapsulatedDocument[:length]


def test_orthanc_takes_all_and_returns_them_unchanged(orthanc, tool, tmp_path):
    for name in ("dx", "chinese", "japanese", "korean"):
        for made in all_objects(open_object(IMAGES[name]())):
            returned = sent_and_fetched(made, orthanc, tool, tmp_path)
            ours = pydicom.dcmread(io.BytesIO(made.data))
            theirs = pydicom.dcmread(io.BytesIO(returned))
            assert dump(theirs) == dump(ours)
