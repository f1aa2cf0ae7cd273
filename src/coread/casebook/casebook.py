"""The casebook: what people decide, kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select

from coread.casebook.codec import from_json
from coread.casebook.journal import Journal
from coread.casebook.locking import Locks
from coread.casebook.marks import Marks
from coread.casebook.prompts import Prompts
from coread.casebook.questions import Questions
from coread.casebook.queue import Queue
from coread.casebook.rows.instants import to_us
from coread.casebook.tables import ENTRIES, REPORTS, UNPUBLISHED, VERDICTS
from coread.domain.event import Event
from coread.domain.review import SignedReport
from coread.errors import NotFound
from coread.ledger import Ledger, Transactions


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """How often one verdict was given under the same circumstances; names nobody."""

    reader_version: str
    code: str
    """Meaning of the finding's code."""
    verdict: str
    reason: str
    person_id: str
    site: str
    modality: str
    age_band: str
    sex: str
    count: int
    active_s: float
    """Sum over the count."""


def _now() -> datetime:
    return datetime.now(UTC)


class Casebook:
    """Keeps decisions, drafts, signatures and impressions as entries that nobody can change.

    Parameters
    ----------
    database
        Migrated; `coread.archive.Database` is one.
    ledger
        On the same database: every change leaves its event in the same transaction.
    clock
        Tells the time of what nobody's act has timed.
    """

    def __init__(self, database: Transactions, ledger: Ledger, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self.journal = Journal(database, ledger)
        self.locks = Locks(database, ledger)
        self.queue = Queue(database, ledger)
        self.marks = Marks(database, ledger)
        self.questions = Questions(database, ledger)
        self.prompts = Prompts(database, ledger)

    def unpublished(self, limit: int = 100) -> list[str]:
        """Return the UIDs of signed reports whose results have not gone out yet, oldest first.

        An addendum never stands before the report that it follows.
        """
        order = (UNPUBLISHED.c.signed_us, UNPUBLISHED.c.number, UNPUBLISHED.c.uid)
        statement = select(UNPUBLISHED.c.uid).order_by(*order)
        with self._database.read() as connection:
            return list(connection.execute(statement.limit(limit)).scalars())

    def mark_published(self, uid: str) -> None:
        """Record that a report's results have gone out; the same again changes nothing.

        Raises
        ------
        NotFound
            If there is no such report.
        """
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            report = _report(connection, uid)
            if connection.execute(delete(UNPUBLISHED).where(UNPUBLISHED.c.uid == uid)).rowcount:
                self._ledger.append_in(connection, [_published(report, self._clock())])

    def report(self, uid: str) -> SignedReport:
        """Return a signed report by `SignedReport.uid`.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._database.read() as connection:
            return _report(connection, uid)

    def reports_of(self, study_instance_uid: str) -> tuple[SignedReport, ...]:
        """Return a study's signed reports, the first one first."""
        statement = _REPORTS.where(REPORTS.c.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            texts = connection.execute(statement.order_by(REPORTS.c.number)).scalars()
            return tuple(from_json(SignedReport, text) for text in texts)

    def report_counts(self, study_instance_uids: list[str]) -> dict[str, int]:
        """Return how many signed reports each of these studies has; none is left out."""
        statement = (
            select(REPORTS.c.study_instance_uid, func.count())
            .where(REPORTS.c.study_instance_uid.in_(study_instance_uids))
            .group_by(REPORTS.c.study_instance_uid)
        )
        with self._database.read() as connection:
            found = {row[0]: row[1] for row in connection.execute(statement)}
        return {uid: found.get(uid, 0) for uid in study_instance_uids}

    def verdicts(self, reader: str, since: datetime | None = None) -> tuple[VerdictCount, ...]:
        """Count the verdicts that stand on a reader's findings, since a time."""
        columns = [VERDICTS.c[name] for name in _COUNTED]
        statement = (
            select(*columns, func.count().label("count"), func.sum(VERDICTS.c.active_s).label("active_s"))
            .where(VERDICTS.c.reader == reader)
            .group_by(*columns)
            .order_by(*columns)
        )
        if since is not None:
            statement = statement.where(VERDICTS.c.at_us >= to_us(since))
        with self._database.read() as connection:
            return tuple(_count(row) for row in connection.execute(statement).mappings())


_COUNTED = (
    "reader_version",
    "code",
    "verdict",
    "reason",
    "person_id",
    "site",
    "modality",
    "age_band",
    "sex",
)
_REPORTS = select(ENTRIES.c.payload).join(
    REPORTS,
    (REPORTS.c.study_instance_uid == ENTRIES.c.study_instance_uid)
    & (REPORTS.c.revision == ENTRIES.c.revision),
)


def _report(connection: Connection, uid: str) -> SignedReport:
    text = connection.execute(_REPORTS.where(REPORTS.c.uid == uid)).scalar()
    if text is None:
        raise NotFound("a UID of no signed report", remedy="check the UID")
    return from_json(SignedReport, text)


def _published(report: SignedReport, at: datetime) -> Event:
    facts = {"report": report.uid, "number": str(report.number), "text_sha256": report.text_sha256}
    return Event(
        "report.published",
        report.study_instance_uid,
        "system",
        at,
        facts,
        key=f"report.published:{report.uid}",
    )


def _count(row: Mapping[Any, Any]) -> VerdictCount:
    return VerdictCount(**{name: row[name] for name in (*_COUNTED, "count", "active_s")})
