"""Events as FHIR R4 AuditEvent by the IHE profile Basic Audit Log Patterns (BALP 1.1.3)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from coread.domain.event import Event
from coread.ledger.canonical import utc_text
from coread.ledger.forms.audit_kind import (
    AuditKind,
    AuditSource,
    audit_kind,
    is_by_a_person,
    is_of_a_study,
    meaning,
)
from coread.ledger.records import RecordedEvent

_PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_VERBS = {"C": "create", "R": "read", "U": "update", "D": "delete"}
#: Identifiers of studies (DICOM PS3.20, HL7 FHIR ImagingStudy): urn:dicom:uid.
_UID_SYSTEM = "urn:dicom:uid"


def audit_event(record: RecordedEvent, source: AuditSource, patient_id: str = "") -> dict[str, Any]:
    """Write one event as an AuditEvent.

    Creating, reading, changing and deleting that succeeded follows the profile of that name; all else is a
    plain AuditEvent with its DICOM code, as BALP leaves it.

    Parameters
    ----------
    record
        With its place and leaf hash, by which the AuditEvent can be proven.
    source
        Who says it.
    patient_id
        Logical id of the FHIR Patient; empty where it is not told: then no patient stands in it.
    """
    event, kind = record.event, audit_kind(record.event.kind)
    is_basic = kind.action in _VERBS and kind.outcome == "0"
    knows_patient = bool(patient_id) and is_of_a_study(event)
    resource: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{record.sequence}:{record.leaf_hash.hex()}")),
    }
    if is_basic:
        resource["meta"] = {"profile": [_profile(kind.action, knows_patient)]}
    return resource | {
        "type": {"system": _TYPE, "code": "rest", "display": "Restful Operation"}
        if is_basic
        else _code(kind.id),
        "subtype": _subtypes(kind, is_basic),
        "action": kind.action,
        "recorded": utc_text(event.at),
        "outcome": kind.outcome,
        "agent": _agents(event, source, kind.action),
        "source": _source(source),
        "entity": _entities(record, patient_id if knows_patient else ""),
    }


def _profile(action: str, knows_patient: bool) -> str:
    verb = _VERBS[action].capitalize()
    return _PROFILE + (f"Patient{verb}" if knows_patient else verb)


def _code(code: str) -> dict[str, str]:
    return {"system": _DCM, "code": code, "display": meaning(code)}


def _subtypes(kind: AuditKind, is_basic: bool) -> list[dict[str, str]]:
    codes = [_code(code) for code in ((kind.id if is_basic else ""), kind.type) if code]
    if not is_basic:
        return codes or [_code(kind.id)]
    verb = _VERBS[kind.action]
    return [{"system": "http://hl7.org/fhir/restful-interaction", "code": verb, "display": verb}, *codes]


def _agents(event: Event, source: AuditSource, action: str) -> list[dict[str, Any]]:
    """Return client, server and, for a person, the user; the roles follow the way that the data takes."""
    client, server = _ends(action)
    network = {"address": source.address, "type": "5"}  # 5: URI (HL7 network-type)
    asking = "coread-reading-room" if is_by_a_person(event) else event.actor
    agents: list[dict[str, Any]] = [
        {"type": client, "who": {"identifier": {"value": asking}}, "requestor": False, "network": network},
        {
            "type": server,
            "who": {"identifier": {"value": source.id}},
            "requestor": False,
            "network": network,
        },
    ]
    if is_by_a_person(event):
        code = ("IRCP", "information recipient") if action == "R" else ("AUT", "author (originator)")
        type = {"coding": [{"system": _PARTICIPATION, "code": code[0], "display": code[1]}]}
        agents.append({"type": type, "who": {"identifier": {"value": event.actor}}, "requestor": True})
    else:
        agents[0]["requestor"] = True
    return agents


def _ends(action: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    giving = _dicom_role("110153", "Source Role ID")
    taking = _dicom_role("110152", "Destination Role ID")
    if action == "D":
        custodian = {
            "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
            "code": "custodian",
            "display": "Custodian",
        }
        return _dicom_role("110150", "Application"), {"coding": [custodian]}
    return (taking, giving) if action == "R" else (giving, taking)


def _dicom_role(code: str, display: str) -> Mapping[str, Any]:
    return {"coding": [{"system": _DCM, "code": code, "display": display}]}


def _source(source: AuditSource) -> dict[str, Any]:
    server = {
        "system": "http://terminology.hl7.org/CodeSystem/security-source-type",
        "code": "4",
        "display": "Application Server",
    }
    said: dict[str, Any] = {"observer": {"identifier": {"value": source.id}}, "type": [server]}
    return ({"site": source.site} if source.site else {}) | said


def _entities(record: RecordedEvent, patient_id: str) -> list[dict[str, Any]]:
    event = record.event
    identifier = {"value": event.subject}
    if is_of_a_study(event):
        identifier = {"system": _UID_SYSTEM, "value": f"urn:oid:{event.subject}"}
    proof = {"kind": event.kind, "ledger-sequence": str(record.sequence), "leaf-hash": record.leaf_hash.hex()}
    details = [{"type": name, "valueString": value} for name, value in (proof | dict(event.facts)).items()]
    is_report = event.kind.startswith("report.")
    role = ("3", "Report") if is_report else ("4", "Domain Resource")
    data = {
        "what": {"identifier": identifier},
        "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
        "role": {"system": _ROLE, "code": role[0], "display": role[1]},
        "detail": [detail for detail in details if detail["valueString"]],
    }
    if not patient_id:
        return [data]
    person = {
        "what": {"reference": f"Patient/{patient_id}"},
        "type": {"system": _ENTITY, "code": "1", "display": "Person"},
        "role": {"system": _ROLE, "code": "1", "display": "Patient"},
    }
    return [person, data]
