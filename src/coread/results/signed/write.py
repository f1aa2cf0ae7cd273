"""From one signed report to all its result objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coread.dicom import DicomObject
from coread.domain.bundle import Card
from coread.domain.reading import Reading
from coread.domain.review import SignedReport
from coread.errors import ResultFault
from coread.results import fhir, sr
from coread.results.edition import ResultObject
from coread.results.printed import pdf
from coread.results.signed import document
from coread.results.signed.edition import SignedEdition
from coread.results.signed.facts import ReportFacts, Signer
from coread.results.source import Source


def write_signed(
    report: SignedReport,
    readings: Sequence[Reading],
    images: Sequence[DicomObject],
    cards: Mapping[str, Card],
    *,
    person: Signer,
    earlier: Sequence[SignedReport] = (),
) -> tuple[ResultObject, ...]:
    """Write everything that leaves the clinic about one signed report.

    A structured report, complete and verified; the printed report as Encapsulated PDF; and the FHIR
    resources: the report final (or amended, or appended), each finding of a reader as the doctor decided,
    the doctor as author and verifier. The last of them is the transaction Bundle that puts all the others.

    The same arguments give the same bytes: nothing is read from a clock, a store or chance.

    Parameters
    ----------
    report
        As it was signed.
    readings
        The readings that lay on the table; every finding that the report decides on is in one of them.
    images
        Images of the study, at least one: patient and study are taken from them. Those that statements
        point at should be among them; one that is not is referred to all the same.
    cards
        Cards by reader's name.
    person
        The doctor who signed.
    earlier
        Earlier signed reports of the study, in their order: what an addendum amends.

    Raises
    ------
    ResultFault
        If there is no image, a time has no zone, or a decision names a finding of no given reading.
    """
    edition = _edition(report, readings, images, cards, person, earlier)
    printed = pdf(report, edition.facts)
    dicom = (sr.write_signed(edition), document.write(edition, printed))
    return (*dicom, *fhir.write_signed(edition, dicom, printed))


def report_facts(
    report: SignedReport,
    readings: Sequence[Reading],
    images: Sequence[DicomObject],
    cards: Mapping[str, Card],
    *,
    person: Signer,
    earlier: Sequence[SignedReport] = (),
) -> ReportFacts:
    """Return what `pdf` needs to print the very pages that `write_signed` wraps; arguments as there."""
    return _edition(report, readings, images, cards, person, earlier).facts


def _edition(
    report: SignedReport,
    readings: Sequence[Reading],
    images: Sequence[DicomObject],
    cards: Mapping[str, Card],
    person: Signer,
    earlier: Sequence[SignedReport],
) -> SignedEdition:
    sources = tuple(Source(image) for image in images)
    _check(report, sources)
    return SignedEdition(
        report.signed_at, sources, report, tuple(readings), dict(cards), person, tuple(earlier)
    )


def _check(report: SignedReport, sources: Sequence[Source]) -> None:
    if not sources:
        raise _fault("no image", "an image of the study")
    if report.signed_at.tzinfo is None:
        raise _fault("a time without zone", "a time with its zone")


def _fault(found: str, expected: str) -> ResultFault:
    return ResultFault(
        found=found, expected=expected, remedy="report this as a defect", where="results.write_signed"
    )
