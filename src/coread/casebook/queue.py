"""Which studies are to be read, and in which order: answered from indexes, page by page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, insert, select

from coread.casebook.case import Case, CaseState, Entry, EntryKind
from coread.casebook.rows.heads import case_of, head_row, joined, save_head, write_entry
from coread.casebook.rows.instants import to_us
from coread.casebook.rows.upsert import upsert
from coread.casebook.tables import ANSWERS, CASES, PROGRESS, QUESTIONS, READS, TEACHING
from coread.ledger import Ledger, Transactions

_LIST = "worklist"


@dataclass(frozen=True, slots=True)
class Placement:
    """What the archive has of a study, and where in the list that puts it."""

    study_instance_uid: str
    study_version: int
    reading_uids: tuple[str, ...]
    points: int
    """Urgency but for the time of waiting."""
    arrived_at: datetime
    complete_at: datetime | None
    modalities: tuple[str, ...]
    listing: str
    """JSON that comes back in `Case.listing`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which heads are asked for."""

    person_id: str
    states: tuple[CaseState, ...] = ()
    """Empty: what is still to do, most points first, longest waiting first. Else latest change first."""
    uids: tuple[str, ...] | None = None
    """Only these studies."""
    modality: str = ""
    is_unread: bool = False
    is_mine: bool = False
    is_teaching: bool = False
    arrived_until: datetime | None = None
    arrived_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One head with what only this person's list has."""

    case: Case
    is_unread: bool
    is_teaching: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """How many heads there are."""

    pending: int
    unread: int
    by_state: Mapping[CaseState, int]
    questions: int


class Queue:
    """The order of studies, brought up to the archive's state by `place`."""

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def progress(self) -> int:
        """Return up to which event of the ledger the list has been brought."""
        with self._database.read() as connection:
            return connection.execute(_PROGRESS).scalar() or 0

    def advance(self, sequence: int) -> None:
        """Record that the list has been brought up to an event; never goes back."""
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            if sequence > (connection.execute(_PROGRESS).scalar() or 0):
                upsert(connection, PROGRESS, {"name": _LIST}, {"sequence": sequence})

    def place(self, placement: Placement, at: datetime) -> Case:
        """Bring a study's head up to what the archive has; every arrival is an entry of its own.

        Doing it twice does it once. What came after a signature brings the study back into the list.
        """
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            row = head_row(connection, placement.study_instance_uid)
            before = case_of(row) if row else None
            entries = _arrivals(before, placement, at)
            for entry in entries:
                write_entry(connection, entry)
            _save(connection, before, placement, entries, at)
            after = head_row(connection, placement.study_instance_uid)
        assert after is not None  # noqa: S101 - written above
        return case_of(after)

    def gone(self, study_instance_uid: str) -> None:
        """Take a study that the archive has deleted from the list; its entries stay."""
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            values = {"is_gone": True, "is_pending": False, "listing": "{}"}
            save_head(connection, study_instance_uid, values)

    def page(self, wanted: Wanted, limit: int, offset: int = 0) -> list[Listed]:
        """Return heads in the order that `Wanted.states` says."""
        statement = _page(wanted).limit(limit).offset(offset)
        with self._database.read() as connection:
            rows = connection.execute(statement).mappings().all()
        return [Listed(case_of(row), row["is_unread"], row["is_teaching"]) for row in rows]

    def by_urgency(
        self, wanted: Wanted, overdue: tuple[datetime, int], limit: int, offset: int = 0
    ) -> list[Listed]:
        """Return what is still to do in the order of points, those that arrived long ago raised.

        Parameters
        ----------
        wanted
            Without states.
        overdue
            Studies that arrived at this time or earlier have so many points more.
        limit, offset
            Page.
        """
        end, (since, bonus) = offset + limit, overdue
        raised = self.page(replace(wanted, arrived_until=since), end)
        others = self.page(replace(wanted, arrived_after=since), end)
        both = merge(
            ((_place(listed, bonus), listed) for listed in raised),
            ((_place(listed, 0), listed) for listed in others),
            key=lambda pair: pair[0],
        )
        return [listed for _, listed in islice(both, offset, end)]

    def cases(self, study_instance_uids: Collection[str]) -> dict[str, Case]:
        """Return the heads of these studies, as far as they are known."""
        statement = select(CASES).where(CASES.c.study_instance_uid.in_(list(study_instance_uids)))
        with self._database.read() as connection:
            return {
                row["study_instance_uid"]: case_of(row) for row in connection.execute(statement).mappings()
            }

    def tally(self, person_id: str) -> Tally:
        """Count heads and this person's open questions."""
        count = func.count()
        pending = select(count).select_from(CASES).where(CASES.c.is_pending)
        states = select(CASES.c.state, count).where(CASES.c.is_gone.is_(False)).group_by(CASES.c.state)
        asked = select(count).select_from(QUESTIONS).where(QUESTIONS.c.colleague_id == person_id)
        answered = exists().where(ANSWERS.c.question_id == QUESTIONS.c.id)
        with self._database.read() as connection:
            return Tally(
                pending=connection.execute(pending).scalar() or 0,
                unread=connection.execute(pending.where(_unread(person_id))).scalar() or 0,
                by_state={CaseState(state): n for state, n in connection.execute(states)},
                questions=connection.execute(asked.where(~answered)).scalar() or 0,
            )


_PROGRESS = select(PROGRESS.c.sequence).where(PROGRESS.c.name == _LIST)


def _arrivals(before: Case | None, placement: Placement, at: datetime) -> list[Entry]:
    """Return an entry for a new version and for each new reading; none for what is known."""
    known = before or Case(placement.study_instance_uid)
    news = []
    if placement.study_version != known.study_version:
        news.append((EntryKind.IMAGES, str(placement.study_version)))
    news += [(EntryKind.READING, uid) for uid in placement.reading_uids if uid not in known.reading_uids]
    return [
        Entry(
            placement.study_instance_uid, known.revision + n, kind, "", at, placement.study_version, "", what
        )
        for n, (kind, what) in enumerate(news, start=1)
    ]


def _save(
    connection: Connection, before: Case | None, placement: Placement, entries: list[Entry], at: datetime
) -> None:
    values: dict[str, Any] = {
        "points": placement.points,
        "arrived_us": to_us(placement.arrived_at),
        "complete_us": to_us(placement.complete_at) if placement.complete_at else None,
        "study_version": placement.study_version,
        "reading_uids": joined(placement.reading_uids),
        "modalities": joined(placement.modalities),
        "listing": placement.listing,
        "is_gone": False,
    }
    if before is None:
        row = {"study_instance_uid": placement.study_instance_uid, "revision": len(entries)}
        row |= {"is_pending": True, "is_changed": False, "changed_us": to_us(at)}
        connection.execute(insert(CASES).values(row | values))
        return
    if entries or before.is_gone:
        values |= {"revision": before.revision + len(entries), "changed_us": to_us(at), "is_pending": True}
        values |= {"is_changed": before.state.is_signed}
    save_head(connection, placement.study_instance_uid, values)


def _page(wanted: Wanted) -> Select[Any]:
    has_teaching = exists().where(TEACHING.c.study_instance_uid == CASES.c.study_instance_uid)
    statement = select(CASES, _unread(wanted.person_id).label("is_unread"), has_teaching.label("is_teaching"))
    statement = statement.where(*_conditions(wanted))
    if wanted.is_teaching:
        statement = statement.where(has_teaching)
    if wanted.states:
        latest = (CASES.c.changed_us.desc(), CASES.c.study_instance_uid)
        of_states = and_(CASES.c.is_gone.is_(False), CASES.c.state.in_([str(s) for s in wanted.states]))
        return statement.where(of_states).order_by(*latest)
    order = (CASES.c.points.desc(), CASES.c.arrived_us, CASES.c.study_instance_uid)
    return statement.where(CASES.c.is_pending).order_by(*order)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.uids is not None:
        conditions.append(CASES.c.study_instance_uid.in_(wanted.uids))
    if wanted.modality:
        conditions.append(CASES.c.modalities.contains(joined((wanted.modality,)), autoescape=True))
    if wanted.is_unread:
        conditions.append(_unread(wanted.person_id))
    if wanted.is_mine:
        conditions.append(CASES.c.lock_person_id == wanted.person_id)
    # Added to, the column is looked up in no index: the one that gives the order is to be walked.
    arrived_us = CASES.c.arrived_us + 0
    if wanted.arrived_until:
        conditions.append(arrived_us <= to_us(wanted.arrived_until))
    if wanted.arrived_after:
        conditions.append(arrived_us > to_us(wanted.arrived_after))
    return conditions


def _place(listed: Listed, bonus: int) -> tuple[int, int, str]:
    case = listed.case
    arrived_us = to_us(case.arrived_at) if case.arrived_at else 0
    return -(case.points + bonus), arrived_us, case.study_instance_uid


def _unread(person_id: str) -> ColumnElement[bool]:
    is_mark = and_(
        READS.c.study_instance_uid == CASES.c.study_instance_uid,
        READS.c.person_id == person_id,
        READS.c.revision >= CASES.c.revision,
    )
    return ~exists().where(is_mark)
