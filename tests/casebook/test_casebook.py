"""The casebook's tables and promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from keeping import START
from reviewing import COLLEAGUE, DOCTOR, ReadingRoom, new_key
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError

from coread.casebook import (
    METADATA,
    Act,
    Case,
    EntryKind,
    KeptView,
    Placement,
    Wanted,
    record_of,
)
from coread.domain.event import Event
from coread.errors import DecisionRefused, LockedByOther, NotFound, StaleReview

UID = "1.2.3"


def placed(
    room: ReadingRoom, uid: str = UID, version: int = 1, readings: tuple[str, ...] = (), **more
) -> Case:
    given = {
        "points": 0,
        "arrived_at": START,
        "complete_at": START,
        "modalities": ("CT",),
        "listing": "{}",
    } | more
    return room.casebook.queue.place(Placement(uid, version, readings, **given), room.clock())


def act(room: ReadingRoom, revision: int, key: str = "", person=DOCTOR, **more) -> Act:
    given = {
        "study_instance_uid": UID,
        "person_id": person.id,
        "kind": EntryKind.UNDONE,
        "key": key or new_key(),
        "digest": "d",
        "revision": revision,
        "study_version": 1,
        "at": room.clock(),
        "payload": "",
        "events": (Event("finding.decision-undone", UID, person.actor, room.clock()),),
        "finding_uid": "2.25.1",
    }
    return Act(**(given | more))


def test_migrations_make_the_tables_that_the_code_knows(room: ReadingRoom) -> None:
    with room.house.database.read() as connection:
        known = MetaData()
        known.reflect(connection)
        own = {name for name in known.tables if name in METADATA.tables}
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables},
        )
        differences = compare_metadata(context, METADATA)
    assert own == set(METADATA.tables)
    assert [d for d in differences if d[0] != "remove_index"] == []


@pytest.mark.parametrize("table", ["case_entries", "case_reports", "case_questions", "case_answers"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = 'x'", "DELETE FROM {}"])
def test_the_database_refuses_to_change_evidence(room: ReadingRoom, table: str, verb: str) -> None:
    uid = room.study()
    room.signed(uid)
    question = room.desk.ask_colleague(uid, DOCTOR, COLLEAGUE.id, "?")
    room.desk.answer_colleague(question.id, COLLEAGUE, "!")
    column = next(iter(METADATA.tables[table].primary_key.columns)).name
    with pytest.raises(DBAPIError, match="append-only"), room.house.database.write() as connection:
        connection.execute(text(verb.format(table, column)))
    assert len(room.casebook.reports_of(uid)) == 1


def test_an_act_is_one_entry_one_event_and_one_key(room: ReadingRoom) -> None:
    placed(room)
    recorded = room.casebook.journal.record(act(room, 1, outcome="answer"), 900)
    assert (recorded.revision, recorded.outcome, recorded.is_repeat) == (2, "answer", False)
    case, entries = room.casebook.journal.read(UID)
    assert case.revision == 2
    assert [entry.revision for entry in entries] == [1, 2]
    assert room.kinds(UID) == ["review.locked", "finding.decision-undone"]


def test_a_key_acts_once_and_stands_for_one_thing(room: ReadingRoom) -> None:
    placed(room)
    key = new_key()
    first = room.casebook.journal.record(act(room, 1, key, outcome="answer"), 900)
    again = room.casebook.journal.record(act(room, 1, key), 900)
    assert (again.revision, again.outcome, again.is_repeat) == (first.revision, "answer", True)
    assert room.casebook.journal.repeated(key, "d") == again
    assert room.casebook.journal.repeated("other", "d") is None
    for ask in (
        lambda: room.casebook.journal.record(act(room, 2, key, digest="e"), 900),
        lambda: room.casebook.journal.repeated(key, "e"),
    ):
        with pytest.raises(DecisionRefused):
            ask()
    assert len(room.kinds(UID)) == 2


@pytest.mark.slow
def test_fifty_threads_on_one_study_leave_no_gap_and_nothing_twice(room: ReadingRoom) -> None:
    placed(room)
    gate = threading.Barrier(50)

    def write(number: int) -> None:
        gate.wait(60)
        revision = 1
        while True:
            wish = act(room, revision, f"key-{number}", finding_uid=f"2.25.{number}")
            try:
                room.casebook.journal.record(wish, 900)
                return
            except StaleReview as fault:
                revision = fault.revision

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(write, range(50)))
    case, entries = room.casebook.journal.read(UID)
    assert case.revision == 51
    assert [entry.revision for entry in entries] == list(range(1, 52))
    assert {entry.finding_uid for entry in entries[1:]} == {f"2.25.{n}" for n in range(50)}
    assert room.kinds(UID).count("finding.decision-undone") == 50


def test_what_fails_leaves_nothing(room: ReadingRoom) -> None:
    placed(room)
    journal = room.casebook.journal
    journal.record(act(room, 1), 900)
    size = room.house.ledger.size()
    with pytest.raises(StaleReview) as told:
        journal.record(act(room, 1), 900)
    assert told.value.revision == 2
    with pytest.raises(LockedByOther):
        journal.record(act(room, 2, person=COLLEAGUE), 900)
    with pytest.raises(NotFound):
        journal.record(act(room, 2, study_instance_uid="1.2.4"), 900)
    room.casebook.queue.gone(UID)
    with pytest.raises(NotFound):
        journal.record(act(room, 2), 900)
    with pytest.raises(NotFound):
        room.casebook.locks.take(UID, DOCTOR.id, room.clock(), 900)
    assert room.house.ledger.size() == size
    assert journal.read(UID)[0].revision == 2


def test_an_act_without_a_lock_takes_none(room: ReadingRoom) -> None:
    placed(room)
    room.casebook.locks.take(UID, COLLEAGUE.id, room.clock(), 900)
    room.casebook.journal.record(act(room, 1, needs_lock=False), 900)
    holder = room.casebook.journal.read(UID)[0].held_by(room.clock())
    assert holder
    assert holder.person_id == COLLEAGUE.id


def test_placing_twice_is_placing_once(room: ReadingRoom) -> None:
    first = placed(room, readings=("2.25.1", "2.25.2"))
    assert first.revision == 3
    assert placed(room, readings=("2.25.2", "2.25.1")).revision == 3
    grown = placed(room, version=2, readings=("2.25.1", "2.25.3"), points=20)
    assert (grown.revision, grown.study_version, grown.points) == (5, 2, 20)
    _, entries = room.casebook.journal.read(UID)
    assert [(str(e.kind), e.payload) for e in entries] == [
        ("images-arrived", "1"),
        ("reading-arrived", "2.25.1"),
        ("reading-arrived", "2.25.2"),
        ("images-arrived", "2"),
        ("reading-arrived", "2.25.3"),
    ]
    assert record_of(entries).decisions == ()


def test_progress_never_goes_back(room: ReadingRoom) -> None:
    queue = room.casebook.queue
    assert queue.progress() == 0
    for sequence in (5, 3, 7):
        queue.advance(sequence)
    assert queue.progress() == 7


def test_heads_are_found_by_any_wish(room: ReadingRoom) -> None:
    for number in range(4):
        placed(room, f"1.2.{number}", arrived_at=START + timedelta(hours=number), points=10 * (number % 2))
    queue = room.casebook.queue

    def found(**wish) -> list[str]:
        return [listed.case.study_instance_uid for listed in queue.page(Wanted(DOCTOR.id, **wish), 10)]

    assert found() == ["1.2.1", "1.2.3", "1.2.0", "1.2.2"]
    assert found(uids=("1.2.2", "1.2.9")) == ["1.2.2"]
    assert found(uids=()) == []
    assert found(modality="CT") == found()
    assert found(modality="%") == found(modality="MR") == []
    assert found(arrived_until=START) == ["1.2.0"]
    assert found(arrived_after=START + timedelta(hours=1)) == ["1.2.3", "1.2.2"]
    assert queue.cases(["1.2.0", "1.2.9"]).keys() == {"1.2.0"}
    assert queue.cases([]) == {}


def test_unknown_reports_are_not_found(room: ReadingRoom) -> None:
    with pytest.raises(NotFound):
        room.casebook.report("2.25.1")
    with pytest.raises(NotFound):
        room.casebook.mark_published("2.25.1")
    assert room.casebook.reports_of(UID) == ()
    assert room.casebook.report_counts([UID]) == {UID: 0}


def test_publishing_is_on_record_once(room: ReadingRoom) -> None:
    uid = room.study()
    report = room.signed(uid).reports[0]
    for _ in range(2):
        room.casebook.mark_published(report.uid)
    assert room.kinds(uid).count("report.published") == 1
    assert room.casebook.unpublished() == []


def test_personal_marks_of_nobody(room: ReadingRoom) -> None:
    marks = room.casebook.marks
    assert marks.seen(UID, DOCTOR.id) == -1
    assert not marks.delete_view(DOCTOR.id, "x", START)
    assert not marks.remove_phrase(DOCTOR.id, "x", START)
    marks.save_view(DOCTOR.id, KeptView("x", "{}"), START)
    assert marks.delete_view(DOCTOR.id, "x", START)
    assert [r.event.kind for r in room.house.ledger.events()] == ["view.saved", "view.deleted"]
