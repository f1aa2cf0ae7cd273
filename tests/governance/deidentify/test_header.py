"""Names hide everywhere: in private blocks, descriptions, nested items, other character sets, file meta."""

from __future__ import annotations

import io

import pydicom
import pytest
from deidentifying import read, written
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from coread.governance.deidentify import (
    Deidentified,
    Deidentifier,
    Pseudonyms,
    Refused,
    load_profile,
    profile_names,
)
from coread.testing import text_report

NAMES = (
    "Quillfeather",
    "Marguerite",
    "王小东",
    "王^小东",
    "MRN7788991",
    "Ostrander",
    "Thornbury",
    "ACC445566",
)


def holds(data: bytes, word: str) -> bool:
    forms = {
        spelled.encode(e, "ignore")
        for spelled in {word, word.upper()}
        for e in ("utf-8", "gb18030", "utf-16-le")
    }
    return any(form in data for form in forms)


@pytest.mark.parametrize("name", profile_names())
def test_no_profile_lets_a_name_out(name, ct, pseudonyms):
    made = Deidentifier(load_profile(name), pseudonyms).deidentify(written(ct))
    if isinstance(made, Refused):
        assert "text finder" in made.reason
        return
    assert [word for word in NAMES if holds(made.data, word)] == []
    after = read(made.data)
    assert after.PatientIdentityRemoved == "YES"
    assert {item.CodeValue for item in after.DeidentificationMethodCodeSequence} >= {"113100"}
    assert after.PatientID == pseudonyms.patient("MRN7788991")
    assert after.PatientBirthDate == ""
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID != ct.SOPInstanceUID


def test_dates_are_removed_moved_or_kept_as_the_profile_says(ct, pseudonyms):
    def study_date(name: str) -> str:
        made = Deidentifier(load_profile(name), pseudonyms).deidentify(written(ct))
        assert isinstance(made, Deidentified)
        said = {"hipaa-safe-harbor": "REMOVED", "tcia": "MODIFIED", "hipaa-limited": "UNMODIFIED"}
        assert read(made.data).LongitudinalTemporalInformationModified == said[name]
        return read(made.data).StudyDate

    assert study_date("hipaa-safe-harbor") == ""
    assert study_date("hipaa-limited") == "20190607"
    assert study_date("tcia") not in ("", "20190607")


def test_all_dates_of_a_person_move_alike(ct, out):
    ct.AcquisitionDateTime = "20190610101112.5"
    ct.SeriesDate = "20190608"
    after = out(ct)
    days = (
        pydicom.valuerep.DA(after.SeriesDate).toordinal() - pydicom.valuerep.DA(after.StudyDate).toordinal()
    )
    assert days == 1
    assert after.AcquisitionDateTime.endswith("101112.5")
    assert pydicom.valuerep.DA(after.StudyDate).weekday() == pydicom.valuerep.DA("20190607").weekday()
    assert after.StudyTime == ct.StudyTime


def test_a_private_block_that_hides_a_name(ct, out):
    ct.private_block(0x0029, "ACME 1.0", create=True).add_new(0x10, "OB", "王小东".encode("gb18030") + b"\0")
    ct.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x39, "IS", [800, 0, 0, 0])
    ct.private_block(0x0019, "HOLOGIC, Inc.", create=True).add_new(0x27, "LO", "for MARGUERITE")
    after = out(ct)
    assert 0x00290010 not in after
    assert 0x00190010 not in after
    assert list(after[0x00431039].value) == [800, 0, 0, 0]
    assert after[0x00430010].value == "GEMS_PARM_01"


def test_a_safe_element_in_another_block_of_its_group(ct, out):
    ct.private_block(0x0043, "ACME", create=True).add_new(0x39, "LO", "x")
    ct.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x39, "IS", 5)
    after = out(ct)
    assert after[0x00431139].value == 5
    assert 0x00431039 not in after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CT THORAX 2019-06-07", "CT THORAX"),
        ("CT THORAX 07.06.2019 control", "CT THORAX control"),
        ("检查 2019年6月7日 胸部", "检查 胸部"),
        ("Jun 7, 2019 chest", "chest"),
        ("Quillfeather, M. chest", ", M. chest"),
        ("患者王小东胸部CT", "患者胸部CT"),
        ("AX LUNG 1.25mm", "AX LUNG 1.25mm"),
    ],
)
def test_a_date_or_name_inside_a_description(ct, out, before, after):
    ct.StudyDescription = before
    assert out(ct).StudyDescription == after


def test_a_description_that_was_all_name_becomes_a_dummy(ct, out):
    ct.SeriesDescription = "Quillfeather Marguerite"
    assert out(ct).SeriesDescription == "REMOVED"


def test_names_in_nested_items_and_unlisted_texts(ct, out):
    inner = Dataset()
    inner.PersonName = "Wexcombe^Ada"
    inner.TextValue = "seen by Ada Wexcombe for Quillfeather"
    inner.CodeMeaning = "Chest"
    outer = Dataset()
    outer.ContentSequence = Sequence([inner])
    ct.add_new(0x0040A043, "SQ", [outer])
    ct.RequestedContrastAgent = "Iomeron for Marguerite"
    text = str(out(ct))
    assert not any(word in text for word in ("Wexcombe", "Ada", "Quillfeather", "Marguerite"))
    assert "Chest" in text
    assert "Iomeron" in text


@pytest.mark.parametrize("charset", ["GB18030", "ISO_IR 192", ["", "ISO 2022 IR 58"], ["", "ISO 2022 IR 87"]])
def test_names_in_other_character_sets(ct, out, charset):
    name = "山田^太郎" if charset == ["", "ISO 2022 IR 87"] else "王^小东"
    ct.SpecificCharacterSet = charset
    ct.PatientName = f"Quillfeather^M={name}"
    ct.StudyDescription = f"CT {name.replace('^', '')} Quillfeather"
    ct.OtherPatientNames = ""
    after = out(ct)
    assert name[0] not in str(after.StudyDescription)
    assert str(after.StudyDescription).startswith("CT")


def test_preamble_padding_and_file_meta_say_nothing(ct, tcia):
    ct.preamble = b"Quillfeather".ljust(128, b"\0")
    ct.file_meta.SourceApplicationEntityTitle = "QUILLWARD"
    ct.file_meta.PrivateInformationCreatorUID = "1.2.3"
    ct.file_meta.PrivateInformation = b"Quillfeather"
    ct.DataSetTrailingPadding = b"Quillfeather"
    data = written(ct)
    assert data.count(b"Quillfeather") >= 3
    made = tcia.deidentify(data)
    assert isinstance(made, Deidentified)
    assert b"uill" not in made.data.lower()


def test_codes_are_not_taken_for_numbers(ct, out):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "43799004", "SCT", "Thoracic cavity"
    code.CodingSchemeVersion = "20190101"
    ct.AnatomicRegionSequence = Sequence([code])
    after = out(ct).AnatomicRegionSequence[0]
    assert (after.CodeValue, after.CodeMeaning, after.CodingSchemeVersion) == (
        "43799004",
        "Thoracic cavity",
        "20190101",
    )


def test_references_still_lead_where_they_led(ct, out, pseudonyms):
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ct.SOPClassUID, ct.SOPInstanceUID
    ct.ReferencedImageSequence = Sequence([item])
    after = out(ct)
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == after.SOPInstanceUID
    assert after.ReferencedImageSequence[0].ReferencedSOPClassUID == ct.SOPClassUID
    assert after.FrameOfReferenceUID == pseudonyms.uid(ct.FrameOfReferenceUID)


def test_what_must_have_an_item_goes_and_what_must_be_there_stays_empty(ct, out):
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", "1.2.3.4"
    request = Dataset()
    request.ReferencedStudySequence = Sequence([study])
    ct.ReferencedStudySequence = Sequence([study])
    ct.RequestAttributesSequence = Sequence([request])
    ct.ReferencedRequestSequence = Sequence([request])
    ct.ResponsibleOrganization = "Thornbury"
    after = out(ct)
    assert "ReferencedStudySequence" not in after
    assert "ReferencedStudySequence" not in after.RequestAttributesSequence[0]
    assert after.ReferencedRequestSequence[0].ReferencedStudySequence == []
    assert after.ResponsibleOrganization == ""


def test_a_structured_report_keeps_its_shape(pseudonyms):
    report = read(text_report())
    words = Dataset()
    words.RelationshipType, words.ValueType = "CONTAINS", "TEXT"
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121071", "DCM", "Finding"
    words.ConceptNameCodeSequence = Sequence([name])
    words.TextValue = f"Nodule in {report.PatientName.family_name}, seen 2019-06-07. Lung clear."
    report.ContentSequence = Sequence([*report.get("ContentSequence", []), words])
    cleaned = Deidentifier(load_profile("tcia"), pseudonyms).deidentify(written(report))
    assert isinstance(cleaned, Deidentified)
    last = read(cleaned.data).ContentSequence[-1]
    assert last.TextValue == "Nodule in , seen . Lung clear."
    assert last.ConceptNameCodeSequence[0].CodeMeaning == "Finding"
    basic = Deidentifier(load_profile("appi-pseudonymised"), pseudonyms).deidentify(written(report))
    assert isinstance(basic, Deidentified)


def test_embedded_documents_and_directories_stay(ct, tcia):
    ct.SOPClassUID = ct.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    assert tcia.deidentify(written(ct)) == Refused("an encapsulated PDF")


def test_faces_are_flagged_or_refused(ct, pseudonyms, out):
    ct.BodyPartExamined = "BRAIN"
    assert out(ct).RecognizableVisualFeatures == "YES"
    strict = Deidentifier(load_profile("hipaa-safe-harbor"), pseudonyms)
    assert strict.deidentify(written(ct)) == Refused("a face may be drawn from it")


def test_what_cannot_be_read_whole_stays(ct, tcia):
    data = written(ct)
    for broken in (data[:-100], data[:200], b"", b"not dicom" * 40):
        made = tcia.deidentify(broken)
        assert isinstance(made, Refused)
        assert "cannot be read whole" in made.reason or "UID" in made.reason


def test_who_has_no_number_is_told_by_the_study(ct, tcia):
    del ct.PatientID
    once = tcia.deidentify(written(ct))
    assert isinstance(once, Deidentified)
    assert read(once.data).PatientID.startswith("P")
    twice = tcia.deidentify(once.data)
    assert isinstance(twice, Deidentified)
    assert twice.data == once.data


def test_two_domains_cannot_be_joined(ct):
    data = written(ct)
    one, two = (
        read(Deidentifier(load_profile("tcia"), Pseudonyms(b"k" * 32, name)).deidentify(data).data)
        for name in ("one", "two")
    )
    for keyword in ("PatientID", "StudyInstanceUID", "SOPInstanceUID"):
        assert getattr(one, keyword) != getattr(two, keyword)


_words = st.sampled_from(
    [
        "Quillfeather",
        "王小东",
        "MRN7788991",
        "2019-06-07",
        "20190607",
        "chest",
        "Dr. Ostrander",
        "ACC445566",
        "5mm",
        "\n",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_words, max_size=8), st.sampled_from(profile_names()))
def test_twice_is_once_and_nothing_is_left(words, name):
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3.4"
    dataset.StudyInstanceUID, dataset.Modality = "1.2.3", "SR"
    dataset.PatientName, dataset.PatientID = "Quillfeather^M=王^小东", "MRN7788991"
    dataset.StudyDate, dataset.ReferringPhysicianName = "20190607", "Ostrander^T"
    dataset.AccessionNumber = "ACC445566"
    dataset.StudyDescription = " ".join(words)[:60]
    dataset.ImageComments = " ".join(words)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    deidentifier = Deidentifier(load_profile(name), Pseudonyms(b"k" * 32, "p"))
    once = deidentifier.deidentify(written(dataset))
    assert isinstance(once, Deidentified)
    twice = deidentifier.deidentify(once.data)
    assert isinstance(twice, Deidentified)
    assert twice.data == once.data
    kept_dates = name == "hipaa-limited"
    after = pydicom.dcmread(io.BytesIO(once.data))
    texts = (
        f"{after.get('StudyDescription')} {after.get('ImageComments')} {after.PatientName} {after.PatientID}"
    )
    assert not any(w in texts for w in ("Quillfeather", "王小东", "MRN7788991", "Ostrander", "ACC445566"))
    assert kept_dates or "20190607" not in texts
