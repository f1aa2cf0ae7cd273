"""What happens while a doctor reads: late images, new readings, deletion. Nothing goes by in silence."""

from __future__ import annotations

import pytest
from reviewing import (
    CHEST,
    COLLEAGUE,
    DOCTOR,
    SECOND,
    ReadingRoom,
    finding_on,
    new_key,
    reading_of,
    statement_on,
)

from coread.domain.finding import Presence
from coread.domain.reading import Outcome
from coread.domain.review import RejectReason, Verdict
from coread.errors import AlreadySigned, DecisionRefused, NotFound, NotReadyToSign, StaleReview
from coread.review import CaseState, Filter, StudyReview


def accept(room: ReadingRoom, review: StudyReview, finding_uid: str) -> StudyReview:
    return room.desk.decide(
        review.study_instance_uid,
        DOCTOR,
        finding_uid,
        Verdict.ACCEPTED,
        revision=review.revision,
        key=new_key(),
    )


def hurdles(review: StudyReview) -> set[str]:
    return {hurdle.code for hurdle in review.hurdles}


def test_an_act_after_a_late_reading_is_told_so_first(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study(1, {CHEST.name: 0.83})
    review = room.desk.open(uid, DOCTOR)
    room.read(uid, SECOND, 0.7)
    with pytest.raises(StaleReview) as told:
        accept(room, review, review.findings[0].finding_uid)
    fresh = room.desk.open(uid, DOCTOR)
    assert fresh.revision == told.value.revision
    assert [(c.code, c.args) for c in fresh.changes] == [("reading-arrived", (str(SECOND),))]
    assert len(fresh.findings) == 2
    assert room.desk.open(uid, DOCTOR).changes == ()


def test_late_images_make_a_new_version_and_are_told(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study(1, {CHEST.name: 0.83})
    review = room.drafted(uid)
    room.house.file(room.image(1, 2))
    growing = room.desk.look(uid, DOCTOR)
    assert growing.is_growing
    with pytest.raises(NotReadyToSign) as told:
        room.desk.sign(uid, DOCTOR, revision=review.revision, key=new_key())
    assert "images-arriving" in told.value.hurdles
    assert room.house.studies.close(uid, room.clock.pass_s(10)) == 2
    with pytest.raises(StaleReview):
        room.desk.sign(uid, DOCTOR, revision=review.revision, key=new_key())
    review = room.desk.open(uid, DOCTOR)
    assert [(c.code, c.args) for c in review.changes] == [("images-arrived", ("2",))]
    assert review.study_version == 2


def test_a_reader_that_says_the_same_again_asks_for_nothing(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.83})
    room.drafted(uid)
    room.late_image(1, 2)
    room.read(uid, CHEST, 0.83, version=2)
    review = room.desk.open(uid, DOCTOR)
    assert not review.findings[0].is_outdated
    assert review.hurdles == ()


def test_a_reader_that_says_something_else_asks_for_a_new_decision(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.83})
    room.drafted(uid)
    room.late_image(1, 2)
    room.read(uid, CHEST, 0.55, version=2)
    review = room.desk.open(uid, DOCTOR)
    panel = review.findings[0]
    assert panel.is_outdated
    assert panel.finding.confidence.probability == 0.55
    assert hurdles(review) == {"outdated-decision"}
    review = accept(room, review, panel.finding_uid)
    assert not review.findings[0].is_outdated
    assert hurdles(review) == {"draft-outdated"}


def test_a_finding_that_a_reader_no_longer_states_is_confirmed_or_taken_back(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.83})
    before = room.drafted(uid)
    finding_uid = before.findings[0].finding_uid
    room.late_image(1, 2)
    room.keep(reading_of(room.refs(uid), [], CHEST, 2, Outcome.ABSTAINED))
    review = room.desk.open(uid, DOCTOR)
    assert review.findings == ()
    assert hurdles(review) == {"outdated-decision"}
    confirmed = accept(room, review, finding_uid)
    assert hurdles(confirmed) == {"draft-outdated"}
    taken_back = room.desk.undo(uid, DOCTOR, finding_uid, revision=confirmed.revision, key=new_key())
    assert taken_back.decisions == ()


def test_readings_of_all_versions_are_shown_and_the_newest_marked(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.83})
    room.late_image(1, 2)
    room.keep(reading_of(room.refs(uid), [], CHEST, 2, Outcome.REFUSED))
    review = room.desk.open(uid, DOCTOR)
    assert [(v.study_version, v.outcome, v.is_newest) for v in review.readings] == [
        (1, Outcome.FINDINGS, False),
        (2, Outcome.REFUSED, True),
    ]
    assert review.readings[1].reason
    assert review.readings[1].reason.text_zh == "不是正位胸片。"


def test_what_comes_after_the_signature_brings_the_study_back(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study(1, {CHEST.name: 0.83})
    room.signed(uid)
    assert room.desk.worklist(DOCTOR).entries == ()
    room.read(uid, SECOND, 0.97)
    entry = room.desk.worklist(DOCTOR).entries[0]
    assert (entry.state, entry.is_changed_since_signing) == (CaseState.SIGNED, True)
    review = room.desk.open(uid, DOCTOR)
    assert review.is_changed_since_signing
    late = next(p for p in review.findings if p.reader.name == SECOND.name)
    review = accept(room, review, late.finding_uid)  # no signed report holds it yet
    with pytest.raises(DecisionRefused, match="no report holds"):
        room.desk.acknowledge(uid, DOCTOR, revision=review.revision, key=new_key())
    addendum = room.desk.addendum(
        uid, DOCTOR, {"findings": "See above."}, revision=review.revision, key=new_key()
    )
    assert {d.finding_uid for d in addendum.decisions} == {p.finding_uid for p in review.findings}
    assert len(room.casebook.reports_of(uid)[0].decisions) == 1
    review = room.desk.look(uid, DOCTOR)
    assert (review.state, review.is_changed_since_signing) == (CaseState.AMENDED, False)
    assert room.desk.worklist(DOCTOR).entries == ()
    with pytest.raises(AlreadySigned):
        accept(room, review, late.finding_uid)


def test_what_comes_after_the_signature_may_need_no_addendum(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.83})
    review = room.signed(uid)
    with pytest.raises(DecisionRefused, match="nothing that came"):
        room.desk.acknowledge(uid, DOCTOR, revision=review.revision, key=new_key())
    room.read(uid, SECOND, 0.02)
    review = room.desk.open(uid, DOCTOR)
    review = room.desk.acknowledge(uid, DOCTOR, revision=review.revision, key=new_key())
    assert not review.is_changed_since_signing
    assert room.desk.worklist(DOCTOR).entries == ()
    assert "review.acknowledged" in room.kinds(uid)


def test_an_own_finding_after_the_signature_waits_for_an_addendum(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.83})
    review = room.signed(uid)
    review = room.desk.add_statement(uid, DOCTOR, statement_on(), revision=review.revision, key=new_key())
    assert review.is_changed_since_signing
    assert [e.study_instance_uid for e in room.desk.worklist(DOCTOR).entries] == [uid]
    review = room.desk.undo(
        uid, DOCTOR, review.decisions[-1].finding_uid, revision=review.revision, key=new_key()
    )
    room.desk.acknowledge(uid, DOCTOR, revision=review.revision, key=new_key())


def test_a_deleted_study_is_not_found_and_nothing_is_written(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study()
    review = room.desk.open(uid, DOCTOR)
    room.house.archive.delete_study(uid, "wrong patient", room.clock())
    for act in (
        lambda: room.desk.open(uid, DOCTOR),
        lambda: accept(room, review, review.findings[0].finding_uid),
        lambda: room.desk.save_draft(
            uid, DOCTOR, "generic", "en", {}, revision=review.revision, key=new_key()
        ),
        lambda: room.desk.sign(uid, DOCTOR, revision=review.revision, key=new_key()),
        lambda: room.desk.take_lock(uid, DOCTOR),
        lambda: room.desk.ask_colleague(uid, DOCTOR, COLLEAGUE.id, "?"),
        lambda: room.desk.mark_teaching(uid, DOCTOR, True),
    ):
        with pytest.raises(NotFound):
            act()
    assert "finding.decided" not in room.kinds(uid)


@pytest.mark.parametrize("uid", ["1.2.99", "", "../../etc/passwd", "1.2.3'; --", "王"])
def test_a_study_that_is_not_there_is_not_found(room: ReadingRoom, uid: str) -> None:
    with pytest.raises(NotFound):
        room.desk.open(uid, DOCTOR)


def test_a_study_that_no_reader_read_can_be_reported(room: ReadingRoom) -> None:
    uid = room.study(1, {})
    report = room.signed(uid).reports[0]
    assert report.decisions == report.reading_uids == ()


def test_a_study_still_arriving_can_be_looked_at(room: ReadingRoom) -> None:
    room.house.file(room.image(1))
    review = room.desk.open("1.2.1", DOCTOR)
    assert (review.study_version, review.is_growing) == (0, True)
    assert room.house.studies.close("1.2.1", room.clock.pass_s(10)) == 1
    assert [c.code for c in room.desk.open("1.2.1", DOCTOR).changes] == ["images-arrived"]


def test_a_deleted_image_under_a_finding_does_not_break_the_page(room: ReadingRoom) -> None:
    uid = room.study(1, {})
    ref = room.refs(uid)[0]
    gone = ref.__class__(uid, ref.series_instance_uid, "1.2.1.1.77", ref.sop_class_uid)
    room.keep(reading_of([gone], [finding_on(gone)]))
    review = room.desk.open(uid, DOCTOR)
    after = room.desk.decide(
        uid, DOCTOR, review.findings[0].finding_uid, Verdict.REJECTED,
        reason=RejectReason.NOT_PRESENT, revision=review.revision, key=new_key(),
    )  # fmt: skip
    assert after.findings[0].decision


def test_the_record_tells_every_step(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.83})
    room.desk.open(uid, COLLEAGUE)
    room.signed(uid)
    seen = room.desk.open(uid, COLLEAGUE)
    assert [(c.code, c.person_name) for c in seen.changes] == [
        ("decided", DOCTOR.display_name),
        ("draft-saved", DOCTOR.display_name),
        ("signed", DOCTOR.display_name),
    ]
    assert [c.revision for c in seen.changes] == list(range(seen.revision - 2, seen.revision + 1))


def test_absent_findings_may_be_left_undecided_where_the_house_says_so(room: ReadingRoom) -> None:
    from coread.review import Policy  # noqa: PLC0415

    uid = room.study(1, {CHEST.name: 0.03})
    assert "undecided-finding" in hurdles(room.desk.look(uid, DOCTOR))
    lenient = room.desk_with(Policy(decide_absent=False))
    assert lenient.look(uid, DOCTOR).findings[0].finding.presence is Presence.ABSENT
    assert "undecided-finding" not in hurdles(lenient.look(uid, DOCTOR))


def test_priors_are_the_same_patient_s(any_room: ReadingRoom) -> None:
    room = any_room
    earlier = room.study(1, {}, PatientID="P1", StudyDate="20250101")
    room.signed(earlier)
    now = room.study(2, {}, PatientID="P1", StudyDate="20260101")
    room.study(3, {}, PatientID="P1", IssuerOfPatientID="elsewhere")
    room.study(4, {}, PatientID="P12")
    wild = room.study(5, {}, PatientID="P*")
    review = room.desk.open(now, DOCTOR)
    assert [(p.study_instance_uid, p.state, p.report_count) for p in review.priors] == [
        (earlier, CaseState.SIGNED, 1)
    ]
    assert room.desk.open(wild, DOCTOR).priors == ()
    assert room.desk.worklist(DOCTOR, Filter(text="P1")).entries


def test_colleagues_ask_and_answer(any_room: ReadingRoom) -> None:
    from coread.errors import AccessDenied  # noqa: PLC0415

    room, desk = any_room, any_room.desk
    uid, key = room.study(), new_key()
    question = desk.ask_colleague(uid, DOCTOR, COLLEAGUE.id, "Is this a nodule?", key=key)
    assert desk.ask_colleague(uid, DOCTOR, COLLEAGUE.id, "Is this a nodule?", key=key).id == question.id
    assert [q.text for q in desk.questions_to(COLLEAGUE)] == ["Is this a nodule?"]
    with pytest.raises(AccessDenied):
        desk.answer_colleague(question.id, DOCTOR, "Yes.")
    for bad in ("", "  "):
        with pytest.raises(DecisionRefused):
            desk.answer_colleague(question.id, COLLEAGUE, bad)
        with pytest.raises(DecisionRefused):
            desk.ask_colleague(uid, DOCTOR, COLLEAGUE.id, bad)
    with pytest.raises(DecisionRefused):
        desk.ask_colleague(uid, DOCTOR, DOCTOR.id, "To myself?")
    with pytest.raises(NotFound):
        desk.answer_colleague("x", COLLEAGUE, "Yes.")
    desk.answer_colleague(question.id, COLLEAGUE, "Yes.")
    desk.answer_colleague(question.id, COLLEAGUE, "Yes.")
    with pytest.raises(DecisionRefused, match="has its answer"):
        desk.answer_colleague(question.id, COLLEAGUE, "No.")
    shown = desk.open(uid, DOCTOR).questions
    assert [(q.asker_name, q.colleague_name, q.answer) for q in shown] == [
        (DOCTOR.display_name, COLLEAGUE.display_name, "Yes.")
    ]
    assert desk.questions_to(COLLEAGUE) == ()
    kinds = [kind for kind in room.kinds(uid) if kind.startswith("question")]
    assert kinds == ["question.asked", "question.answered"]


def test_teaching_marks_are_on_record(room: ReadingRoom) -> None:
    uid = room.study()
    for on in (True, True, False, False):
        room.desk.mark_teaching(uid, DOCTOR, on)
    kinds = [kind for kind in room.kinds(uid) if "teaching" in kind]
    assert kinds == ["study.marked-teaching", "study.marked-teaching", "study.unmarked-teaching"]
    assert not room.desk.look(uid, DOCTOR).is_teaching_case
