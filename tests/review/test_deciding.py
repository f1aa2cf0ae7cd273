"""Verdicts, findings of one's own, undo: what is asked for, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from reviewing import CHEST, COLLEAGUE, DIAMETER, DOCTOR, ReadingRoom, new_key, statement_on

from coread.domain import codes
from coread.domain.codes import Code
from coread.domain.finding import Box, Measurement, Presence
from coread.domain.review import RejectReason, Statement, Verdict
from coread.domain.study import InstanceRef
from coread.errors import AlreadySigned, DecisionRefused, LockedByOther, NotFound, StaleReview
from coread.review import StudyReview


def decide(room: ReadingRoom, review: StudyReview, verdict: Verdict, person=DOCTOR, **more) -> StudyReview:
    uid = more.pop("finding_uid", review.findings[0].finding_uid)
    given = {"revision": review.revision, "key": new_key()} | more
    return room.desk.decide(review.study_instance_uid, person, uid, verdict, **given)


@pytest.fixture
def review(room: ReadingRoom) -> StudyReview:
    return room.desk.open(room.study(), DOCTOR)


def test_accepting_states_what_the_reader_said(room: ReadingRoom, review: StudyReview) -> None:
    panel = review.findings[0]
    after = decide(room, review, Verdict.ACCEPTED, active_s=4.5, shown=("box", "probability"))
    decision = after.decisions[0]
    assert decision.statement == Statement(
        panel.finding.code,
        panel.finding.presence,
        panel.finding.image,
        1,
        panel.finding.site,
        panel.finding.boxes,
    )
    assert (decision.person_id, decision.active_s, decision.shown) == (DOCTOR.id, 4.5, ("box", "probability"))
    assert after.findings[0].decision == decision
    assert after.revision == review.revision + 1


def test_the_ledger_has_who_what_which_bytes_and_which_model(room: ReadingRoom, review: StudyReview) -> None:
    decide(room, review, Verdict.REJECTED, reason=RejectReason.OTHER, comment="Mrs Zzyzx moved")
    event = room.house.ledger.events(kind="finding.decided")[0].event
    assert event.actor == DOCTOR.actor
    image = room.house.archive.get(event.facts["image"])
    assert event.facts["image_sha256"] == image.sha256
    assert event.facts["weights_sha256"] == CHEST.weights_sha256
    assert event.facts["before"] == ""
    assert "Zzyzx" not in str(event)
    assert len(event.facts["comment_sha256"]) == 64


def test_a_later_verdict_takes_the_place_of_an_earlier_one(room: ReadingRoom, review: StudyReview) -> None:
    review = decide(room, review, Verdict.ACCEPTED)
    review = decide(room, review, Verdict.REJECTED, reason=RejectReason.ARTEFACT)
    assert [d.verdict for d in review.decisions] == [Verdict.REJECTED]
    facts = room.house.ledger.events(kind="finding.decided")[-1].event.facts
    assert (facts["before"], facts["verdict"], facts["reason"]) == ("accepted", "rejected", "artefact")
    _, entries = room.casebook.journal.read(review.study_instance_uid)
    assert [str(e.kind) for e in entries if e.person_id] == ["decided", "decided"]  # both are kept


@pytest.mark.parametrize(
    ("verdict", "more", "where"),
    [
        (Verdict.REJECTED, {}, "reason"),
        (Verdict.REJECTED, {"reason": RejectReason.OTHER}, "comment"),
        (Verdict.REJECTED, {"reason": RejectReason.ARTEFACT, "statement": statement_on()}, "statement"),
        (Verdict.ACCEPTED, {"reason": RejectReason.ARTEFACT}, "reason"),
        (Verdict.ACCEPTED, {"statement": statement_on()}, "verdict"),
        (Verdict.EDITED, {}, "statement"),
        (Verdict.ACCEPTED, {"active_s": math.nan}, "active_s"),
        (Verdict.ACCEPTED, {"active_s": -1}, "active_s"),
        (Verdict.ACCEPTED, {"active_s": 1e9}, "active_s"),
        (Verdict.ACCEPTED, {"shown": ["box"] * 99}, "shown"),
        (Verdict.ACCEPTED, {"shown": ["x" * 99]}, "shown"),
        (Verdict.ACCEPTED, {"comment": "\x00"}, "comment"),
        (Verdict.ACCEPTED, {"comment": "\ud800"}, "comment"),
        (Verdict.ACCEPTED, {"comment": "x" * 20_001}, "comment"),
        (Verdict.ACCEPTED, {"key": ""}, "key"),
        (Verdict.ACCEPTED, {"key": "../../x y"}, "key"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    room: ReadingRoom, review: StudyReview, verdict: Verdict, more: dict, where: str
) -> None:
    with pytest.raises(DecisionRefused) as told:
        decide(room, review, verdict, **more)
    assert told.value.where == where
    assert told.value.expected
    assert room.desk.look(review.study_instance_uid, DOCTOR).revision == review.revision


def test_an_edit_changes_label_place_or_measure(room: ReadingRoom, review: StudyReview) -> None:
    finding = review.findings[0].finding
    own = Statement(finding.code, finding.presence, finding.image, 1, finding.site, finding.boxes)
    with pytest.raises(DecisionRefused, match="changes nothing"):
        decide(room, review, Verdict.EDITED, statement=own)
    edited = replace(
        own, code=codes.CONSOLIDATION, boxes=(Box(0, 0, 64, 64),), outline=((1, 1), (9, 1), (9, 9))
    )
    after = decide(room, review, Verdict.EDITED, statement=edited)
    assert after.decisions[0].statement == edited


def test_own_findings_are_added_and_taken_back(room: ReadingRoom, review: StudyReview) -> None:
    uid, key = review.study_instance_uid, new_key()
    statement = statement_on(review.findings[0].finding.image, comment="Behind the heart.")
    after = room.desk.add_statement(uid, DOCTOR, statement, revision=review.revision, key=key)
    assert after.own_statements() == (statement,)
    own = after.decisions[-1]
    assert own.verdict is None
    again = room.desk.add_statement(uid, DOCTOR, statement, revision=review.revision, key=key)
    assert again.decisions == after.decisions
    gone = room.desk.undo(uid, DOCTOR, own.finding_uid, revision=after.revision, key=new_key())
    assert gone.decisions == ()
    assert "finding.decision-undone" in room.kinds(uid)


def _elsewhere(review: StudyReview) -> InstanceRef:
    image = review.findings[0].finding.image
    return replace(image, study_instance_uid="1.2.999")


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ({"boxes": (Box(0, 0, 65, 10),)}, "boxes"),
        ({"boxes": (Box(-1, 0, 5, 5),)}, "boxes"),
        ({"boxes": (Box(0, 0, 0, 5),)}, "boxes"),
        ({"boxes": (Box(0, 0, math.inf, 5),)}, "boxes"),
        ({"boxes": (Box(0, 0, 5, 5),) * 2001}, "boxes, outline"),
        ({"outline": ((0, 0), (1, 1))}, "outline"),
        ({"outline": ((0, 0), (1, 1), (1, 65))}, "outline"),
        ({"outline": ((0, 0), (1, 1), (1, math.nan))}, "outline"),
        ({"frame": 2}, "frame"),
        ({"frame": 0}, "frame"),
        ({"image": None, "boxes": (Box(0, 0, 5, 5),)}, "image"),
        ({"measurements": (Measurement(DIAMETER, math.nan, codes.MILLIMETRE),)}, "measurements"),
        ({"measurements": (Measurement(DIAMETER, 1, codes.MILLIMETRE),) * 51}, "measurements"),
        ({"code": Code("x" * 17, "99LOCAL", "Something")}, "code value"),
        ({"code": Code("1", "99LOCAL", "x" * 65)}, "code meaning"),
        ({"code": Code("1\\2", "99LOCAL", "Something")}, "code value"),
        ({"site": Code("1", "99LOCAL", " padded ")}, "code meaning"),
        ({"comment": "\x1b[31m"}, "comment"),
    ],
)
def test_a_statement_that_cannot_stand_is_refused(
    room: ReadingRoom, review: StudyReview, facts: dict, where: str
) -> None:
    statement = statement_on(facts.pop("image", review.findings[0].finding.image), **facts)
    with pytest.raises(DecisionRefused) as told:
        room.desk.add_statement(
            review.study_instance_uid, DOCTOR, statement, revision=review.revision, key=new_key()
        )
    assert told.value.where == where


def test_a_statement_stands_on_an_image_of_its_own_study(room: ReadingRoom, review: StudyReview) -> None:
    other = room.refs(room.study(2))[0]
    for image in (other, _elsewhere(review), replace(other, sop_instance_uid="1.2.3.4")):
        with pytest.raises(DecisionRefused) as told:
            room.desk.add_statement(
                review.study_instance_uid,
                DOCTOR,
                statement_on(image),
                revision=review.revision,
                key=new_key(),
            )
        assert told.value.where == "image"


def test_a_finding_of_another_study_is_not_found(room: ReadingRoom, review: StudyReview) -> None:
    other = room.desk.open(room.study(2), DOCTOR).findings[0].finding_uid
    for finding_uid in (other, "2.25.1", "", "'; DROP TABLE cases; --"):
        with pytest.raises(NotFound):
            decide(room, review, Verdict.ACCEPTED, finding_uid=finding_uid)


def test_undo_clears_what_stands_and_nothing_else(room: ReadingRoom, review: StudyReview) -> None:
    uid, finding = review.study_instance_uid, review.findings[0].finding_uid
    with pytest.raises(DecisionRefused, match="nothing is decided"):
        room.desk.undo(uid, DOCTOR, finding, revision=review.revision, key=new_key())
    review, key = decide(room, review, Verdict.ACCEPTED), new_key()
    after = room.desk.undo(uid, DOCTOR, finding, revision=review.revision, key=key)
    assert after.decisions == ()
    assert room.desk.undo(uid, DOCTOR, finding, revision=review.revision, key=key).revision == after.revision
    assert room.desk.verdict_statistics(CHEST.name) == ()


def test_the_same_key_acts_once_and_answers_the_same(any_room: ReadingRoom) -> None:
    room = any_room
    review = room.desk.open(room.study(), DOCTOR)
    key = new_key()
    first = decide(room, review, Verdict.ACCEPTED, key=key)
    again = decide(room, review, Verdict.ACCEPTED, key=key)  # a double click, with the old revision
    assert again == first
    with pytest.raises(DecisionRefused, match="something else"):
        decide(room, review, Verdict.REJECTED, reason=RejectReason.ARTEFACT, key=key)
    assert len(room.house.ledger.events(kind="finding.decided")) == 1


@pytest.mark.parametrize("step", ["read", "repeated"])
def test_the_same_key_acts_once_when_the_other_click_is_written_in_between(
    room: ReadingRoom, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    review, key, journal = room.desk.open(room.study(), DOCTOR), new_key(), room.casebook.journal
    ordinary = getattr(journal, step)
    written = []

    def overtaken(*asked: str) -> Any:
        answer = ordinary(*asked)
        monkeypatch.setattr(journal, step, ordinary)
        written.append(decide(room, review, Verdict.ACCEPTED, key=key))
        return answer

    monkeypatch.setattr(journal, step, overtaken)
    assert decide(room, review, Verdict.ACCEPTED, key=key) == written[0]
    assert len(room.house.ledger.events(kind="finding.decided")) == 1


def test_an_act_on_a_state_that_has_passed_changes_nothing(any_room: ReadingRoom) -> None:
    room = any_room
    review = room.desk.open(room.study(), DOCTOR)
    after = decide(room, review, Verdict.ACCEPTED)
    with pytest.raises(StaleReview) as told:
        decide(room, review, Verdict.REJECTED, reason=RejectReason.ARTEFACT)
    assert told.value.revision == after.revision
    assert room.desk.look(review.study_instance_uid, DOCTOR).decisions == after.decisions
    told_since = room.desk.look(review.study_instance_uid, DOCTOR, since=review.revision).changes
    assert [(c.code, c.person_name) for c in told_since] == [("decided", DOCTOR.display_name)]


def test_a_study_has_one_doctor_at_a_time(any_room: ReadingRoom) -> None:
    room = any_room
    review = room.desk.open(room.study(), DOCTOR)
    uid = review.study_instance_uid
    review = decide(room, review, Verdict.ACCEPTED)  # the first act takes the lock
    assert review.lock
    assert review.lock.is_mine
    seen = room.desk.open(uid, COLLEAGUE)
    assert seen.lock
    assert (seen.lock.person_name, seen.lock.is_mine) == (DOCTOR.display_name, False)
    with pytest.raises(LockedByOther) as told:
        decide(room, seen, Verdict.ACCEPTED, COLLEAGUE)
    assert told.value.person_id == DOCTOR.id
    assert DOCTOR.display_name not in str(told.value)
    with pytest.raises(LockedByOther):
        room.desk.take_lock(uid, COLLEAGUE)
    room.clock.pass_s(901)  # nobody did anything for the length of a lock
    assert room.desk.look(uid, COLLEAGUE).lock is None
    assert room.desk.take_lock(uid, COLLEAGUE).lock
    with pytest.raises(LockedByOther):
        decide(room, review, Verdict.REJECTED, reason=RejectReason.ARTEFACT)


def test_a_lock_is_given_back_or_broken_with_a_reason(room: ReadingRoom, review: StudyReview) -> None:
    uid = review.study_instance_uid
    room.desk.take_lock(uid, DOCTOR)
    room.desk.release_lock(uid, COLLEAGUE)  # not his to give
    with pytest.raises(DecisionRefused):
        room.desk.break_lock(uid, COLLEAGUE, "  ")
    broken = room.desk.break_lock(uid, COLLEAGUE, "He went home.")
    assert broken.lock
    assert broken.lock.person_id == COLLEAGUE.id
    room.desk.release_lock(uid, COLLEAGUE)
    assert room.desk.look(uid, DOCTOR).lock is None
    kinds = [kind for kind in room.kinds(uid) if "lock" in kind]
    assert kinds == ["review.locked", "review.lock-broken", "review.locked", "review.unlocked"]
    event = next(r.event for r in room.house.ledger.events(kind="review.lock-broken"))
    assert event.facts["holder"] == DOCTOR.actor
    assert "home" not in str(event)


def test_acting_keeps_the_lock_alive(room: ReadingRoom, review: StudyReview) -> None:
    for verdict in (Verdict.ACCEPTED,) * 4:
        review = decide(room, review, verdict)
        room.clock.pass_s(800)
    assert room.kinds(review.study_instance_uid).count("review.locked") == 1
    assert room.desk.look(review.study_instance_uid, DOCTOR).lock


def test_statistics_count_what_stands_without_names(any_room: ReadingRoom) -> None:
    room = any_room
    for number in (1, 2, 3):
        uid = room.study(number, PatientAge="070Y", PatientSex="F")
        review = room.desk.open(uid, DOCTOR)
        first = next(p for p in review.findings if p.reader.name == CHEST.name).finding_uid
        review = decide(room, review, Verdict.ACCEPTED, finding_uid=first, active_s=2)
        if number == 3:
            decide(
                room, review, Verdict.REJECTED, finding_uid=first, reason=RejectReason.ARTEFACT, active_s=5
            )
    counted = room.desk.verdict_statistics(CHEST.name)
    assert [(c.verdict, c.reason, c.count, c.active_s) for c in counted] == [
        ("accepted", "", 2, 4.0),
        ("rejected", "artefact", 1, 5.0),
    ]
    assert {(c.site, c.age_band, c.sex, c.modality) for c in counted} == {
        ("General Hospital", "65 and over", "F", "DX")
    }
    assert all(DOCTOR.id not in c.doctor and len(c.doctor) == 12 for c in counted)
    assert room.desk.verdict_statistics(CHEST.name, room.clock.pass_s(1)) == ()
    assert room.desk.verdict_statistics("nobody") == ()


def test_what_is_signed_stays(room: ReadingRoom) -> None:
    uid = room.study()
    review = room.signed(uid)
    finding = review.findings[0].finding_uid
    for act in (
        lambda: decide(room, review, Verdict.REJECTED, reason=RejectReason.ARTEFACT),
        lambda: room.desk.undo(uid, DOCTOR, finding, revision=review.revision, key=new_key()),
        lambda: room.desk.save_draft(
            uid, DOCTOR, "generic", "en", {}, revision=review.revision, key=new_key()
        ),
        lambda: room.desk.sign(uid, DOCTOR, revision=review.revision, key=new_key()),
    ):
        with pytest.raises(AlreadySigned):
            act()
    assert room.desk.look(uid, DOCTOR).reports == review.reports


def test_absence_is_a_statement_too(room: ReadingRoom) -> None:
    review = room.desk.open(room.study(1, {CHEST.name: 0.04}), DOCTOR)
    after = decide(room, review, Verdict.ACCEPTED)
    assert after.decisions[0].statement
    assert after.decisions[0].statement.presence is Presence.ABSENT
