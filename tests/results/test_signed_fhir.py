"""What was preliminary becomes final, amended or withdrawn, under the same ids."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

import fhirkit
import pytest
from signed_reports import (
    CARDS,
    SIGNER,
    Signed,
    accepted,
    addendum_to,
    edited,
    own,
    rejected,
    report_of,
    signed_on,
    written_of,
)
from written_results import CARD, IDENTITY, WRITTEN_AT, Written, finding_on, reading_of

from coread.domain.finding import Presence
from coread.domain.reading import Outcome
from coread.domain.review import RejectReason
from coread.results import Kind, write, write_signed


@pytest.fixture
def signed(radiograph):
    return signed_on(radiograph)


def resources(out):
    return [json.loads(made.data) for made in out.of(Kind.FHIR)]


def preliminary_of(signed):
    (reading,) = signed.readings
    return Written(write(reading, (signed.image,), CARD, WRITTEN_AT))


def observation(out, uid):
    return next(o for o in out.fhir("Observation") if o["identifier"][0]["value"] == f"urn:oid:{uid}")


def doctors_report(out):
    (report,) = [r for r in out.fhir("DiagnosticReport") if "reference" in r["performer"][0]]
    return report


def readers_report(out):
    (report,) = [r for r in out.fhir("DiagnosticReport") if "reference" not in r["performer"][0]]
    return report


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_independent_r4_validator_agrees(radiograph, language):
    signed = signed_on(radiograph, language)
    silent = reading_of(radiograph, outcome=Outcome.ABSTAINED)
    silent = replace(silent, reader=replace(IDENTITY, name="silent"))
    with_silent = replace(signed, readings=(*signed.readings, silent))
    later = addendum_to(signed, signed.report.decisions[:3])
    for each in (signed, with_silent, later):
        for made in written_of(each).of(Kind.FHIR):
            assert [str(issue) for issue in fhirkit.validate(made.data)] == []


def test_what_was_preliminary_keeps_its_id(signed):
    before, after = preliminary_of(signed), written_of(signed)
    for kind in ("Observation", "Device", "ImagingStudy"):
        assert {r["id"] for r in before.fhir(kind)} <= {r["id"] for r in after.fhir(kind)}
    assert before.fhir("DiagnosticReport")[0]["id"] == readers_report(after)["id"]
    assert before.fhir("Device") == after.fhir("Device")
    assert before.fhir("ImagingStudy") == after.fhir("ImagingStudy")


def test_identifiers_are_legal_and_references_resolve(signed):
    out = written_of(signed)
    known = {made.id for made in out.of(Kind.FHIR)}
    for identifier in known:
        assert re.fullmatch(r"[A-Za-z]+/[A-Za-z0-9\-.]{1,64}", identifier)
    for resource in resources(out):
        assert set(_references(resource)) <= known


def _references(value):
    if isinstance(value, dict):
        if "reference" in value:
            yield value["reference"]
        for part in value.values():
            yield from _references(part)
    if isinstance(value, list):
        for part in value:
            yield from _references(part)


def test_an_accepted_finding_is_final_with_its_probability(signed):
    finding = signed.readings[0].findings[0]
    made = observation(written_of(signed), finding.tracking_uid)
    assert made["status"] == "final"
    assert made["valueCodeableConcept"]["coding"][0]["code"] == "52101004"
    assert made["component"][0]["valueQuantity"]["value"] == 0.83
    assert made["performer"][0]["identifier"]["value"] == SIGNER.person_id
    assert "device" in made
    assert [note["text"] for note in made["note"]] == ["Accepted"]


def test_an_edited_finding_is_final_with_the_doctors_values(signed):
    finding = signed.readings[0].findings[1]
    made = observation(written_of(signed), finding.tracking_uid)
    assert made["status"] == "final"
    assert made["code"]["coding"][0]["code"] == "27925004"
    (component,) = made["component"]
    assert component["valueQuantity"]["value"] == 8.5
    texts = [note["text"] for note in made["note"]]
    assert texts[0] == "Accepted after editing"
    assert texts[1].startswith("The reader had said: Opacity present, p=0.83")


@pytest.mark.parametrize(
    ("reason", "status", "absent"),
    [
        (RejectReason.NOT_PRESENT, "entered-in-error", "error"),
        (RejectReason.WRONG_PLACE, "entered-in-error", "error"),
        (RejectReason.WRONG_LABEL, "entered-in-error", "error"),
        (RejectReason.ARTEFACT, "entered-in-error", "error"),
        (RejectReason.OTHER, "entered-in-error", "error"),
        (RejectReason.NORMAL_VARIANT, "cancelled", "not-applicable"),
        (RejectReason.KNOWN_BEFORE, "cancelled", "not-applicable"),
        (RejectReason.NOT_RELEVANT, "cancelled", "not-applicable"),
        (RejectReason.IMAGE_QUALITY, "cancelled", "not-applicable"),
    ],
)
def test_a_rejected_finding_keeps_no_value(radiograph, reason, status, absent):
    finding = finding_on(radiograph)
    reading = reading_of(radiograph, [finding])
    report = report_of(radiograph, (reading,), [rejected(finding, reading, reason)])
    out = written_of(Signed(radiograph, report, (reading,)))
    made = observation(out, finding.tracking_uid)
    assert made["status"] == status
    assert made["dataAbsentReason"]["coding"][0]["code"] == absent
    assert not {"valueCodeableConcept", "interpretation", "component"} & made.keys()
    assert "Rejected" in made["note"][0]["text"]
    assert f"Observation/{made['id']}" not in [r["reference"] for r in doctors_report(out).get("result", [])]
    assert "Rejected" in readers_report(out)["conclusion"]


def test_an_own_statement_has_neither_device_nor_reading(radiograph):
    out = written_of(Signed(radiograph, report_of(radiograph, (), [own(None)]), ()))
    (made,) = out.fhir("Observation")
    assert (made["status"], made["code"]["coding"][0]["code"]) == ("final", "233604007")
    assert "device" not in made
    assert out.fhir("Device") == []


def test_the_report_is_final_and_carries_the_printed_one(signed):
    out = written_of(signed)
    report = doctors_report(out)
    assert report["status"] == "final"
    assert report["conclusion"] == "See findings."
    assert len(report["result"]) == 4
    printed, structured, wrapped = report["presentedForm"]
    data = base64.b64decode(printed["data"])
    assert printed["contentType"] == "application/pdf"
    assert data.startswith(b"%PDF")
    assert base64.b64decode(printed["hash"]) == hashlib.sha1(data).digest()
    assert structured["url"] == f"urn:oid:{signed.report.derive_uid('sr')}"
    assert wrapped["url"] == f"urn:oid:{signed.report.derive_uid('pdf')}"
    (doctor,) = out.fhir("Practitioner")
    assert report["performer"] == [{"reference": f"Practitioner/{doctor['id']}"}]
    assert doctor["name"] == [{"text": "LI Wei"}]
    assert doctor["identifier"][0]["value"] == SIGNER.person_id


def test_provenance_names_author_verifier_and_assembler(signed):
    out = written_of(signed)
    (provenance,) = out.fhir("Provenance")
    agents = {a["type"]["coding"][0]["code"]: a["who"]["reference"] for a in provenance["agent"]}
    (doctor,), (device,) = out.fhir("Practitioner"), out.fhir("Device")
    assert agents == {
        "author": f"Practitioner/{doctor['id']}",
        "verifier": f"Practitioner/{doctor['id']}",
        "assembler": f"Device/{device['id']}",
    }
    named = {e["what"]["identifier"]["value"]: e["role"] for e in provenance["entity"]}
    assert named[signed.report.text_sha256] == "quotation"
    assert named[f"urn:oid:{signed.readings[0].derive_uid('sr')}"] == "derivation"
    targets = {t["reference"] for t in provenance["target"]}
    assert f"DiagnosticReport/{doctors_report(out)['id']}" in targets
    assert "signature" not in provenance


def test_the_readers_report_ends_with_what_the_doctor_decided(signed):
    ended = readers_report(written_of(signed))
    assert ended["status"] == "final"
    lines = ended["conclusion"].split("\n")
    assert lines[0] == "CoRead chest-radiograph 1.2.3:"
    assert lines[1:] == [
        "Opacity: present – Accepted",
        "Opacity: present – Accepted after editing",
        "Opacity: present – Rejected: artefact (skin fold)",
    ]
    before = preliminary_of(signed).fhir("DiagnosticReport")[0]
    assert ended["result"] == before["result"]
    assert ended["presentedForm"][0]["url"] == before["presentedForm"][0]["url"]


def test_a_reading_that_the_doctor_was_not_shown_stays_preliminary(radiograph):
    reading = reading_of(radiograph, [finding_on(radiograph)])
    out = written_of(Signed(radiograph, report_of(radiograph, (reading,), [own(radiograph)]), (reading,)))
    assert [r["status"] for r in out.fhir("DiagnosticReport")] == ["final"]
    assert len(out.fhir("Observation")) == 1


def test_a_reading_decided_on_in_part_stays_preliminary_and_says_which(radiograph):
    """A doctor need not decide on what a reader calls absent."""
    found, absent = finding_on(radiograph), finding_on(radiograph, None, Presence.ABSENT, number=2)
    reading = reading_of(radiograph, [found, absent])
    report = report_of(radiograph, (reading,), [rejected(found, reading)])
    out = written_of(Signed(radiograph, report, (reading,)))
    ended = readers_report(out)
    assert ended["status"] == "preliminary"
    assert ended["conclusion"].split("\n")[1:] == [
        "Opacity: present – Rejected: artefact",
        "Opacity: absent – Not decided on",
    ]
    assert len(ended["result"]) == 2
    assert len(out.fhir("Observation")) == 1


@pytest.mark.parametrize(
    ("outcome", "written"), [(Outcome.ABSTAINED, True), (Outcome.REFUSED, False), (Outcome.FAILED, False)]
)
def test_a_reader_without_an_answer_gives_none_any_more(radiograph, outcome, written):
    reading = reading_of(radiograph, outcome=outcome)
    out = written_of(Signed(radiograph, report_of(radiograph, (reading,), []), (reading,)))
    ended = [r for r in out.fhir("DiagnosticReport") if "reference" not in r["performer"][0]]
    assert [r["status"] for r in ended] == (["cancelled"] if written else [])
    before = Written(write(reading, (radiograph,), CARD, WRITTEN_AT))
    if written:
        assert ended[0]["id"] == before.fhir("DiagnosticReport")[0]["id"]
        assert out.fhir("Observation")[0]["id"] == before.fhir("Observation")[0]["id"]


def test_an_addendum_of_words_is_appended(signed):
    first, later = written_of(signed), written_of(addendum_to(signed))
    before, after = doctors_report(first), doctors_report(later)
    assert before["id"] == after["id"]
    assert after["status"] == "appended"
    assert after["conclusion"].startswith("Compared with the film of 2023: unchanged.")
    assert "See findings." in after["conclusion"]
    for made in first.fhir("Observation"):
        again = next(o for o in later.fhir("Observation") if o["id"] == made["id"])
        assert again["status"] == made["status"]


def test_an_addendum_that_changes_a_statement_amends_it(signed):
    (reading,) = signed.readings
    first, second, third = reading.findings
    decisions = [
        edited(first, reading),
        rejected(second, reading, RejectReason.KNOWN_BEFORE),
        accepted(third, reading),
        signed.report.decisions[3],
    ]
    out = written_of(addendum_to(signed, decisions))
    assert doctors_report(out)["status"] == "amended"
    statuses = {f.tracking_uid: observation(out, f.tracking_uid)["status"] for f in reading.findings}
    assert statuses == {
        first.tracking_uid: "amended",
        second.tracking_uid: "entered-in-error",  # withdrawn after it had been final, whatever the reason
        third.tracking_uid: "final",  # it never was final before
    }
    taken_back = observation(out, signed.report.decisions[4].finding_uid)
    assert taken_back["status"] == "entered-in-error"
    assert "valueCodeableConcept" not in taken_back


def test_an_addendum_whose_former_report_is_not_given_counts_as_amended(signed):
    later = replace(addendum_to(signed), earlier=())
    assert doctors_report(written_of(later))["status"] == "amended"


def test_the_bundle_puts_every_resource_once(signed):
    out = written_of(signed)
    (bundle,) = out.fhir("Bundle")
    assert [entry["request"]["url"] for entry in bundle["entry"]] == [m.id for m in out.of(Kind.FHIR)[:-1]]
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == len(bundle["entry"])
    (again,) = written_of(addendum_to(signed)).fhir("Bundle")
    assert again["id"] != bundle["id"]


def test_a_reader_of_another_version_is_not_described_by_the_new_ones_card(signed):
    newer = {IDENTITY.name: replace(CARD, identity=replace(IDENTITY, version="9"))}
    out = Written(write_signed(signed.report, signed.readings, (signed.image,), newer, person=SIGNER))
    assert out.fhir("Device") == []
    assert newer != CARDS


def test_hostile_words_are_legal_resources(signed):
    decision = rejected(signed.readings[0].findings[0], signed.readings[0], comment="\x1b(J\x00\ud800<b>")
    report = replace(signed.report, decisions=(decision,), person_name="\x00\ud800")
    for made in written_of(replace(signed, report=report)).of(Kind.FHIR):
        assert [str(issue) for issue in fhirkit.validate(made.data)] == []
