"""Signed reports to write: what a doctor may have said of what readers may have found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from written_results import CARD, IDENTITY, Written, finding_on, reading_of

from coread.domain import codes
from coread.domain.codes import Code
from coread.domain.finding import Box, Measurement, Presence
from coread.domain.identity import derive_uid
from coread.domain.review import (
    Decision,
    Draft,
    Line,
    Mode,
    Origin,
    RejectReason,
    Section,
    SignedReport,
    Statement,
    Verdict,
)
from coread.results import ReportFacts, Signer, write_signed

SIGNED_AT = datetime(2026, 3, 4, 9, 30, 15, 250000, tzinfo=UTC)
SIGNER = Signer("p-6f1c2a9be0d4", "LI Wei", "First Hospital")
CARDS = {IDENTITY.name: CARD}
NODULE = Code("27925004", "SCT", "Nodule", "结节")
DIAMETER = Measurement(Code("81827009", "SCT", "Diameter", "直径"), 8.5, codes.MILLIMETRE)


def statement_of(finding, **changed):
    """Give the doctor's statement that repeats a finding, with changes."""
    same = {
        "code": finding.code,
        "presence": finding.presence,
        "image": finding.image,
        "site": finding.site,
        "boxes": finding.boxes,
        "measurements": finding.measurements,
    }
    return Statement(**(same | changed))


def accepted(finding, reading, at=SIGNED_AT):
    return Decision(
        finding.tracking_uid, Verdict.ACCEPTED, reading.uid, statement_of(finding), SIGNER.person_id, at
    )


def edited(finding, reading, at=SIGNED_AT, **changed):
    changed = changed or {"code": NODULE, "boxes": (Box(5, 6, 10, 8),), "measurements": (DIAMETER,)}
    statement = statement_of(finding, **changed)
    return Decision(finding.tracking_uid, Verdict.EDITED, reading.uid, statement, SIGNER.person_id, at)


def rejected(finding, reading, reason=RejectReason.ARTEFACT, comment="", at=SIGNED_AT):
    return Decision(
        finding.tracking_uid, Verdict.REJECTED, reading.uid, None, SIGNER.person_id, at, reason, comment
    )


def own(image=None, at=SIGNED_AT, number=1, **more):
    """Give a finding that the doctor added: on an image, or of the study as a whole."""
    statement = Statement(
        codes.PNEUMONIA,
        Presence.PRESENT,
        image.header.ref if image else None,
        outline=((3.0, 3.0), (20.0, 4.0), (12.0, 22.0)) if image else (),
        **more,
    )
    return Decision(derive_uid("own", str(number)), None, "", statement, SIGNER.person_id, at)


def sections(decisions, language="en"):
    """Give a short report on what is accepted."""
    lines = [
        Line(f"{d.statement.code.meaning} in the right lower field.", Origin.FINDING, d.finding_uid)
        for d in decisions
        if d.statement
    ]
    typed = Line("心影大小正常。" if language == "zh" else "Heart size normal.", Origin.TYPED)
    return (
        Section("technique", (Line("Frontal chest radiograph.", Origin.TEMPLATE),)),
        Section("findings", (*lines, typed)),
        Section("impression", (Line("See findings.", Origin.TYPED),)),
    )


def report_of(image, readings, decisions, language="en", number=1, predecessor_uid="", **more):
    given = {
        "study_instance_uid": image.header.ref.study_instance_uid,
        "study_version": 1,
        "number": number,
        "draft": Draft("chest-radiograph", language, sections(decisions, language), 3),
        "decisions": tuple(decisions),
        "mode": Mode.CONCURRENT,
        "person_id": SIGNER.person_id,
        "person_name": SIGNER.name,
        "signed_at": SIGNED_AT + timedelta(hours=number - 1),
        "predecessor_uid": predecessor_uid,
        "reading_uids": tuple(reading.uid for reading in readings),
    }
    return SignedReport(**(given | more))


@dataclass
class Signed:
    """A report with all that it was signed on."""

    image: object
    report: SignedReport
    readings: tuple
    earlier: tuple = ()

    @property
    def facts(self):
        patient = self.image.header.facts
        return ReportFacts(patient, SIGNER, self.readings, CARDS, self.earlier)


def signed_on(image, language="en"):
    """Give a report with one finding of each verdict and one of the doctor's own."""
    findings = [
        finding_on(image, boxes=[Box(4, 4, 20, 10)], number=1),
        finding_on(image, None, boxes=[Box(4, 4, 20, 10), Box(30, 30, 9, 9)], number=2),
        finding_on(image, None, number=3),
    ]
    reading = reading_of(image, findings)
    decisions = [
        accepted(findings[0], reading),
        edited(findings[1], reading),
        rejected(findings[2], reading, comment="skin fold"),
        own(image),
        own(None, number=2),
    ]
    return Signed(image, report_of(image, (reading,), decisions, language), (reading,))


def written_of(signed, **more):
    """Write all that is signed, and give it by kind."""
    given = {"person": SIGNER, "earlier": signed.earlier}
    objects = write_signed(signed.report, signed.readings, (signed.image,), CARDS, **(given | more))
    return Written(objects)


def addendum_to(signed, decisions=None, words="Compared with the film of 2023: unchanged.", **more):
    """Give an addendum: other words, and the same decisions unless others are given."""
    number = signed.report.number + 1
    draft = replace(
        signed.report.draft, sections=(Section("impression", (Line(words, Origin.TYPED),)),), version=4
    )
    report = report_of(
        signed.image,
        signed.readings,
        signed.report.decisions if decisions is None else decisions,
        number=number,
        predecessor_uid=signed.report.uid,
        **({"draft": draft} | more),
    )
    return Signed(signed.image, report, signed.readings, (*signed.earlier, signed.report))
