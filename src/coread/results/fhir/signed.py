"""The signed report as FHIR R4 (4.0.1) resources.

What was preliminary becomes final under the same ids. Statuses by their meaning in R4:

- A finding that the doctor accepted or edited is a ``final`` Observation with the doctor's values; it is
  ``amended`` when an addendum changes what a report before it had stated.
- A rejected finding was a statement about the patient that does not hold: ``entered-in-error``, so that no
  receiver shows it as a fact; its value is taken out. Where the statement was not wrong but is not
  used (known before, not relevant, a normal variant) or could not be made (image quality), the Observation
  is ``cancelled``. What an earlier report had stated and an addendum takes back is always
  ``entered-in-error``: "withdrawn following previous final release".
- The study has one DiagnosticReport of the doctor: ``final``, then ``appended`` by an addendum that adds
  words, or ``amended`` by one that changes a statement.
- A reader's own DiagnosticReport becomes ``final`` once each of its findings has been decided on: "complete
  and verified by an authorized person". One that abstained becomes ``cancelled``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.practitioner import Practitioner
from fhir.resources.R4B.provenance import Provenance

from coread.domain import codes
from coread.domain.identity import derive_uid
from coread.domain.reading import Outcome, Reading
from coread.domain.review import Decision, RejectReason, SignedReport, Statement
from coread.results.edition import Kind, ResultObject
from coread.results.fhir.parts import (
    TERMINOLOGY,
    Json,
    attachment,
    category,
    components,
    concept,
    day,
    device,
    device_id,
    entity,
    imaging_study,
    imaging_study_id,
    interpretation,
    notes,
    orders,
    reference,
    resource_id,
    result_of,
    subject,
    transaction,
    uid_identifier,
    valid,
)
from coread.results.signed.edition import SignedEdition
from coread.results.signed.facts import Assessed
from coread.results.signed.words import judged, say, stated
from coread.results.sr.parts import report_ref
from coread.results.wording import PRESENCE_CODES, conclusion, conclusion_zh, headline, statement

_PERSON_SYSTEM = "urn:coread:person"
_CANCELLED = frozenset(
    {
        RejectReason.KNOWN_BEFORE,
        RejectReason.NOT_RELEVANT,
        RejectReason.NORMAL_VARIANT,
        RejectReason.IMAGE_QUALITY,
    }
)
#: http://hl7.org/fhir/ValueSet/data-absent-reason (extensible), by Observation status.
_ABSENT_REASON = {
    "entered-in-error": ("error", "Error"),
    "cancelled": ("not-applicable", "Not Applicable"),
}


def write(edition: SignedEdition, dicom: Sequence[ResultObject], pdf: bytes) -> Iterator[ResultObject]:
    """Write the resources of a signed report, then one transaction Bundle that puts them all.

    Parameters
    ----------
    dicom
        The DICOM objects of the same edition.
    pdf
        The printed report, which the DiagnosticReport carries.
    """
    writer = _Writer(edition, tuple(dicom), pdf)
    resources = writer.resources()
    for resource in resources:
        yield result_of(resource)
    yield result_of(transaction(writer.own_id("Bundle"), writer.issued, resources))


class _Writer:
    """Makes the resources of one signed report."""

    def __init__(self, edition: SignedEdition, dicom: tuple[ResultObject, ...], pdf: bytes) -> None:
        self.edition = edition
        self.report = edition.report
        self.dicom = dicom
        self.pdf = pdf
        self.language = edition.report.draft.language
        self.issued = edition.report.signed_at.isoformat(timespec="milliseconds")
        self.before: Mapping[str, Decision] = {
            d.finding_uid: d for d in (edition.former.decisions if edition.former else ())
        }
        study = self.report.study_instance_uid
        self.study_id = imaging_study_id(study, [s.ref.sop_instance_uid for s in edition.sources])
        self.report_id = resource_id(derive_uid("fhir", "DiagnosticReport", "signed", study))
        self.doctor_id = resource_id(derive_uid("fhir", "Practitioner", self.report.person_id))

    def own_id(self, *role: str) -> str:
        """Return the id of a resource of this very report."""
        return resource_id(self.report.derive_uid("fhir", *role))

    def resources(self) -> list[Json]:
        """Return all resources, those first that others refer to."""
        readers = [
            device(reading.reader, card)
            for reading in self.edition.readings
            if (card := self.edition.card_of(reading)) is not None
        ]
        observations = [self._observation(a) for a in self.edition.assessed]
        observations += [self._withdrawn(decision) for decision in self._taken_back()]
        report = self._report()
        readings = [r for reading in self.edition.readings for r in self._reading(reading)]
        return [
            *{item["id"]: item for item in readers}.values(),
            self._practitioner(),
            imaging_study(self.study_id, self.edition),
            *observations,
            *readings,
            report,
            self._provenance([*observations, *readings, report]),
        ]

    def _practitioner(self) -> Json:
        return valid(
            Practitioner(
                id=self.doctor_id,
                identifier=[{"system": _PERSON_SYSTEM, "value": self.report.person_id}],
                active=True,
                name=[{"text": self.report.person_name}],
            )
        )

    def _doctor(self) -> Json:
        """Refer to the doctor by logical identifier, so that an Observation can be put by itself."""
        identifier = {"system": _PERSON_SYSTEM, "value": self.report.person_id}
        return {"type": "Practitioner", "identifier": identifier, "display": self.report.person_name}

    def _observation(self, assessed: Assessed) -> Json:
        said = assessed.statement
        common = self._observed(assessed, self._status(assessed))
        if said is None:
            return valid(Observation(**common, **self._silenced(assessed, common["status"])))
        finding = assessed.finding
        sure = finding.confidence if finding and assessed.is_accepted else None
        return valid(
            Observation(
                **common,
                valueCodeableConcept=concept(PRESENCE_CODES[said.presence]),
                interpretation=[interpretation(said.presence)],
                bodySite=concept(said.site) if said.site else None,
                component=components(sure, said.measurements) or None,
                note=self._notes(assessed, said),
            )
        )

    def _observed(self, assessed: Assessed, status: str) -> Json:
        """Return what every Observation of the report has, whatever was said of it."""
        decision, reading, first = assessed.decision, assessed.reading, self.edition.first
        images = reading.inputs if reading else ()
        study = self.report.study_instance_uid
        read = imaging_study_id(study, [ref.sop_instance_uid for ref in images]) if images else self.study_id
        return {
            "id": observation_id(decision),
            "identifier": [uid_identifier(decision.finding_uid)],
            "status": status,
            "category": [category("observation-category", "imaging", "Imaging")],
            "code": concept(assessed.code),
            "subject": subject(first),
            "effectiveDateTime": day(first),
            "issued": self.issued,
            "performer": [self._doctor()],
            **({"device": reference("Device", device_id(reading.reader))} if reading else {}),
            "derivedFrom": [reference("ImagingStudy", read)],
        }

    def _status(self, assessed: Assessed) -> str:
        """Return the status by http://hl7.org/fhir/ValueSet/observation-status (required)."""
        before = self.before.get(assessed.decision.finding_uid)
        was_final = before is not None and before.statement is not None
        if assessed.statement is None:
            is_cancelled = assessed.decision.reason in _CANCELLED and not was_final
            return "cancelled" if is_cancelled else "entered-in-error"
        changed = was_final and before is not None and before.statement != assessed.statement
        return "amended" if changed else "final"

    def _silenced(self, assessed: Assessed, status: str) -> Json:
        """Take the value out, and say in words what the reader had said and why it does not stand."""
        code, display = _ABSENT_REASON[status]
        absent = {"system": f"{TERMINOLOGY}/data-absent-reason", "code": code, "display": display}
        verdict = judged(assessed, self.language)
        said = (
            f"{say('reader_said', self.language)}: {statement(assessed.finding)}" if assessed.finding else ""
        )
        return {"dataAbsentReason": {"coding": [absent], "text": verdict}, "note": notes(verdict, said)}

    def _notes(self, assessed: Assessed, said: Statement) -> list[Json] | None:
        edited = assessed.finding is not None and not assessed.is_accepted
        before = statement(assessed.finding) if edited and assessed.finding else ""
        return notes(
            judged(assessed, self.language),
            f"{say('reader_said', self.language)}: {before}" if before else "",
            said.comment,
        )

    def _taken_back(self) -> list[Decision]:
        """Return what the former report stated and this one does not decide on any more."""
        now = {d.finding_uid for d in self.report.decisions}
        return [d for d in self.before.values() if d.statement is not None and d.finding_uid not in now]

    def _withdrawn(self, decision: Decision) -> Json:
        common = self._observed(Assessed(decision), "entered-in-error")
        code, display = _ABSENT_REASON["entered-in-error"]
        absent = {"system": f"{TERMINOLOGY}/data-absent-reason", "code": code, "display": display}
        return valid(Observation(**common, dataAbsentReason={"coding": [absent]}))

    def _report_status(self) -> str:
        """Return the status by http://hl7.org/fhir/ValueSet/diagnostic-report-status (required)."""
        if not self.report.is_addendum:
            return "final"
        now = {d.finding_uid: d.statement for d in self.report.decisions}
        before = {uid: d.statement for uid, d in self.before.items()}
        return "appended" if self.edition.former and now == before else "amended"

    def _report(self) -> Json:
        first = self.edition.first
        structured = next(made for made in self.dicom if made.kind is Kind.SR)
        stated_uids = [d for d in self.report.decisions if d.statement is not None]
        return valid(
            DiagnosticReport(
                id=self.report_id,
                identifier=[uid_identifier(structured.id)],
                basedOn=orders(first.facts.get("AccessionNumber", "")),
                status=self._report_status(),
                category=[category("v2-0074", "RAD", "Radiology")],
                code=concept(codes.DIAGNOSTIC_IMAGING_REPORT),
                subject=subject(first),
                effectiveDateTime=day(first),
                issued=self.issued,
                performer=[reference("Practitioner", self.doctor_id)],
                resultsInterpreter=[reference("Practitioner", self.doctor_id)],
                result=[reference("Observation", observation_id(d)) for d in stated_uids] or None,
                imagingStudy=[reference("ImagingStudy", self.study_id)],
                conclusion=self._conclusion() or None,
                presentedForm=[
                    self._printed(),
                    *(attachment(made, _FORMS[made.kind]) for made in self.dicom),
                ],
            )
        )

    def _conclusion(self) -> str:
        """Return the impression; for an addendum, its own before that of the reports that it follows."""
        parts = [impression(self.report)]
        for earlier in reversed(self.edition.earlier):
            when = earlier.signed_at.isoformat(timespec="minutes")
            title = say("earlier", self.language, name=earlier.person_name, time=when)
            parts.append(f"{title}\n{impression(earlier)}")
        return "\n\n".join(part for part in parts if part)

    def _printed(self) -> Json:
        """Carry the printed report itself: a record system can resolve no DICOM identifier."""
        digest = hashlib.sha1(self.pdf, usedforsecurity=False).digest()
        return {
            "contentType": "application/pdf",
            "language": "zh" if self.language == "zh" else "en",
            "data": base64.b64encode(self.pdf).decode(),
            "size": len(self.pdf),
            "hash": base64.b64encode(digest).decode(),
            "title": say("title", self.language),
            "creation": self.issued,
        }

    def _reading(self, reading: Reading) -> Iterator[Json]:
        """End what a reader had reported as preliminary: it would go on asserting what was rejected."""
        decided = {d.finding_uid for d in self.report.decisions}
        if reading.outcome is Outcome.FINDINGS and decided >= {f.tracking_uid for f in reading.findings}:
            results = [
                reference("Observation", resource_id(reading.derive_uid("fhir", "Observation", uid)))
                for uid in (f.tracking_uid for f in reading.findings)
            ]
            yield self._assessed_report(reading, "final", results, self._assessment(reading))
        if reading.outcome is Outcome.ABSTAINED:
            none = resource_id(reading.derive_uid("fhir", "Observation", "none"))
            said = f"{conclusion(reading)}\n{conclusion_zh(reading)}"
            yield self._unanswered(reading, none)
            yield self._assessed_report(reading, "cancelled", [reference("Observation", none)], said)

    def _assessed_report(self, reading: Reading, status: str, results: list[Json], said: str) -> Json:
        first, study = self.edition.first, self.report.study_instance_uid
        structured = report_ref(study, reading.uid)
        inputs = [ref.sop_instance_uid for ref in reading.inputs]
        form = {
            "contentType": "application/dicom",
            "url": f"urn:oid:{structured.sop_instance_uid}",
            "title": "DICOM structured report of the reader, not verified",
        }
        return valid(
            DiagnosticReport(
                id=resource_id(reading.derive_uid("fhir", "DiagnosticReport")),
                identifier=[uid_identifier(structured.sop_instance_uid)],
                basedOn=orders(first.facts.get("AccessionNumber", "")),
                status=status,
                category=[category("v2-0074", "RAD", "Radiology")],
                code=concept(codes.DIAGNOSTIC_IMAGING_REPORT),
                subject=subject(first),
                effectiveDateTime=day(first),
                issued=self.issued,
                performer=[{"display": headline(reading)}],
                resultsInterpreter=[self._doctor()],
                result=results or None,
                imagingStudy=[reference("ImagingStudy", imaging_study_id(study, inputs))] if inputs else None,
                conclusion=said,
                presentedForm=[form],
            )
        )

    def _assessment(self, reading: Reading) -> str:
        """Say what the doctor decided on each finding of a reader."""
        own = [a for a in self.edition.assessed if a.reading is reading]
        said = [
            f"{stated(a.finding.code, a.finding.presence, self.language)} – {judged(a, self.language)}"
            for a in own
            if a.finding is not None
        ]
        return "\n".join([f"{headline(reading)}:", *(said or [say("no_findings", self.language)])])

    def _unanswered(self, reading: Reading, identifier: str) -> Json:
        first, study = self.edition.first, self.report.study_instance_uid
        card = self.edition.card_of(reading)
        absent = {"system": f"{TERMINOLOGY}/data-absent-reason", "code": "unknown", "display": "Unknown"}
        read = imaging_study_id(study, [ref.sop_instance_uid for ref in reading.inputs])
        return valid(
            Observation(
                id=identifier,
                status="cancelled",
                category=[category("observation-category", "imaging", "Imaging")],
                code=concept(card.finding) if card else {"text": str(reading.reader)},
                subject=subject(first),
                effectiveDateTime=day(first),
                issued=self.issued,
                device=reference("Device", device_id(reading.reader)),
                derivedFrom=[reference("ImagingStudy", read)] if reading.inputs else None,
                dataAbsentReason={
                    "coding": [absent],
                    "text": reading.reason.text if reading.reason else None,
                },
                note=notes(conclusion(reading), conclusion_zh(reading)),
            )
        )

    def _provenance(self, targets: Sequence[Json]) -> Json:
        study = self.report.study_instance_uid
        readers = dict.fromkeys(reading.reader for reading in self.edition.readings)
        reports = [report_ref(study, r.uid).sop_instance_uid for r in self.edition.readings]
        earlier = [report_ref(study, r.uid).sop_instance_uid for r in self.edition.earlier]
        words = {"system": "urn:coread:sha256", "value": self.report.text_sha256}
        return valid(
            Provenance(
                id=self.own_id("Provenance"),
                target=[reference(item["resourceType"], item["id"]) for item in targets],
                occurredDateTime=self.issued,
                recorded=self.issued,
                activity=category("v3-DocumentCompletion", "AU", "authenticated"),
                agent=[
                    self._agent("author", "Author", reference("Practitioner", self.doctor_id)),
                    self._agent("verifier", "Verifier", reference("Practitioner", self.doctor_id)),
                    *(
                        self._agent("assembler", "Assembler", reference("Device", device_id(reader)))
                        for reader in readers
                    ),
                ],
                entity=[
                    entity("source", uid_identifier(study)),
                    *(entity("derivation", uid_identifier(uid)) for uid in reports),
                    *(entity("revision", uid_identifier(uid)) for uid in earlier),
                    entity("quotation", words),
                ],
            )
        )

    def _agent(self, code: str, display: str, who: Json) -> Json:
        return {"type": category("provenance-participant-type", code, display), "who": who}


_FORMS = {
    Kind.SR: "DICOM structured report, verified",
    Kind.PDF: "DICOM Encapsulated PDF",
}


def observation_id(decision: Decision) -> str:
    """Return the id of a finding's Observation: that of the reader's preliminary one, or one of its own."""
    if decision.reading_uid:
        return resource_id(derive_uid(decision.reading_uid, "fhir", "Observation", decision.finding_uid))
    return resource_id(derive_uid("fhir", "Observation", decision.finding_uid))


def impression(report: SignedReport) -> str:
    """Return the words that a report ends in: its impression, else all that it says."""
    named = {section.name: section.text for section in report.draft.sections}
    everything = "\n".join(text for text in named.values() if text)
    return named.get("impression", "").strip() or everything
