"""Where doctors asked readers to look, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update

from coread.casebook.codec import from_json, to_json
from coread.casebook.rows.instants import from_us, to_us
from coread.casebook.tables import PROMPTS
from coread.domain.event import Event
from coread.domain.reading import Prompt
from coread.errors import NotFound
from coread.ledger import Ledger, Transactions


class PromptState(StrEnum):
    """How far an asked reading is."""

    WAITING = "waiting"
    ANSWERED = "answered"
    GIVEN_UP = "given-up"
    """The reader or the images could not be had, several times."""


@dataclass(frozen=True, slots=True)
class AskedPrompt:
    """One place at which a doctor asked one reader to look."""

    uid: str
    """That the reading will have, if the reader is not replaced before it reads."""
    study_instance_uid: str
    study_version: int
    reader: str
    prompt: Prompt
    person_id: str
    """Who asked first."""
    asked_at: datetime
    state: PromptState = PromptState.WAITING
    reading_uid: str = ""
    """The answer; empty until there is one."""


class Prompts:
    """Keeps what was asked; the same question is kept once, whoever asks it again."""

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def ask(self, asked: AskedPrompt, event: Event) -> AskedPrompt:
        """Keep a question, with its event in the same transaction.

        A question that was given up waits anew; one that is answered or waits stays as it is, and the event
        is on record all the same.

        Returns
        -------
        AskedPrompt
            As it is kept.
        """
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            self._ledger.append_in(connection, [event])
            row = connection.execute(select(PROMPTS).where(PROMPTS.c.uid == asked.uid)).mappings().first()
            if row is None:
                connection.execute(insert(PROMPTS).values(_row(asked)))
                return asked
            if row["state"] == PromptState.GIVEN_UP:
                again = {"state": PromptState.WAITING, "asked_us": to_us(asked.asked_at)}
                connection.execute(update(PROMPTS).where(PROMPTS.c.uid == asked.uid).values(again))
                return _asked({**row, **again})
            return _asked(row)

    def get(self, uid: str) -> AskedPrompt:
        """Return a question.

        Raises
        ------
        NotFound
            If there is none of this UID.
        """
        found = self._where(PROMPTS.c.uid == uid)
        if not found:
            raise NotFound("a UID of nothing that was asked", remedy="check the UID")
        return found[0]

    def waiting(self, limit: int = 100) -> tuple[AskedPrompt, ...]:
        """Return the questions without an answer, the oldest first."""
        return self._where(PROMPTS.c.state == PromptState.WAITING, limit)

    def of_study(self, study_instance_uid: str) -> tuple[AskedPrompt, ...]:
        """Return all questions about a study, the oldest first."""
        return self._where(PROMPTS.c.study_instance_uid == study_instance_uid)

    def answered(self, uid: str, reading_uid: str) -> None:
        """Record the answer; the same again changes nothing."""
        self._settle(uid, PromptState.ANSWERED, reading_uid)

    def give_up(self, uid: str) -> None:
        """Record that no answer could be had; an answer that came meanwhile stays."""
        self._settle(uid, PromptState.GIVEN_UP, "")

    def _settle(self, uid: str, state: PromptState, reading_uid: str) -> None:
        is_it = (PROMPTS.c.uid == uid) & (PROMPTS.c.state != PromptState.ANSWERED)
        with self._database.write() as connection:
            connection.execute(update(PROMPTS).where(is_it).values(state=str(state), reading_uid=reading_uid))

    def _where(self, condition: ColumnElement[bool], limit: int | None = None) -> tuple[AskedPrompt, ...]:
        statement = select(PROMPTS).where(condition).order_by(PROMPTS.c.asked_us, PROMPTS.c.uid).limit(limit)
        with self._database.read() as connection:
            return tuple(_asked(row) for row in connection.execute(statement).mappings())


def _row(asked: AskedPrompt) -> dict[str, Any]:
    return {
        "uid": asked.uid,
        "study_instance_uid": asked.study_instance_uid,
        "study_version": asked.study_version,
        "reader": asked.reader,
        "prompt": to_json(asked.prompt),
        "person_id": asked.person_id,
        "asked_us": to_us(asked.asked_at),
        "state": str(asked.state),
        "reading_uid": asked.reading_uid,
    }


def _asked(row: Mapping[Any, Any]) -> AskedPrompt:
    return AskedPrompt(
        uid=row["uid"],
        study_instance_uid=row["study_instance_uid"],
        study_version=row["study_version"],
        reader=row["reader"],
        prompt=from_json(Prompt, row["prompt"]),
        person_id=row["person_id"],
        asked_at=from_us(row["asked_us"]),
        state=PromptState(row["state"]),
        reading_uid=row["reading_uid"],
    )
