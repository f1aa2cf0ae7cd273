"""The ledger on both database systems: one sequence without holes, each event once, every change found."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from coread.archive import Database
from coread.domain.event import Event
from coread.ledger import Ledger, LedgerFault, canonical_json, leaf_hash, root

AT = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Database:
    database = Database(database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def event(number: int = 1, **changes: object) -> Event:
    facts = {"kind": "instance.filed", "subject": f"1.2.{number}", "actor": "system", "at": AT}
    return Event(**(facts | changes))  # type: ignore[arg-type]


def test_events_come_back_in_their_sequence(ledger: Ledger) -> None:
    events = [event(number, facts={"b": "二", "a": "1"}, key=f"k{number}") for number in range(5)]
    assert ledger.append_many(events) == [1, 2, 3, 4, 5]
    recorded = ledger.events()
    assert [record.event for record in recorded] == events
    assert [record.sequence for record in recorded] == [1, 2, 3, 4, 5]
    assert ledger.size() == 5
    assert ledger.root() == root([leaf_hash(row.entry) for row in ledger.stored()])
    assert ledger.root(2) == root([record.leaf_hash for record in recorded[:2]])
    assert not list(ledger.verify())


def test_nothing_appended_is_nothing(ledger: Ledger) -> None:
    assert ledger.append_many([]) == []
    assert ledger.size() == 0
    assert ledger.events() == []
    assert not list(ledger.verify())


def test_events_are_found_by_subject_and_kind(ledger: Ledger) -> None:
    ledger.append_many([event(1), event(2), event(1, kind="study.complete"), event(1)])
    assert [r.sequence for r in ledger.events("1.2.1")] == [1, 3, 4]
    assert [r.sequence for r in ledger.events(kind="instance.filed")] == [1, 2, 4]
    assert [r.sequence for r in ledger.events("1.2.1", "instance.filed", after=1)] == [4]
    assert [r.sequence for r in ledger.events(limit=2)] == [1, 2]


def test_a_key_is_recorded_once(ledger: Ledger) -> None:
    assert ledger.append(event(1, key="once")) == 1
    assert ledger.append(event(2, key="")) == 2
    assert ledger.append(event(3, key="once")) == 1
    assert ledger.append_many([event(4, key="b"), event(5, key="b"), event(6, key="once")]) == [3, 3, 1]
    assert [record.event.subject for record in ledger.events()] == ["1.2.1", "1.2.2", "1.2.4"]


def test_events_without_a_key_are_all_recorded(ledger: Ledger) -> None:
    assert ledger.append_many([event(1), event(1)]) == [1, 2]


def test_a_failed_transaction_leaves_no_hole(database: Database, ledger: Ledger) -> None:
    ledger.append(event(1))
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        ledger.append_in(connection, [event(1 // (ledger.append_in(connection, [event(2)])[0] - 2))])
    assert ledger.append(event(3)) == 2


def test_writers_at_one_time_leave_no_hole(database_url: str, ledger: Ledger) -> None:
    def write(writer: int) -> None:
        own = Database(database_url)
        for number in range(25):
            Ledger(own).append_many(
                [event(number), event(number, key=f"{writer}-{number}"), event(key="all")]
            )
        own.close()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record.sequence for record in ledger.events()] == list(range(1, 4 * 25 * 2 + 2))
    assert not list(ledger.verify())


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE events SET facts = \'{"a":"2"}\' WHERE sequence = 2',
        "UPDATE events SET subject = '1.2.9' WHERE sequence = 2",
        "UPDATE events SET actor = 'person:x' WHERE sequence = 2",
        "UPDATE events SET kind = 'other' WHERE sequence = 2",
        "UPDATE events SET at = '2026-03-01T12:00:00.000006Z' WHERE sequence = 2",
        "UPDATE events SET key = 'x' WHERE sequence = 2",
        "UPDATE events SET key = '' WHERE sequence = 2",
        "UPDATE events SET private = '{}' WHERE sequence = 2",
        "UPDATE events SET salt = leaf_hash WHERE sequence = 2",
        "UPDATE events SET commitment = leaf_hash WHERE sequence = 2",
        "UPDATE events SET commitment = NULL WHERE sequence = 2",
        "UPDATE events SET private = NULL, salt = NULL, key = NULL, subject = 'forgotten' WHERE sequence = 2",
    ],
)
def test_a_change_is_found(database: Database, ledger: Ledger, change: str) -> None:
    ledger.append_many([event(n, facts={"a": "1", "verdict": "accepted"}) for n in range(3)])
    with database.write() as connection:
        connection.execute(text(change))
    assert list(ledger.verify()) == [LedgerFault(2, "changed")]


def test_a_removed_event_is_found(database: Database, ledger: Ledger) -> None:
    ledger.append_many([event(n) for n in range(4)])
    before = ledger.root()
    with database.write() as connection:
        connection.execute(text("DELETE FROM events WHERE sequence = 2"))
    assert list(ledger.verify()) == [LedgerFault(2, "missing")]
    assert ledger.root() != before


def test_canonical_json_is_one_form() -> None:
    china = timezone(timedelta(hours=8))
    same = event(at=AT.astimezone(china), facts={"b": "é", "a": '"'})
    assert canonical_json(same) == canonical_json(event(facts={"a": '"', "b": "é"}))
    assert (
        canonical_json(same)
        == (
            '{"actor":"system","at":"2026-03-01T12:00:00.000005Z","facts":{"a":"\\"","b":"é"},'
            '"key":"","kind":"instance.filed","subject":"1.2.1"}'
        ).encode()
    )


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        event(at=datetime(2026, 3, 1))
