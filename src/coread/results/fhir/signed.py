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
from coread.domain.review import Decision, RejectReason, SignedReport, Statement
from coread.results.edition import Kind, ResultObject
from coread.results.fhir.concluded import PERSON_SYSTEM, concluded, doctor
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
from coread.results.signed.words import is_chinese, judged, say
from coread.results.sr.parts import report_ref
from coread.results.wording import PRESENCE_CODES, readable, statement

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
        self.issued = edition.issued
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
        readings = list(concluded(self.edition))
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
                identifier=[{"system": PERSON_SYSTEM, "value": self.report.person_id}],
                active=True,
                name=[{"text": readable(self.report.person_name) or self.report.person_id}],
            )
        )

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
                component=components(sure, said.measurements, said.traits) or None,
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
            "performer": [doctor(self.report)],
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
        verdict = readable(judged(assessed, self.language))
        absent = _absent(status) | {"text": verdict}
        return {"dataAbsentReason": absent, "note": notes(verdict, self._reader_said(assessed))}

    def _reader_said(self, assessed: Assessed) -> str:
        if assessed.finding is None:
            return ""
        return f"{say('reader_said', self.language)}: {statement(assessed.finding)}"

    def _notes(self, assessed: Assessed, said: Statement) -> list[Json] | None:
        before = "" if assessed.is_accepted else self._reader_said(assessed)
        return notes(judged(assessed, self.language), before, said.comment)

    def _taken_back(self) -> list[Decision]:
        """Return what the former report stated and this one does not decide on any more."""
        now = {d.finding_uid for d in self.report.decisions}
        return [d for d in self.before.values() if d.statement is not None and d.finding_uid not in now]

    def _withdrawn(self, decision: Decision) -> Json:
        common = self._observed(Assessed(decision), "entered-in-error")
        return valid(Observation(**common, dataAbsentReason=_absent("entered-in-error")))

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
        return readable("\n\n".join(part for part in parts if part))

    def _printed(self) -> Json:
        """Carry the printed report itself: a record system can resolve no DICOM identifier."""
        digest = hashlib.sha1(self.pdf, usedforsecurity=False).digest()
        return {
            "contentType": "application/pdf",
            "language": "zh" if is_chinese(self.language) else "en",
            "data": base64.b64encode(self.pdf).decode(),
            "size": len(self.pdf),
            "hash": base64.b64encode(digest).decode(),
            "title": say("title", self.language),
            "creation": self.issued,
        }

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


def _absent(status: str) -> Json:
    code, display = _ABSENT_REASON[status]
    system = f"{TERMINOLOGY}/data-absent-reason"
    return {"coding": [{"system": system, "code": code, "display": display}]}


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
