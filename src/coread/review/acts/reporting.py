"""Drafts, signatures and addenda."""

from __future__ import annotations

from collections.abc import Mapping

from coread.archive import Query
from coread.casebook import EntryKind, to_json
from coread.domain.review import Draft, SignedReport
from coread.errors import AlreadySigned, DecisionRefused, NotFound, NotReadyToSign
from coread.review.acts.accounting import signature_record
from coread.review.acts.signing import check_ready, hurdles, signed_report
from coread.review.acts.statements import check_text
from coread.review.acts.writing import Deed
from coread.review.drafting import Occasion, check_language, compose, template_named, traced
from coread.review.follow_up import catalogue
from coread.review.table import Table

_MOST_SECTIONS = 20
_SECTION = 64


def generated(table: Table, template: str, language: str) -> Draft:
    """Make the draft that template and standing decisions give; nothing is saved."""
    return compose(template_named(template), language, table.visible, _occasion(table))


def draft_deed(table: Table, template: str, language: str, texts: Mapping[str, str]) -> Deed:
    """Keep the rules of saving a draft.

    Raises
    ------
    AlreadySigned
        If the report is signed: what is said now is an addendum.
    DecisionRefused
        If template, language, a section or a text cannot be kept.
    """
    if table.record.reports:
        raise AlreadySigned("a draft after the signature", remedy="write an addendum")
    former = table.record.draft
    version = former.draft.version + 1 if former else 1
    draft = _traced(table, template, language, texts, version)
    facts = {"draft_version": str(version), "template": template, "language": language}
    facts |= {"text_sha256": _text_sha256(table, draft)}
    saved = to_json(draft)
    reveals = table.revealed_by("draft")
    return Deed(EntryKind.DRAFT, saved, "report.saved", facts, outcome=saved, reveals=reveals)


def signature_deed(table: Table) -> Deed:
    """Keep the rules of signing.

    Raises
    ------
    AlreadySigned
        If it is signed.
    NotReadyToSign
        If something must be done first.
    """
    if table.record.reports:
        raise AlreadySigned("a report that is signed", remedy="write an addendum")
    check_ready(table, hurdles(table))
    saved = table.record.draft
    assert saved is not None  # noqa: S101 - no draft is a hurdle
    return _signing(table, saved.draft, EntryKind.SIGNED)


def addendum_deed(table: Table, texts: Mapping[str, str]) -> Deed:
    """Keep the rules of an addendum: there is a signed report, and something is said.

    Raises
    ------
    NotReadyToSign
        If nothing is signed yet, or something must be done first.
    DecisionRefused
        If nothing is said, or it cannot be kept.
    """
    if not table.record.reports:
        raise NotReadyToSign("no signed report", "a report to add to", "sign first", hurdles=("not-signed",))
    check_ready(table, hurdles(table))
    former = table.record.reports[-1].draft
    draft = _traced(table, former.template, former.language, texts, former.version + 1)
    if not any(section.lines for section in draft.sections):
        raise DecisionRefused("an addendum without words", "text in at least one section", where="sections")
    return _signing(table, draft, EntryKind.ADDENDUM)


def acknowledgement_deed(table: Table) -> Deed:
    """Keep the rules of saying that what came after the signature asks for no addendum.

    Raises
    ------
    DecisionRefused
        If nothing came.
    """
    if not table.case.is_changed:
        raise DecisionRefused("nothing that came after the signature", "late images or readings")
    unsigned = table.record.standing.keys() - table.record.signed_finding_uids
    if unsigned:
        raise DecisionRefused("decisions that no report holds yet", "an addendum, or their undoing")
    return Deed(EntryKind.ACKNOWLEDGED, "", "review.acknowledged", {})


def report_of(table: Table, number: str) -> SignedReport:
    """Return the report of this number, as a repeated key asks for it again."""
    own = (report for report in table.record.reports if str(report.number) == number)
    report = next(own, None)
    if report is None:
        raise NotFound("a report that is not signed", remedy="open the study again")
    return report


def _signing(table: Table, draft: Draft, kind: EntryKind) -> Deed:
    report = signed_report(table, draft, table.sources.clock())
    facts = {
        "report": report.uid,
        "number": str(report.number),
        "predecessor": report.predecessor_uid,
        "text_sha256": report.text_sha256,
        "decisions": str(len(report.decisions)),
        "readings": " ".join(report.reading_uids),
        "mode": str(report.mode),
        "draft_version": str(draft.version),
    } | signature_record(table, report)
    return Deed(kind, to_json(report), "report.signed", facts, report=report, outcome=str(report.number))


def _traced(table: Table, template: str, language: str, texts: Mapping[str, str], version: int) -> Draft:
    check_language(language)
    if len(texts) > _MOST_SECTIONS:
        raise DecisionRefused(f"{len(texts)} sections", f"at most {_MOST_SECTIONS}", where="sections")
    for name, text in texts.items():
        if not name.strip() or len(name) > _SECTION:
            raise DecisionRefused(
                "a section without a usable name", f"1 to {_SECTION} characters", where="name"
            )
        check_text(name, "section name")
        check_text(text, "section text")
    return traced(texts, generated(table, template, language), catalogue(language), version)


def _occasion(table: Table) -> Occasion:
    return Occasion(
        modality=", ".join(table.imaging),
        view=_view(table),
        images=str(table.state.originals),
        prior_date=_prior_date(table),
    )


def _view(table: Table) -> str:
    images = (finding.image for _, finding in table.findings.values())
    first = next(images, None)
    image = table.image(first.sop_instance_uid) if first else None
    return image.header.facts.get("ViewPosition", "").strip().upper() if image else ""


def _prior_date(table: Table) -> str:
    """Return the date of the latest earlier study of the patient as ``2026-03-01``."""
    patient, date = table.facts.get("PatientID", ""), table.facts.get("StudyDate", "")
    if not patient or not date or set("*?\\") & set(patient):
        return ""
    query = Query({"PatientID": patient, "StudyDate": f"-{date}"}, limit=10)
    issuer = table.facts.get("IssuerOfPatientID", "")
    others = (
        facts
        for facts in table.sources.archive.find_studies(query)
        if facts["StudyInstanceUID"] != table.study_instance_uid
        and facts.get("IssuerOfPatientID", "") == issuer
    )
    found = next(others, None)
    day = found.get("StudyDate", "") if found else ""
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else ""


def _text_sha256(table: Table, draft: Draft) -> str:
    return signed_report(table, draft, table.sources.clock()).text_sha256
