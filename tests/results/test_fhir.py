"""The resources, and the bundle that puts them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime

import fhirkit
import pytest
from written_results import CARD, IDENTITY, WRITTEN_AT, finding_on, reading_of, written

from coread.dicom import open_object
from coread.domain.finding import Presence
from coread.domain.reading import Outcome
from coread.results import Kind, write
from coread.testing.patients import chest_radiograph, ct_slice

OUTCOMES = [Outcome.FINDINGS, Outcome.ABSTAINED, Outcome.REFUSED, Outcome.FAILED]


def resources(out):
    return [json.loads(made.data) for made in out.of(Kind.FHIR)]


def references(value):
    if isinstance(value, dict):
        if "reference" in value:
            yield value["reference"]
        for part in value.values():
            yield from references(part)
    if isinstance(value, list):
        for part in value:
            yield from references(part)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_independent_r4_validator_agrees(radiograph, outcome):
    out = written(radiograph, findings=None if outcome is Outcome.FINDINGS else (), outcome=outcome)
    for made in out.of(Kind.FHIR):
        assert [str(issue) for issue in fhirkit.validate(made.data)] == []


def test_the_validator_can_fail():
    assert fhirkit.validate('{"resourceType": "Observation", "status": "nonsense"}')


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_identifiers_are_legal_and_references_resolve(radiograph, outcome):
    out = written(radiograph, findings=None if outcome is Outcome.FINDINGS else (), outcome=outcome)
    known = {made.id for made in out.of(Kind.FHIR)}
    for identifier in known:
        assert re.fullmatch(r"[A-Za-z]+/[A-Za-z0-9\-.]{1,64}", identifier)
    for resource in resources(out):
        assert set(references(resource)) <= known


def test_the_bundle_puts_every_resource_once(radiograph):
    out = written(radiograph)
    (bundle,) = out.fhir("Bundle")
    assert bundle["type"] == "transaction"
    assert [entry["request"] for entry in bundle["entry"]] == [
        {"method": "PUT", "url": made.id} for made in out.of(Kind.FHIR)[:-1]
    ]
    assert [entry["resource"] for entry in bundle["entry"]] == resources(out)[:-1]
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == len(bundle["entry"])


@pytest.mark.parametrize(
    ("presence", "value", "interpretation"),
    [
        (Presence.PRESENT, "52101004", "POS"),
        (Presence.ABSENT, "2667000", "NEG"),
        (Presence.INDETERMINATE, "82334004", "IND"),
    ],
)
def test_an_observation_says_presence_probability_and_interval(radiograph, presence, value, interpretation):
    finding = finding_on(radiograph, presence=presence)
    (observation,) = written(radiograph, [finding]).fhir("Observation")
    assert observation["status"] == "preliminary"
    assert observation["code"]["coding"][0]["code"] == "112001"
    assert observation["valueCodeableConcept"]["coding"][0]["code"] == value
    assert observation["interpretation"][0]["coding"][0]["code"] == interpretation
    assert observation["identifier"][0]["value"] == f"urn:oid:{finding.tracking_uid}"
    probability, interval = observation["component"]
    assert probability["valueQuantity"] == {
        "value": 0.83,
        "unit": "no units",
        "system": "http://unitsofmeasure.org",
        "code": "1",
    }
    assert (interval["valueRange"]["low"]["value"], interval["valueRange"]["high"]["value"]) == (0.7, 0.9)


@pytest.mark.parametrize(
    ("outcome", "status", "absent"),
    [
        (Outcome.ABSTAINED, "preliminary", "unknown"),
        (Outcome.REFUSED, "cancelled", "not-performed"),
        (Outcome.FAILED, "cancelled", "error"),
    ],
)
def test_no_finding_says_why(radiograph, outcome, status, absent):
    out = written(radiograph, outcome=outcome)
    (report,), (observation,) = out.fhir("DiagnosticReport"), out.fhir("Observation")
    assert report["status"] == observation["status"] == status
    assert observation["dataAbsentReason"]["coding"][0]["code"] == absent
    assert "no frontal chest radiograph" in report["conclusion"]
    assert "不是正位胸片" in report["conclusion"]


def test_the_report_presents_the_dicom_report(radiograph):
    out = written(radiograph)
    (report,) = out.fhir("DiagnosticReport")
    (form,) = report["presentedForm"]
    data = out.of(Kind.SR)[0].data
    assert form["url"] == f"urn:oid:{out.of(Kind.SR)[0].id}"
    assert (form["size"], form["contentType"]) == (len(data), "application/dicom")
    assert base64.b64decode(form["hash"]) == hashlib.sha1(data).digest()
    (media,) = out.fhir("Media")
    assert media["content"]["url"] == f"urn:oid:{out.of(Kind.SECONDARY_CAPTURE)[0].id}"


def test_times_bear_their_zone(radiograph):
    (report,) = written(radiograph).fhir("DiagnosticReport")
    assert datetime.fromisoformat(report["issued"]) == WRITTEN_AT
    assert report["effectiveDateTime"] == "2024-01-02"


def test_the_patient_is_a_logical_identifier():
    facts = {"PatientID": "P-9", "IssuerOfPatientID": "Hospital One", "AccessionNumber": "ACC7"}
    out = written(open_object(chest_radiograph(facts=facts)))
    (report,) = out.fhir("DiagnosticReport")
    assert report["subject"] == {
        "type": "Patient",
        "identifier": {"value": "P-9", "assigner": {"display": "Hospital One"}},
    }
    assert report["basedOn"][0]["identifier"]["value"] == "ACC7"


def test_an_unnamed_patient_is_said_to_be_so():
    out = written(
        open_object(chest_radiograph(facts={"PatientID": "", "AccessionNumber": "", "StudyDate": ""}))
    )
    (report,) = out.fhir("DiagnosticReport")
    assert report["subject"]["display"] == "Patient without identifier"
    assert not {"basedOn", "effectiveDateTime"} & report.keys()


def test_the_device_is_the_reader(radiograph):
    (device,) = written(radiograph).fhir("Device")
    assert device["deviceName"][0]["name"] == "Chest radiograph reader"
    assert {version["value"] for version in device["version"]} == {"1.2.3", "ab" * 32}


def test_provenance_names_what_went_in_and_what_came_out(radiograph):
    out = written(radiograph)
    (provenance,) = out.fhir("Provenance")
    named = {entity["what"]["identifier"]["value"] for entity in provenance["entity"]}
    assert f"urn:oid:{radiograph.header.ref.sop_instance_uid}" in named
    assert "ab" * 32 in named
    assert hashlib.sha256(out.of(Kind.SR)[0].data).hexdigest() in named
    assert {entity["role"] for entity in provenance["entity"]} <= {
        *("derivation", "revision", "quotation", "source", "removal")
    }


def test_the_imaging_study_lists_its_series(radiograph):
    (study,) = written(radiograph).fhir("ImagingStudy")
    ref = radiograph.header.ref
    assert study["identifier"][0]["value"] == f"urn:oid:{ref.study_instance_uid}"
    (series,) = study["series"]
    assert series["uid"] == ref.series_instance_uid
    assert series["modality"]["code"] == "DX"
    assert series["instance"][0]["sopClass"]["code"] == f"urn:oid:{ref.sop_class_uid}"


def test_readers_of_other_images_of_a_study_do_not_overwrite_its_resource(radiograph):
    other = open_object(chest_radiograph(seed=1, facts={"PatientID": "SYN-0000"}))
    assert other.header.ref.study_instance_uid == radiograph.header.ref.study_instance_uid
    (one,), (two,) = (written(image).fhir("ImagingStudy") for image in (radiograph, other))
    assert one["identifier"] == two["identifier"]
    assert one["id"] != two["id"]


def test_two_readers_of_an_image_share_the_study_and_nothing_else(radiograph):
    other = replace(IDENTITY, version="2.0.0")
    ours = reading_of(radiograph, [finding_on(radiograph)])
    theirs = replace(ours, reader=other)
    first = {made.id for made in write(ours, (radiograph,), CARD, WRITTEN_AT)}
    second = {made.id for made in write(theirs, (radiograph,), replace(CARD, identity=other), WRITTEN_AT)}
    assert [identifier.split("/")[0] for identifier in first & second] == ["ImagingStudy"]


def test_a_slice_gives_resources_too():
    assert written(open_object(ct_slice())).fhir("ImagingStudy")[0]["modality"][0]["code"] == "CT"
