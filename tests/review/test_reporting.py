"""Drafts, their lines' origins, signatures and addenda."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reviewing import CHEST, COLLEAGUE, DIAMETER, DOCTOR, NODULES, ReadingRoom, new_key, statement_on

from coread.domain import codes
from coread.domain.finding import Measurement, Presence
from coread.domain.review import Decision, Draft, Mode, Origin, RejectReason, Statement, Verdict
from coread.errors import DecisionRefused, LockedByOther, NotReadyToSign
from coread.review import LANGUAGES, Composition, Context, Nodule, StudyReview, sentences
from coread.review.drafting import Occasion, compose, sentence, template_named, templates, traced


def lines(draft: Draft, section: str) -> list[str]:
    return next(s.text.split("\n") if s.text else [] for s in draft.sections if s.name == section)


def save(
    room: ReadingRoom, review: StudyReview, texts: dict[str, str], template="chest-radiograph", **more
) -> Draft:
    given = {"revision": review.revision, "key": new_key()} | more
    language = given.pop("language", "en")
    return room.desk.save_draft(review.study_instance_uid, DOCTOR, template, language, texts, **given)


def test_a_draft_holds_the_template_and_the_accepted_findings_only(room: ReadingRoom) -> None:
    uid = room.study(1, PatientID="P1", StudyDate="20260101")
    room.study(2, {}, PatientID="P1", StudyDate="20250203")
    review = room.desk.open(uid, DOCTOR)
    first, second = review.findings
    review = room.desk.decide(
        uid, DOCTOR, first.finding_uid, Verdict.ACCEPTED, revision=review.revision, key=new_key()
    )
    review = room.desk.decide(
        uid, DOCTOR, second.finding_uid, Verdict.REJECTED,
        reason=RejectReason.ARTEFACT, revision=review.revision, key=new_key(),
    )  # fmt: skip
    draft = room.desk.draft(uid, review.suggested_template, "en", DOCTOR)
    assert draft.template == "chest-radiograph"
    assert lines(draft, "technique") == ["Chest radiograph, PA view."]
    assert lines(draft, "comparison") == ["Earlier study of 2025-02-03 is available here."]
    assert lines(draft, "findings") == ["Opacity (Lung)."]
    chinese = room.desk.draft(uid, review.suggested_template, "zh", DOCTOR)
    assert lines(chinese, "findings") == ["肺部致密影。"]
    assert lines(chinese, "technique") == ["胸部X线摄影（PA位）。"]
    origins = {line.origin for s in draft.sections for line in s.lines}
    assert origins == {Origin.TEMPLATE, Origin.FINDING}


def test_every_saved_line_knows_where_it_comes_from(room: ReadingRoom) -> None:
    uid = room.study()
    review = room.accept_all(uid)
    made = room.desk.draft(uid, "chest-radiograph", "en", DOCTOR)
    texts = {s.name: s.text for s in made.sections}
    texts["impression"] = "Pneumonia is likely.\r\n\n  Opacity (Lung).  "
    saved = save(room, review, texts)
    by_text = [(line.text, line.origin, bool(line.finding_uid)) for s in saved.sections for line in s.lines]
    assert by_text == [
        ("Chest radiograph, PA view.", Origin.TEMPLATE, False),
        ("No earlier study is available here.", Origin.TEMPLATE, False),
        ("Opacity (Lung).", Origin.FINDING, True),
        ("Opacity (Lung).", Origin.FINDING, True),
        ("Pneumonia is likely.", Origin.TYPED, False),
        ("Opacity (Lung).", Origin.TYPED, False),  # a third time: nobody made that line
    ]
    assert saved.version == 1
    assert room.desk.look(uid, DOCTOR).draft == saved
    assert "Pneumonia is likely" not in str(room.house.ledger.events(kind="report.saved")[0].event)


def test_saving_is_versioned_and_done_once_for_a_key(any_room: ReadingRoom) -> None:
    room = any_room
    review = room.accept_all(room.study())
    key = new_key()
    first = save(room, review, {"impression": "One."}, key=key)
    assert save(room, review, {"impression": "One."}, key=key) == first
    review = room.desk.look(review.study_instance_uid, DOCTOR)
    second = save(room, review, {"impression": "Two."})
    assert (first.version, second.version) == (1, 2)
    assert save(room, review, {"impression": "One."}, key=key) == first  # an old answer, as it was
    _, entries = room.casebook.journal.read(review.study_instance_uid)
    assert [str(e.kind) for e in entries].count("draft-saved") == 2


def test_the_recommendation_of_a_rule_is_no_typed_text(room: ReadingRoom) -> None:
    uid = room.study(1, {NODULES.name: 0.9}, modality="CT", PatientAge="061Y")
    review = room.accept_all(uid)
    assert review.suggested_template == "ct-nodule"
    nodules = [Nodule(Composition.SOLID, 7)]
    advice = room.desk.follow_up(uid, DOCTOR, "fleischner-2017", nodules, Context(is_high_risk=True))
    assert advice.codes == ("ct-6-12-then-18-24",)  # the age came from the study
    for language in LANGUAGES:
        said = "\n".join(sentences(advice, language))
        saved = save(room, review, {"recommendation": said}, "ct-nodule", language=language)
        assert saved.sections[0].lines[0].origin is Origin.TEMPLATE
        review = room.desk.look(uid, DOCTOR)
    draft = room.desk.draft(uid, "ct-nodule", "en", DOCTOR)
    assert lines(draft, "findings") == ["Nodule (Lung), Diameter 7 mm."]


def test_a_draft_goes_out_of_date_with_the_decisions(room: ReadingRoom) -> None:
    uid = room.study()
    review = room.drafted(uid)
    assert review.draft_faults == ()
    finding = review.findings[0]
    review = room.desk.decide(
        uid, DOCTOR, finding.finding_uid, Verdict.REJECTED,
        reason=RejectReason.NOT_PRESENT, revision=review.revision, key=new_key(),
    )  # fmt: skip
    assert [fault.code for fault in review.draft_faults] == ["outdated"]  # the other finding says the same
    with pytest.raises(NotReadyToSign) as told:
        room.desk.sign(uid, DOCTOR, revision=review.revision, key=new_key())
    assert told.value.hurdles == ("draft-outdated",)


def test_a_draft_that_speaks_of_a_rejected_finding_cannot_be_signed(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.9})
    review = room.drafted(uid)
    texts = {s.name: s.text for s in review.draft.sections} if review.draft else {}
    finding = review.findings[0].finding_uid
    review = room.desk.decide(
        uid, DOCTOR, finding, Verdict.REJECTED,
        reason=RejectReason.NOT_PRESENT, revision=review.revision, key=new_key(),
    )  # fmt: skip
    save(room, review, texts)  # as it was
    review = room.desk.look(uid, DOCTOR)
    assert [(f.code, f.finding_uid) for f in review.draft_faults] == [("speaks-of-rejected", finding)]
    assert [h.code for h in review.hurdles] == ["draft-speaks-of-rejected"]
    save(room, review, {"findings": "Normal."})
    assert room.desk.look(uid, DOCTOR).hurdles == ()


def test_a_finding_without_a_line_is_told_and_may_be_meant(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.9})
    review = room.accept_all(uid)
    save(room, review, {"findings": "There is a shadow on the right."})
    review = room.desk.look(uid, DOCTOR)
    assert [fault.code for fault in review.draft_faults] == ["unmentioned"]
    assert review.hurdles == ()


def test_signing_asks_for_everything_at_once(room: ReadingRoom) -> None:
    uid = room.study()
    review = room.desk.open(uid, DOCTOR)
    with pytest.raises(NotReadyToSign) as told:
        room.desk.sign(uid, DOCTOR, revision=review.revision, key=new_key())
    assert told.value.hurdles == ("no-lock", "undecided-finding", "no-draft")
    review = room.accept_all(uid)
    save(room, review, {"findings": " \n "})
    review = room.desk.look(uid, DOCTOR)
    with pytest.raises(NotReadyToSign) as told:
        room.desk.sign(uid, DOCTOR, revision=review.revision, key=new_key())
    assert told.value.hurdles == ("empty-draft",)


def test_a_signature_holds_all_that_lay_on_the_table(any_room: ReadingRoom) -> None:
    room = any_room
    uid = room.study()
    review = room.drafted(uid)
    key = new_key()
    report = room.desk.sign(uid, DOCTOR, revision=review.revision, key=key)
    assert room.desk.sign(uid, DOCTOR, revision=review.revision, key=key) == report  # a double click
    assert report.decisions == review.decisions
    assert (report.person_name, report.mode, report.study_version) == (
        DOCTOR.display_name,
        Mode.CONCURRENT,
        1,
    )
    assert set(report.reading_uids) == {view.reading_uid for view in review.readings}
    assert report.draft == review.draft
    assert room.casebook.report(report.uid) == report
    signed = room.house.ledger.events(kind="report.signed")
    assert len(signed) == 1
    assert signed[0].event.facts["text_sha256"] == report.text_sha256
    assert DOCTOR.display_name not in str(signed[0].event)


def test_only_who_holds_the_study_signs(room: ReadingRoom) -> None:
    uid = room.study()
    review = room.drafted(uid)
    with pytest.raises(NotReadyToSign) as told:
        room.desk.sign(uid, COLLEAGUE, revision=review.revision, key=new_key())
    assert told.value.hurdles == ("no-lock",)
    with pytest.raises(LockedByOther):
        room.desk.save_draft(
            uid, COLLEAGUE, "generic", "en", {"impression": "Mine."}, revision=review.revision, key=new_key()
        )
    room.desk.release_lock(uid, DOCTOR)
    room.desk.take_lock(uid, COLLEAGUE)
    report = room.desk.sign(uid, COLLEAGUE, revision=review.revision, key=new_key())
    assert report.person_id == COLLEAGUE.id


def test_an_addendum_needs_a_report_words_and_the_lock(room: ReadingRoom) -> None:
    uid = room.study()
    review = room.drafted(uid)
    with pytest.raises(NotReadyToSign) as told:
        room.desk.addendum(uid, DOCTOR, {"impression": "x"}, revision=review.revision, key=new_key())
    assert told.value.hurdles == ("not-signed",)
    room.desk.sign(uid, DOCTOR, revision=review.revision, key=new_key())
    review = room.desk.look(uid, DOCTOR)
    for empty in ({}, {"impression": "\n"}):
        with pytest.raises(DecisionRefused, match="without words"):
            room.desk.addendum(uid, DOCTOR, empty, revision=review.revision, key=new_key())
    with pytest.raises(NotReadyToSign):
        room.desk.addendum(uid, COLLEAGUE, {"impression": "x"}, revision=review.revision, key=new_key())
    key = new_key()
    first = room.desk.addendum(uid, DOCTOR, {"impression": "One."}, revision=review.revision, key=key)
    assert room.desk.addendum(uid, DOCTOR, {"impression": "One."}, revision=review.revision, key=key) == first
    review = room.desk.look(uid, DOCTOR)
    second = room.desk.addendum(uid, DOCTOR, {"impression": "Two."}, revision=review.revision, key=new_key())
    assert [r.number for r in room.casebook.reports_of(uid)] == [1, 2, 3]
    assert second.predecessor_uid == first.uid
    assert room.casebook.unpublished() == [report.uid for report in room.casebook.reports_of(uid)]


@pytest.mark.parametrize(
    ("template", "language", "texts", "where"),
    [
        ("nothing", "en", {}, "template"),
        ("generic", "fr", {}, "language"),
        ("generic", "en", {"": "x"}, "name"),
        ("generic", "en", {"x" * 65: "x"}, "name"),
        ("generic", "en", {"findings": "\x00"}, "section text"),
        ("generic", "en", {"findings": "x" * 20_001}, "section text"),
        ("generic", "en", {str(n): "x" for n in range(21)}, "sections"),
    ],
)
def test_a_draft_that_cannot_be_kept_is_refused(
    room: ReadingRoom, template: str, language: str, texts: dict[str, str], where: str
) -> None:
    review = room.desk.open(room.study(), DOCTOR)
    with pytest.raises(DecisionRefused) as told:
        save(room, review, texts, template, language=language)
    assert told.value.where == where


@given(
    st.dictionaries(st.sampled_from(["findings", "impression"]), st.text(max_size=200)),
    st.sampled_from(LANGUAGES),
)
def test_no_text_is_lost_and_none_appears(texts: dict[str, str], language: str) -> None:
    made = compose(template_named("generic"), language, (), Occasion("DX", "", "1", ""))
    draft = traced(texts, made, frozenset(), 1)
    for section in draft.sections:
        typed = texts[section.name].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert [line.text for line in section.lines] == [t.strip() for t in typed if t.strip()]


def test_each_template_speaks_both_languages_and_knows_its_modalities() -> None:
    assert list(templates()) == ["chest-radiograph", "ct-nodule", "generic"]
    for template in templates().values():
        names = [section.name for section in template.sections]
        assert names == ["technique", "comparison", "findings", "impression", "recommendation"]
        for language in LANGUAGES:
            for occasion in (Occasion(), Occasion("CT", "PA", "12", "2026-01-01")):
                draft = compose(template, language, (), occasion)
                assert all("{" not in line.text for s in draft.sections for line in s.lines)


@pytest.mark.parametrize(
    ("statement", "english", "chinese"),
    [
        (Statement(codes.CONSOLIDATION, Presence.PRESENT), "Lung consolidation.", "肺实变。"),
        (
            Statement(codes.LUNG_OPACITY, Presence.ABSENT, site=codes.LUNG),
            "No opacity (Lung).",
            "未见肺部致密影。",
        ),
        (
            statement_on(
                comment="Behind\n the {heart}.", measurements=(Measurement(DIAMETER, 6.5, codes.MILLIMETRE),)
            ),
            "Nodule (Lung), Diameter 6.5 mm. Behind the {heart}.",
            "肺结节，直径6.5 毫米。Behind the {heart}.",
        ),
        (
            statement_on(presence=Presence.INDETERMINATE, site=None),
            "Indeterminate: nodule.",
            "可疑结节，不能确定。",
        ),
        (
            statement_on(site=None, measurements=(Measurement(codes.PROBABILITY, 0.9, codes.NO_UNITS),)),
            "Nodule.",
            "结节。",
        ),
    ],
)
def test_sentences(statement: Statement, english: str, chinese: str) -> None:
    assert sentence(statement, "en") == english
    assert sentence(statement, "zh") == chinese


def test_rejected_findings_make_no_line(room: ReadingRoom) -> None:
    at = room.clock()
    rejected = Decision("2.25.1", Verdict.REJECTED, "2.25.2", None, DOCTOR.id, at, RejectReason.ARTEFACT)
    draft = compose(template_named("generic"), "en", (rejected,), Occasion("DX", "", "1", ""))
    assert lines(draft, "findings") == []


def test_phrases_are_each_person_s_own(any_room: ReadingRoom) -> None:
    desk, key = any_room.desk, new_key()
    phrase = desk.add_phrase(DOCTOR, "zh", "心肺未见明显异常。", "findings", key=key)
    assert desk.add_phrase(DOCTOR, "zh", "心肺未见明显异常。", "findings", key=key) == phrase
    assert desk.phrases(DOCTOR, "zh") == (phrase,)
    assert desk.phrases(DOCTOR, "en") == desk.phrases(COLLEAGUE, "zh") == ()
    for language, text in (("fr", "x"), ("en", " "), ("en", "x" * 2001)):
        with pytest.raises(DecisionRefused):
            desk.add_phrase(DOCTOR, language, text)
    desk.remove_phrase(DOCTOR, phrase.id)
    assert desk.phrases(DOCTOR, "zh") == ()
    assert "心肺" not in str([r.event for r in any_room.house.ledger.events()])
