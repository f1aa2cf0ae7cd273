"""What is revealed when: nothing of a reader is in the value before its time."""

from __future__ import annotations

import pytest
from reviewing import CHEST, COLLEAGUE, DOCTOR, SECOND, ReadingRoom, new_key

from coread.casebook import to_json
from coread.domain.person import Role
from coread.domain.review import Mode, Verdict
from coread.errors import DecisionRefused, NotFound, NotReadyToSign
from coread.review import ModeRule, Policy, ReviewDesk, StudyReview

BLIND = Policy(default_mode=Mode.BLIND_FIRST)


def assert_nothing_shown(review: StudyReview) -> None:
    """Nothing that readers said is anywhere in the value."""
    assert not review.is_revealed
    assert review.findings == review.opinions == ()
    assert all(view.is_withheld and view.outcome is None and view.reason is None for view in review.readings)
    assert "undecided-finding" not in {hurdle.code for hurdle in review.hurdles}
    text = to_json((review.findings, review.opinions, review.decisions, review.draft, review.changes))
    assert "0.83" not in text
    assert "Opacity" not in text


def think(desk: ReviewDesk, uid: str, revision: int, person=DOCTOR, is_abnormal: bool = True) -> StudyReview:
    return desk.record_impression(
        uid, person, is_abnormal, 0.7, "Something left.", revision=revision, key=new_key()
    )


def test_blind_first_shows_the_readers_after_the_impression(any_room: ReadingRoom) -> None:
    room = any_room
    desk, uid = room.desk_with(BLIND), room.study()
    review = desk.open(uid, DOCTOR)
    assert_nothing_shown(review)
    assert (review.mode, review.reveal_by) == (Mode.BLIND_FIRST, "impression")
    review = think(desk, uid, review.revision)
    assert review.is_revealed
    assert len(review.findings) == 2
    assert review.impression is not None
    assert review.impression.text == "Something left."
    revealed = [r.event for r in room.house.ledger.events(subject=uid) if r.event.kind == "review.revealed"]
    assert [event.actor for event in revealed] == [DOCTOR.actor]
    assert set(revealed[0].facts["readings"].split()) == {view.reading_uid for view in review.readings}
    impression = next(r.event for r in room.house.ledger.events(kind="impression.recorded"))
    assert "Something left." not in str(impression.facts)


def test_one_doctor_s_impression_shows_nothing_to_another(room: ReadingRoom) -> None:
    desk, uid = room.desk_with(BLIND), room.study()
    review = think(desk, uid, desk.open(uid, DOCTOR).revision)
    desk.decide(
        uid, DOCTOR, review.findings[0].finding_uid, Verdict.ACCEPTED, revision=review.revision, key=new_key()
    )
    other = desk.open(uid, COLLEAGUE, since=0)
    assert_nothing_shown(other)
    assert other.decisions == ()
    assert other.impression is None
    assert "decided" not in {change.code for change in other.changes}


def test_a_colleague_s_decision_on_a_hidden_finding_stays_hidden_and_unsigned(room: ReadingRoom) -> None:
    uid = room.study()
    decided = room.accept_all(uid)
    room.desk.release_lock(uid, DOCTOR)
    for mode in (Mode.BLIND_FIRST, Mode.TRIAGE_ONLY):
        desk = room.desk_with(Policy(default_mode=mode))
        review = desk.open(uid, COLLEAGUE)
        assert review.decisions == ()
        draft = desk.draft(uid, "chest-radiograph", "en", COLLEAGUE)
        assert not any("pacity" in section.text for section in draft.sections)
        finding = decided.findings[0].finding_uid
        with pytest.raises(DecisionRefused):
            desk.undo(uid, COLLEAGUE, finding, revision=review.revision, key=new_key())
    texts = {"impression": "Normal."}
    desk.save_draft(uid, COLLEAGUE, "generic", "en", texts, revision=review.revision, key=new_key())
    review = desk.look(uid, COLLEAGUE)
    with pytest.raises(NotReadyToSign) as told:
        desk.sign(uid, COLLEAGUE, revision=review.revision, key=new_key())
    assert told.value.hurdles == ("hidden-decision",)


def test_a_finding_that_is_not_shown_cannot_be_decided(room: ReadingRoom) -> None:
    uid = room.study()
    shown = room.desk.open(uid, DOCTOR)
    desk = room.desk_with(BLIND)
    with pytest.raises(NotFound):
        desk.decide(
            uid,
            DOCTOR,
            shown.findings[0].finding_uid,
            Verdict.ACCEPTED,
            revision=shown.revision,
            key=new_key(),
        )


def test_blind_first_cannot_be_signed_blind(room: ReadingRoom) -> None:
    desk, uid = room.desk_with(BLIND), room.study()
    review = desk.open(uid, DOCTOR)
    desk.save_draft(
        uid, DOCTOR, "generic", "en", {"impression": "Normal."}, revision=review.revision, key=new_key()
    )
    review = desk.look(uid, DOCTOR)
    assert_nothing_shown(review)
    assert review.draft is not None  # his own
    with pytest.raises(NotReadyToSign) as told:
        desk.sign(uid, DOCTOR, revision=review.revision, key=new_key())
    assert told.value.hurdles == ("not-revealed",)


def test_an_impression_comes_once_and_before(room: ReadingRoom) -> None:
    uid = room.study()
    with pytest.raises(DecisionRefused, match="after the readers were shown"):
        think(room.desk, uid, room.desk.open(uid, DOCTOR).revision)
    desk = room.desk_with(BLIND)
    review = think(desk, uid, desk.open(uid, DOCTOR).revision)
    with pytest.raises(DecisionRefused, match="second impression"):
        think(desk, uid, review.revision)
    with pytest.raises(DecisionRefused, match="no share"):
        desk.record_impression(uid, COLLEAGUE, True, 1.5, "", revision=review.revision, key=new_key())


def test_second_reader_shows_after_the_own_draft(room: ReadingRoom) -> None:
    desk = room.desk_with(Policy(default_mode=Mode.SECOND_READER))
    uid = room.study()
    review = desk.open(uid, DOCTOR)
    assert_nothing_shown(review)
    assert review.reveal_by == "draft"
    desk.save_draft(
        uid, DOCTOR, "generic", "en", {"impression": "Normal."}, revision=review.revision, key=new_key()
    )
    review = desk.look(uid, DOCTOR)
    assert len(review.findings) == 2
    assert "review.revealed" in room.kinds(uid)
    other = desk.look(uid, COLLEAGUE)
    assert_nothing_shown(other)
    assert other.draft is None


def test_triage_only_never_shows(room: ReadingRoom) -> None:
    desk = room.desk_with(Policy(default_mode=Mode.TRIAGE_ONLY))
    uid = room.study()
    review = desk.open(uid, DOCTOR)
    assert_nothing_shown(review)
    assert review.reveal_by == "never"
    desk.save_draft(
        uid, DOCTOR, "generic", "en", {"impression": "Normal."}, revision=review.revision, key=new_key()
    )
    review = desk.look(uid, DOCTOR)
    report = desk.sign(uid, DOCTOR, revision=review.revision, key=new_key())
    assert (report.mode, report.reading_uids) == (Mode.TRIAGE_ONLY, ())
    assert_nothing_shown(desk.look(uid, DOCTOR))


def test_after_the_signature_the_readers_are_shown_to_all(room: ReadingRoom) -> None:
    uid = room.study()
    room.signed(uid)
    assert len(room.desk_with(BLIND).open(uid, COLLEAGUE).findings) == 2


def test_each_reader_has_its_own_mode(room: ReadingRoom) -> None:
    rules = (ModeRule(Mode.BLIND_FIRST, reader=SECOND.name),)
    desk, uid = room.desk_with(Policy(rules)), room.study()
    review = desk.open(uid, DOCTOR)
    assert [panel.reader.name for panel in review.findings] == [CHEST.name]
    assert [vote.reader for opinion in review.opinions for vote in opinion.votes] == [CHEST.name]
    assert review.mode is Mode.CONCURRENT
    assert {view.reader.name: view.is_withheld for view in review.readings} == {
        CHEST.name: False,
        SECOND.name: True,
    }
    assert len(think(desk, uid, review.revision).findings) == 2


def test_the_first_rule_that_holds_decides() -> None:
    policy = Policy(
        (
            ModeRule(Mode.BLIND_FIRST, role=Role.QUALITY),
            ModeRule(Mode.TRIAGE_ONLY, reader="x", site="General Hospital"),
            ModeRule(Mode.SECOND_READER, role=Role.DOCTOR, reader="x"),
        )
    )
    assert policy.mode(DOCTOR, "x", "General Hospital") is Mode.TRIAGE_ONLY
    assert policy.mode(DOCTOR, "x", "Elsewhere") is Mode.SECOND_READER
    assert policy.mode(DOCTOR, "y", "General Hospital") is Mode.CONCURRENT


@pytest.mark.parametrize("mode", [Mode.BLIND_FIRST, Mode.SECOND_READER, Mode.TRIAGE_ONLY])
def test_the_list_does_not_tell_what_the_study_does_not_show(room: ReadingRoom, mode: Mode) -> None:
    room.study()
    entry = room.desk_with(Policy(default_mode=mode)).worklist(DOCTOR).entries[0]
    assert all(answer.is_withheld and answer.outcome is None for answer in entry.answers)
    assert [reason.code for reason in entry.reasons] == ["withheld"]
    assert sum(reason.points for reason in entry.reasons) == entry.urgency
    shown = room.desk.worklist(DOCTOR).entries[0]
    assert shown.urgency == entry.urgency
    assert shown.answers[0].probability == 0.83


def test_a_nudge_asks_the_same_always_and_of_about_the_set_share() -> None:
    policy = Policy(nudge_rate=0.3, nudge_seed="house")
    asked = [policy.nudges("p-1", f"2.25.{n}") for n in range(2000)]
    assert asked == [policy.nudges("p-1", f"2.25.{n}") for n in range(2000)]
    assert 0.26 < sum(asked) / len(asked) < 0.34
    assert not any(Policy().nudges("p-1", f"2.25.{n}") for n in range(100))
    assert all(Policy(nudge_rate=1).nudges("p-1", f"2.25.{n}") for n in range(100))


def test_a_nudge_asks_for_an_answer_before_accepting(room: ReadingRoom) -> None:
    desk, uid = room.desk_with(Policy(nudge_rate=1)), room.study()
    review = desk.open(uid, DOCTOR)
    panel = review.findings[0]
    assert panel.nudge == "say-why"  # it has a box
    with pytest.raises(DecisionRefused) as told:
        desk.decide(uid, DOCTOR, panel.finding_uid, Verdict.ACCEPTED, revision=review.revision, key=new_key())
    assert told.value.where == "nudge"
    review = desk.decide(
        uid, DOCTOR, panel.finding_uid, Verdict.ACCEPTED,
        nudge="air bronchogram", revision=review.revision, key=new_key(),
    )  # fmt: skip
    assert review.decisions[0].nudge == "air bronchogram"
    assert "bronchogram" not in str(room.house.ledger.events(kind="finding.decided")[0].event.facts)
