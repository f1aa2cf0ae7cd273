"""A doctor's way through one study, from the list to the addendum."""

from __future__ import annotations

import pytest
from reviewing import ReadingRoom, new_key

from coread.domain.review import Origin, Verdict
from coread.errors import AlreadySigned
from coread.review import CaseState


def test_from_the_list_to_the_addendum(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study(PatientName="Xanthippe^Zyzzyva", PatientAge="045Y", PatientSex="F")
    page = room.desk.worklist(room.doctor)
    assert [entry.study_instance_uid for entry in page.entries] == [uid]
    assert page.entries[0].is_unread
    assert page.counts.pending == page.counts.unread == 1

    review = room.drafted(uid)
    assert review.state is CaseState.DRAFT
    assert review.hurdles == ()
    report = room.desk.sign(uid, room.doctor, revision=review.revision, key=new_key())
    assert report.number == 1
    assert len(report.decisions) == 2
    assert {line.origin for s in report.draft.sections for line in s.lines} == {
        Origin.TEMPLATE,
        Origin.FINDING,
    }
    assert room.casebook.unpublished() == [report.uid]
    assert room.desk.worklist(room.doctor).entries == ()

    review = room.desk.open(uid, room.doctor)
    finding = review.findings[0].finding_uid
    with pytest.raises(AlreadySigned):
        room.desk.decide(uid, room.doctor, finding, Verdict.ACCEPTED, revision=review.revision, key=new_key())
    words = {"impression": "The opacity was known before."}
    addendum = room.desk.addendum(uid, room.doctor, words, revision=review.revision, key=new_key())
    assert (addendum.number, addendum.predecessor_uid) == (2, report.uid)
    assert room.casebook.reports_of(uid) == (report, addendum)
    room.casebook.mark_published(report.uid)
    assert room.casebook.unpublished() == [addendum.uid]
    assert "yzzyva" not in str(room.house.ledger.events())
    for kind in (
        "review.opened",
        "review.locked",
        "finding.decided",
        "report.saved",
        "report.signed",
        "report.published",
    ):
        assert kind in room.kinds(uid)


def test_each_answer_says_when_it_was_given(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study()
    given = room.clock()
    room.clock.pass_s(60)
    assert {view.made_at for view in room.desk.open(uid, room.doctor).readings} == {given}
