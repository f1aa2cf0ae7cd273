"""Parts of FHIR resources, as both kinds of report need them.

The models of `fhir.resources` are R4B, and check structure but no value set. The resources used
here are the same in both releases for every element that is set; each coded word is taken from
constants that name their required value set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.imagingstudy import ImagingStudy

from coread.domain import codes
from coread.domain.bundle import Card
from coread.domain.codes import FHIR_SYSTEMS, Code
from coread.domain.finding import Characteristic, Confidence, Measurement, Presence
from coread.domain.identity import derive_uid
from coread.domain.reading import ReaderIdentity
from coread.domain.review import Trait
from coread.results.edition import Issue, Kind, ResultObject, serial_number
from coread.results.source import Source, legal_date
from coread.results.wording import clip, readable

Json = dict[str, Any]

MEDIA_TYPE = "application/fhir+json"

DICOM_UID = "urn:dicom:uid"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"

#: http://hl7.org/fhir/ValueSet/observation-interpretation (extensible).
_INTERPRETATION = {
    Presence.PRESENT: ("POS", "Positive"),
    Presence.ABSENT: ("NEG", "Negative"),
    Presence.INDETERMINATE: ("IND", "Indeterminate"),
}


def result_of(resource: Json) -> ResultObject:
    """Write a resource down."""
    data = json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()
    return ResultObject(Kind.FHIR, MEDIA_TYPE, f"{resource['resourceType']}/{resource['id']}", data)


def transaction(identifier: str, at: str, resources: Sequence[Json]) -> Json:
    """Return a Bundle that puts every resource under its own id; carrying it out twice changes nothing."""
    entries = [
        {
            "fullUrl": f"urn:uuid:{resource['id']}",
            "resource": resource,
            "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
        }
        for resource in resources
    ]
    # The resources have been validated one by one; the shell is validated without them.
    shell = valid(Bundle(id=identifier, type="transaction", timestamp=at))
    return {**shell, "entry": entries}


def device_id(reader: ReaderIdentity) -> str:
    """Return the id of a reader's Device."""
    return resource_id(derive_uid("fhir", "Device", reader.name, reader.version, reader.weights_sha256))


def device(reader: ReaderIdentity, card: Card) -> Json:
    """Describe a reader."""
    versions: list[Json] = [{"value": reader.version}]
    if reader.weights_sha256:
        versions.append({"type": {"text": "weights sha256"}, "value": reader.weights_sha256})
    return valid(
        Device(
            id=device_id(reader),
            identifier=[{"system": "urn:coread:reader", "value": f"{reader.name}/{reader.version}"}],
            status="active",
            manufacturer=reader.manufacturer or None,
            deviceName=[{"name": clip(card.title, 200) or reader.name, "type": "user-friendly-name"}],
            modelNumber=reader.name,
            serialNumber=serial_number(reader),
            type=concept(codes.ARTIFICIAL_INTELLIGENCE),
            version=versions,
            note=notes(card.intended_use, card.intended_use_zh),
        )
    )


def imaging_study_id(study_instance_uid: str, sop_instance_uids: Iterable[str]) -> str:
    """Return the id of the resource that lists these images of a study.

    A function of the images, so that readers of other images do not overwrite it.
    """
    images = sorted(set(sop_instance_uids))
    return resource_id(derive_uid("fhir", "ImagingStudy", study_instance_uid, *images))


def imaging_study(identifier: str, issue: Issue) -> Json:
    """List the images that are given of the study of an edition's first image."""
    first = issue.first
    study_uid = first.ref.study_instance_uid
    sources = [s for s in issue.sources if s.ref.study_instance_uid == study_uid]
    uids = dict.fromkeys(s.ref.series_instance_uid for s in sources)
    return valid(
        ImagingStudy(
            id=identifier,
            identifier=[uid_identifier(study_uid)],
            status="available",
            subject=subject(first),
            started=day(first),
            description=first.facts.get("StudyDescription") or None,
            modality=[modality(m) for m in sorted({modality_of(s) for s in sources})],
            series=[series(uid, [s for s in sources if s.ref.series_instance_uid == uid]) for uid in uids],
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


def valid(model: Any) -> Json:
    """Return a model as JSON."""
    return dict(json.loads(model.model_dump_json()))


def components(
    confidence: Confidence | None,
    measurements: Iterable[Measurement],
    characteristics: Iterable[Characteristic | Trait] = (),
) -> list[Json]:
    """Give a reader's probability with its interval, where there is one, measurements and characteristics.

    The characteristics of a reader come with their probability, those of a doctor alone.
    """
    items = [part for m in measurements for part in _measured(m)]
    items += [part for c in characteristics for part in _characterised(c)]
    if confidence is None:
        return items
    interval = {"text": f"{confidence.level:.0%} interval of the probability"}
    return [
        {
            "code": concept(codes.PROBABILITY),
            "valueQuantity": quantity(confidence.probability, codes.NO_UNITS),
        },
        {"code": interval, "valueRange": _range(confidence.lower, confidence.upper, codes.NO_UNITS)},
        *items,
    ]


def _measured(measurement: Measurement) -> list[Json]:
    said: list[Json] = [
        {
            "code": concept(measurement.quantity),
            "valueQuantity": quantity(measurement.value, measurement.unit),
        }
    ]
    if measurement.lower is not None and measurement.upper is not None:
        name = f"{measurement.level:.0%} interval of {measurement.quantity.meaning}"
        ends = _range(measurement.lower, measurement.upper, measurement.unit)
        said.append({"code": {"text": name}, "valueRange": ends})
    return said


def _characterised(item: Characteristic | Trait) -> list[Json]:
    said: list[Json] = [{"code": concept(item.concept), "valueCodeableConcept": concept(item.value)}]
    if isinstance(item, Characteristic):
        name = f"Probability of {item.concept.meaning}: {item.value.meaning}"
        value = quantity(item.confidence.probability, codes.NO_UNITS)
        said.append({"code": {"text": name}, "valueQuantity": value})
    return said


def _range(lower: float, upper: float, unit: Code) -> Json:
    return {"low": quantity(lower, unit), "high": quantity(upper, unit)}


def quantity(value: float, unit: Code) -> Json:
    """Return a number with its unit."""
    number = round(float(value), 6)
    return {"value": number, "unit": unit.meaning, "system": FHIR_SYSTEMS["UCUM"], "code": unit.value}


def concept(code: Code) -> Json:
    """Return a code with its text in both languages."""
    system = FHIR_SYSTEMS.get(code.scheme, f"urn:coread:scheme:{code.scheme}")
    coding = {"system": system, "code": code.value, "display": code.meaning}
    return {"coding": [coding], "text": f"{code.meaning} {code.meaning_zh}".strip()}


def category(system: str, code: str, display: str) -> Json:
    """Return a code of HL7's terminology."""
    return {"coding": [{"system": f"{TERMINOLOGY}/{system}", "code": code, "display": display}]}


def interpretation(presence: Presence) -> Json:
    """Say presence as an interpretation."""
    return category("v3-ObservationInterpretation", *_INTERPRETATION[presence])


def subject(source: Source) -> Json:
    """Refer to the patient by logical identifier: ids and addresses hold no person."""
    patient_id = source.facts.get("PatientID", "")
    if not patient_id:
        return {"type": "Patient", "display": "Patient without identifier"}
    identifier: Json = {"value": patient_id}
    issuer = source.facts.get("IssuerOfPatientID", "")
    if issuer:
        identifier["assigner"] = {"display": issuer}
    return {"type": "Patient", "identifier": identifier}


def orders(accession: str) -> list[Json] | None:
    """Refer to the order by its accession number."""
    if not accession:
        return None
    kind = {"coding": [{"system": f"{TERMINOLOGY}/v2-0203", "code": "ACSN", "display": "Accession ID"}]}
    return [{"type": "ServiceRequest", "identifier": {"type": kind, "value": accession}}]


def day(source: Source) -> str | None:
    """Return the study's date; its time of day has no zone, which FHIR would ask for."""
    date = legal_date(source.facts.get("StudyDate", ""))
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else None


def modality_of(source: Source) -> str:
    """Return the modality of an image; OT where it does not say."""
    return source.facts.get("Modality", "") or "OT"


def modality(modality: str) -> Json:
    """Return a modality as DICOM's code."""
    known = codes.MODALITIES.get(modality)
    system = FHIR_SYSTEMS["DCM"]
    return {"system": system, "code": clip(modality, 16), **({"display": known.meaning} if known else {})}


def series(uid: str, sources: Sequence[Source]) -> Json:
    """List the images of one series."""
    first = sources[0]
    series_number = first.facts.get("SeriesNumber", "")
    return {
        "uid": uid,
        **({"number": int(series_number)} if series_number.isdecimal() else {}),
        "modality": modality(modality_of(first)),
        "instance": [
            {
                "uid": source.ref.sop_instance_uid,
                "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{source.ref.sop_class_uid}"},
            }
            for source in sources
        ],
    }


def uid_identifier(uid: str) -> Json:
    """Return a UID as an identifier."""
    return {"system": DICOM_UID, "value": f"urn:oid:{uid}"}


def reference(kind: str, identifier: str) -> Json:
    """Refer to a resource."""
    return {"reference": f"{kind}/{identifier}"}


def entity(role: str, identifier: Json) -> Json:
    """Name what went in; roles by http://hl7.org/fhir/ValueSet/provenance-entity-role (required)."""
    return {"role": role, "what": {"identifier": identifier}}


def attachment(made: ResultObject, title: str) -> Json:
    """Point to a DICOM object by its UID; FHIR's hash is SHA-1, here a checksum and no safeguard."""
    digest = hashlib.sha1(made.data, usedforsecurity=False).digest()
    return {
        "contentType": made.media_type,
        "url": f"urn:oid:{made.id}",
        "size": len(made.data),
        "hash": base64.b64encode(digest).decode(),
        "title": title,
    }


def notes(*texts: str) -> list[Json] | None:
    """Return texts as notes; none without text."""
    return [{"text": shown} for text in texts if (shown := readable(text))] or None
