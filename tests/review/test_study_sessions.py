"""A study of doctors, read in the reading room: two arms, two doctors, and the table that comes of it."""

from __future__ import annotations

import csv

import pytest
from reviewing import CHEST, COLLEAGUE, DOCTOR, new_key, reading_room

from coread.domain import codes
from coread.domain.finding import Presence
from coread.domain.review import Mode, RejectReason, Statement, Verdict
from coread.review import Policy
from coread.review.study_sessions import Arm, Copy, collect, rules_of, write_readings

ALONE = Arm("without AI", "STUDY-ALONE", Mode.TRIAGE_ONLY)
AIDED = Arm("with AI", "STUDY-AI", Mode.CONCURRENT)


@pytest.fixture
def room(tmp_path):
    return reading_room(
        f"sqlite:///{tmp_path}/index.sqlite", tmp_path, Policy(rules=rules_of((ALONE, AIDED)))
    )


def copy(room, number, arm, person, **facts):
    """File a copy of a case for one doctor and arm."""
    uid = room.study(number, {CHEST.name: 0.9}, InstitutionName=arm.site)
    given = {"case": "c1", "period": 1, "truth": True, "ai_call": True} | facts
    return Copy(uid, person.id, person.display_name, treatment=arm.treatment, **given)


def sign(room, uid, person, seconds=42.0):
    review = room.desk.look(uid, person)
    draft = room.desk.draft(uid, review.suggested_template, "en", person)
    sections = {section.name: section.text for section in draft.sections}
    room.desk.save_draft(uid, person, draft.template, "en", sections, revision=review.revision, key=new_key())
    room.clock.pass_s(seconds)
    room.desk.take_lock(uid, person)
    room.desk.sign(uid, person, revision=room.desk.look(uid, person).revision, key=new_key())


def read_alone(room, held, person, abnormal, confidence):
    review = room.desk.open(held.study_instance_uid, person)
    assert review.findings == ()
    review = room.desk.record_impression(
        held.study_instance_uid, person, abnormal, confidence, revision=review.revision, key=new_key()
    )
    assert review.findings == ()
    if abnormal:
        statement = Statement(codes.LUNG_OPACITY, Presence.PRESENT, room.refs(held.study_instance_uid)[0])
        room.desk.add_statement(
            held.study_instance_uid, person, statement, revision=review.revision, key=new_key()
        )
    sign(room, held.study_instance_uid, person)


def read_aided(room, held, person, verdict):
    review = room.desk.open(held.study_instance_uid, person)
    (panel,) = review.findings
    reason = RejectReason.NOT_PRESENT if verdict is Verdict.REJECTED else None
    room.desk.decide(
        held.study_instance_uid, person, panel.finding_uid, verdict, reason=reason, revision=review.revision,
        key=new_key(),
    )  # fmt: skip
    sign(room, held.study_instance_uid, person)


def test_the_arms_are_read_as_planned_and_collected(room, tmp_path):
    copies = [
        copy(room, 1, ALONE, DOCTOR),
        copy(room, 2, AIDED, DOCTOR, period=2),
        copy(room, 3, ALONE, COLLEAGUE, period=2),
        copy(room, 4, AIDED, COLLEAGUE),
        copy(room, 5, AIDED, COLLEAGUE, case="c2", truth=False),
    ]
    read_alone(room, copies[0], DOCTOR, True, 0.6)
    read_aided(room, copies[1], DOCTOR, Verdict.ACCEPTED)
    read_alone(room, copies[2], COLLEAGUE, False, 0.2)
    read_aided(room, copies[3], COLLEAGUE, Verdict.REJECTED)
    found = collect(room.casebook, room.house.ledger, copies, codes.LUNG_OPACITY)
    assert [r.copy for r in found] == copies[:4]
    assert [r.call for r in found] == [True, True, False, False]
    assert [r.rating for r in found] == [pytest.approx(0.8), None, pytest.approx(0.4), None]
    assert all(r.seconds == pytest.approx(42, abs=5) for r in found)
    write_readings(found, tmp_path / "readings.csv")
    with (tmp_path / "readings.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert rows[0]["reader"] == DOCTOR.display_name
    assert (rows[0]["call"], rows[0]["ai_call"], rows[1]["rating"], rows[0]["day"]) == ("1", "1", "", "0.000")


def test_another_doctor_s_signature_is_no_reading_of_the_study(room):
    held = copy(room, 1, AIDED, DOCTOR)
    read_aided(room, held, COLLEAGUE, Verdict.ACCEPTED)
    assert collect(room.casebook, room.house.ledger, [held], codes.LUNG_OPACITY) == ()


def test_a_time_in_which_the_doctor_was_away_is_left_out(room):
    held = copy(room, 1, AIDED, DOCTOR)
    review = room.desk.open(held.study_instance_uid, DOCTOR)
    room.desk.decide(
        held.study_instance_uid, DOCTOR, review.findings[0].finding_uid, Verdict.ACCEPTED,
        revision=review.revision, key=new_key(),
    )  # fmt: skip
    sign(room, held.study_instance_uid, DOCTOR, seconds=4000)
    (reading,) = collect(room.casebook, room.house.ledger, [held], codes.LUNG_OPACITY)
    assert reading.seconds is None
    assert reading.call


def test_arms_that_cannot_be_told_apart_are_refused():
    for arms in ((ALONE, ALONE), (Arm("x", " ", Mode.CONCURRENT),)):
        with pytest.raises(ValueError, match="site of its own"):
            rules_of(arms)
