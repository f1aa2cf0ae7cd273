"""A doctor asks a reader to look somewhere, corrects what it saw, and decides as on any finding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reviewing import COLLEAGUE, new_key

from coread.domain import codes
from coread.domain.finding import Box
from coread.domain.reading import Prompt
from coread.domain.review import Mode, Trait, Verdict
from coread.errors import DecisionRefused, NotFound
from coread.review import Composition, Context, Nodule, Policy
from coread.testing.growing import SUSPICIOUS

GROWING = "example-growing"
SPICULATED = Trait(codes.MARGINS, codes.SPICULATED)


@pytest.fixture
def uid(room):
    return room.nodule_study()


def test_only_readers_of_its_modality_are_offered(room, uid):
    assert [reader.name for reader in room.desk.open(uid, room.doctor).askable] == [GROWING]
    assert room.desk.open(room.study(3), room.doctor).askable == ()


def test_the_question_waits_and_its_answer_is_a_finding_to_decide(room, uid):
    prompt = room.prompt(uid)
    waiting = room.desk.ask_reader(uid, room.doctor, GROWING, prompt)
    assert [(a.state, a.person_id, a.prompt) for a in waiting.asked] == [("waiting", room.doctor.id, prompt)]
    reading = room.answer(uid, prompt)
    review = room.desk.look(uid, room.doctor, waiting.revision)
    (asked,) = review.asked
    assert (asked.state, asked.reading_uid, asked.uid) == ("answered", reading.uid, reading.uid)
    assert [c.code for c in review.changes] == ["reading-arrived"]
    assert [panel.finding for panel in review.findings] == list(reading.findings)
    (view,) = (v for v in review.readings if v.reading_uid == reading.uid)
    assert view.prompt == prompt
    assert review.opinions == ()
    decided = room.accept_all(uid)
    assert all(panel.decision for panel in decided.findings)


def test_the_same_question_of_two_doctors_is_one(room, uid):
    prompt = room.prompt(uid)
    room.desk.ask_reader(uid, room.doctor, GROWING, prompt)
    review = room.desk.ask_reader(uid, COLLEAGUE, GROWING, prompt)
    (asked,) = review.asked
    assert asked.person_id == room.doctor.id
    events = room.house.ledger.events(uid, "reader.asked")
    assert [e.event.actor for e in events] == [room.doctor.actor, COLLEAGUE.actor]
    facts = events[0].event.facts
    assert facts["prompt"] == "1 point 60.50 40.50"
    assert facts["image"] == prompt.image.sop_instance_uid
    assert len(facts["image_sha256"]) == 64
    assert "weights_sha256" in facts


def test_two_places_are_two_readings_side_by_side(room, uid):
    first = room.prompt(uid)
    second = Prompt(first.image, box=Box(50, 30, 20, 20))
    for prompt in (first, second):
        room.desk.ask_reader(uid, room.doctor, GROWING, prompt)
        room.answer(uid, prompt)
    review = room.desk.look(uid, room.doctor)
    assert len({panel.finding_uid for panel in review.findings}) == 4
    assert len({panel.reading_uid for panel in review.findings}) == 2


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"point": (-1.0, 5.0)}, DecisionRefused),
        ({"point": (97.0, 5.0)}, DecisionRefused),
        ({"point": None, "box": Box(90, 90, 10, 1)}, DecisionRefused),
        ({"frame": 2}, DecisionRefused),
    ],
)
def test_a_place_outside_of_the_image_is_refused(room, uid, changed, error):
    with pytest.raises(error):
        room.desk.ask_reader(uid, room.doctor, GROWING, replace(room.prompt(uid), **changed))
    assert room.casebook.prompts.of_study(uid) == ()


def test_another_study_s_image_and_unknown_readers_are_not_found(room, uid):
    prompt = room.prompt(uid)
    other = room.refs(room.study(4))[0]
    with pytest.raises(NotFound):
        room.desk.ask_reader(uid, room.doctor, GROWING, replace(prompt, image=other))
    with pytest.raises(NotFound):
        room.desk.ask_reader(uid, room.doctor, "ct-nodule", prompt)


@pytest.mark.parametrize("mode", [Mode.BLIND_FIRST, Mode.SECOND_READER, Mode.TRIAGE_ONLY])
def test_who_may_not_see_a_reader_may_not_ask_it(room, uid, mode):
    desk = room.desk_with(Policy((), mode, 0.0, "seed", 60, 24))
    assert desk.open(uid, room.doctor).askable == ()
    with pytest.raises(DecisionRefused):
        desk.ask_reader(uid, room.doctor, GROWING, room.prompt(uid))


def asked_and_answered(room, uid):
    prompt = room.prompt(uid)
    room.desk.ask_reader(uid, room.doctor, GROWING, prompt)
    room.answer(uid, prompt)
    panels = {p.finding.code: p for p in room.desk.open(uid, room.doctor).findings}
    return panels[codes.LUNG_NODULE], panels[SUSPICIOUS]


def test_a_corrected_characteristic_changes_the_answer_and_is_on_record(room, uid):
    _, suspicious = asked_and_answered(room, uid)
    assert suspicious.can_reconsider
    before = suspicious.finding.confidence
    same = room.desk.reconsider(uid, room.doctor, suspicious.finding_uid, suspicious.statement.traits)
    assert same == before
    after = room.desk.reconsider(uid, room.doctor, suspicious.finding_uid, (SPICULATED,))
    assert after.probability > before.probability
    facts = room.house.ledger.events(uid, "reader.reconsidered")[-1].event.facts
    assert facts["characteristics"] == f"{codes.MARGINS.value}={codes.SPICULATED.value}"
    assert float(facts["after"]) == after.probability


@pytest.mark.parametrize(
    "trait", [Trait(codes.MARGINS, codes.SOLID), Trait(codes.CALCIFICATION, codes.CALCIFIED)]
)
def test_a_value_that_it_cannot_have_is_refused(room, uid, trait):
    _, suspicious = asked_and_answered(room, uid)
    with pytest.raises(DecisionRefused):
        room.desk.reconsider(uid, room.doctor, suspicious.finding_uid, (trait,))


def test_an_accepted_nodule_is_measured_for_the_follow_up_rules(room, uid):
    asked_and_answered(room, uid)
    assert room.desk.look(uid, room.doctor).nodules == ()
    (nodule,) = room.accept_all(uid).nodules
    assert nodule.diameter_mm == pytest.approx(10, abs=1)
    assert (nodule.composition, nodule.is_suspicious, nodule.is_benign) == ("solid", False, False)
    stated = Nodule(Composition(nodule.composition), nodule.diameter_mm)
    advice = room.desk.follow_up(uid, room.doctor, "fleischner-2017", [stated], Context(age_years=60))
    assert advice.codes


def test_what_the_doctor_corrects_counts(room, uid):
    panel, _ = asked_and_answered(room, uid)
    own = tuple(SPICULATED if t.concept == codes.MARGINS else t for t in panel.statement.traits)
    review = room.desk.decide(
        uid,
        room.doctor,
        panel.finding_uid,
        Verdict.EDITED,
        statement=replace(panel.statement, traits=own),
        revision=room.desk.look(uid, room.doctor).revision,
        key=new_key(),
    )
    (nodule,) = review.nodules
    assert nodule.is_suspicious


def test_the_report_says_how_it_looks_and_what_was_measured(room, uid):
    asked_and_answered(room, uid)
    room.accept_all(uid)
    draft = room.desk.draft(uid, "ct-nodule", "en", room.doctor)
    said = "\n".join(section.text for section in draft.sections)
    assert "texture descriptor: solid" in said
    assert "Long axis 10.66 mm" in said
    chinese = "\n".join(s.text for s in room.desk.draft(uid, "ct-nodule", "zh", room.doctor).sections)
    assert "质地实性" in chinese
