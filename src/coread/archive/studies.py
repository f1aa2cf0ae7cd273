"""When a study is complete: the state of its arrival."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from coread.archive.clock import from_us, to_us
from coread.archive.database import Database
from coread.archive.tables import STUDIES
from coread.domain.event import Event
from coread.errors import NotFound
from coread.ledger import Ledger


@dataclass(frozen=True, slots=True)
class StudyState:
    """How far a study's arrival is."""

    study_instance_uid: str
    is_open: bool
    """Whether images have arrived since the last version was closed."""
    version: int
    """Number of the last closed version; 0 before the first."""
    originals: int
    """Instances that came from outside."""
    expected: int | None
    """How many originals there will be, where somebody told."""
    priority: int
    """A higher number goes first."""
    first_arrival_at: datetime | None
    last_arrival_at: datetime | None
    closed_at: datetime | None


class Studies:
    """Which studies are open, due and closed.

    A study is *due* when no original has come for the quiet period, when as many as expected have
    come, or when somebody said that it is complete. Closing makes a version; an original that comes
    later opens the study again, and the next closing makes the next version. What a reader of ours
    adds (source ``reader:...``) opens nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ledger = Ledger(database)

    def due(self, now: datetime, quiet_s: float, limit: int = 100) -> list[str]:
        """Return the studies that may be closed now; the most urgent, then the longest waiting first."""
        latest = to_us(now) - int(quiet_s * 1_000_000)
        query = (
            select(STUDIES.c.study_instance_uid)
            .where(STUDIES.c.is_open, STUDIES.c.originals > 0, _is_due(latest))
            .order_by(STUDIES.c.priority.desc(), STUDIES.c.last_arrival_us)
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def next_due_s(self, now: datetime, quiet_s: float) -> float | None:
        """Return in how many seconds the next open study will have been quiet for long enough.

        Studies that are due already do not count; None when no study is waiting for its quiet period.
        """
        latest = to_us(now) - int(quiet_s * 1_000_000)
        query = select(func.min(STUDIES.c.last_arrival_us)).where(
            STUDIES.c.is_open, STUDIES.c.originals > 0, STUDIES.c.last_arrival_us > latest
        )
        with self._database.read() as connection:
            first = connection.execute(query).scalar()
        return None if first is None else (first - latest) / 1_000_000

    def close(self, study_instance_uid: str, now: datetime, quiet_s: float | None = None) -> int | None:
        """Close an open study and return its new version; None when another process was faster.

        Parameters
        ----------
        study_instance_uid, now
            Which, and when.
        quiet_s
            When given, the study must still be due by this quiet period: an image that came since
            `due` was asked keeps it open.
        """
        conditions = [
            STUDIES.c.study_instance_uid == study_instance_uid,
            STUDIES.c.is_open,
            STUDIES.c.originals > 0,
        ]
        if quiet_s is not None:
            conditions.append(_is_due(to_us(now) - int(quiet_s * 1_000_000)))
        statement = (
            update(STUDIES)
            .where(*conditions)
            .values(
                is_open=False, is_told_complete=False, version=STUDIES.c.version + 1, closed_us=to_us(now)
            )
            .returning(STUDIES.c.version, STUDIES.c.originals)
        )
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            row = connection.execute(statement).mappings().first()
            if row is None:
                return None
            self._ledger.append_in(connection, [_completed(study_instance_uid, row, now)])
            return int(row["version"])

    def unhanded(self, limit: int = 100) -> list[tuple[str, int]]:
        """Return (study, version) of closed studies that nobody has taken over yet."""
        query = (
            select(STUDIES.c.study_instance_uid, STUDIES.c.version)
            .where(STUDIES.c.version > STUDIES.c.handed_version)
            .order_by(STUDIES.c.priority.desc(), STUDIES.c.closed_us)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [(uid, version) for uid, version in connection.execute(query)]

    def handed(self, study_instance_uid: str, version: int) -> None:
        """Record that a workflow of this version exists; a kill before this repeats the hand-over."""
        statement = (
            update(STUDIES)
            .where(STUDIES.c.study_instance_uid == study_instance_uid, STUDIES.c.handed_version < version)
            .values(handed_version=version)
        )
        with self._database.write() as connection:
            connection.execute(statement)

    def expect(self, study_instance_uid: str, count: int) -> None:
        """Record how many originals the study will have; it may be told before the first comes."""
        is_study = STUDIES.c.study_instance_uid == study_instance_uid
        with self._database.write() as connection:
            self._make(connection, study_instance_uid)
            connection.execute(update(STUDIES).where(is_study).values(expected=count))

    def raise_priority(self, study_instance_uid: str, priority: int) -> None:
        """Set the study's priority where it is lower; a higher number goes first. Doing so twice is once."""
        is_lower = (STUDIES.c.study_instance_uid == study_instance_uid) & (STUDIES.c.priority < priority)
        with self._database.write() as connection:
            connection.execute(update(STUDIES).where(is_lower).values(priority=priority))

    def complete_now(self, study_instance_uid: str) -> None:
        """Say that all images have come: the study, if open, is due at once.

        Raises
        ------
        NotFound
            If nothing of the study is kept.
        """
        is_study = STUDIES.c.study_instance_uid == study_instance_uid
        statement = update(STUDIES).where(is_study, STUDIES.c.originals > 0)
        with self._database.write() as connection:
            if not connection.execute(statement.values(is_told_complete=STUDIES.c.is_open)).rowcount:
                raise _unknown()

    def state(self, study_instance_uid: str) -> StudyState:
        """Return how far the study's arrival is.

        Raises
        ------
        NotFound
            If the study is not known.
        """
        query = select(STUDIES).where(STUDIES.c.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None or _is_deleted(row):
            raise _unknown()
        return _state(row)

    def list(self, *, is_open: bool | None = None, limit: int = 100, offset: int = 0) -> list[StudyState]:
        """Return states, the latest arrival first; all, or only open or only closed ones."""
        query = select(STUDIES).where(STUDIES.c.last_arrival_us.is_not(None))
        if is_open is not None:
            query = query.where(STUDIES.c.is_open == is_open)
        query = query.order_by(STUDIES.c.last_arrival_us.desc()).limit(limit).offset(offset)
        with self._database.read() as connection:
            return [_state(row) for row in connection.execute(query).mappings()]

    def arrived(
        self,
        study_instance_uid: str,
        at: datetime,
        n: int = 1,
        *,
        expected: int | None = None,
        priority: int | None = None,
    ) -> None:
        """Count `n` more originals; `Archive.file` does this itself for what it files."""
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            self._make(connection, study_instance_uid)
            values = {
                "originals": STUDIES.c.originals + n,
                "is_open": True,
                "last_arrival_us": to_us(at),
            }
            values |= {} if expected is None else {"expected": expected}
            values |= {} if priority is None else {"priority": priority}
            is_study = STUDIES.c.study_instance_uid == study_instance_uid
            connection.execute(update(STUDIES).where(is_study).values(values))

    def _make(self, connection: Connection, study_instance_uid: str) -> None:
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(STUDIES).values(study_instance_uid=study_instance_uid, is_open=False)
        connection.execute(statement.on_conflict_do_nothing())


def _is_due(latest_us: int) -> ColumnElement[bool]:
    return or_(
        STUDIES.c.last_arrival_us <= latest_us,
        STUDIES.c.is_told_complete,
        and_(STUDIES.c.expected.is_not(None), STUDIES.c.originals >= STUDIES.c.expected),
    )


def _is_deleted(row: RowMapping) -> bool:
    """Tell whether nothing but the version of a study is left, and nothing is expected of it."""
    return row["version"] > 0 and row["originals"] == 0 and row["expected"] is None and not row["is_open"]


def _state(row: RowMapping) -> StudyState:
    return StudyState(
        study_instance_uid=row["study_instance_uid"],
        is_open=row["is_open"],
        version=row["version"],
        originals=row["originals"],
        expected=row["expected"],
        priority=row["priority"],
        first_arrival_at=_time(row["first_arrival_us"]),
        last_arrival_at=_time(row["last_arrival_us"]),
        closed_at=_time(row["closed_us"]),
    )


def _time(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)


def _completed(study_instance_uid: str, row: RowMapping, now: datetime) -> Event:
    return Event(
        kind="study.complete",
        subject=study_instance_uid,
        actor="system",
        at=now,
        facts={"version": str(row["version"]), "originals": str(row["originals"])},
        key=f"study.complete:{study_instance_uid}:{row['version']}",
    )


def _unknown() -> NotFound:
    return NotFound("a Study Instance UID of which nothing is kept", remedy="check the UID")
