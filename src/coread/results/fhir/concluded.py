"""The end of what readers had reported as preliminary, once a doctor has decided on it.

Left as it was, a preliminary report would go on asserting what was rejected. A reader's own
DiagnosticReport becomes ``final`` when each of its findings has been decided on: "complete and verified
by an authorized person" (R4); its conclusion then says what the doctor decided. While some are not decided
on, what a reader calls absent for instance, it stays ``preliminary`` and says which. The report of a reader
that abstained becomes ``cancelled``: no answer will come. One of which nothing was decided on stays as it
is.
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.observation import Observation

from coread.domain import codes
from coread.domain.reading import Outcome, Reading
from coread.domain.review import SignedReport
from coread.results.fhir.parts import (
    TERMINOLOGY,
    Json,
    category,
    concept,
    day,
    device_id,
    imaging_study_id,
    notes,
    orders,
    reference,
    resource_id,
    subject,
    uid_identifier,
    valid,
)
from coread.results.signed.edition import SignedEdition
from coread.results.signed.words import judged, say, stated
from coread.results.sr.parts import report_ref
from coread.results.wording import conclusion, conclusion_zh, headline, readable

PERSON_SYSTEM = "urn:coread:person"


def doctor(report: SignedReport) -> Json:
    """Refer to the doctor by logical identifier, so that a resource can be put by itself."""
    identifier = {"system": PERSON_SYSTEM, "value": report.person_id}
    return {"type": "Practitioner", "identifier": identifier, "display": readable(report.person_name)}


def concluded(edition: SignedEdition) -> Iterator[Json]:
    """Yield the resources that end the preliminary ones, under their ids."""
    decided = {decision.finding_uid for decision in edition.report.decisions}
    for reading in edition.readings:
        if reading.outcome is Outcome.ABSTAINED:
            yield _unanswered(edition, reading)
            said = f"{conclusion(reading)}\n{conclusion_zh(reading)}"
            yield _report(edition, reading, "cancelled", ["none"], said)
        uids = [finding.tracking_uid for finding in reading.findings]
        if decided & set(uids):
            status = "final" if decided >= set(uids) else "preliminary"
            yield _report(edition, reading, status, uids, _assessment(edition, reading))


def _report(edition: SignedEdition, reading: Reading, status: str, uids: list[str], said: str) -> Json:
    first, study = edition.first, edition.report.study_instance_uid
    structured = report_ref(study, reading.uid).sop_instance_uid
    form = {
        "contentType": "application/dicom",
        "url": f"urn:oid:{structured}",
        "title": "DICOM structured report of the reader, not verified",
    }
    return valid(
        DiagnosticReport(
            id=resource_id(reading.derive_uid("fhir", "DiagnosticReport")),
            identifier=[uid_identifier(structured)],
            basedOn=orders(first.facts.get("AccessionNumber", "")),
            status=status,
            category=[category("v2-0074", "RAD", "Radiology")],
            code=concept(codes.DIAGNOSTIC_IMAGING_REPORT),
            subject=subject(first),
            effectiveDateTime=day(first),
            issued=edition.issued,
            performer=[{"display": headline(reading)}],
            resultsInterpreter=[doctor(edition.report)],
            result=[reference("Observation", _observation_id(reading, uid)) for uid in uids] or None,
            imagingStudy=_images(study, reading),
            conclusion=readable(said),
            presentedForm=[form],
        )
    )


def _observation_id(reading: Reading, role: str) -> str:
    return resource_id(reading.derive_uid("fhir", "Observation", role))


def _images(study_uid: str, reading: Reading) -> list[Json] | None:
    uids = [ref.sop_instance_uid for ref in reading.inputs]
    return [reference("ImagingStudy", imaging_study_id(study_uid, uids))] if uids else None


def _assessment(edition: SignedEdition, reading: Reading) -> str:
    """Say what the doctor decided on each finding of a reader."""
    language = edition.report.draft.language
    verdicts = {a.decision.finding_uid: judged(a, language) for a in edition.assessed if a.reading is reading}
    said = [
        f"{stated(f.code, f.presence, language)} – {verdicts.get(f.tracking_uid, say('undecided', language))}"
        for f in reading.findings
    ]
    return "\n".join([f"{headline(reading)}:", *said])


def _unanswered(edition: SignedEdition, reading: Reading) -> Json:
    first, card = edition.first, edition.card_of(reading)
    absent = {"system": f"{TERMINOLOGY}/data-absent-reason", "code": "unknown", "display": "Unknown"}
    text = reading.reason.text if reading.reason else None
    return valid(
        Observation(
            id=_observation_id(reading, "none"),
            status="cancelled",
            category=[category("observation-category", "imaging", "Imaging")],
            code=concept(card.finding) if card else {"text": str(reading.reader)},
            subject=subject(first),
            effectiveDateTime=day(first),
            issued=edition.issued,
            device=reference("Device", device_id(reading.reader)),
            derivedFrom=_images(edition.report.study_instance_uid, reading),
            dataAbsentReason={"coding": [absent], "text": text},
            note=notes(conclusion(reading), conclusion_zh(reading)),
        )
    )
