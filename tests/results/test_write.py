"""What all result objects have in common."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written_results import CARD, WRITTEN_AT, finding_on, reading_of, written

import coread.results
from coread.dicom import open_object
from coread.domain.finding import Presence
from coread.domain.reading import Outcome
from coread.errors import ResultFault
from coread.results import Kind, write
from coread.testing.patients import chest_radiograph, ct_slice, mr_slice, text_report, ultrasound

DICOM_KINDS = (Kind.SR, Kind.SEG, Kind.PRESENTATION_STATE, Kind.SECONDARY_CAPTURE)


def test_findings_give_every_kind(radiograph):
    out = written(radiograph)
    assert [made.kind for made in out.dicom()] == list(DICOM_KINDS)
    assert {made.id.split("/")[0] for made in out.of(Kind.FHIR)} == {
        *("Bundle", "Device", "DiagnosticReport", "ImagingStudy", "Media", "Observation", "Provenance")
    }


@pytest.mark.parametrize("outcome", [Outcome.ABSTAINED, Outcome.REFUSED, Outcome.FAILED])
def test_no_findings_give_report_and_resources_only(radiograph, outcome):
    out = written(radiograph, outcome=outcome)
    assert [made.kind for made in out.dicom()] == [Kind.SR]
    assert out.fhir("DiagnosticReport")


def test_an_absent_finding_is_said_but_not_drawn(radiograph):
    out = written(radiograph, [finding_on(radiograph, presence=Presence.ABSENT)])
    assert not out.of(Kind.SEG)
    annotation = out.dataset(Kind.PRESENTATION_STATE).GraphicAnnotationSequence[0]
    assert "GraphicObjectSequence" not in annotation
    assert "absent" in annotation.TextObjectSequence[0].UnformattedTextValue


def test_same_arguments_same_bytes(radiograph):
    assert written(radiograph).objects == written(radiograph).objects


def test_same_bytes_in_another_process(radiograph):
    """No hash seed, no import order, no process identifier leaks into an object."""
    program = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1]);"
        "from written_results import written; from coread.dicom import open_object;"
        "from coread.testing.patients import chest_radiograph;"
        "out = written(open_object(chest_radiograph(size_px=64)));"
        "print(*(hashlib.sha256(made.data).hexdigest() for made in out.objects))"
    )
    support = str(Path(__file__).parent.parent / "support")
    said = subprocess.run([sys.executable, "-c", program, support], capture_output=True, check=True)
    here = [hashlib.sha256(made.data).hexdigest() for made in written(radiograph).objects]
    assert said.stdout.decode().split() == here


def test_identifiers_are_all_different_and_follow_from_the_reading(radiograph):
    ids = [made.id for made in written(radiograph).objects]
    assert len(set(ids)) == len(ids)
    later = written(radiograph, at=WRITTEN_AT + timedelta(days=1))
    assert [made.id for made in later.objects] == ids
    assert reading_of(radiograph).derive_uid("sr") == ids[0]


@pytest.mark.parametrize("kind", DICOM_KINDS)
def test_objects_belong_to_the_patient_and_study_of_the_image(radiograph, kind):
    result, source = written(radiograph).dataset(kind), radiograph.dataset
    for keyword in (
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate"),
        *("StudyTime", "AccessionNumber", "StudyID", "StudyDescription", "ReferringPhysicianName"),
    ):
        assert result[keyword].value == source[keyword].value, keyword
    assert result.SeriesInstanceUID != source.SeriesInstanceUID
    assert result.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize("kind", DICOM_KINDS)
def test_objects_name_the_reader(radiograph, kind):
    (equipment,) = written(radiograph).dataset(kind).ContributingEquipmentSequence
    assert equipment.ManufacturerModelName == "chest-radiograph"
    assert equipment.SoftwareVersions == "1.2.3"
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"


@pytest.mark.parametrize("kind", DICOM_KINDS)
def test_times_are_the_given_one(radiograph, kind):
    result = written(radiograph).dataset(kind)
    for element in result.iterall():
        if element.VR == "DA" and element.keyword not in ("StudyDate", "PatientBirthDate"):
            assert element.value == "20260304", element.keyword
        if element.VR == "TM" and element.keyword != "StudyTime":
            assert element.value == "050607.890000", element.keyword
        if element.VR == "DT":
            assert str(element.value).startswith("20260304050607"), element.keyword


def test_times_follow_the_zone_that_the_image_declares():
    image = open_object(chest_radiograph(facts={"TimezoneOffsetFromUTC": "+0800"}))
    result = written(image).dataset(Kind.SR)
    assert (result.ContentDate, result.ContentTime) == ("20260304", "130607.890000")
    assert result.TimezoneOffsetFromUTC == "+0800"


def test_without_declared_zone_the_callers_zone_holds(radiograph):
    at = datetime(2026, 3, 4, 23, 30, tzinfo=timezone(timedelta(hours=8)))
    result = written(radiograph, at=at).dataset(Kind.SR)
    assert (result.ContentDate, result.ContentTime) == ("20260304", "233000.000000")
    assert "TimezoneOffsetFromUTC" not in result


@pytest.mark.parametrize("charset", ["GB18030", "GBK", "ISO_IR 192"])
def test_chinese_names_survive_every_character_set(charset):
    facts = {"SpecificCharacterSet": charset, "PatientName": "Wang^XiaoDong=王^小东"}
    image = open_object(chest_radiograph(facts=facts))
    for kind in DICOM_KINDS:
        name = written(image).dataset(kind).PatientName
        assert str(name) == "Wang^XiaoDong=王^小东"
        assert name.ideographic == "王^小东"


@pytest.mark.parametrize(
    "keyword",
    [
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
        *("AccessionNumber", "StudyID", "ReferringPhysicianName"),
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_absent_identity_becomes_an_empty_element(keyword, value):
    image = open_object(chest_radiograph())
    if value is None:
        facts = {k: v for k, v in image.header.facts.items() if k != keyword}
        image.header = replace(image.header, facts=facts)
    else:
        image = open_object(chest_radiograph(facts={keyword: value}))
    out = written(image)
    for kind in DICOM_KINDS:
        element = out.dataset(kind)[keyword]
        assert element.is_empty


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        *(("PatientBirthDate", "yesterday"), ("PatientBirthDate", "20231345"), ("StudyDate", "2024")),
        *(("StudyTime", "25:00"), ("PatientSex", "male"), ("PatientAge", "old")),
    ],
)
def test_ill_formed_facts_do_not_make_ill_formed_results(keyword, value, verdict):
    image = open_object(chest_radiograph(facts={keyword: value}))
    out = written(image)
    assert out.dataset(Kind.SR).get(keyword) in (None, "")
    for made in out.dicom():
        assert verdict(made.data)[0] == []


hostile = st.text(st.characters(exclude_categories=("Cs",)), max_size=80)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile, hostile)
def test_hostile_text_does_no_harm(identifier, name):
    facts = {"PatientID": identifier, "PatientName": name, "StudyDescription": identifier}
    image = open_object(chest_radiograph(facts=facts))
    out = written(image)
    for kind in DICOM_KINDS:
        known = str(out.dataset(kind).PatientName).replace("[", "").replace("]", "")
        assert "\0" not in known
    sr = out.dataset(Kind.SR)
    text = sr.PatientID if isinstance(sr.PatientID, str) else "\\".join(sr.PatientID)
    assert text == image.header.facts.get("PatientID", "")


def test_patient_stays_out_of_identifiers_and_addresses():
    image = open_object(chest_radiograph(facts={"PatientID": "CANARY77", "PatientName": "Canary^Seven"}))
    out = written(image)
    for made in out.objects:
        assert "CANARY" not in made.id.upper()
    for made in out.of(Kind.FHIR):
        assert b"Canary" not in made.data
    assert b"CANARY77" in out.of(Kind.FHIR)[-1].data


@pytest.mark.parametrize("make", [chest_radiograph, ct_slice, mr_slice, ultrasound])
def test_any_image_can_be_refused(make):
    image = open_object(make())
    out = written(image, outcome=Outcome.REFUSED)
    assert out.dataset(Kind.SR).StudyInstanceUID == image.header.ref.study_instance_uid


def test_an_object_without_pixels_can_be_refused(verdict):
    out = written(open_object(text_report()), outcome=Outcome.REFUSED)
    assert verdict(out.dicom()[0].data) == ([], [])


def test_broken_pixels_can_be_failed():
    image = open_object(chest_radiograph(facts={"Rows": None}))
    assert written(image, outcome=Outcome.FAILED).dataset(Kind.SR)


def test_no_image_no_result(radiograph):
    with pytest.raises(ResultFault, match="no image"):
        write(reading_of(radiograph), (), CARD, WRITTEN_AT)


def test_a_time_needs_its_zone(radiograph):
    with pytest.raises(ResultFault, match="without zone"):
        write(reading_of(radiograph), (radiograph,), CARD, WRITTEN_AT.replace(tzinfo=None))


def test_a_finding_needs_its_image(radiograph):
    other = open_object(chest_radiograph(seed=5))
    reading = reading_of(radiograph, [finding_on(other)])
    with pytest.raises(ResultFault, match="not given"):
        write(reading, (radiograph,), CARD, WRITTEN_AT)


def test_several_images_and_findings(radiograph):
    other = open_object(chest_radiograph(seed=1, facts={"InstanceNumber": 2, "PatientID": "SYN-0000"}))
    findings = [finding_on(radiograph), finding_on(other), finding_on(other, number=2)]
    reading = reading_of(radiograph, findings)
    objects = write(reading, (radiograph, other), CARD, WRITTEN_AT)
    kinds = [made.kind for made in objects if made.kind is not Kind.FHIR]
    assert sorted(kinds) == sorted(
        [Kind.SR, *[Kind.SEG] * 3, *[Kind.PRESENTATION_STATE] * 2, *[Kind.SECONDARY_CAPTURE] * 2]
    )
    assert len({made.id for made in objects}) == len(objects)


def test_no_warning_says_who_the_patient_is(recwarn):
    image = open_object(
        chest_radiograph(facts={"PatientID": "CANARY" * 20, "PatientName": "Canary" * 20, "PatientSex": "X"})
    )
    written(image)
    assert [str(w.message) for w in recwarn.list if "canary" in str(w.message).lower()] == []


def test_the_face_is_sorted():
    assert coread.results.__all__ == sorted(coread.results.__all__)
    assert WRITTEN_AT.tzinfo is UTC
