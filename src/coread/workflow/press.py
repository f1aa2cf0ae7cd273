"""All that a signed report was signed on, gathered; and the report printed from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from coread.archive import Archive, Readings
from coread.dicom import DicomObject, open_object
from coread.domain.bundle import Card
from coread.domain.reading import Reading
from coread.domain.review import SignedReport
from coread.domain.study import Instance, Study
from coread.errors import NotFound
from coread.results import Signer, pdf, printed_in, report_facts
from coread.routing import originals
from coread.workflow.rooms import SignedReports


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What a report's results are a function of, beside the report."""

    readings: tuple[Reading, ...]
    images: tuple[DicomObject, ...]
    """At least one of the study."""
    cards: Mapping[str, Card]
    """By reader's name, of those that are still installed."""
    signer: Signer
    earlier: tuple[SignedReport, ...]


@dataclass(frozen=True, slots=True)
class Press:
    """Prints signed reports; the very pages that went out, once they have.

    Examples
    --------
    ::

        press = Press(clinic.archive, clinic.readings, clinic.casebook, clinic.registry.card)
        data = press(report)
    """

    archive: Archive
    readings: Readings
    reports: SignedReports
    card: Callable[[str], Card | None]
    organization: str = ""
    """Under which doctors sign; the images' Institution Name if left out."""

    def __call__(self, report: SignedReport, language: str = "") -> bytes:
        """Return a report as PDF, with the words around it in `language` or in the report's own.

        Raises
        ------
        NotFound
            If nothing of the study is kept.
        StoreFault
            If an image is gone or changed.
        """
        if language in ("", report.draft.language) and (filed := self._filed(report)) is not None:
            return filed
        laid = self.lay_out(report)
        facts = report_facts(
            report, laid.readings, laid.images, laid.cards, person=laid.signer, earlier=laid.earlier
        )
        return pdf(report, facts, language)

    def lay_out(self, report: SignedReport) -> LaidOut:
        """Gather what a report was signed on.

        Raises
        ------
        NotFound
            If a reading, or everything of the study, is not kept.
        StoreFault
            If an image is gone or changed.
        """
        study = self.archive.study(report.study_instance_uid)
        readings = tuple(self.readings.get(uid) for uid in report.reading_uids)
        names = dict.fromkeys(reading.reader.name for reading in readings)
        reports = self.reports.reports_of(report.study_instance_uid)
        return LaidOut(
            readings=readings,
            images=tuple(open_object(self.archive.read_object(i)) for i in _shown(study, report, readings)),
            cards={name: card for name in names if (card := self.card(name)) is not None},
            signer=Signer(report.person_id, report.person_name, self.organization),
            earlier=tuple(r for r in reports if r.number < report.number),
        )

    def _filed(self, report: SignedReport) -> bytes | None:
        """Return the pages that were filed; None before."""
        try:
            data = self.archive.read(report.derive_uid("pdf"))
        except NotFound:
            return None
        return printed_in(open_object(data))


def _shown(study: Study, report: SignedReport, readings: Sequence[Reading]) -> tuple[Instance, ...]:
    """Choose the images that findings and statements stand on; of a large study, not all that was read."""
    pointed = {d.statement.image for d in report.decisions if d.statement and d.statement.image}
    pointed |= {finding.image for reading in readings for finding in reading.findings}
    uids = {ref.sop_instance_uid for ref in pointed}
    chosen = tuple(i for i in study.instances if i.ref.sop_instance_uid in uids)
    return chosen or originals(study)[:1] or study.instances[:1]
