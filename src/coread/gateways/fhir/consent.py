"""Between decisions and FHIR R4 Consent: strict in what is taken, one decision for each resource.

Source: https://hl7.org/fhir/R4/consent.html. One Consent speaks of one use, named in ``provision.purpose``
by our code system; ``active`` with ``permit`` is a consent, ``rejected`` (or ``active`` with ``deny``) a
refusal, ``inactive`` a withdrawal. Whatever could be read in two ways is refused: conditions that cannot be
kept (actors, classes, nested provisions), a purpose of another system, a Patient ID of a system that DICOM
does not know. A denial may lack what a consent must have: none is turned away for a missing date.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fhir.resources.R4B.consent import Consent

from coread.domain.consent import Act, Decision, PatientIdentity, Said, Status, Use
from coread.errors import ConsentRefused

Json = dict[str, Any]

USE_SYSTEM = "urn:coread:use"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_SCOPES = {Use.CARE: "treatment", Use.AI: "treatment", Use.LEARNING: "research", Use.FEDERATION: "research"}
_KNOWN_SCOPES = frozenset({"patient-privacy", "research", "treatment"})
#: What would narrow a consent in a way that nobody here could keep.
_NARROWING = ("actor", "action", "securityLabel", "class", "code", "data", "dataPeriod", "provision")
_ACTS = {"rejected": Act.REFUSED, "inactive": Act.WITHDRAWN}
_OF_PROVISION = {"permit": Act.GIVEN, "deny": Act.REFUSED}
_NO_IDENTITY = ("meta", "id", "text", "language")
_DAY = 10


def said_of(resource: object, actor: str) -> Said:
    """Read a Consent as one decision.

    Parameters
    ----------
    resource
        Parsed JSON.
    actor
        Who sends it, for the record.

    Raises
    ------
    ConsentRefused
        If it is no valid Consent, or does not say clearly who decided what. Names elements, never values.
    """
    checked = _valid(resource)
    act = _act(checked)
    provision: Json = checked.get("provision") or {}
    given = act is Act.GIVEN
    if given:
        _check_keepable(checked, provision)
    begins, ends = _period(provision) if given else (None, None)
    return Said(
        person=_person(checked.get("patient") or {}),
        use=_use(provision),
        act=act,
        actor=actor,
        source="fhir",
        key=_key(checked),
        valid_from=begins,
        valid_until=ends,
        decided_at=_decided(checked.get("dateTime", ""), must_be_there=given),
        evidence_sha256=_evidence(resource),
    )


def resource_of(decision: Decision, person: PatientIdentity | None, status: Status | None) -> Json:
    """Write a decision as a Consent.

    Parameters
    ----------
    decision
        Any of the register.
    person
        Who decided; None for somebody who was forgotten.
    status
        How the person stands to the use now, if this decision is what it rests on; None for one that others
        followed: it is then no longer active.
    """
    period = {"start": decision.valid_from.isoformat()}
    if decision.valid_until:
        period["end"] = decision.valid_until.isoformat()
    given = decision.act is Act.GIVEN
    purpose = [{"system": USE_SYSTEM, "code": str(decision.use)}]
    shown = Consent(
        **{
            "resourceType": "Consent",
            "id": decision.uid,
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{decision.uid}"}],
            "status": _status(decision, status),
            "scope": _concept("consentscope", _SCOPES.get(decision.use, "patient-privacy")),
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": _patient(person),
            "dateTime": decision.recorded_at.isoformat(),
            "policyRule": _concept("v3-ActCode", "OPTIN" if given else "OPTOUT"),
            "provision": {
                "type": "permit" if given else "deny",
                "purpose": purpose,
                **({"period": period} if given else {}),
            },
        }
    )
    return dict(json.loads(shown.model_dump_json()))


def resources_in(text: str) -> Iterator[object]:
    """Yield what a file holds: one resource, the entries of a Bundle, or one resource a line (NDJSON).

    Raises
    ------
    ConsentRefused
        If it is no JSON.
    """
    try:
        read = json.loads(text)
    except ValueError:
        yield from (_parsed(line) for line in text.splitlines() if line.strip())
        return
    if isinstance(read, dict) and read.get("resourceType") == "Bundle":
        yield from (entry.get("resource") for entry in read.get("entry", []) if isinstance(entry, dict))
    else:
        yield read


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        raise ConsentRefused("a file that is no JSON", "a Consent, a Bundle or NDJSON") from None


def _valid(resource: object) -> Json:
    if not isinstance(resource, dict) or resource.get("resourceType") != "Consent":
        raise ConsentRefused("something that is no Consent", "a FHIR R4 Consent", where="resourceType")
    try:
        model = Consent(**resource)
    except (ValueError, TypeError) as fault:
        raise ConsentRefused("a resource that is no valid Consent", "FHIR R4", where=_places(fault)) from None
    checked = dict(json.loads(model.model_dump_json()))
    if "implicitRules" in checked or _has_modifier(checked):
        raise ConsentRefused(
            "an extension that changes the meaning", "none that must be understood", where="modifierExtension"
        )
    return checked


def _places(fault: Exception) -> str:
    """Name the elements at fault, not their values: they may hold a person's."""
    told: list[Json] = getattr(fault, "errors", list)()
    places = {".".join(str(part) for part in error.get("loc", ())) for error in told}
    return ", ".join(sorted(places)[:5]) or "Consent"


def _has_modifier(part: object) -> bool:
    if isinstance(part, dict):
        return "modifierExtension" in part or any(_has_modifier(held) for held in part.values())
    return isinstance(part, list) and any(_has_modifier(held) for held in part)


def _act(checked: Mapping[str, Any]) -> Act:
    status = checked.get("status", "")
    if status in _ACTS:
        return _ACTS[status]
    kind = (checked.get("provision") or {}).get("type", "")
    if status != "active" or kind not in _OF_PROVISION:
        raise ConsentRefused(
            "a Consent that is no decision",
            "status active with provision.type permit or deny, or status rejected or inactive",
            where="status",
        )
    return _OF_PROVISION[kind]


def _check_keepable(checked: Mapping[str, Any], provision: Mapping[str, Any]) -> None:
    """Refuse a consent under conditions that nobody here could keep, or that nobody has verified."""
    narrowed = [name for name in _NARROWING if provision.get(name)]
    if narrowed:
        raise ConsentRefused(
            "a consent under conditions", "a whole use, one Consent for each",
            where=", ".join(f"provision.{name}" for name in narrowed),
        )  # fmt: skip
    if provision.get("type") != "permit":
        raise ConsentRefused("a consent that permits nothing", "provision.type permit", where="provision")
    codes = {c.get("code", "") for c in (checked.get("scope") or {}).get("coding", [])}
    if not codes or not codes <= _KNOWN_SCOPES:
        raise ConsentRefused(
            "a scope that is not of privacy, research or treatment", "one of them", where="scope"
        )
    if any(one.get("verified") is False for one in checked.get("verification", [])):
        raise ConsentRefused("a consent that was not verified", "one that was", where="verification")


def _use(provision: Mapping[str, Any]) -> Use:
    purposes = provision.get("purpose") or []
    known = {str(use) for use in Use}
    strange = [p for p in purposes if p.get("system") != USE_SYSTEM or p.get("code") not in known]
    if len(purposes) != 1 or strange:
        raise ConsentRefused(
            f"{len(purposes)} purposes" if not strange else "a purpose of another system",
            f"exactly one of {USE_SYSTEM}: {', '.join(sorted(known))}",
            "send one Consent for each use",
            where="provision.purpose",
        )
    return Use(purposes[0]["code"])


def _person(patient: Mapping[str, Any]) -> PatientIdentity:
    identifier = patient.get("identifier") or {}
    issuer = (identifier.get("assigner") or {}).get("display", "")
    if not identifier.get("value"):
        raise ConsentRefused(
            "a patient without an identifier", "the Patient ID of DICOM as identifier.value", where="patient"
        )
    if identifier.get("system") and not issuer:
        raise ConsentRefused(
            "a Patient ID of a system that DICOM does not know",
            "the Issuer of Patient ID as identifier.assigner.display",
            where="patient.identifier",
        )
    return PatientIdentity(identifier["value"], issuer)


def _patient(person: PatientIdentity | None) -> Json:
    if person is None:
        return {"type": "Patient", "display": "Forgotten"}
    identifier: Json = {"value": person.patient_id}
    if person.issuer:
        identifier["assigner"] = {"display": person.issuer}
    return {"type": "Patient", "identifier": identifier}


def _period(provision: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    period = provision.get("period") or {}
    begins, ends = period.get("start", ""), period.get("end", "")
    return (
        _moment(begins, "provision.period.start") if begins else None,
        _end(ends) if ends else None,
    )


def _end(text: str) -> datetime:
    """Return the end of a period; a day that is its end belongs to it (FHIR R4 section 2.24.0.11)."""
    moment = _moment(text, "provision.period.end")
    return moment + timedelta(days=1) if len(text) == _DAY else moment


def _decided(text: str, *, must_be_there: bool) -> datetime | None:
    if must_be_there and not text:
        raise ConsentRefused("a consent without its time", "when the person decided", where="dateTime")
    return _moment(text, "dateTime") if must_be_there or len(text) >= _DAY else None


def _moment(text: str, where: str) -> datetime:
    """Read a FHIR dateTime; a day alone is its beginning in UTC, a month or year alone is no time."""
    try:
        if len(text) == _DAY:
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConsentRefused(
            "no time, or less than a day", "a day, or a time with its zone", where=where
        ) from None
    if moment.tzinfo is None:
        raise ConsentRefused("a time without a zone", "one with", where=where)
    return moment.astimezone(UTC)


def _evidence(resource: object) -> str:
    """Return the digest of the signed form, taken from the resource as it came: models mend bad base64."""
    attachment = resource.get("sourceAttachment") if isinstance(resource, dict) else None
    data = (attachment or {}).get("data") or ""
    try:
        return hashlib.sha256(base64.b64decode(data, validate=True)).hexdigest() if data else ""
    except binascii.Error:
        raise ConsentRefused(
            "a form that is no base64", "the signed form", where="sourceAttachment"
        ) from None


def _key(checked: Mapping[str, Any]) -> str:
    """Return what makes it the same decision: its content, without what servers add."""
    content = {name: held for name, held in checked.items() if name not in _NO_IDENTITY}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return f"fhir:{hashlib.sha256(text.encode()).hexdigest()}"


def _status(decision: Decision, status: Status | None) -> str:
    if status is Status.GIVEN:
        return "active"
    return "rejected" if decision.act is Act.REFUSED and status is not None else "inactive"


def _concept(system: str, code: str) -> Json:
    return {"coding": [{"system": f"{_TERMINOLOGY}/{system}", "code": code}]}
