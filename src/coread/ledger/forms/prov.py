"""Events of a study as W3C PROV, in PROV-JSON (W3C Member Submission of 24 April 2013)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coread.domain.event import Event
from coread.ledger.canonical import utc_text
from coread.ledger.forms.audit_kind import is_by_a_person
from coread.ledger.records import RecordedEvent

_PREFIXES = {"coread": "urn:coread:", "uid": "urn:oid:"}
#: Facts that name what an event used, and what it made.
_USED = ("reading", "readings", "image", "predecessor", "sop_instance_uid")
_MADE = {
    "reading.made": "reading",
    "finding.decided": "finding",
    "finding.added": "finding",
    "report.signed": "report",
}


def provenance(records: Iterable[RecordedEvent]) -> dict[str, Any]:
    """Write events as a PROV document.

    Each event is an activity, who did it an agent (a person, or software), what it was about and what it used
    an entity that it ``used``; a reading, a decision and a report are entities that it generated.
    """
    document: dict[str, Any] = {"prefix": dict(_PREFIXES)}
    for record in records:
        _add(document, record)
    return document


def _add(document: dict[str, Any], record: RecordedEvent) -> None:
    event, activity = record.event, f"coread:event-{record.sequence}"
    at = utc_text(event.at)
    said = {f"coread:{name}": value for name, value in event.facts.items()}
    said |= {"coread:leaf_hash": record.leaf_hash.hex(), "prov:type": event.kind}
    _part(document, "activity")[activity] = {"prov:startTime": at, "prov:endTime": at} | said
    agent = _agent(document, event)
    _link(document, "wasAssociatedWith", {"prov:activity": activity, "prov:agent": agent})
    made = event.facts.get(_MADE.get(event.kind, ""), "")
    used = [event.subject, *(uid for name in _USED for uid in event.facts.get(name, "").split())]
    for uid in dict.fromkeys(uid for uid in used if uid and uid != made):
        _link(document, "used", {"prov:activity": activity, "prov:entity": _entity(document, uid)})
    if made:
        entity = _entity(document, made)
        _link(document, "wasGeneratedBy", {"prov:entity": entity, "prov:activity": activity, "prov:time": at})
        _link(document, "wasAttributedTo", {"prov:entity": entity, "prov:agent": agent})


def _agent(document: dict[str, Any], event: Event) -> str:
    kind = "prov:Person" if is_by_a_person(event) else "prov:SoftwareAgent"
    name = f"coread:{_token(event.actor)}"
    type = {"$": kind, "type": "prov:QUALIFIED_NAME"}
    _part(document, "agent")[name] = {"prov:type": type, "prov:label": event.actor}
    return name


def _entity(document: dict[str, Any], identifier: str) -> str:
    is_uid = identifier.replace(".", "").isdigit()
    name = f"uid:{identifier}" if is_uid else f"coread:{_token(identifier)}"
    _part(document, "entity")[name] = {}
    return name


def _part(document: dict[str, Any], name: str) -> dict[str, Any]:
    part: dict[str, Any] = document.setdefault(name, {})
    return part


def _link(document: dict[str, Any], relation: str, said: dict[str, str]) -> None:
    part = _part(document, relation)
    part[f"_:{relation}{len(part) + 1}"] = said


def _token(text: str) -> str:
    """Write text as the local part of a qualified name."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in text)
