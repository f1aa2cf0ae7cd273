"""Studies that only some persons may open: a colleague's, somebody known's, one who asked for it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, delete, insert, select

from coread.domain.identity import check_uid
from coread.errors import NotFound
from coread.governance.oversight.tables import OPENINGS, RESTRICTIONS
from coread.governance.oversight.words import checked_reason
from coread.governance.register import Register
from coread.ledger import Ledger, Transactions

#: How long another process may go on by what it knew before a restriction was set elsewhere.
STALE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Restriction:
    """One study that not everybody who may see images may see."""

    study_instance_uid: str
    reason: str
    allowed: frozenset[str]
    """Ids of those who may open it as any other study."""
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read at one time."""

    at: datetime
    allowed: Mapping[str, frozenset[str]]
    """By study: who may open it."""
    opened: Mapping[tuple[str, str], datetime]
    """By study and person: until when it is open in an emergency."""


class Restrictions:
    """All restrictions that hold, and whom they keep out.

    Parameters
    ----------
    database, ledger
        The ledger lies in the database.
    """

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._register = Register(database, ledger)
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def restrict(
        self, study_uid: str, reason: str, allowed: Collection[str] = (), *, by: str, at: datetime
    ) -> Restriction:
        """Let only some persons open a study; a later restriction takes the place of a former one.

        Parameters
        ----------
        study_uid
            Study Instance UID; the study need not be here yet.
        reason
            In words, without a patient's name; stays on record.
        allowed
            Ids of persons, e.g. those who treat the patient.
        by, at
            Who, and when.

        Raises
        ------
        InvalidUid
            If it is no UID.
        AccountConflict
            If the reason tells too little.
        """
        kept = Restriction(
            check_uid(study_uid, "StudyInstanceUID"), checked_reason(reason), frozenset(allowed), by, at
        )
        row = {
            "study_instance_uid": kept.study_instance_uid,
            "reason": kept.reason,
            "set_by": by,
            "set_us": at,
        }
        names = " ".join(sorted(kept.allowed))
        is_it = RESTRICTIONS.c.study_instance_uid == kept.study_instance_uid
        with self._register.turn() as connection:
            connection.execute(delete(RESTRICTIONS).where(is_it))
            connection.execute(insert(RESTRICTIONS).values(**row, allowed=names))
            facts = {"reason": kept.reason, "allowed": names}
            self._register.record(connection, "restriction.set", kept.study_instance_uid, by, at, **facts)
        self.forget()
        return kept

    def lift(self, study_uid: str, reason: str, *, by: str, at: datetime) -> None:
        """Let everybody who may see images open a study again.

        Raises
        ------
        NotFound
            If it is not restricted.
        AccountConflict
            If the reason tells too little.
        """
        reason = checked_reason(reason)
        with self._register.turn() as connection:
            is_it = RESTRICTIONS.c.study_instance_uid == study_uid
            if not connection.execute(delete(RESTRICTIONS).where(is_it)).rowcount:
                raise NotFound("a study that is not restricted", "one of the list", "look at the list anew")
            self._register.record(connection, "restriction.lifted", study_uid, by, at, reason=reason)
        self.forget()

    def list(self) -> list[Restriction]:
        """Return all restrictions, the newest first."""
        statement = select(RESTRICTIONS).order_by(RESTRICTIONS.c.set_us.desc())
        with self._register.read() as connection:
            return [_restriction(row) for row in connection.execute(statement).mappings()]

    def hidden_from(self, person_id: str, at: datetime, *, in_emergency: bool = True) -> frozenset[str]:
        """Return the studies that a person may not see now.

        Parameters
        ----------
        person_id
            Empty for a caller who is nobody.
        at
            Now.
        in_emergency
            Whether openings by a given reason count; they do for the person, not for a program.
        """
        known = self._at(at)
        return frozenset(
            study
            for study, allowed in known.allowed.items()
            if person_id not in allowed
            and not (in_emergency and self.open_until(study, person_id, at) is not None)
        )

    def open_until(self, study_uid: str, person_id: str, at: datetime) -> datetime | None:
        """Return until when a restricted study is open to a person who gave a reason; None if it is not."""
        until = self._at(at).opened.get((study_uid, person_id))
        return until if until is not None and at < until else None

    def forget(self) -> None:
        """Read anew at the next question."""
        with self._lock:
            self._known = None

    def _at(self, at: datetime) -> _Known:
        with self._lock:
            known = self._known
        if known is None or not known.at <= at < known.at + STALE:
            known = self._read(at)
            with self._lock:
                self._known = known
        return known

    def _read(self, at: datetime) -> _Known:
        opened = select(OPENINGS).where(OPENINGS.c.until_us > at)
        with self._register.read() as connection:
            rows = connection.execute(select(RESTRICTIONS)).mappings().all()
            now_open = connection.execute(opened).mappings().all() if rows else []
        allowed = {row["study_instance_uid"]: frozenset(row["allowed"].split()) for row in rows}
        until = {(row["study_instance_uid"], row["person_id"]): row["until_us"] for row in now_open}
        return _Known(at, allowed, until)


def _restriction(row: RowMapping) -> Restriction:
    allowed = frozenset(row["allowed"].split())
    return Restriction(row["study_instance_uid"], row["reason"], allowed, row["set_by"], row["set_us"])
