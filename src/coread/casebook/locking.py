"""The lock of a study: one doctor at a time, with a name and an end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from coread.casebook.case import Case
from coread.casebook.rows.heads import case_of, head_row, save_head
from coread.casebook.rows.instants import to_us
from coread.domain.event import Event
from coread.errors import LockedByOther, NotFound
from coread.ledger import Ledger, Transactions

_FREE: dict[str, Any] = {"lock_person_id": None, "locked_us": None, "lock_until_us": None}


class Locks:
    """Takes, gives back and breaks the locks of studies. A lock changes no revision."""

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def take(self, study_instance_uid: str, person_id: str, at: datetime, lock_s: float) -> None:
        """Make a study the person's for `lock_s` seconds, or for longer if it is already.

        Raises
        ------
        LockedByOther
            If somebody else holds it.
        NotFound
            If the list does not know the study. As for the two below.
        """

        def taken(connection: Connection, case: Case) -> list[Event]:
            holder_or_refusal(case, person_id, at)
            events = lock_event(case, person_id, at)
            since = at if events or not case.holder else case.holder.since
            until = at + timedelta(seconds=lock_s)
            values = {"lock_person_id": person_id, "locked_us": to_us(since), "lock_until_us": to_us(until)}
            save_head(connection, study_instance_uid, values)
            return events

        self._change(study_instance_uid, taken)

    def release(self, study_instance_uid: str, person_id: str, at: datetime) -> None:
        """Give a study back; nothing happens if the person does not hold it."""

        def released(connection: Connection, case: Case) -> list[Event]:
            if case.holder is None or case.holder.person_id != person_id:
                return []
            save_head(connection, study_instance_uid, _FREE)
            return [Event("review.unlocked", study_instance_uid, f"person:{person_id}", at)]

        self._change(study_instance_uid, released)

    def break_open(self, study_instance_uid: str, person_id: str, reason: str, at: datetime) -> None:
        """Take a study from whoever holds it; the reason's digest goes on record."""

        def broken(connection: Connection, case: Case) -> list[Event]:
            holder = case.held_by(at)
            save_head(connection, study_instance_uid, _FREE)
            facts = {"holder": f"person:{holder.person_id}" if holder else ""}
            facts |= {"reason_sha256": hashlib.sha256(reason.encode()).hexdigest()}
            return [Event("review.lock-broken", study_instance_uid, f"person:{person_id}", at, facts)]

        self._change(study_instance_uid, broken)

    def _change(self, study_instance_uid: str, change: Callable[[Connection, Case], list[Event]]) -> None:
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            row = head_row(connection, study_instance_uid)
            if row is None or row["is_gone"]:
                raise NotFound("a study that is not in the list", remedy="look whether it was deleted")
            self._ledger.append_in(connection, change(connection, case_of(row)))


def holder_or_refusal(case: Case, person_id: str, at: datetime) -> None:
    """Raise LockedByOther if somebody else holds the study at this time."""
    holder = case.held_by(at)
    if holder and holder.person_id != person_id:
        raise LockedByOther(
            f"a lock that ends at {holder.until:%H:%M} UTC if nothing more is done",
            "a study that is free or your own",
            "ask the doctor whose name the page shows, or break the lock with a reason",
            person_id=holder.person_id,
        )


def lock_event(case: Case, person_id: str, at: datetime) -> list[Event]:
    """Return the event of a lock that is newly taken; none where the person holds it already."""
    holder = case.held_by(at)
    if holder and holder.person_id == person_id:
        return []
    return [Event("review.locked", case.study_instance_uid, f"person:{person_id}", at)]
