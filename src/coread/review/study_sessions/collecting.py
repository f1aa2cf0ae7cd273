"""What the doctors of a study did, from the casebook: one line for each reading that was signed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coread.casebook import Casebook, record_of
from coread.casebook.record import Record
from coread.domain.codes import Code
from coread.domain.finding import Presence
from coread.domain.review import Impression, SignedReport
from coread.ledger import Ledger

COLUMNS = ("reader", "case", "treatment", "period", "truth", "ai_call", "call", "rating", "seconds", "day")
"""Of the table that the lab analyses (docs/reader_study.md)."""

LONGEST_S = 3600.0
"""Seconds from opening to signature beyond which the doctor was plainly elsewhere: no time is given then."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a case, made for one doctor and arm.

    Attributes
    ----------
    study_instance_uid
        Of the copy.
    person_id, reader
        The doctor for whom it was made, and the name in the plan.
    case, treatment, period
        As planned.
    truth
        Whether the case is abnormal.
    ai_call
        What the reader says of it; None if there is no answer.
    """

    study_instance_uid: str
    person_id: str
    reader: str
    case: str
    treatment: str
    period: int
    truth: bool
    ai_call: bool | None


@dataclass(frozen=True, slots=True)
class StudyReading:
    """One reading that was signed.

    Attributes
    ----------
    copy
        Of what.
    call
        Whether the doctor called the finding present.
    rating
        0..1 from the recorded impression, higher = more suspicious; None without an impression.
    seconds
        From the last opening before the signature to the signature; None where it says nothing.
    signed_at
        When.
    """

    copy: Copy
    call: bool
    rating: float | None
    seconds: float | None
    signed_at: datetime


def collect(
    casebook: Casebook, ledger: Ledger, copies: Iterable[Copy], finding: Code
) -> tuple[StudyReading, ...]:
    """Collect the readings of a study.

    Parameters
    ----------
    casebook, ledger
        Of the reading room.
    copies
        Which copies were made for whom.
    finding
        What the study asks for: a reading calls it present if the signed report states it as present.

    Returns
    -------
    tuple of StudyReading
        In the order of the copies; a copy that its own doctor has not signed is left out.
    """
    found = []
    for copy in copies:
        record = record_of(casebook.journal.read(copy.study_instance_uid)[1])
        report = _own_report(record, copy.person_id)
        if report is not None:
            impression = record.impressions.get(copy.person_id)
            seconds = _seconds(ledger, copy, report.signed_at)
            call = _calls(report, finding)
            found.append(StudyReading(copy, call, _rating(impression), seconds, report.signed_at))
    return tuple(found)


def _own_report(record: Record, person_id: str) -> SignedReport | None:
    """The doctor's first report; an addendum is no part of the study."""
    return next((r for r in record.reports if r.person_id == person_id and not r.is_addendum), None)


def _calls(report: SignedReport, finding: Code) -> bool:
    stated = (decision.statement for decision in report.decisions if decision.statement is not None)
    return any(s.code.value == finding.value and s.presence is Presence.PRESENT for s in stated)


def _rating(impression: Impression | None) -> float | None:
    """Suspicion 0..1: a sure abnormal is 1, a sure normal 0, no confidence at all 0.5."""
    if impression is None:
        return None
    return 0.5 + impression.confidence / 2 * (1 if impression.is_abnormal else -1)


def _seconds(ledger: Ledger, copy: Copy, signed_at: datetime) -> float | None:
    actor = f"person:{copy.person_id}"
    opened = [
        recorded.event.at
        for recorded in ledger.events(subject=copy.study_instance_uid)
        if recorded.event.kind == "review.opened" and recorded.event.actor == actor
    ]
    before = [at for at in opened if at <= signed_at]
    if not before:
        return None
    seconds = (signed_at - max(before)).total_seconds()
    return seconds if 0 < seconds <= LONGEST_S else None


def write_readings(readings: Iterable[StudyReading], path: Path) -> None:
    """Write the table that ``coread-lab reader-study analyse`` reads; it names doctors as the plan does."""
    kept = list(readings)
    origin = min((r.signed_at for r in kept), default=None)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for reading in kept:
            table.writerow(_row(reading, origin or reading.signed_at))


def _row(reading: StudyReading, origin: datetime) -> Mapping[str, object]:
    copy = reading.copy
    return {
        "reader": copy.reader,
        "case": copy.case,
        "treatment": copy.treatment,
        "period": copy.period,
        "truth": int(copy.truth),
        "ai_call": "" if copy.ai_call is None else int(copy.ai_call),
        "call": int(reading.call),
        "rating": "" if reading.rating is None else f"{reading.rating:g}",
        "seconds": "" if reading.seconds is None else f"{reading.seconds:g}",
        "day": f"{(reading.signed_at - origin).total_seconds() / 86_400:.3f}",
    }
