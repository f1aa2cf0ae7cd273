"""Events in the forms of standards: BALP, ATNA, PROV, CSV; and the account of a study."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from datetime import timedelta
from xml.etree import ElementTree as Xml

import fhirkit
import prov.model
import pytest
from pydicom.sr._concepts_dict import concepts  # pydicom's copy of PS3.16
from recording import AT, event

from coread.domain.event import Event
from coread.ledger import (
    AuditSource,
    RecordedEvent,
    account,
    audit_event,
    audit_message,
    csv_lines,
    provenance,
    syslog_message,
)
from coread.ledger.forms.audit_kind import _table, audit_kind, meaning

SOURCE = AuditSource("coread.example", "St Example", "https://coread.example", "0.1.0")
STUDY = "1.2.840.1"
KINDS = (
    "instance.filed", "instance.quarantined", "study.deleted", "review.opened", "finding.decided",
    "report.saved", "report.signed", "report.exported", "reading.made", "delivery.failed", "person.logged-in",
    "person.login-failed", "person.roles-changed", "ledger.verified", "ledger.forgotten", "ledger.key-taken",
    "ledger.fault-found", "worker.replaced", "never.heard-of",
)  # fmt: skip


def recorded(sequence: int = 1, **changes: object) -> RecordedEvent:
    return RecordedEvent(sequence, event(sequence, **changes), b"\x01" * 32)


# BALP


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("actor", ["person:p-1", "reader:chest-radiograph 1.0", "dimse:CT1"])
def test_each_event_is_a_valid_audit_event(kind: str, actor: str) -> None:
    for patient in ("", "p1"):
        made = audit_event(recorded(kind=kind, actor=actor, subject=STUDY), SOURCE, patient)
        assert [str(issue) for issue in fhirkit.validate(json.dumps(made))] == []
    assert fhirkit.validate(json.dumps(made | {"source": {}}))  # the validator can fail


VERBS = {"C": "create", "R": "read", "U": "update", "D": "delete"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("patient", ["", "p1"])
def test_what_succeeded_keeps_the_profile_of_its_verb(kind: str, patient: str) -> None:
    """The rules of the profiles, as their FSH says them (IHE ITI.BasicAudit, PatientCreate.fsh and so on)."""
    made = audit_event(recorded(kind=kind, subject=STUDY), SOURCE, patient)
    if made["outcome"] != "0" or made["action"] == "E":
        assert "meta" not in made
        return
    verb = VERBS[made["action"]]
    name = f"Patient{verb.capitalize()}" if patient else verb.capitalize()
    assert made["meta"]["profile"] == [
        f"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.{name}"
    ]
    assert made["type"]["code"] == "rest"
    assert made["subtype"][0] == {
        "system": "http://hl7.org/fhir/restful-interaction", "code": verb, "display": verb,
    }  # fmt: skip
    codes = [agent["type"]["coding"][0]["code"] for agent in made["agent"]]
    ends = {"C": ["110153", "110152"], "U": ["110153", "110152"], "R": ["110152", "110153"],
            "D": ["110150", "custodian"]}  # fmt: skip
    assert codes[:2] == ends[made["action"]]
    assert codes[2:] == ["IRCP" if made["action"] == "R" else "AUT"]
    assert all("network" in agent and "who" in agent for agent in made["agent"][:2])
    assert made["agent"][2] == {
        "type": made["agent"][2]["type"], "who": {"identifier": {"value": "person:p-1"}}, "requestor": True,
    }  # fmt: skip
    data = [entity for entity in made["entity"] if entity["type"]["code"] == "2"]
    persons = [entity for entity in made["entity"] if entity["type"]["code"] == "1"]
    assert len(data) == 1
    assert data[0]["role"]["code"] in ("3", "4")
    assert data[0]["what"]["identifier"] == {"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}
    assert [p["what"] for p in persons] == ([{"reference": "Patient/p1"}] if patient else [])


def test_an_audit_event_can_be_proven_and_is_always_the_same() -> None:
    made = audit_event(recorded(7), SOURCE)
    details = {detail["type"]: detail["valueString"] for detail in made["entity"][0]["detail"]}
    assert details["ledger-sequence"] == "7"
    assert details["leaf-hash"] == "01" * 32
    assert details["verdict"] == "accepted"
    assert made == audit_event(recorded(7), SOURCE)
    assert made["id"] != audit_event(recorded(8), SOURCE)["id"]
    assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", made["id"])


# The table against the standard


@pytest.mark.parametrize("code", sorted(_table()["meanings"]))
def test_each_code_s_meaning_is_the_standard_s(code: str) -> None:
    assert {entry[code][0] for entry in concepts["DCM"].values() if code in entry} == {meaning(code)}


@pytest.mark.parametrize("name", sorted(_table()["kinds"]))
def test_each_kind_is_in_the_standard_s_words(name: str) -> None:
    kind = audit_kind(name)
    assert kind.action in "CRUDE"
    assert kind.outcome in ("0", "4", "8", "12")
    assert meaning(kind.id)
    assert not kind.type or meaning(kind.type)


# ATNA


def children(element: Xml.Element) -> list[str]:
    return [child.tag for child in element]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("patient", ["", "PAT-1"])
def test_each_event_is_an_audit_message(kind: str, patient: str) -> None:
    """Order and attributes of PS3.15 section A.5.1's schema."""
    message = Xml.fromstring(audit_message(recorded(kind=kind, subject=STUDY), SOURCE, patient))
    assert message.tag == "AuditMessage"
    assert children(message)[:4] == [
        "EventIdentification", "ActiveParticipant", "ActiveParticipant", "AuditSourceIdentification",
    ]  # fmt: skip
    assert children(message)[4:] == ["ParticipantObjectIdentification"] * (2 if patient else 1)
    said = message[0]
    assert set(said.attrib) == {"EventActionCode", "EventDateTime", "EventOutcomeIndicator"}
    assert children(said)[0] == "EventID"
    assert set(children(said)[1:]) <= {"EventTypeCode", "EventOutcomeDescription"}
    for coded in (said[0], said[1]):
        assert set(coded.attrib) == {"csd-code", "codeSystemName", "originalText"}
    assert [p.attrib["UserIsRequestor"] for p in message.iter("ActiveParticipant")] == ["true", "false"]
    assert message[3].attrib == {"AuditSourceID": "coread.example", "AuditEnterpriseSiteID": "St Example"}
    thing = message[4]
    assert thing.attrib["ParticipantObjectID"] == STUDY
    assert children(thing)[:2] == ["ParticipantObjectIDTypeCode", "ParticipantObjectName"]
    assert thing[0].attrib["csd-code"] == "110180"
    details = {
        d.attrib["type"]: base64.b64decode(d.attrib["value"]).decode()
        for d in thing.iter("ParticipantObjectDetail")
    }
    assert details["leaf-hash"] == "01" * 32
    if patient:
        assert message[5].attrib["ParticipantObjectID"] == "PAT-1"


def test_a_subject_that_is_no_study_is_named_as_what_it_is() -> None:
    message = Xml.fromstring(audit_message(recorded(kind="person.added", subject="p-1"), SOURCE, "PAT-1"))
    assert len(message.findall("ParticipantObjectIdentification")) == 1
    assert message[4][0].attrib["codeSystemName"] == "99COREAD"


def test_what_xml_cannot_hold_is_left_out() -> None:
    evil = 'a\x00<b>"&\ud800中'
    made = audit_message(recorded(subject=evil, actor=evil, facts={evil: evil, "x": "ok"}), SOURCE)
    assert Xml.fromstring(made)[4].attrib["ParticipantObjectID"] == 'a<b>"&中'


def test_the_syslog_header_is_rfc_5424_s() -> None:
    made = syslog_message(recorded(), AuditSource("My host", "", "https://x", "1"))
    head, _, xml = made.partition(b"\xef\xbb\xbf")
    assert head == b"<85>1 2026-03-01T12:00:00.000005Z My-host coread - DICOM+RFC3881 - "
    assert Xml.fromstring(xml).tag == "AuditMessage"


# PROV


def journey() -> list[RecordedEvent]:
    """Make the events of one study, read by a reader, decided and signed by a doctor."""
    reader, doctor = "reader:chest-radiograph 1.0", "person:p-1"
    steps: list[tuple[str, str, dict[str, str]]] = [
        ("instance.filed", "dimse:CT1", {"sop_instance_uid": "1.2.9", "sha256": "ab"}),
        ("study.complete", "system", {"version": "1"}),
        ("reading.made", reader, {"reading": "2.25.7", "weights_sha256": "cd", "outcome": "findings"}),
        ("review.opened", doctor, {"mode": "blind-first"}),
        ("impression.recorded", doctor, {"mode": "blind-first"}),
        ("review.revealed", doctor, {"readings": "2.25.7"}),
        ("finding.decided", doctor, {
            "finding": "2.25.8", "reading": "2.25.7", "image": "1.2.9", "verdict": "rejected",
            "reason": "artefact", "active_s": "12.5", "mode": "blind-first",
        }),
        ("finding.decided", doctor, {"finding": "2.25.9", "verdict": "added"}),
        ("report.signed", doctor, {"report": "2.25.10", "readings": "2.25.7", "number": "1"}),
        ("delivery.failed", "system", {"object": "o", "destination": "pacs"}),
        ("delivery.done", "system", {"object": "o", "destination": "pacs"}),
    ]  # fmt: skip
    return [
        RecordedEvent(n, Event(kind, STUDY, actor, AT + timedelta(minutes=n), facts), bytes([n]) * 32)
        for n, (kind, actor, facts) in enumerate(steps, 1)
    ]


def test_the_provenance_is_read_by_another_library() -> None:
    document = prov.model.ProvDocument.deserialize(content=json.dumps(provenance(journey())), format="json")
    kinds = [type(record).__name__ for record in document.get_records()]
    assert kinds.count("ProvActivity") == 11
    assert {str(agent.identifier) for agent in document.get_records(prov.model.ProvAgent)} == {
        "coread:dimse_CT1", "coread:system", "coread:reader_chest-radiograph_1.0", "coread:person_p-1",
    }  # fmt: skip
    attributed = {
        tuple(str(value) for _, value in record.formal_attributes)
        for record in document.get_records(prov.model.ProvAttribution)
    }
    assert ("uid:2.25.7", "coread:reader_chest-radiograph_1.0") in attributed
    assert ("uid:2.25.10", "coread:person_p-1") in attributed
    assert kinds.count("ProvGeneration") == 4


def test_the_provenance_of_nothing_is_empty() -> None:
    assert provenance([]).keys() == {"prefix"}


# CSV


def test_a_table_is_read_back_and_harms_no_spreadsheet() -> None:
    evil = recorded(2, subject="=cmd|'/C calc'!A0", facts={"a": 'x,"y"\n'})
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines([recorded(1), evil])))))
    assert [row["sequence"] for row in rows] == ["1", "2"]
    assert rows[1]["subject"].startswith("'=")
    assert json.loads(rows[1]["facts"]) == {"a": 'x,"y"\n'}
    assert rows[0]["leaf_hash"] == "01" * 32


# Who was responsible for what


def statement(records: list[RecordedEvent], code: str):
    return next(one for one in account(records).statements if one.code == code)


def test_the_account_names_who_took_part() -> None:
    parties = {party.actor: party for party in account(journey()).parties}
    assert [party.kind for party in parties.values()] == ["other", "house", "reader", "person"]
    doctor = parties["person:p-1"]
    assert doctor.acts["finding.decided"] == 2
    assert doctor.active_s == 12.5
    assert (doctor.last - doctor.first) == timedelta(minutes=5)
    assert doctor.sequences == (4, 5, 6, 7, 8, 9)


def test_the_account_of_a_good_journey_says_yes() -> None:
    drawn = {one.code: one for one in account(journey()).statements}
    assert {code for code, one in drawn.items() if one.holds} == {
        "weights-named", "opinion-first", "decided", "reasons-given", "time-taken", "signed", "delivered",
    }  # fmt: skip
    assert {code for code, one in drawn.items() if one.holds is None} == {
        "consent-named", "taken-back", "later-seen",
    }  # fmt: skip
    assert drawn["decided"].values == {"accepted": "0", "edited": "0", "rejected": "1", "added": "1"}
    assert drawn["time-taken"].values == {"seconds": "12.5"}


def without(kind: str) -> list[RecordedEvent]:
    return [record for record in journey() if record.event.kind != kind]


def changed(kind: str, **facts: str) -> list[RecordedEvent]:
    def change(record: RecordedEvent) -> RecordedEvent:
        said = record.event
        if said.kind != kind:
            return record
        other = Event(said.kind, said.subject, said.actor, said.at, dict(said.facts) | facts)
        return RecordedEvent(record.sequence, other, record.leaf_hash)

    return [change(record) for record in journey()]


def added(kind: str, sequence: int = 99, **facts: str) -> list[RecordedEvent]:
    more = Event(kind, STUDY, "person:p-2", AT + timedelta(days=1), facts)
    return [*journey(), RecordedEvent(sequence, more, b"\x09" * 32)]


@pytest.mark.parametrize(
    ("records", "code", "sequences"),
    [
        (without("impression.recorded"), "opinion-first", (6,)),
        (changed("reading.made", weights_sha256=""), "weights-named", (3,)),
        (changed("finding.decided", verdict="rejected", reason=""), "reasons-given", (7, 8)),
        (changed("finding.decided", active_s="0"), "time-taken", (7,)),
        (changed("finding.decided", active_s="many"), "time-taken", (7,)),
        (without("report.signed"), "signed", (11,)),
        (without("delivery.done"), "delivered", (10,)),
        (added("study.reopened"), "later-seen", (99,)),
        (added("consent.recorded", consent_status="withdrawn"), "consent-named", (99,)),
    ],
)
def test_what_speaks_against_is_told_with_its_events(records, code: str, sequences) -> None:
    assert statement(records, code).holds is False
    assert statement(records, code).sequences == sequences


def test_what_came_later_and_was_seen_is_told() -> None:
    more = [*added("study.reopened", 98), added("review.acknowledged", 99)[-1]]
    assert statement(more, "later-seen").holds is True
    assert statement(added("finding.decision-undone"), "taken-back").values == {"count": "1"}
