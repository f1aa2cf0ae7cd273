"""The reading as FHIR R4 (4.0.1) resources.

The models of `fhir.resources` are R4B, and check structure but no value set. The resources used
here are the same in both releases for every element that is set; each coded word is taken from
the constants below, which name their required value set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.imagingstudy import ImagingStudy
from fhir.resources.R4B.media import Media
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.provenance import Provenance

from coread.domain import codes
from coread.domain.codes import FHIR_SYSTEMS, Code
from coread.domain.finding import Finding, Presence
from coread.domain.identity import derive_uid
from coread.domain.reading import Outcome
from coread.results.edition import Edition, Kind, ResultObject
from coread.results.source import Source, legal_date
from coread.results.wording import PRESENCE_CODES, clip, conclusion, conclusion_zh, headline, statement

Json = dict[str, Any]

MEDIA_TYPE = "application/fhir+json"

_DICOM_UID = "urn:dicom:uid"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"

#: http://hl7.org/fhir/ValueSet/diagnostic-report-status (required). Cancelled: "the report is
#: unavailable because the measurement was not started or not completed".
_REPORT_STATUS = {
    Outcome.FINDINGS: "preliminary",
    Outcome.ABSTAINED: "preliminary",
    Outcome.REFUSED: "cancelled",
    Outcome.FAILED: "cancelled",
}
#: http://hl7.org/fhir/ValueSet/observation-status (required).
_OBSERVATION_STATUS = _REPORT_STATUS
#: http://hl7.org/fhir/ValueSet/data-absent-reason (extensible).
_ABSENT_REASON = {
    Outcome.ABSTAINED: ("unknown", "Unknown"),
    Outcome.REFUSED: ("not-performed", "Not Performed"),
    Outcome.FAILED: ("error", "Error"),
}
#: http://hl7.org/fhir/ValueSet/observation-interpretation (extensible).
_INTERPRETATION = {
    Presence.PRESENT: ("POS", "Positive"),
    Presence.ABSENT: ("NEG", "Negative"),
    Presence.INDETERMINATE: ("IND", "Indeterminate"),
}


def write(edition: Edition, dicom: Sequence[ResultObject]) -> Iterator[ResultObject]:
    """Write the resources of a reading, then one transaction Bundle that puts them all.

    Putting the bundle twice changes nothing: every identifier is a function of study, reader and version.

    Parameters
    ----------
    dicom
        The DICOM objects of the same edition; the report presents the structured report, the
        secondary captures are its pictures.
    """
    writer = _Writer(edition, tuple(dicom))
    resources = writer.resources()
    for resource in resources:
        yield _result(resource)
    yield _result(writer.bundle(resources))


def _result(resource: Json) -> ResultObject:
    data = json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()
    return ResultObject(Kind.FHIR, MEDIA_TYPE, f"{resource['resourceType']}/{resource['id']}", data)


class _Writer:
    """Makes the resources of one edition."""

    def __init__(self, edition: Edition, dicom: tuple[ResultObject, ...]) -> None:
        self.edition = edition
        self.reading = edition.reading
        self.dicom = dicom
        self.issued = edition.written_at.isoformat(timespec="milliseconds")
        # A function of the images that it lists, so that readers of other images do not overwrite it.
        images = sorted(source.ref.sop_instance_uid for source in edition.sources)
        self.study_id = resource_id(
            derive_uid("fhir", "ImagingStudy", self.reading.study_instance_uid, *images)
        )
        reader = self.reading.reader
        self.device_id = resource_id(
            derive_uid("fhir", "Device", reader.name, reader.version, reader.weights_sha256)
        )
        self.report_id = self._own_id("DiagnosticReport")

    def _own_id(self, *role: str) -> str:
        return resource_id(self.reading.derive_uid("fhir", *role))

    def resources(self) -> list[Json]:
        observations = self._observations()
        media = [self._media(made) for made in self.dicom if made.kind is Kind.SECONDARY_CAPTURE]
        report = self._report(observations, media)
        return [
            self._device(),
            self._imaging_study(),
            *observations,
            *media,
            report,
            self._provenance([*observations, *media, report]),
        ]

    def bundle(self, resources: Sequence[Json]) -> Json:
        entries = [
            {
                "fullUrl": f"urn:uuid:{resource['id']}",
                "resource": resource,
                "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
            }
            for resource in resources
        ]
        # The resources have been validated one by one; the shell is validated without them.
        shell = _valid(Bundle(id=self._own_id("Bundle"), type="transaction", timestamp=self.issued))
        return {**shell, "entry": entries}

    def _device(self) -> Json:
        reader, card = self.reading.reader, self.edition.card
        versions: list[Json] = [{"value": reader.version}]
        if reader.weights_sha256:
            versions.append({"type": {"text": "weights sha256"}, "value": reader.weights_sha256})
        return _valid(
            Device(
                id=self.device_id,
                identifier=[{"system": "urn:coread:reader", "value": f"{reader.name}/{reader.version}"}],
                status="active",
                manufacturer=reader.manufacturer or None,
                deviceName=[{"name": clip(card.title, 200) or reader.name, "type": "user-friendly-name"}],
                modelNumber=reader.name,
                serialNumber=self.edition.serial_number,
                type=_concept(codes.ARTIFICIAL_INTELLIGENCE),
                version=versions,
                note=_notes(card.intended_use, card.intended_use_zh),
            )
        )

    def _imaging_study(self) -> Json:
        first = self.edition.first
        study_uid = self.reading.study_instance_uid
        sources = [s for s in self.edition.sources if s.ref.study_instance_uid == study_uid]
        series = dict.fromkeys(s.ref.series_instance_uid for s in sources)
        return _valid(
            ImagingStudy(
                id=self.study_id,
                identifier=[_uid_identifier(study_uid)],
                status="available",
                subject=_subject(first),
                started=_day(first),
                description=first.facts.get("StudyDescription") or None,
                modality=[_modality(m) for m in sorted({_modality_of(s) for s in sources})],
                series=[
                    _series(uid, [s for s in sources if s.ref.series_instance_uid == uid]) for uid in series
                ],
            )
        )

    def _observations(self) -> list[Json]:
        if self.reading.outcome is Outcome.FINDINGS:
            return [self._observation(finding) for finding in self.reading.findings]
        return [self._no_observation()]

    def _observation(self, finding: Finding) -> Json:
        return _valid(
            Observation(
                **self._observed(self._own_id("Observation", finding.tracking_uid), finding.code),
                identifier=[_uid_identifier(finding.tracking_uid)],
                valueCodeableConcept=_concept(PRESENCE_CODES[finding.presence]),
                interpretation=[_interpretation(finding.presence)],
                bodySite=_concept(finding.site) if finding.site else None,
                component=_components(finding),
                note=_notes(f"{statement(finding)}. AI result, not verified."),
            )
        )

    def _no_observation(self) -> Json:
        code, display = _ABSENT_REASON[self.reading.outcome]
        reason = self.reading.reason
        absent = {
            "coding": [{"system": f"{_TERMINOLOGY}/data-absent-reason", "code": code, "display": display}],
            "text": reason.text if reason else display,
        }
        return _valid(
            Observation(
                **self._observed(self._own_id("Observation", "none"), self.edition.card.finding),
                dataAbsentReason=absent,
                note=_notes(conclusion(self.reading), conclusion_zh(self.reading)),
            )
        )

    def _observed(self, identifier: str, code: Code) -> Json:
        first = self.edition.first
        return {
            "id": identifier,
            "status": _OBSERVATION_STATUS[self.reading.outcome],
            "category": [_category("observation-category", "imaging", "Imaging")],
            "code": _concept(code),
            "subject": _subject(first),
            "effectiveDateTime": _day(first),
            "issued": self.issued,
            "device": _reference("Device", self.device_id),
            "derivedFrom": [_reference("ImagingStudy", self.study_id)],
        }

    def _media(self, made: ResultObject) -> Json:
        return _valid(
            Media(
                id=self._own_id("Media", made.id),
                identifier=[_uid_identifier(made.id)],
                status="completed",
                subject=_subject(self.edition.first),
                device=_reference("Device", self.device_id),
                issued=self.issued,
                content=_attachment(made, "AI result with overlay, not verified"),
            )
        )

    def _report(self, observations: Sequence[Json], media: Sequence[Json]) -> Json:
        first = self.edition.first
        report = next(made for made in self.dicom if made.kind is Kind.SR)
        accession = first.facts.get("AccessionNumber", "")
        return _valid(
            DiagnosticReport(
                id=self.report_id,
                identifier=[_uid_identifier(report.id)],
                basedOn=_orders(accession),
                status=_REPORT_STATUS[self.reading.outcome],
                category=[_category("v2-0074", "RAD", "Radiology")],
                code=_concept(codes.DIAGNOSTIC_IMAGING_REPORT),
                subject=_subject(first),
                effectiveDateTime=_day(first),
                issued=self.issued,
                performer=[{"display": headline(self.reading)}],
                result=[_reference("Observation", item["id"]) for item in observations] or None,
                imagingStudy=[_reference("ImagingStudy", self.study_id)],
                media=[{"link": _reference("Media", item["id"])} for item in media] or None,
                conclusion=f"{conclusion(self.reading)}\n{conclusion_zh(self.reading)}",
                presentedForm=[_attachment(report, "DICOM structured report")],
            )
        )

    def _provenance(self, targets: Sequence[Json]) -> Json:
        images = [_entity("source", _uid_identifier(s.ref.sop_instance_uid)) for s in self.edition.inputs]
        weights = self.reading.reader.weights_sha256
        if weights:
            images.append(_entity("derivation", {"system": "urn:coread:sha256", "value": weights}))
        hashes = [
            _entity(
                "revision", {"system": "urn:coread:sha256", "value": hashlib.sha256(made.data).hexdigest()}
            )
            for made in self.dicom
        ]
        return _valid(
            Provenance(
                id=self._own_id("Provenance"),
                target=[_reference(item["resourceType"], item["id"]) for item in targets],
                recorded=self.issued,
                agent=[
                    {
                        "type": _category("provenance-participant-type", "assembler", "Assembler"),
                        "who": _reference("Device", self.device_id),
                    }
                ],
                entity=[*images, *hashes],
            )
        )


def resource_id(uid: str) -> str:
    """Return the FHIR id of a UUID-derived UID: the UUID itself, which fits [A-Za-z0-9-.]{1,64}.

    Examples
    --------
    >>> resource_id("2.25.1")
    '00000000-0000-0000-0000-000000000001'
    """
    return str(uuid.UUID(int=int(uid.removeprefix("2.25."))))


def _valid(model: Any) -> Json:
    return dict(json.loads(model.model_dump_json()))


def _components(finding: Finding) -> list[Json]:
    """Give the probability, its interval, and the reader's measurements."""
    confidence = finding.confidence
    interval = {"text": f"{confidence.level:.0%} interval of the probability"}
    return [
        {
            "code": _concept(codes.PROBABILITY),
            "valueQuantity": _quantity(confidence.probability, codes.NO_UNITS),
        },
        {
            "code": interval,
            "valueRange": {
                "low": _quantity(confidence.lower, codes.NO_UNITS),
                "high": _quantity(confidence.upper, codes.NO_UNITS),
            },
        },
        *(
            {"code": _concept(m.quantity), "valueQuantity": _quantity(m.value, m.unit)}
            for m in finding.measurements
        ),
    ]


def _quantity(value: float, unit: Code) -> Json:
    number = round(float(value), 6)
    return {"value": number, "unit": unit.meaning, "system": FHIR_SYSTEMS["UCUM"], "code": unit.value}


def _concept(code: Code) -> Json:
    system = FHIR_SYSTEMS.get(code.scheme, f"urn:coread:scheme:{code.scheme}")
    coding = {"system": system, "code": code.value, "display": code.meaning}
    return {"coding": [coding], "text": f"{code.meaning} {code.meaning_zh}".strip()}


def _category(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": f"{_TERMINOLOGY}/{system}", "code": code, "display": display}]}


def _interpretation(presence: Presence) -> Json:
    return _category("v3-ObservationInterpretation", *_INTERPRETATION[presence])


def _subject(source: Source) -> Json:
    """Refer to the patient by logical identifier: ids and addresses hold no person."""
    patient_id = source.facts.get("PatientID", "")
    if not patient_id:
        return {"type": "Patient", "display": "Patient without identifier"}
    identifier: Json = {"value": patient_id}
    issuer = source.facts.get("IssuerOfPatientID", "")
    if issuer:
        identifier["assigner"] = {"display": issuer}
    return {"type": "Patient", "identifier": identifier}


def _orders(accession: str) -> list[Json] | None:
    if not accession:
        return None
    kind = {"coding": [{"system": f"{_TERMINOLOGY}/v2-0203", "code": "ACSN", "display": "Accession ID"}]}
    return [{"type": "ServiceRequest", "identifier": {"type": kind, "value": accession}}]


def _day(source: Source) -> str | None:
    """Return the study's date; its time of day has no zone, which FHIR would ask for."""
    date = legal_date(source.facts.get("StudyDate", ""))
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else None


def _modality_of(source: Source) -> str:
    return source.facts.get("Modality", "") or "OT"


def _modality(modality: str) -> Json:
    known = codes.MODALITIES.get(modality)
    system = FHIR_SYSTEMS["DCM"]
    return {"system": system, "code": clip(modality, 16), **({"display": known.meaning} if known else {})}


def _series(uid: str, sources: Sequence[Source]) -> Json:
    first = sources[0]
    series_number = first.facts.get("SeriesNumber", "")
    return {
        "uid": uid,
        **({"number": int(series_number)} if series_number.isdecimal() else {}),
        "modality": _modality(_modality_of(first)),
        "instance": [
            {
                "uid": source.ref.sop_instance_uid,
                "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{source.ref.sop_class_uid}"},
            }
            for source in sources
        ],
    }


def _uid_identifier(uid: str) -> Json:
    return {"system": _DICOM_UID, "value": f"urn:oid:{uid}"}


def _reference(kind: str, identifier: str) -> Json:
    return {"reference": f"{kind}/{identifier}"}


def _entity(role: str, identifier: Json) -> Json:
    """Name what went in; roles by http://hl7.org/fhir/ValueSet/provenance-entity-role (required)."""
    return {"role": role, "what": {"identifier": identifier}}


def _attachment(made: ResultObject, title: str) -> Json:
    """Point to a DICOM object by its UID; FHIR's hash is SHA-1, here a checksum and no safeguard."""
    digest = hashlib.sha1(made.data, usedforsecurity=False).digest()
    return {
        "contentType": made.media_type,
        "url": f"urn:oid:{made.id}",
        "size": len(made.data),
        "hash": base64.b64encode(digest).decode(),
        "title": title,
    }


def _notes(*texts: str) -> list[Json] | None:
    return [{"text": text} for text in texts if text] or None
