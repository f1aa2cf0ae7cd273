"""The entries of each study: written one after another, never twice, never over one another."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from coread.casebook.case import Case, CaseState, Entry, EntryKind
from coread.casebook.locking import holder_or_refusal, lock_event
from coread.casebook.rows.heads import case_of, head_row, save_head, write_entry
from coread.casebook.rows.instants import from_us, to_us
from coread.casebook.rows.upsert import upsert
from coread.casebook.tables import ENTRIES, KEYS, READS, REPORTS, UNPUBLISHED, VERDICTS
from coread.domain.event import Event
from coread.domain.review import SignedReport
from coread.errors import DecisionRefused, NotFound, StaleReview
from coread.ledger import Ledger, Prepared, Transactions


@dataclass(frozen=True, slots=True)
class VerdictFacts:
    """What statistics count of a decision on a reader's finding; names no patient."""

    reader: str
    reader_version: str
    verdict: str
    reason: str
    code: str
    modality: str
    site: str
    age_band: str
    sex: str
    active_s: float


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a person does to a study."""

    study_instance_uid: str
    person_id: str
    kind: EntryKind
    key: str
    """Identifier of this doing, made by the page: the same key again does nothing again."""
    digest: str
    """Hex digest of what is asked, so that a key cannot stand for two things."""
    revision: int
    """Revision that the person saw."""
    study_version: int
    at: datetime
    payload: str
    events: tuple[Event, ...]
    """What the ledger gets, in the same transaction."""
    finding_uid: str = ""
    outcome: str = ""
    """What the answer is made of when the key comes again."""
    verdict: VerdictFacts | None = None
    report: SignedReport | None = None
    needs_lock: bool = True


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an act."""

    revision: int
    """Of the study after the act."""
    outcome: str
    is_repeat: bool
    """Whether the key had come before, and nothing was done now."""


_KEY = Prepared(select(KEYS).where(KEYS.c.key == bindparam("key")))
_ADD_KEY = Prepared(insert(KEYS))
_ENTRIES_OF = Prepared(
    select(ENTRIES)
    .where(ENTRIES.c.study_instance_uid == bindparam("uid"), ENTRIES.c.revision <= bindparam("last"))
    .order_by(ENTRIES.c.revision)
)


class Journal:
    """Reads and writes the entries of studies."""

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        # Writers of one process wait here, in order and without a connection, not at the database, which lets
        # SQLite's writers sleep ever longer and PostgreSQL's keep the pool empty.
        self._turn = threading.Lock()

    def read(self, study_instance_uid: str) -> tuple[Case, tuple[Entry, ...]]:
        """Return a study's head and its entries up to that head; a new head if nothing is known."""
        with self._database.read() as connection:
            row = head_row(connection, study_instance_uid)
            case = case_of(row) if row else Case(study_instance_uid)
            wanted = {"uid": study_instance_uid, "last": case.revision}
            return case, tuple(_entry(row) for row in _ENTRIES_OF.run(connection, wanted).rows)

    def repeated(self, key: str, digest: str) -> Recorded | None:
        """Return what this key did before, if it came before.

        Raises
        ------
        DecisionRefused
            If it came with another question.
        """
        with self._database.read() as connection:
            return _repeated(connection, key, digest)

    def record(self, act: Act, lock_s: float) -> Recorded:
        """Write one act: entry, head, projections, key and ledger event in one transaction.

        Parameters
        ----------
        act
            What is done.
        lock_s
            How long the study is the person's after it.

        Raises
        ------
        DecisionRefused
            If the key stands for something else.
        NotFound
            If the list does not know the study.
        LockedByOther
            If `act.needs_lock` and somebody else holds the study.
        StaleReview
            If the study is at another revision than the person saw.
        """
        with self._turn, self._database.write() as connection:
            self._ledger.lock_in(connection)
            if former := _repeated(connection, act.key, act.digest):
                return former
            case = _checked_head(connection, act)
            locked = lock_event(case, act.person_id, act.at) if act.needs_lock else []
            revision = self._write(connection, act, case, lock_s)
            self._ledger.append_in(connection, [*locked, *act.events])
            return Recorded(revision, act.outcome, is_repeat=False)

    def _write(self, connection: Connection, act: Act, case: Case, lock_s: float) -> int:
        entry = Entry(
            act.study_instance_uid,
            case.revision + 1,
            act.kind,
            act.person_id,
            act.at,
            act.study_version,
            act.finding_uid,
            act.payload,
        )
        write_entry(connection, entry)
        save_head(connection, case.study_instance_uid, _head_after(act, case, lock_s))
        _project(connection, act, entry.revision)
        row = {"key": act.key, "digest": act.digest, "revision": entry.revision, "outcome": act.outcome}
        _ADD_KEY.run(connection, row | {"at_us": to_us(act.at)})
        return entry.revision


def _repeated(connection: Connection, key: str, digest: str) -> Recorded | None:
    row = _KEY.run(connection, {"key": key}).first()
    if row is None:
        return None
    if row["digest"] != digest:
        raise DecisionRefused("a key that was used for something else", "a new key for each act", where="key")
    return Recorded(row["revision"], row["outcome"], is_repeat=True)


def _checked_head(connection: Connection, act: Act) -> Case:
    row = head_row(connection, act.study_instance_uid)
    if row is None or row["is_gone"]:
        raise NotFound("a study that is not in the list", remedy="look whether the study was deleted")
    case = case_of(row)
    if act.needs_lock:
        holder_or_refusal(case, act.person_id, act.at)
    if case.revision != act.revision:
        raise StaleReview(
            f"an act on revision {act.revision}",
            f"revision {case.revision}",
            "look at what changed, then act again",
            "revision",
            revision=case.revision,
        )
    return case


def _head_after(act: Act, case: Case, lock_s: float) -> dict[str, Any]:
    values: dict[str, Any] = {"revision": case.revision + 1, "changed_us": to_us(act.at)}
    values |= _state_after(act.kind, case)
    if act.needs_lock:
        is_mine = case.holder is not None and case.holder.person_id == act.person_id
        since = case.holder.since if case.holder and is_mine else act.at
        until = act.at + timedelta(seconds=lock_s)
        values |= {"lock_person_id": act.person_id, "locked_us": to_us(since), "lock_until_us": to_us(until)}
    return values


def _state_after(kind: EntryKind, case: Case) -> dict[str, Any]:
    if kind is EntryKind.SIGNED:
        return {"state": CaseState.SIGNED, "is_pending": False, "is_changed": False}
    if kind is EntryKind.ADDENDUM:
        return {"state": CaseState.AMENDED, "is_pending": False, "is_changed": False}
    if kind is EntryKind.ACKNOWLEDGED:
        return {"is_pending": False, "is_changed": False}
    if case.state.is_signed:
        return {"is_pending": True, "is_changed": True}
    if kind is EntryKind.DRAFT:
        return {"state": CaseState.DRAFT}
    return {"state": CaseState.OPEN} if case.state is CaseState.NEW else {}


def _project(connection: Connection, act: Act, revision: int) -> None:
    """Bring the tables that are made of the entries up to this one."""
    seen = {"study_instance_uid": act.study_instance_uid, "person_id": act.person_id}
    upsert(connection, READS, seen, {"revision": revision})
    place = {"study_instance_uid": act.study_instance_uid, "finding_uid": act.finding_uid}
    if act.kind is EntryKind.UNDONE:
        is_it = (VERDICTS.c.study_instance_uid == act.study_instance_uid) & (
            VERDICTS.c.finding_uid == act.finding_uid
        )
        connection.execute(delete(VERDICTS).where(is_it))
    if act.verdict:
        facts = {name: getattr(act.verdict, name) for name in act.verdict.__dataclass_fields__}
        upsert(connection, VERDICTS, place, facts | {"person_id": act.person_id, "at_us": to_us(act.at)})
    if act.report:
        report = {"uid": act.report.uid, "number": act.report.number, "revision": revision}
        connection.execute(insert(REPORTS).values(report | {"study_instance_uid": act.study_instance_uid}))
        waiting = {"uid": act.report.uid, "number": act.report.number}
        waiting["signed_us"] = to_us(act.report.signed_at)
        connection.execute(insert(UNPUBLISHED).values(waiting))


def _entry(row: Mapping[Any, Any]) -> Entry:
    return Entry(
        study_instance_uid=row["study_instance_uid"],
        revision=row["revision"],
        kind=EntryKind(row["kind"]),
        person_id=row["person_id"],
        at=from_us(row["at_us"]),
        study_version=row["study_version"],
        finding_uid=row["finding_uid"],
        payload=row["payload"],
    )
