"""The rules of follow-up against the tables of their sources, row by row."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coread.errors import DecisionRefused
from coread.review import RULES, Composition, Context, Course, Nodule, sentences
from coread.review.follow_up import advise, catalogue, is_growing

SOLID, PART_SOLID, GROUND_GLASS = Composition.SOLID, Composition.PART_SOLID, Composition.GROUND_GLASS
BASELINE, NEW, STABLE, GROWING = Course.BASELINE, Course.NEW, Course.STABLE, Course.GROWING
LOW, HIGH = Context(age_years=60), Context(age_years=60, is_high_risk=True)
SCREENED = Context(age_years=60, is_screening=True)


# MacMahon et al. 2017, table 1A and 1B; diameters rounded to whole millimetres.
@pytest.mark.parametrize(
    ("nodules", "patient", "code"),
    [
        ([Nodule(SOLID, 5.4)], LOW, "none"),
        ([Nodule(SOLID, 5.4)], HIGH, "optional-12"),
        ([Nodule(SOLID, 5.5)], LOW, "ct-6-12-consider-18-24"),
        ([Nodule(SOLID, 6)], HIGH, "ct-6-12-then-18-24"),
        ([Nodule(SOLID, 8.4)], LOW, "ct-6-12-consider-18-24"),
        ([Nodule(SOLID, 8.5)], LOW, "ct-3-pet-or-tissue"),
        ([Nodule(SOLID, 12)], HIGH, "ct-3-pet-or-tissue"),
        ([Nodule(SOLID, 4), Nodule(SOLID, 5)], LOW, "none"),
        ([Nodule(SOLID, 4), Nodule(SOLID, 5)], HIGH, "optional-12"),
        ([Nodule(SOLID, 4), Nodule(SOLID, 7)], LOW, "ct-3-6-consider-18-24"),
        ([Nodule(SOLID, 4), Nodule(SOLID, 9)], HIGH, "ct-3-6-then-18-24"),
        ([Nodule(GROUND_GLASS, 5)], HIGH, "none"),
        ([Nodule(GROUND_GLASS, 6)], LOW, "ct-6-12-then-every-2-years"),
        ([Nodule(PART_SOLID, 5, 2)], HIGH, "none"),
        ([Nodule(PART_SOLID, 9, 5)], LOW, "ct-3-6-then-yearly"),
        ([Nodule(PART_SOLID, 9, 6)], LOW, "part-solid-suspicious"),
        ([Nodule(GROUND_GLASS, 4), Nodule(GROUND_GLASS, 5)], LOW, "multiple-subsolid-small"),
        ([Nodule(GROUND_GLASS, 4), Nodule(PART_SOLID, 8, 3)], LOW, "multiple-subsolid-large"),
        ([Nodule(SOLID, 30, is_benign=True)], HIGH, "none"),
    ],
)
def test_fleischner_2017(nodules: list[Nodule], patient: Context, code: str) -> None:
    assert advise("fleischner-2017", nodules, patient).codes == (code,)


@pytest.mark.parametrize(
    ("patient", "reasons"),
    [
        (Context(), ("age-unknown",)),
        (Context(age_years=34.9), ("age-under-35",)),
        (
            Context(age_years=60, has_known_cancer=True, is_immunosuppressed=True),
            ("known-cancer", "immunosuppressed"),
        ),
        (SCREENED, ("screening",)),
    ],
)
def test_fleischner_says_to_whom_it_does_not_apply(patient: Context, reasons: tuple[str, ...]) -> None:
    advice = advise("fleischner-2017", [Nodule(SOLID, 9)], patient)
    assert (advice.codes, advice.does_not_apply) == ((), reasons)


# Categories by composition, size and course: v2022 and v1.1 agree on these.
BY_SIZE = [
    (SOLID, 5.9, 0, BASELINE, "2"), (SOLID, 6, 0, BASELINE, "3"), (SOLID, 7.9, 0, BASELINE, "3"),
    (SOLID, 8, 0, BASELINE, "4A"), (SOLID, 14.9, 0, BASELINE, "4A"), (SOLID, 15, 0, BASELINE, "4B"),
    (SOLID, 3.9, 0, NEW, "2"), (SOLID, 4, 0, NEW, "3"), (SOLID, 5.9, 0, NEW, "3"),
    (SOLID, 6, 0, NEW, "4A"), (SOLID, 8, 0, NEW, "4B"), (SOLID, 7.9, 0, GROWING, "4A"),
    (SOLID, 8, 0, GROWING, "4B"), (PART_SOLID, 5.9, 3, BASELINE, "2"),
    (PART_SOLID, 6, 5.9, BASELINE, "3"), (PART_SOLID, 9, 6, BASELINE, "4A"),
    (PART_SOLID, 9, 7.9, BASELINE, "4A"), (PART_SOLID, 9, 8, BASELINE, "4B"),
    (PART_SOLID, 5.9, 2, NEW, "3"), (PART_SOLID, 9, 3.9, NEW, "4A"), (PART_SOLID, 9, 4, NEW, "4B"),
    (PART_SOLID, 9, 3.9, GROWING, "4A"), (PART_SOLID, 9, 4, GROWING, "4B"),
    (GROUND_GLASS, 29.9, 0, BASELINE, "2"), (GROUND_GLASS, 30, 0, BASELINE, "3"),
    (GROUND_GLASS, 29.9, 0, GROWING, "2"), (GROUND_GLASS, 30, 0, NEW, "3"),
    (GROUND_GLASS, 35, 0, STABLE, "2"),
]  # fmt: skip


@pytest.mark.parametrize("rule", ["lung-rads-2022", "lung-rads-1.1"])
@pytest.mark.parametrize(("kind", "size", "solid", "course", "category"), BY_SIZE)
def test_lung_rads_by_size_and_course(
    rule: str, kind: Composition, size: float, solid: float, course: Course, category: str
) -> None:
    advice = advise(rule, [Nodule(kind, size, solid, course)], SCREENED)
    assert advice.category == category
    assert advice.codes == (f"category-{category.lower()}",)


@pytest.mark.parametrize(
    ("nodule", "in_2022", "in_1_1"),
    [
        (Nodule(SOLID, 9.9, is_juxtapleural=True), "2", "4A"),
        (Nodule(SOLID, 9.9, is_perifissural=True), "2", "2"),
        (Nodule(SOLID, 10, is_perifissural=True), "4A", "4A"),
        (Nodule(SOLID, 9, course=GROWING, is_juxtapleural=True), "4B", "4B"),
        (Nodule(SOLID, 9, is_benign=True), "1", "1"),
        (Nodule(SOLID, 7, is_suspicious=True), "4X", "4X"),
        (Nodule(SOLID, 5, is_suspicious=True), "2", "2"),
        (Nodule(SOLID, 7, course=STABLE, former="3"), "2", "2"),
        (Nodule(SOLID, 9, course=STABLE, former="4A"), "3", "2"),
        (Nodule(SOLID, 16, course=STABLE, former="4B"), "4B", "2"),
        (Nodule(SOLID, 8.1, course=STABLE, former="3"), "4A", "2"),
        (Nodule(SOLID, 5, course=STABLE, former="1"), "2", "1"),
    ],
)
def test_where_the_versions_of_lung_rads_differ(nodule: Nodule, in_2022: str, in_1_1: str) -> None:
    assert advise("lung-rads-2022", [nodule], SCREENED).category == in_2022
    assert advise("lung-rads-1.1", [nodule], SCREENED).category == in_1_1


def test_lung_rads_of_the_whole_study() -> None:
    assert advise("lung-rads-2022", [], SCREENED).category == "1"
    assert advise("lung-rads-2022", [], LOW).does_not_apply == ("not-screening",)
    several = advise("lung-rads-2022", [Nodule(SOLID, 5), Nodule(SOLID, 9), Nodule(SOLID, 7)], SCREENED)
    assert (several.category, several.nodule) == ("4A", 1)
    incomplete = Context(is_screening=True, is_incomplete=True, has_other_finding=True)
    assert advise("lung-rads-2022", [Nodule(SOLID, 9)], incomplete).codes == ("category-0", "modifier-s")
    infected = Context(is_screening=True, has_infection_signs=True)
    assert advise("lung-rads-2022", [Nodule(SOLID, 9)], infected).codes == ("category-0-infection",)
    assert advise("lung-rads-1.1", [Nodule(SOLID, 9)], infected).category == "4A"


# Table 1 of doi:10.1038/s41591-024-03211-3.
@pytest.mark.parametrize(
    ("nodule", "category"),
    [
        (Nodule(SOLID, 5.9), "1"), (Nodule(PART_SOLID, 5.9, 5), "1"), (Nodule(GROUND_GLASS, 5.9), "1"),
        (Nodule(SOLID, 6), "2"), (Nodule(SOLID, 9.9), "2"), (Nodule(PART_SOLID, 6, 5.9), "2"),
        (Nodule(GROUND_GLASS, 19.9), "2"), (Nodule(SOLID, 10), "3"), (Nodule(SOLID, 17.9), "3"),
        (Nodule(PART_SOLID, 12, 6), "3"), (Nodule(PART_SOLID, 12, 9.9), "3"),
        (Nodule(GROUND_GLASS, 20), "3"),
        (Nodule(SOLID, 18), "4"), (Nodule(PART_SOLID, 12, 10), "4"), (Nodule(SOLID, 20, is_benign=True), "0"),
        (Nodule(SOLID, 7, malignancy_probability=0.5), "4"),
        (Nodule(SOLID, 7, malignancy_probability=0.49), "2"),
        (Nodule(SOLID, 5, malignancy_probability=0.9), "1"),
    ],
)  # fmt: skip
def test_c_lung_rads(nodule: Nodule, category: str) -> None:
    assert advise("c-lung-rads", [nodule], SCREENED).category == category


def test_c_lung_rads_of_the_whole_study() -> None:
    assert advise("c-lung-rads", [], SCREENED).category == "0"
    assert advise("c-lung-rads", [Nodule(SOLID, 5)], LOW).does_not_apply == ("not-screening",)


def test_growth_is_more_than_1_5_mm_within_a_year() -> None:
    assert is_growing(7.6, 6, 12)
    assert not is_growing(7.5, 6, 12)
    assert not is_growing(9, 6, 13)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: Nodule(SOLID, float("nan")), "diameter_mm"),
        (lambda: Nodule(SOLID, 0), "diameter_mm"),
        (lambda: Nodule(SOLID, -1), "diameter_mm"),
        (lambda: Nodule(SOLID, 6, 3), "solid_mm"),
        (lambda: Nodule(PART_SOLID, 6, 7), "solid_mm"),
        (lambda: Nodule(SOLID, 6, malignancy_probability=2), "malignancy_probability"),
        (lambda: advise("lung-rads-2022", [Nodule(SOLID, 6, course=STABLE, former="5")], SCREENED), "former"),
        (lambda: advise("lung-rads-2030", [], SCREENED), "rule"),
    ],
)
def test_what_cannot_be_is_told(make, where: str) -> None:
    with pytest.raises(DecisionRefused) as told:
        make()
    assert told.value.where == where
    assert told.value.expected


contexts = st.builds(Context, st.floats(0, 110), *(st.booleans() for _ in range(7)))


@st.composite
def nodules(draw: st.DrawFn) -> Nodule:
    kind = draw(st.sampled_from(Composition))
    size = draw(st.floats(0.1, 80))
    solid = draw(st.floats(0, size)) if kind is PART_SOLID else 0.0
    flags = [draw(st.booleans()) for _ in range(4)]
    former = draw(st.sampled_from(["", "1", "2", "3", "4A", "4B", "4X"]))
    return Nodule(kind, size, solid, draw(st.sampled_from(Course)), *flags, former)


@given(st.sampled_from(sorted(RULES)), st.lists(nodules(), max_size=5), contexts)
def test_every_advice_has_its_sentences_in_both_languages(
    rule: str, found: list[Nodule], patient: Context
) -> None:
    advice = advise(rule, found, patient)
    for language in ("en", "zh"):
        assert set(sentences(advice, language)) <= catalogue(language)
    assert bool(advice.codes) or advice.does_not_apply or not found


@given(st.sampled_from(["lung-rads-2022", "c-lung-rads"]), nodules(), st.floats(0.1, 20))
def test_a_larger_nodule_is_never_less_urgent(rule: str, nodule: Nodule, more_mm: float) -> None:
    if nodule.course is STABLE or nodule.is_juxtapleural or nodule.is_perifissural:
        return
    larger = Nodule(
        nodule.composition, nodule.diameter_mm + more_mm, nodule.solid_mm, nodule.course, nodule.is_benign
    )
    smaller = Nodule(nodule.composition, nodule.diameter_mm, nodule.solid_mm, nodule.course, nodule.is_benign)
    before, after = (advise(rule, [n], SCREENED).category for n in (smaller, larger))
    assert after >= before


def test_no_sentence_stands_twice_and_none_is_empty() -> None:
    for language in ("en", "zh"):
        texts = catalogue(language)
        assert all(text.strip() for text in texts)
    for one, other in itertools.combinations(("en", "zh"), 2):
        assert not catalogue(one) & catalogue(other)
