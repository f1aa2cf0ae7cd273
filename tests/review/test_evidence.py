"""What stands beside a finding: words, performance on such people, the panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reviewing import (
    CARDS,
    CHEST,
    DOCTOR,
    NODULES,
    SECOND,
    ReadingRoom,
    finding_on,
    reading_of,
    shipped_evaluation,
)

from coread.domain import codes
from coread.domain.codes import Code
from coread.domain.finding import Confidence, Presence
from coread.domain.reading import Outcome, ReaderIdentity, Reading
from coread.domain.study import InstanceRef
from coread.review.evidence import RULE, Who, age_band, in_words, of_finding, opinions, performance, who
from coread.review.evidence.performance import age_years
from coread.review.evidence.words import SCALE

REF = InstanceRef("1.2.1", "1.2.1.1", "1.2.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1")
THIRD = ReaderIdentity("third", "1.0", "Another maker", "12" * 32)


def said(reader: ReaderIdentity, *probabilities: float, **more: Any) -> Reading:
    findings = [finding_on(REF, reader, p, number=n, **more) for n, p in enumerate(probabilities)]
    return reading_of([REF], findings, reader)


@pytest.mark.parametrize(
    ("probability", "code"),
    [
        (1.0, "consistent-with"), (0.9, "consistent-with"), (0.89, "probable"), (0.75, "probable"),
        (0.6, "possible"),
        (0.5, "possible"), (0.25, "less-likely"), (0.1, "less-likely"), (0.09, "unlikely"), (0.0, "unlikely"),
    ],
)  # fmt: skip
def test_probabilities_in_words(probability: float, code: str) -> None:
    assert in_words(Confidence(probability, probability, probability)).code == code


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted))
def test_words_keep_the_order_of_the_numbers(ends: list[float]) -> None:
    order = [code for _, code in SCALE]
    words = in_words(Confidence(ends[1], ends[0], ends[2]))
    assert order.index(words.upper_code) <= order.index(words.code) <= order.index(words.lower_code)


def test_a_wide_interval_is_told() -> None:
    assert in_words(Confidence(0.5, 0.05, 0.95)).is_wide
    assert not in_words(Confidence(0.5, 0.3, 0.7)).is_wide


@pytest.mark.parametrize(
    ("facts", "years"),
    [
        ({"PatientAge": "045Y"}, 45), ({"PatientAge": "018M"}, 1.5), ({"PatientAge": "007D"}, 7 / 365.25),
        ({"PatientAge": "45"}, None), ({"PatientBirthDate": "19800301", "StudyDate": "20260301"}, 46),
        ({"PatientBirthDate": "19800302", "StudyDate": "20260301"}, 45),
        ({"PatientBirthDate": "20300101", "StudyDate": "20260301"}, None),
        ({"PatientBirthDate": "1980", "StudyDate": "20260301"}, None), ({}, None),
    ],
)  # fmt: skip
def test_age_at_the_study(facts: Mapping[str, str], years: float | None) -> None:
    assert age_years(facts) == years


def test_age_bands() -> None:
    assert [age_band(age) for age in (None, 0, 17.9, 18, 39.9, 40, 64.9, 65, 120)] == [
        "", "under 18", "under 18", "18-39", "18-39", "40-64", "40-64", "65 and over", "65 and over",
    ]  # fmt: skip


def test_sex_and_view_as_the_image_says() -> None:
    assert who({"PatientSex": " f "}, {"ViewPosition": "ap"}) == Who(None, "F", "AP")
    assert who({"PatientSex": "<script>"}, {}) == Who(None, "", "")


@pytest.mark.parametrize(
    ("person", "groups", "untested"),
    [
        (Who(50, "F", "PA"), {("age_years", "40-64"), ("sex", "F"), ("view", "PA")}, set()),
        (Who(64.9, "M", "AP"), {("age_years", "40-64"), ("sex", "M"), ("view", "AP")}, set()),
        (Who(4, "M", "AP"), {("age_years", "under 18"), ("sex", "M"), ("view", "AP")}, set()),
        (Who(90, "", "LL"), {("age_years", "65 and over")}, {("view", "LL")}),
        (Who(None, "O", ""), set(), {("sex", "O")}),
    ],
)
def test_the_shipped_reader_s_figures_on_such_people(person: Who, groups: set, untested: set) -> None:
    found = performance(shipped_evaluation(), person, "retrospective")
    assert [row.source for row in found.rows if row.dimension == "all"] == ["nih", "paediatric"]
    assert {(row.dimension, row.group) for row in found.rows if row.dimension != "all"} == groups
    assert set(found.untested) == untested
    assert found.evidence_grade == "retrospective"
    for row in found.rows:
        assert row.auc
        assert row.auc.lower <= row.auc.value <= row.auc.upper
        assert row.images >= row.positives > 0


def test_few_cases_are_flagged() -> None:
    found = performance(shipped_evaluation(), Who(70, "", ""))
    row = next(row for row in found.rows if row.dimension == "age_years")
    assert (row.images, row.patients, row.is_enough) == (18, 13, False)


@pytest.mark.parametrize(
    "evaluation",
    [None, {}, {"sites": 5, "subgroups": []}, {"subgroups": {"a": {"sex": {"F": 3}, "age_years": 1}}},
     {"sites": {"a": {"auc": {"value": "high"}, "images": 3}}}],
)  # fmt: skip
def test_an_evaluation_that_lacks_figures_gives_none(evaluation: Mapping[str, Any] | None) -> None:
    found = performance(evaluation, Who(50, "F", "PA"))
    assert all(row.auc is None for row in found.rows)


def test_one_reader_speaks_for_itself() -> None:
    opinion = opinions([said(CHEST, 0.8, 0.6)], CARDS.get)[0]
    assert (opinion.agreement, opinion.probability, opinion.dissenters, opinion.rule) == (
        "single",
        0.8,
        (),
        RULE,
    )


def test_readers_that_agree() -> None:
    opinion = opinions([said(CHEST, 0.8), said(SECOND, 0.6)], CARDS.get)[0]
    assert (opinion.agreement, opinion.presence) == ("agree", Presence.PRESENT)
    assert opinion.probability == pytest.approx(0.7)
    assert (opinion.lower, opinion.upper) == pytest.approx((0.48, 0.88))


def test_dissent_is_never_hidden() -> None:
    for chest, second, presence in ((0.9, 0.2, Presence.PRESENT), (0.6, 0.1, Presence.ABSENT)):
        opinion = opinions([said(CHEST, chest), said(SECOND, second)], CARDS.get)[0]
        assert (opinion.agreement, opinion.presence) == ("disagree", presence)
        assert opinion.dissenters == ((SECOND.name,) if presence is Presence.PRESENT else (CHEST.name,))
        assert [(v.reader, v.probability) for v in opinion.votes] == [
            (CHEST.name, chest),
            (SECOND.name, second),
        ]


def test_who_gave_no_answer_is_listed_and_has_no_part_in_the_mean() -> None:
    silent = reading_of([REF], (), SECOND, outcome=Outcome.ABSTAINED)
    opinion = opinions([said(CHEST, 0.8), silent], CARDS.get)[0]
    assert (opinion.probability, opinion.agreement) == (0.8, "single")
    assert [(v.reader, v.outcome, v.presence) for v in opinion.votes] == [
        (CHEST.name, Outcome.FINDINGS, Presence.PRESENT),
        (SECOND.name, Outcome.ABSTAINED, None),
    ]


def test_each_kind_of_finding_has_its_own_opinion() -> None:
    found = opinions([said(CHEST, 0.8), said(NODULES, 0.7, code=codes.LUNG_NODULE)], CARDS.get)
    assert [(o.code, o.agreement) for o in found] == [
        (codes.LUNG_OPACITY, "single"),
        (codes.LUNG_NODULE, "single"),
    ]
    assert opinions([], CARDS.get) == ()


def test_all_that_are_not_sure_make_a_panel_that_is_not_sure() -> None:
    unsure = [said(reader, 0.5, presence=Presence.INDETERMINATE) for reader in (CHEST, SECOND)]
    assert opinions(unsure, CARDS.get)[0].presence is Presence.INDETERMINATE


readings = st.lists(
    st.tuples(st.sampled_from([CHEST, SECOND, THIRD]), st.floats(0, 1), st.sampled_from(Presence)),
    min_size=1, max_size=3, unique_by=lambda item: item[0],
)  # fmt: skip


@given(readings)
def test_a_panel_claims_no_more_than_its_members(found: list) -> None:
    voices = [said(reader, p, presence=presence) for reader, p, presence in found]
    opinion = opinions(voices, CARDS.get)[0]
    assert opinion.lower <= min(p for _, p, _ in found)
    assert opinion.upper >= max(p for _, p, _ in found)
    assert min(p for _, p, _ in found) - 1e-9 <= opinion.probability <= max(p for _, p, _ in found) + 1e-9
    assert len(opinion.votes) == len(found)
    dissenting = {reader.name for reader, _, presence in found if presence is not opinion.presence}
    assert set(opinion.dissenters) == dissenting
    assert (opinion.agreement == "disagree") == (len({presence for _, _, presence in found}) > 1)


def test_a_panel_of_a_study_and_the_reasons_beside_each_finding(room: ReadingRoom) -> None:
    uid = room.study(1, {CHEST.name: 0.9, SECOND.name: 0.2}, PatientAge="045Y", PatientSex="F")
    review = room.desk.open(uid, DOCTOR)
    assert review.opinions[0].dissenters == (SECOND.name,)
    chest, second = review.findings
    assert chest.explanation == "none-passed"
    assert chest.card
    assert chest.card.limits
    assert {(row.dimension, row.group) for row in chest.performance.rows} >= {("sex", "F"), ("view", "PA")}
    assert second.performance.rows == ()  # it came without an evaluation


def test_a_reader_that_is_gone_still_has_its_finding_shown(room: ReadingRoom) -> None:
    uid = room.study(1, {})
    room.keep(said(THIRD, 0.8))
    panel = room.desk.open(uid, DOCTOR).findings[0]
    assert panel.card is None
    assert panel.performance.evidence_grade == ""


def test_figures_of_another_finding_are_not_shown():
    figures = {"sites": {"site": {"auc": {"value": 0.9, "lower": 0.8, "upper": 0.95, "level": 0.95}}}}
    several = {**figures, "findings": {"second": {"threshold": 0.5}, "third": figures}}
    main, second, third = (Code(value, "99COREAD", value) for value in ("main", "second", "third"))
    assert of_finding(several, main, main) is several
    assert of_finding(several, second, main) is None
    assert of_finding(several, third, main) == figures
    assert of_finding(figures, main, main) is figures
    assert of_finding(None, main, None) is None
