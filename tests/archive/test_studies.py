"""When a study is complete, late images, priorities, and that only one process closes it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from keeping import START, House, image
from sqlalchemy.event import listen

from coread.archive import Database, Query, Studies
from coread.errors import NotFound

QUIET_S = 10.0


def due(house: House) -> list[str]:
    return house.studies.due(house.clock(), QUIET_S)


def test_a_study_is_due_after_the_quiet_period(house: House) -> None:
    house.file(image(instance=1))
    house.clock.pass_s(9)
    house.file(image(instance=2))
    house.clock.pass_s(9.999)
    assert due(house) == []
    house.clock.pass_s(0.001)
    assert due(house) == ["1.2.1"]


def test_it_tells_when_the_next_study_will_be_due(house: House) -> None:
    assert house.studies.next_due_s(house.clock(), QUIET_S) is None
    house.file(image(instance=1))
    house.clock.pass_s(4)
    assert house.studies.next_due_s(house.clock(), QUIET_S) == pytest.approx(6)
    house.clock.pass_s(6)
    assert house.studies.next_due_s(house.clock(), QUIET_S) is None
    assert due(house) == ["1.2.1"]


def test_a_duplicate_or_conflict_does_not_delay(house: House) -> None:
    house.file(image())
    house.clock.pass_s(9)
    house.file(image())
    house.file(image(seed=3))
    house.clock.pass_s(1)
    assert due(house) == ["1.2.1"]


def test_a_study_is_due_when_as_many_came_as_were_told(house: House) -> None:
    house.studies.expect("1.2.1", 2)
    assert due(house) == []
    house.file(image(instance=1))
    assert due(house) == []
    house.file(image(instance=2))
    assert due(house) == ["1.2.1"]


def test_the_count_may_come_with_an_image(house: House) -> None:
    house.file(image(instance=1), expected=2, priority=3)
    assert (house.studies.state("1.2.1").expected, house.studies.state("1.2.1").priority) == (2, 3)
    house.file(image(instance=2), expected=2, priority=1)
    assert due(house) == ["1.2.1"]
    assert house.studies.state("1.2.1").priority == 3


def test_a_study_is_due_by_command(house: House) -> None:
    house.file(image())
    house.studies.complete_now("1.2.1")
    assert due(house) == ["1.2.1"]
    assert house.studies.close("1.2.1", house.clock(), QUIET_S) == 1
    house.file(image(instance=2))
    assert due(house) == []


def test_a_command_on_a_closed_study_does_nothing(house: House) -> None:
    house.file(image())
    house.studies.close("1.2.1", house.clock())
    house.studies.complete_now("1.2.1")
    house.file(image(instance=2))
    assert due(house) == []


def test_closing_makes_a_version_and_an_event(house: House) -> None:
    house.file(image())
    assert house.studies.state("1.2.1").version == 0
    at = house.clock.pass_s(20)
    assert house.studies.close("1.2.1", at, QUIET_S) == 1
    state = house.studies.state("1.2.1")
    assert (state.is_open, state.version, state.closed_at) == (False, 1, at)
    assert (state.first_arrival_at, state.last_arrival_at) == (START, START)
    assert due(house) == []
    event = house.ledger.events("1.2.1", "study.complete")[0].event
    assert (dict(event.facts), event.key) == ({"version": "1", "originals": "1"}, "study.complete:1.2.1:1")


def test_a_late_image_makes_the_next_version(house: House) -> None:
    house.file(image())
    house.studies.close("1.2.1", house.clock())
    house.clock.pass_s(100)
    house.file(image(instance=2))
    assert house.studies.state("1.2.1").is_open
    assert house.kinds()[-2:] == ["instance.filed", "study.reopened"]
    house.clock.pass_s(QUIET_S)
    assert due(house) == ["1.2.1"]
    assert house.studies.close("1.2.1", house.clock(), QUIET_S) == 2


def test_what_a_reader_wrote_opens_nothing(house: House) -> None:
    house.file(image())
    house.studies.close("1.2.1", house.clock())
    house.clock.pass_s(5)
    house.file(image(series=2), "reader:chest 1")
    state = house.studies.state("1.2.1")
    assert (state.is_open, state.originals, state.last_arrival_at) == (False, 1, START)
    assert due(house) == []


def test_a_study_that_only_a_reader_wrote_is_never_due(house: House) -> None:
    house.file(image(), "reader:chest 1")
    house.clock.pass_s(1000)
    assert due(house) == []
    assert house.studies.close("1.2.1", house.clock()) is None
    house.file(image(instance=2))
    house.clock.pass_s(QUIET_S)
    assert due(house) == ["1.2.1"]
    assert "study.reopened" not in house.kinds()


def test_an_image_that_came_since_keeps_the_study_open(house: House) -> None:
    house.file(image())
    house.clock.pass_s(QUIET_S)
    assert due(house) == ["1.2.1"]
    house.file(image(instance=2))
    assert house.studies.close("1.2.1", house.clock(), QUIET_S) is None
    assert house.studies.close("1.2.1", house.clock()) == 1


def test_a_study_is_closed_once(house: House, database_url: str) -> None:
    for study in range(1, 9):
        house.file(image(study))
    versions: list[tuple[str, int]] = []

    def close_all() -> None:
        database = Database(database_url)
        for study in range(1, 9):
            version = Studies(database).close(f"1.2.{study}", house.clock())
            if version is not None:
                versions.append((f"1.2.{study}", version))
        database.close()

    threads = [threading.Thread(target=close_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == [(f"1.2.{study}", 1) for study in range(1, 9)]
    assert house.kinds().count("study.complete") == 8


def test_the_urgent_goes_first_then_the_one_that_waits_longest(house: House) -> None:
    for study in (1, 2, 3):
        house.file(image(study))
        house.clock.pass_s(1)
    house.studies.raise_priority("1.2.3", 5)
    house.clock.pass_s(QUIET_S)
    assert due(house) == ["1.2.3", "1.2.1", "1.2.2"]
    assert house.studies.due(house.clock(), QUIET_S, limit=1) == ["1.2.3"]


def test_a_closed_study_is_handed_over_once(house: House) -> None:
    house.file(image(1))
    house.file(image(2))
    assert house.studies.unhanded() == []
    house.studies.close("1.2.1", house.clock())
    house.studies.close("1.2.2", house.clock())
    assert sorted(house.studies.unhanded()) == [("1.2.1", 1), ("1.2.2", 1)]
    house.studies.handed("1.2.1", 1)
    assert house.studies.unhanded() == [("1.2.2", 1)]
    house.file(image(2, 1, 2))
    house.studies.close("1.2.2", house.clock())
    house.studies.handed("1.2.2", 1)
    assert house.studies.unhanded() == [("1.2.2", 2)]


def test_states_are_listed_latest_first(house: House) -> None:
    house.studies.expect("1.2.9", 1)
    for study in (1, 2, 3):
        house.file(image(study))
        house.clock.pass_s(1)
    house.studies.close("1.2.2", house.clock())

    def listed(**choice: object) -> list[str]:
        return [state.study_instance_uid for state in house.studies.list(**choice)]

    assert listed() == ["1.2.3", "1.2.2", "1.2.1"]
    assert listed(is_open=True) == ["1.2.3", "1.2.1"]
    assert listed(is_open=False) == ["1.2.2"]
    assert listed(limit=1, offset=1) == ["1.2.2"]


def test_arrivals_can_be_told_without_an_object(house: House) -> None:
    house.studies.arrived("1.2.1", START, 3, expected=4, priority=2)
    house.studies.arrived("1.2.1", START + timedelta(seconds=1))
    state = house.studies.state("1.2.1")
    assert (state.originals, state.expected, state.priority, state.is_open) == (4, 4, 2, True)
    assert due(house) == ["1.2.1"]


def test_an_unknown_study_has_no_state(house: House) -> None:
    with pytest.raises(NotFound):
        house.studies.state("1.2.3")
    with pytest.raises(NotFound):
        house.studies.complete_now("1.2.3")
    assert house.studies.close("1.2.3", house.clock()) is None


def test_a_study_that_was_expected_gets_its_facts_when_it_comes(house: House) -> None:
    house.studies.expect("1.2.1", 5)
    house.file(image(PatientID="P7"))
    assert house.archive.find_studies(Query({"PatientID": "P7"}))[0]["StudyInstanceUID"] == "1.2.1"


def test_a_priority_is_raised_and_never_lowered(house: House) -> None:
    house.file(image(instance=1), priority=3)
    house.studies.raise_priority("1.2.1", 20)
    house.studies.raise_priority("1.2.1", 10)
    assert house.studies.state("1.2.1").priority == 20


def test_open_studies_are_found_by_their_own_index(small_house: House) -> None:
    """A worker looks ten times a second: not through all the studies that were ever closed."""
    asked: list[str] = []
    listen(small_house.database._engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    small_house.studies.due(START, 10)
    small_house.studies.next_due_s(START, 10)
    small_house.studies.list(is_open=True)
    small_house.studies.unhanded()
    with small_house.database.read() as connection:
        selects = [statement for statement in asked if statement.startswith("SELECT")]
        assert len(selects) == 4
        for statement in selects:
            count = statement.count("?")
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (1,) * count).all()
            assert any("ix_studies_open" in row[3] or "ix_studies_unhanded" in row[3] for row in plan), plan
