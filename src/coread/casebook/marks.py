"""What is each person's own: how far he has seen a study, his saved views and phrases; and teaching cases."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from coread.casebook.rows.instants import to_us
from coread.casebook.rows.upsert import upsert
from coread.casebook.tables import PHRASES, READS, TEACHING, VIEWS
from coread.domain.event import Event
from coread.ledger import Ledger, Transactions


@dataclass(frozen=True, slots=True)
class KeptView:
    """A filter of the list under a name."""

    name: str
    filter: str
    """JSON, made and read by `coread.review`."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence that a doctor uses often."""

    id: str
    language: str
    section: str
    """Where it is offered; empty: everywhere."""
    text: str


class Marks:
    """Keeps personal marks. None of them changes a study's revision."""

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def seen(self, study_instance_uid: str, person_id: str) -> int:
        """Return up to which revision the person has seen the study; -1 if never opened."""
        statement = select(READS.c.revision).where(
            READS.c.study_instance_uid == study_instance_uid, READS.c.person_id == person_id
        )
        with self._database.read() as connection:
            revision = connection.execute(statement).scalar()
        return -1 if revision is None else revision

    def see(self, study_instance_uid: str, person_id: str, revision: int, events: list[Event]) -> None:
        """Record that the person has seen the study at a revision, with the events of the opening."""
        key = {"study_instance_uid": study_instance_uid, "person_id": person_id}
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            upsert(connection, READS, key, {"revision": revision})
            self._ledger.append_in(connection, events)

    def is_teaching(self, study_instance_uid: str) -> bool:
        """Tell whether somebody marked the study as a teaching case."""
        statement = select(TEACHING.c.person_id).where(TEACHING.c.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            return connection.execute(statement).first() is not None

    def teach(self, study_instance_uid: str, person_id: str, on: bool, at: datetime) -> None:
        """Mark a study as a teaching case, or take the mark away."""
        is_study = TEACHING.c.study_instance_uid == study_instance_uid
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            if on:
                values = {"person_id": person_id, "at_us": to_us(at)}
                changed = upsert(connection, TEACHING, {"study_instance_uid": study_instance_uid}, values)
            else:
                changed = connection.execute(delete(TEACHING).where(is_study)).rowcount
            kind = "study.marked-teaching" if on else "study.unmarked-teaching"
            events = [Event(kind, study_instance_uid, f"person:{person_id}", at)] if changed else []
            self._ledger.append_in(connection, events)

    def save_view(self, person_id: str, view: KeptView, at: datetime) -> None:
        """Save a view; one of the same name is replaced."""
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            values = {"filter": view.filter, "saved_us": to_us(at)}
            upsert(connection, VIEWS, {"person_id": person_id, "name": view.name}, values)
            self._ledger.append_in(connection, [_personal("view.saved", person_id, at, view.name)])

    def views(self, person_id: str) -> tuple[KeptView, ...]:
        """Return the person's views by name."""
        statement = select(VIEWS).where(VIEWS.c.person_id == person_id).order_by(VIEWS.c.name)
        with self._database.read() as connection:
            return tuple(KeptView(row.name, row.filter) for row in connection.execute(statement))

    def delete_view(self, person_id: str, name: str, at: datetime) -> bool:
        """Delete a view; tell whether it was there."""
        is_view = (VIEWS.c.person_id == person_id) & (VIEWS.c.name == name)
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            if not connection.execute(delete(VIEWS).where(is_view)).rowcount:
                return False
            self._ledger.append_in(connection, [_personal("view.deleted", person_id, at, name)])
            return True

    def add_phrase(self, person_id: str, phrase: Phrase, at: datetime) -> None:
        """Keep a phrase; the same id twice is kept once."""
        row: dict[str, object] = {"person_id": person_id, "added_us": to_us(at)}
        row |= {"language": phrase.language, "section": phrase.section, "text": phrase.text}
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            known = select(PHRASES.c.id).where(PHRASES.c.id == phrase.id)
            if connection.execute(known).first() is None:
                connection.execute(insert(PHRASES).values(id=phrase.id, **row))
                self._ledger.append_in(connection, [_personal("phrase.added", person_id, at, phrase.text)])

    def phrases(self, person_id: str, language: str) -> tuple[Phrase, ...]:
        """Return the person's phrases of a language, oldest first."""
        is_own = (PHRASES.c.person_id == person_id) & (PHRASES.c.language == language)
        statement = select(PHRASES).where(is_own).order_by(PHRASES.c.added_us, PHRASES.c.id)
        with self._database.read() as connection:
            rows = connection.execute(statement)
            return tuple(Phrase(row.id, row.language, row.section, row.text) for row in rows)

    def remove_phrase(self, person_id: str, id: str, at: datetime) -> bool:
        """Remove one of the person's phrases; tell whether it was there."""
        is_own = (PHRASES.c.person_id == person_id) & (PHRASES.c.id == id)
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            if not connection.execute(delete(PHRASES).where(is_own)).rowcount:
                return False
            self._ledger.append_in(connection, [_personal("phrase.removed", person_id, at, id)])
            return True


def _personal(kind: str, person_id: str, at: datetime, typed: str) -> Event:
    digest = hashlib.sha256(typed.encode()).hexdigest()
    return Event(kind, person_id, f"person:{person_id}", at, {"sha256": digest})
