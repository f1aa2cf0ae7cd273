"""The reading as FHIR R4 (4.0.1) resources: preliminary, until a doctor has decided."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.media import Media
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.provenance import Provenance

from coread.domain import codes
from coread.domain.codes import Code
from coread.domain.finding import Finding
from coread.domain.reading import Outcome
from coread.results.edition import Edition, Kind, ResultObject
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
from coread.results.wording import (
    PRESENCE_CODES,
    conclusion,
    conclusion_zh,
    headline,
    similar_in_words,
    statement,
)

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
        yield result_of(resource)
    yield result_of(transaction(writer._own_id("Bundle"), writer.issued, resources))


class _Writer:
    """Makes the resources of one edition."""

    def __init__(self, edition: Edition, dicom: tuple[ResultObject, ...]) -> None:
        self.edition = edition
        self.reading = edition.reading
        self.dicom = dicom
        self.issued = edition.written_at.isoformat(timespec="milliseconds")
        images = [source.ref.sop_instance_uid for source in edition.sources]
        self.study_id = imaging_study_id(self.reading.study_instance_uid, images)
        self.device_id = device_id(self.reading.reader)
        self.report_id = self._own_id("DiagnosticReport")

    def _own_id(self, *role: str) -> str:
        return resource_id(self.reading.derive_uid("fhir", *role))

    def resources(self) -> list[Json]:
        observations = self._observations()
        media = [self._media(made) for made in self.dicom if made.kind is Kind.SECONDARY_CAPTURE]
        report = self._report(observations, media)
        return [
            device(self.reading.reader, self.edition.card),
            imaging_study(self.study_id, self.edition),
            *observations,
            *media,
            report,
            self._provenance([*observations, *media, report]),
        ]

    def _observations(self) -> list[Json]:
        if self.reading.outcome is Outcome.FINDINGS:
            return [self._observation(finding) for finding in self.reading.findings]
        return [self._no_observation()]

    def _observation(self, finding: Finding) -> Json:
        return valid(
            Observation(
                **self._observed(self._own_id("Observation", finding.tracking_uid), finding.code),
                identifier=[uid_identifier(finding.tracking_uid)],
                valueCodeableConcept=concept(PRESENCE_CODES[finding.presence]),
                interpretation=[interpretation(finding.presence)],
                bodySite=concept(finding.site) if finding.site else None,
                component=components(finding.confidence, finding.measurements, finding.characteristics),
                note=notes(
                    f"{statement(finding)}. AI result, not verified.",
                    similar_in_words(finding) if finding.similar else "",
                ),
            )
        )

    def _no_observation(self) -> Json:
        code, display = _ABSENT_REASON[self.reading.outcome]
        reason = self.reading.reason
        absent = {
            "coding": [{"system": f"{TERMINOLOGY}/data-absent-reason", "code": code, "display": display}],
            "text": reason.text if reason else display,
        }
        return valid(
            Observation(
                **self._observed(self._own_id("Observation", "none"), self.edition.card.finding),
                dataAbsentReason=absent,
                note=notes(conclusion(self.reading), conclusion_zh(self.reading)),
            )
        )

    def _observed(self, identifier: str, code: Code) -> Json:
        first = self.edition.first
        return {
            "id": identifier,
            "status": _OBSERVATION_STATUS[self.reading.outcome],
            "category": [category("observation-category", "imaging", "Imaging")],
            "code": concept(code),
            "subject": subject(first),
            "effectiveDateTime": day(first),
            "issued": self.issued,
            "device": reference("Device", self.device_id),
            "derivedFrom": [reference("ImagingStudy", self.study_id)],
        }

    def _media(self, made: ResultObject) -> Json:
        return valid(
            Media(
                id=self._own_id("Media", made.id),
                identifier=[uid_identifier(made.id)],
                status="completed",
                subject=subject(self.edition.first),
                device=reference("Device", self.device_id),
                issued=self.issued,
                content=attachment(made, "AI result with overlay, not verified"),
            )
        )

    def _report(self, observations: Sequence[Json], media: Sequence[Json]) -> Json:
        first = self.edition.first
        report = next(made for made in self.dicom if made.kind is Kind.SR)
        accession = first.facts.get("AccessionNumber", "")
        return valid(
            DiagnosticReport(
                id=self.report_id,
                identifier=[uid_identifier(report.id)],
                basedOn=orders(accession),
                status=_REPORT_STATUS[self.reading.outcome],
                category=[category("v2-0074", "RAD", "Radiology")],
                code=concept(codes.DIAGNOSTIC_IMAGING_REPORT),
                subject=subject(first),
                effectiveDateTime=day(first),
                issued=self.issued,
                performer=[{"display": headline(self.reading)}],
                result=[reference("Observation", item["id"]) for item in observations] or None,
                imagingStudy=[reference("ImagingStudy", self.study_id)],
                media=[{"link": reference("Media", item["id"])} for item in media] or None,
                conclusion=f"{conclusion(self.reading)}\n{conclusion_zh(self.reading)}",
                presentedForm=[attachment(report, "DICOM structured report")],
            )
        )

    def _provenance(self, targets: Sequence[Json]) -> Json:
        images = [entity("source", uid_identifier(s.ref.sop_instance_uid)) for s in self.edition.inputs]
        weights = self.reading.reader.weights_sha256
        if weights:
            images.append(entity("derivation", {"system": "urn:coread:sha256", "value": weights}))
        hashes = [
            entity(
                "revision", {"system": "urn:coread:sha256", "value": hashlib.sha256(made.data).hexdigest()}
            )
            for made in self.dicom
        ]
        return valid(
            Provenance(
                id=self._own_id("Provenance"),
                target=[reference(item["resourceType"], item["id"]) for item in targets],
                recorded=self.issued,
                agent=[
                    {
                        "type": category("provenance-participant-type", "assembler", "Assembler"),
                        "who": reference("Device", self.device_id),
                    }
                ],
                entity=[*images, *hashes],
            )
        )
