"""Events as DICOM audit messages (PS3.15 A.5), as IHE ATNA sends them by syslog (ITI-20)."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree as Xml

from coread.domain.event import Event
from coread.ledger.canonical import utc_text
from coread.ledger.forms.audit_kind import AuditSource, audit_kind, is_by_a_person, is_of_a_study, meaning
from coread.ledger.records import RecordedEvent

#: Facility 10 (security), severity 5 (notice): what IHE ITI TF-2 section 3.20.4.1.2.1 recommends.
_PRIORITY = 10 * 8 + 5
_MESSAGE_ID = "DICOM+RFC3881"
#: AuditSourceTypeCode 4: application server process (PS3.15 A.5.2.3).
_APPLICATION_SERVER = "4"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STUDY = ("110180", "Study Instance UID")


def audit_message(record: RecordedEvent, source: AuditSource, patient_id: str = "") -> bytes:
    """Write one event as an AuditMessage.

    Parameters
    ----------
    record
        With its place and leaf hash, by which the message can be proven.
    source
        Who says it.
    patient_id
        Patient ID (0010,0020); empty where it is not told.
    """
    message = Xml.Element("AuditMessage")
    _event(message, record.event)
    _participants(message, record.event, source)
    place = {"AuditSourceID": source.id} | ({"AuditEnterpriseSiteID": source.site} if source.site else {})
    sent_by = Xml.SubElement(message, "AuditSourceIdentification", place)
    Xml.SubElement(sent_by, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})
    _objects(message, record, patient_id)
    text: bytes = Xml.tostring(message, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>' + text


def syslog_message(record: RecordedEvent, source: AuditSource, patient_id: str = "") -> bytes:
    """Wrap an audit message for syslog (RFC 5424); its frame (RFC 5425) is the sender's."""
    host = source.id.replace(" ", "-").encode("ascii", "replace").decode()[:255] or "-"
    head = f"<{_PRIORITY}>1 {utc_text(record.event.at)} {host} coread - {_MESSAGE_ID} - "
    return head.encode() + b"\xef\xbb\xbf" + audit_message(record, source, patient_id)


def _event(message: Xml.Element, event: Event) -> None:
    kind = audit_kind(event.kind)
    said = {"EventActionCode": kind.action, "EventDateTime": utc_text(event.at)}
    made = Xml.SubElement(message, "EventIdentification", said | {"EventOutcomeIndicator": kind.outcome})
    _coded(made, "EventID", kind.id, meaning(kind.id))
    if kind.type:
        _coded(made, "EventTypeCode", kind.type, meaning(kind.type))
    Xml.SubElement(made, "EventTypeCode", _own(event.kind))
    if kind.outcome != "0":
        Xml.SubElement(made, "EventOutcomeDescription").text = _plain(event.facts.get("error") or event.kind)


def _participants(message: Xml.Element, event: Event, source: AuditSource) -> None:
    network = {"NetworkAccessPointID": source.address, "NetworkAccessPointTypeCode": "5"}  # 5: URI
    asked = {"UserID": _plain(event.actor), "UserIsRequestor": "true"}
    by = Xml.SubElement(message, "ActiveParticipant", asked)
    if not is_by_a_person(event):
        _coded(by, "RoleIDCode", "110150", "Application")
    own = {"UserID": source.id, "UserName": f"CoRead {source.version}".strip(), "UserIsRequestor": "false"}
    _coded(Xml.SubElement(message, "ActiveParticipant", own | network), "RoleIDCode", "110150", "Application")


def _objects(message: Xml.Element, record: RecordedEvent, patient_id: str) -> None:
    event = record.event
    role = "3" if is_of_a_study(event) else "13"  # 3 report, 13 security resource (PS3.15 A.5.2.4)
    said = {"ParticipantObjectID": _plain(event.subject), "ParticipantObjectTypeCode": "2"}
    thing = Xml.SubElement(
        message, "ParticipantObjectIdentification", said | {"ParticipantObjectTypeCodeRole": role}
    )
    if is_of_a_study(event):
        _coded(thing, "ParticipantObjectIDTypeCode", *_STUDY)
    else:
        Xml.SubElement(thing, "ParticipantObjectIDTypeCode", _own("subject"))
    Xml.SubElement(thing, "ParticipantObjectName").text = _plain(event.kind)
    proof = {"ledger-sequence": str(record.sequence), "leaf-hash": record.leaf_hash.hex()}
    for name, value in (proof | dict(event.facts)).items():
        data = base64.b64encode(value.encode("utf-8", "replace")).decode()
        Xml.SubElement(thing, "ParticipantObjectDetail", {"type": _plain(name), "value": data})
    if patient_id and is_of_a_study(event):
        _patient(message, patient_id)


def _patient(message: Xml.Element, patient_id: str) -> None:
    said = {
        "ParticipantObjectID": _plain(patient_id),
        "ParticipantObjectTypeCode": "1",
        "ParticipantObjectTypeCodeRole": "1",
    }
    person = Xml.SubElement(message, "ParticipantObjectIdentification", said)
    # 2: patient number (PS3.15 A.5.2.4).
    number = {"csd-code": "2", "codeSystemName": "RFC-3881", "originalText": "Patient Number"}
    Xml.SubElement(person, "ParticipantObjectIDTypeCode", number)
    Xml.SubElement(person, "ParticipantObjectName")


def _coded(parent: Xml.Element, name: str, code: str, text: str) -> None:
    Xml.SubElement(parent, name, {"csd-code": code, "codeSystemName": "DCM", "originalText": text})


def _own(code: str) -> dict[str, str]:
    return {"csd-code": _plain(code), "codeSystemName": "99COREAD", "originalText": _plain(code)}


def _plain(text: str) -> str:
    """Leave out what XML cannot hold (XML 1.0 section 2.2)."""
    return _NO_XML.sub("", text)
