"""Second opinions: questions to colleagues, and what they answered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select

from coread.casebook.rows.instants import from_us, time_or_none, to_us
from coread.casebook.tables import ANSWERS, QUESTIONS
from coread.domain.event import Event
from coread.errors import AccessDenied, DecisionRefused, NotFound
from coread.ledger import Ledger, Transactions


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One question with its answer, if there is one."""

    id: str
    study_instance_uid: str
    asker_id: str
    colleague_id: str
    text: str
    asked_at: datetime
    answer: str = ""
    answered_at: datetime | None = None


class Questions:
    """Keeps questions and answers; neither is ever changed."""

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def ask(self, question: AskedQuestion) -> None:
        """Keep a question; the same id twice is kept once."""
        row = {
            "id": question.id,
            "study_instance_uid": question.study_instance_uid,
            "asker_id": question.asker_id,
            "colleague_id": question.colleague_id,
            "text": question.text,
            "asked_us": to_us(question.asked_at),
        }
        facts = {"question": question.id, "colleague": f"person:{question.colleague_id}"}
        facts |= {"text_sha256": _digest(question.text)}
        event = Event(
            "question.asked",
            question.study_instance_uid,
            f"person:{question.asker_id}",
            question.asked_at,
            facts,
        )
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            if _one(connection, question.id) is None:
                connection.execute(insert(QUESTIONS).values(row))
                self._ledger.append_in(connection, [event])

    def answer(self, id: str, person_id: str, text: str, at: datetime) -> None:
        """Answer a question, once.

        Raises
        ------
        NotFound
            If there is no such question.
        AccessDenied
            If it was put to somebody else.
        DecisionRefused
            If it has another answer already.
        """
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            question = _one(connection, id)
            if question is None:
                raise NotFound("a question that was never asked")
            if question.colleague_id != person_id:
                raise AccessDenied("a question that was put to somebody else", "one of your own")
            if question.answered_at:
                if question.answer == text:
                    return
                raise DecisionRefused("a question that has its answer", "an open question", "ask a new one")
            row = {"question_id": id, "text": text, "answered_us": to_us(at)}
            connection.execute(insert(ANSWERS).values(row))
            facts = {"question": id, "text_sha256": _digest(text)}
            event = Event("question.answered", question.study_instance_uid, f"person:{person_id}", at, facts)
            self._ledger.append_in(connection, [event])

    def of_study(self, study_instance_uid: str) -> tuple[AskedQuestion, ...]:
        """Return a study's questions, oldest first."""
        return self._list(QUESTIONS.c.study_instance_uid == study_instance_uid)

    def to_person(self, person_id: str) -> tuple[AskedQuestion, ...]:
        """Return the open questions to a person, oldest first."""
        return self._list((QUESTIONS.c.colleague_id == person_id) & ANSWERS.c.question_id.is_(None))

    def _list(self, condition: ColumnElement[bool]) -> tuple[AskedQuestion, ...]:
        statement = _WITH_ANSWERS.where(condition).order_by(QUESTIONS.c.asked_us, QUESTIONS.c.id)
        with self._database.read() as connection:
            return tuple(_question(row) for row in connection.execute(statement).mappings())


_WITH_ANSWERS = select(QUESTIONS, ANSWERS.c.text.label("answer"), ANSWERS.c.answered_us).outerjoin(
    ANSWERS, ANSWERS.c.question_id == QUESTIONS.c.id
)


def _one(connection: Connection, id: str) -> AskedQuestion | None:
    row = connection.execute(_WITH_ANSWERS.where(QUESTIONS.c.id == id)).mappings().first()
    return _question(row) if row else None


def _question(row: Mapping[Any, Any]) -> AskedQuestion:
    return AskedQuestion(
        id=row["id"],
        study_instance_uid=row["study_instance_uid"],
        asker_id=row["asker_id"],
        colleague_id=row["colleague_id"],
        text=row["text"],
        asked_at=from_us(row["asked_us"]),
        answer=row["answer"] or "",
        answered_at=time_or_none(row["answered_us"]),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
