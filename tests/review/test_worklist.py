"""The reading list: what stands where and why, what is counted, and what it costs."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping import START
from reviewing import CHEST, COLLEAGUE, DOCTOR, SECOND, ReadingRoom, new_key
from sqlalchemy import event as sql_events
from sqlalchemy import text

from coread.casebook import Placement, Wanted, to_json
from coread.domain.review import Verdict
from coread.errors import BadQuery
from coread.review import CaseState, Filter, Policy, UrgencyReason
from coread.review.worklist.catching_up import CatchingUp
from coread.review.worklist.listing import Listing
from coread.review.worklist.urgency import Occurrence, standing_reasons, waiting_reasons


def uids(room: ReadingRoom, wanted: Filter | None = None, person=DOCTOR) -> list[str]:
    return [entry.study_instance_uid for entry in room.desk.worklist(person, wanted).entries]


def codes(entry) -> list[str]:
    return [reason.code for reason in entry.reasons]


def test_what_cannot_wait_stands_first_and_says_why(any_room: ReadingRoom) -> None:
    room = any_room
    quiet = room.study(1, {CHEST.name: 0.03})
    sure = room.study(2, {CHEST.name: 0.97})
    torn = room.study(3, {CHEST.name: 0.9, SECOND.name: 0.1})
    words = room.study(4, {}, StudyDescription="急诊 chest")
    told = room.study(5, {})
    room.house.studies.raise_priority(told, 20)
    room.house.studies.raise_priority(quiet, 10)
    room.read(told, CHEST, None)  # says that it found nothing; the list looks again
    page = room.desk.worklist(DOCTOR)
    assert [e.study_instance_uid for e in page.entries] == [words, told, quiet, sure, torn]
    by_uid = {entry.study_instance_uid: entry for entry in page.entries}
    assert codes(by_uid[words])[0] == "words"
    assert by_uid[words].reasons[0].args == ("急诊",)
    assert codes(by_uid[told])[0] == "priority"
    assert by_uid[sure].reasons[0].args == ("Opacity", "肺部致密影", "0.97")
    assert codes(by_uid[torn])[:2] == ["finding", "disagreement"]
    room.read(quiet, SECOND, 0.02)
    assert codes(next(e for e in room.desk.worklist(DOCTOR).entries if e.study_instance_uid == quiet)) == [
        "priority"
    ]


def test_the_reasons_sum_up_to_the_urgency(room: ReadingRoom) -> None:
    for number, probability in enumerate((0.02, 0.6, 0.95), start=1):
        room.study(number, {CHEST.name: probability, SECOND.name: 0.3}, StudyDescription="STAT chest")
    room.clock.pass_s(30 * 3600)
    for entry in room.desk.worklist(DOCTOR).entries:
        assert entry.urgency == pytest.approx(sum(reason.points for reason in entry.reasons))
        assert 0 <= entry.urgency < 100
        assert {"overdue", "waiting"} < set(codes(entry))


def test_the_longest_waiting_comes_first_among_equals_and_the_overdue_is_raised(room: ReadingRoom) -> None:
    old, new = room.study(1, {}), room.study(2, {})
    assert uids(room) == [old, new]
    room.clock.pass_s(3600)
    fresh = room.study(3, {CHEST.name: 0.8})  # ten points
    assert uids(room) == [fresh, old, new]
    room.clock.pass_s(23 * 3600)  # the old ones are overdue now: twenty points
    assert uids(room) == [old, new, fresh]


reasons = st.builds(
    Occurrence,
    priority=st.integers(0, 40),
    texts=st.tuples(st.sampled_from(["", "STAT", "status post", "Emergency CT", "急诊"])),
    modalities=st.tuples(st.sampled_from(["CT", "DX"])),
    urgent_modalities=st.sampled_from([frozenset(), frozenset({"CT"})]),
    opinions=st.just(()),
)


@given(reasons, st.floats(0, 1000), st.floats(0.1, 100))
def test_urgency_stays_within_its_scale_and_never_falls_while_waiting(
    occurrence: Occurrence, hours: float, more: float
) -> None:
    points = sum(reason.points for reason in standing_reasons(occurrence))
    assert points % 10 == 0
    assert points <= 40
    waited = [
        sum(r.points for r in waiting_reasons(START, START + timedelta(hours=h), 24))
        for h in (hours, hours + more)
    ]
    assert 0 <= waited[0] <= waited[1] < 30


def test_status_is_no_word_of_haste() -> None:
    assert standing_reasons(Occurrence(0, ("Status post lobectomy", "urgently"), (), frozenset(), ())) == ()


def test_search_by_id_name_and_accession(any_room: ReadingRoom) -> None:
    room = any_room
    wang = room.study(1, {}, PatientName="Wang^XiaoDong=王^小东", PatientID="P001", AccessionNumber="ACC7")
    meyer = room.study(2, {}, PatientName="Meyer^Anna", PatientID="P002", AccessionNumber="ACC8")
    for words, found in [
        ("wang", [wang]), ("王", [wang]), ("P002", [meyer]), ("P0", [wang, meyer]), ("ACC8", [meyer]),
        ("nobody", []), ("*nna", [meyer]), ("meyer anna", [meyer]), ("Meyer, A", [meyer]), ("王小东", [wang]),
        ("王 小", [wang]), ("小东", []), (",", [wang, meyer]), ("100%", []), ("'; --", []), ("<script>", []),
        ("a\\b", []), ("a=b", []), ("x" * 65, []),
    ]:  # fmt: skip
        assert uids(room, Filter(text=words)) == found, words


def test_filters_by_state_modality_unread_mine_and_teaching(any_room: ReadingRoom) -> None:
    room = any_room
    chest, scan, signed = room.study(1), room.study(2, {}, modality="CT"), room.study(3)
    room.signed(signed)
    room.desk.mark_teaching(chest, DOCTOR, True)
    assert uids(room) == [chest, scan]
    assert uids(room, Filter(modality="CT")) == [scan]
    assert uids(room, Filter(modality="C")) == []
    assert uids(room, Filter(states=(CaseState.SIGNED, CaseState.AMENDED))) == [signed]
    assert set(uids(room, Filter(states=(CaseState.NEW,)))) == {scan, chest}
    assert uids(room, Filter(is_teaching=True)) == [chest]
    assert uids(room, Filter(is_mine=True)) == []
    assert uids(room, Filter(is_mine=True, states=tuple(CaseState))) == [signed]
    room.desk.open(chest, DOCTOR)
    assert uids(room, Filter(is_unread=True)) == [scan]
    assert uids(room, Filter(is_unread=True), COLLEAGUE) == [chest, scan]
    room.desk.mark_teaching(chest, DOCTOR, False)
    assert uids(room, Filter(is_teaching=True)) == []


def test_a_change_by_others_makes_a_study_unread_again_and_one_s_own_does_not(room: ReadingRoom) -> None:
    uid = room.study()
    room.desk.open(uid, COLLEAGUE)
    review = room.desk.open(uid, DOCTOR)
    finding = review.findings[0].finding_uid
    room.desk.decide(uid, DOCTOR, finding, Verdict.ACCEPTED, revision=review.revision, key=new_key())
    assert uids(room, Filter(is_unread=True)) == []
    assert uids(room, Filter(is_unread=True), COLLEAGUE) == [uid]
    assert room.desk.worklist(COLLEAGUE).counts.unread == 1


def test_counts(room: ReadingRoom) -> None:
    room.study(1)
    room.signed(room.study(2))
    room.house.file(room.image(3))  # still arriving
    room.desk.ask_colleague("1.2.1", DOCTOR, COLLEAGUE.id, "An opacity?")
    counts = room.desk.worklist(COLLEAGUE).counts
    assert (counts.pending, counts.unread, counts.arriving, counts.questions) == (1, 1, 1, 1)
    assert dict(counts.by_state) == {CaseState.NEW: 1, CaseState.SIGNED: 1}


def test_a_study_that_grows_says_so(room: ReadingRoom) -> None:
    uid = room.study()
    room.house.file(room.image(1, 2))
    assert room.desk.worklist(DOCTOR).entries[0].is_growing
    assert room.house.studies.close(uid, room.clock.pass_s(10)) == 2
    assert not room.desk.worklist(DOCTOR).entries[0].is_growing


def test_pages_hold_every_study_once_in_one_order(any_room: ReadingRoom) -> None:
    room = any_room
    room.study(1, {})
    for number in range(2, 62):
        _place(room, f"1.2.{number}", points=10 * (number % 4), hours_ago=number % 40)
    whole = uids(room, Filter(limit=200))
    assert len(whole) == len(set(whole)) == 61
    pages = [room.desk.worklist(DOCTOR, Filter(limit=7, offset=offset)) for offset in range(0, 61, 7)]
    assert list(itertools.chain(*([e.study_instance_uid for e in page.entries] for page in pages))) == whole
    assert [page.has_more for page in pages] == [True] * 8 + [False]
    urgencies = [entry.urgency for entry in room.desk.worklist(DOCTOR, Filter(limit=200)).entries]
    assert urgencies == sorted(urgencies, reverse=True)
    for limit, offset in ((0, 0), (201, 0), (1, -1), (1, 1_000_001)):
        with pytest.raises(BadQuery):
            Filter(limit=limit, offset=offset)


def test_views_are_each_person_s_own(any_room: ReadingRoom) -> None:
    desk = any_room.desk
    wanted = Filter(text="王*", states=(CaseState.SIGNED,), modality="CT", is_unread=True, limit=20)
    desk.save_view(DOCTOR, "Signed CT", Filter())
    desk.save_view(DOCTOR, "Signed CT", wanted)
    assert [(view.name, view.filter) for view in desk.list_views(DOCTOR)] == [("Signed CT", wanted)]
    assert desk.list_views(COLLEAGUE) == ()
    desk.delete_view(DOCTOR, "Signed CT")
    assert desk.list_views(DOCTOR) == ()


def _place(room: ReadingRoom, uid: str, points: int, hours_ago: float) -> None:
    at, listing = room.clock(), to_json(Listing((UrgencyReason("priority", points),)))
    room.casebook.queue.place(
        Placement(uid, 1, (), points, at - timedelta(hours=hours_ago), at, ("DX",), listing), at
    )


def _statements(room: ReadingRoom) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []

    @sql_events.listens_for(room.house.database._engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, *_rest) -> None:
        seen.append((statement, parameters))

    return seen


@pytest.fixture
def crowded(any_room: ReadingRoom) -> ReadingRoom:
    """Give a room with 10,000 studies to read, one of them whole."""
    room = any_room
    room.study(1)
    with room.house.database.write() as connection:
        row = (
            "INSERT INTO cases (study_instance_uid, is_pending, is_changed, is_gone, changed_us, points,"
            " arrived_us, modalities) VALUES (:uid, true, false, false, :at, :points, :at, :modality)"
        )
        base = int(START.timestamp() * 1e6)
        rows = [
            {
                "uid": f"1.3.{n}", "at": base - n * 15_000_000,
                "points": 10 * (n % 7), "modality": "\\CT\\" if n % 5 else "\\DX\\",
            }
            for n in range(10_000)
        ]  # fmt: skip
        connection.execute(text(row), rows)
        connection.execute(text("ANALYZE"))
    room.desk.worklist(DOCTOR)
    return room


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(offset=5000),
        Filter(modality="DX"),
        Filter(is_unread=True),
        Filter(states=(CaseState.NEW,)),
    ],
)
def test_ten_thousand_studies_cost_as_many_questions_as_one(crowded: ReadingRoom, wanted: Filter) -> None:
    seen = _statements(crowded)
    page = crowded.desk.worklist(DOCTOR, wanted)
    assert len(page.entries) == 50
    assert page.counts.pending == 10_001
    assert len([s for s, _ in seen if s.lstrip().upper().startswith("SELECT")]) <= 16


def test_the_order_comes_from_an_index_without_sorting(crowded: ReadingRoom) -> None:
    seen = _statements(crowded)
    crowded.desk.worklist(DOCTOR)
    ordered = [(s, p) for s, p in seen if "ORDER BY cases.points" in s]
    assert len(ordered) == 2
    is_sqlite = crowded.house.database.is_sqlite
    for statement, parameters in ordered:
        explain = ("EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ") + statement
        with crowded.house.database.read() as connection:
            plan = "\n".join(
                " ".join(map(str, row)) for row in connection.exec_driver_sql(explain, parameters)
            )
        assert "ix_cases_pending" in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        assert "Sort" not in plan, plan
        assert "Seq Scan on cases" not in plan, plan


def test_the_list_takes_in_what_happened_in_parts(room: ReadingRoom) -> None:
    for number in range(1, 8):
        room.study(number, {})
    catching_up = CatchingUp(room.desk._from)
    assert catching_up.run(limit=3)
    assert len(room.casebook.queue.page(Wanted(DOCTOR.id), 50)) == 3
    assert catching_up.run(limit=3)
    while catching_up.run(limit=3):
        pass
    assert len(uids(room)) == 7
    assert room.casebook.queue.progress() == room.house.ledger.size()


def test_a_deleted_study_leaves_the_list_and_its_record_stays(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study()
    report = room.signed(uid).reports[0]
    other = room.study(2)
    for gone in (uid, other):
        room.house.archive.delete_study(gone, "asked for", room.clock())
    assert uids(room, Filter(states=tuple(CaseState))) == []
    assert uids(room) == []
    assert room.desk.worklist(DOCTOR).counts.pending == 0
    assert room.casebook.report(report.uid) == report
    room.study(2)
    room.desk.open(other, DOCTOR)
    assert uids(room) == [other]


def test_urgent_modalities_of_the_house(room: ReadingRoom) -> None:
    desk = room.desk_with(Policy(urgent_modalities=frozenset({"CT"})))
    chest, scan = room.study(1, {}), room.study(2, {}, modality="CT")
    page = desk.worklist(DOCTOR)
    assert [entry.study_instance_uid for entry in page.entries] == [scan, chest]
    assert page.entries[0].reasons[0].args == ("CT",)
