"""What is to go out, with who is at work: deliveries and workers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from coread.archive.clock import from_us, to_us
from coread.archive.database import Database
from coread.archive.tables import DELIVERIES, WORKERS
from coread.domain.event import Event
from coread.errors import NotFound
from coread.ledger import Ledger


class DeliveryState(StrEnum):
    """How far a delivery is. It says delivered only when the destination said so."""

    PLANNED = "planned"
    SENDING = "sending"
    DELIVERED = "delivered"
    WAITING = "waiting"
    """An attempt failed; another will be made."""
    FAILED = "failed"
    """No further attempt will be made by itself."""
    ASKED = "asked"
    """Failed, and a person asked to try again; a worker will take it up."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One object on its way to one destination."""

    id: str
    study_instance_uid: str
    object_id: str
    """SOP Instance UID, or FHIR type and id."""
    destination: str
    """Name of the destination in the settings."""
    state: DeliveryState
    attempts: int
    detail: str
    """What the last attempt met; empty if nothing."""
    planned_at: datetime
    changed_at: datetime


class Deliveries:
    """Every object for every destination, once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ledger = Ledger(database)

    def plan(self, study_instance_uid: str, object_id: str, destination: str, at: datetime) -> str:
        """Plan a delivery and return its id; the same object for the same destination is planned once."""
        id = hashlib.sha256(f"{destination}\x1f{object_id}".encode()).hexdigest()[:32]
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = {"id": id, "study_instance_uid": study_instance_uid, "object_id": object_id}
        row |= {"destination": destination, "state": str(DeliveryState.PLANNED)}
        times = {"planned_us": to_us(at), "changed_us": to_us(at)}
        with self._database.write() as connection:
            connection.execute(dialect.insert(DELIVERIES).values(row | times).on_conflict_do_nothing())
        return id

    def mark(self, id: str, state: DeliveryState | str, detail: str, at: datetime) -> None:
        """Set a delivery's state; ``sending`` counts one attempt. What is delivered stays delivered.

        Raises
        ------
        NotFound
            If there is no such delivery.
        """
        state = DeliveryState(state)
        is_final = DELIVERIES.c.state == DeliveryState.DELIVERED
        values = {"state": str(state), "detail": detail, "changed_us": to_us(at)}
        changes: dict[str, ColumnElement[Any]] = {
            name: case((is_final, DELIVERIES.c[name]), else_=value) for name, value in values.items()
        }
        if state is DeliveryState.SENDING:
            changes["attempts"] = DELIVERIES.c.attempts + case((is_final, 0), else_=1)
        with self._database.write() as connection:
            if not connection.execute(
                update(DELIVERIES).where(DELIVERIES.c.id == id).values(changes)
            ).rowcount:
                raise NotFound("a delivery that was never planned")

    def ask_again(self, id: str, at: datetime, actor: str) -> None:
        """Ask for a failed delivery to be tried anew; who asked goes on record.

        Raises
        ------
        NotFound
            If there is no failed delivery of this id.
        """
        is_failed = (DELIVERIES.c.id == id) & (DELIVERIES.c.state == DeliveryState.FAILED)
        values = {"state": str(DeliveryState.ASKED), "changed_us": to_us(at)}
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            if not connection.execute(update(DELIVERIES).where(is_failed).values(values)).rowcount:
                raise NotFound(
                    "no failed delivery of this id", "the id of a delivery in state failed",
                    "look at `coread deliveries list --study STUDY`",
                )  # fmt: skip
            is_it = select(DELIVERIES).where(DELIVERIES.c.id == id)
            delivery = _delivery(connection.execute(is_it).mappings().one())
            facts = {"object": delivery.object_id, "destination": delivery.destination}
            event = Event("delivery.asked-again", delivery.study_instance_uid, actor, at, facts)
            self._ledger.append_in(connection, [event])

    def failed(self, limit: int = 1000, destination: str = "") -> list[Delivery]:
        """Return what could not be delivered, the latest first, of one destination or of all."""
        is_wanted = DELIVERIES.c.state == DeliveryState.FAILED
        if destination:
            is_wanted &= DELIVERIES.c.destination == destination
        statement = select(DELIVERIES).where(is_wanted).order_by(DELIVERIES.c.changed_us.desc()).limit(limit)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(statement).mappings()]

    def asked(self, limit: int = 100) -> list[Delivery]:
        """Return what a person asked to try again, the longest waiting first."""
        is_asked = DELIVERIES.c.state == DeliveryState.ASKED
        statement = select(DELIVERIES).where(is_asked).order_by(DELIVERIES.c.changed_us).limit(limit)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(statement).mappings()]

    def get(self, id: str) -> Delivery:
        """Return a delivery.

        Raises
        ------
        NotFound
            If there is none of this id.
        """
        with self._database.read() as connection:
            row = connection.execute(select(DELIVERIES).where(DELIVERIES.c.id == id)).mappings().first()
        if row is None:
            raise NotFound("a delivery that was never planned")
        return _delivery(row)

    def of_study(self, study_instance_uid: str) -> list[Delivery]:
        """Return a study's deliveries, in the order in which they were planned."""
        is_study = DELIVERIES.c.study_instance_uid == study_instance_uid
        statement = select(DELIVERIES).where(is_study).order_by(DELIVERIES.c.planned_us, DELIVERIES.c.id)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(statement).mappings()]

    def pending(self, limit: int = 1000) -> list[Delivery]:
        """Return what is neither delivered nor failed, the longest untouched first."""
        states = (DeliveryState.PLANNED, DeliveryState.SENDING, DeliveryState.WAITING, DeliveryState.ASKED)
        is_pending = DELIVERIES.c.state.in_([str(state) for state in states])
        statement = select(DELIVERIES).where(is_pending).order_by(DELIVERIES.c.changed_us).limit(limit)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(statement).mappings()]


class Workers:
    """Which processes are alive, so that the work of a dead one is taken over exactly once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self, worker_id: str, now: datetime) -> None:
        """Say that a worker is alive; one that was given up and returns is alive again."""
        dialect = sqlite if self._database.is_sqlite else postgresql
        values = {"beat_us": to_us(now), "claimed_by": None}
        statement = dialect.insert(WORKERS).values(worker_id=worker_id, **values)
        statement = statement.on_conflict_do_update(index_elements=["worker_id"], set_=values)
        with self._database.write() as connection:
            connection.execute(statement)

    def stale(self, now: datetime, after_s: float) -> list[str]:
        """Return workers that have been silent for `after_s`, and that no living worker has claimed."""
        oldest = _oldest(now, after_s)
        is_free = or_(WORKERS.c.claimed_by.is_(None), WORKERS.c.claimed_by.not_in(_living(oldest)))
        statement = select(WORKERS.c.worker_id).where(WORKERS.c.beat_us < oldest, is_free)
        with self._database.read() as connection:
            return list(connection.execute(statement.order_by(WORKERS.c.worker_id)).scalars())

    def claim(self, dead_id: str, by: str, now: datetime | None = None, after_s: float = 0) -> bool:
        """Take over a dead worker's cases; True for exactly one of all who try.

        Parameters
        ----------
        dead_id, by
            Whose, and who takes them.
        now, after_s
            When given, the worker must still be silent, and a claim of one who has himself
            died since (before `retire`) does not count.
        """
        is_free: ColumnElement[bool] = WORKERS.c.claimed_by.is_(None)
        conditions = [WORKERS.c.worker_id == dead_id]
        if now is not None:
            oldest = _oldest(now, after_s)
            is_free = or_(is_free, WORKERS.c.claimed_by.not_in(_living(oldest)))
            conditions.append(WORKERS.c.beat_us < oldest)
        statement = update(WORKERS).where(*conditions, is_free).values(claimed_by=by)
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def retire(self, worker_id: str) -> None:
        """Forget a worker: its cases are taken over, or it stopped in order."""
        with self._database.write() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.worker_id == worker_id))

    def alive(self, now: datetime, after_s: float) -> list[str]:
        """Return the workers that were heard within `after_s`."""
        statement = select(WORKERS.c.worker_id).where(WORKERS.c.beat_us >= _oldest(now, after_s))
        with self._database.read() as connection:
            return list(connection.execute(statement.order_by(WORKERS.c.worker_id)).scalars())


def _oldest(now: datetime, after_s: float) -> int:
    return to_us(now) - int(after_s * 1_000_000)


def _living(oldest_us: int) -> Select[tuple[str]]:
    others = WORKERS.alias("others")
    return select(others.c.worker_id).where(others.c.beat_us >= oldest_us)


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        id=row["id"],
        study_instance_uid=row["study_instance_uid"],
        object_id=row["object_id"],
        destination=row["destination"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        detail=row["detail"],
        planned_at=from_us(row["planned_us"]),
        changed_at=from_us(row["changed_us"]),
    )
