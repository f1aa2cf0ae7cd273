"""Every fault of a cohort, by name: refused with its reason, or listed while the rest goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

from drawn_cohorts import BOOK, Drawn, found, picture

from coread.errors import CohortRefused
from coread.learning.cohorts import BuildPlan, build
from coread.learning.cohorts.checking import faults, pixel_fault
from coread.learning.cohorts.form import Label, LeftOut


def source(**known):
    names = ("train", "val", "test")
    return Drawn([found(seed, split=names[seed // 4 % 3], **known) for seed in range(48)])


FATAL = {
    "patients in more than one split": lambda: source().but(0, patient="p023"),
    "modalities with grey values of several units": lambda: source().but(3, grey_unit="HU"),
    "pixel spacings outside": lambda: source().but(3, spacing_mm=(0.7e-4, 0.7e-4)),
    "images in a split that is none of": lambda: source().but(3, split="holdout"),
    "names borne by several images": lambda: source().but(3, image="i007"),
    "labels that are not in the code book": lambda: Drawn(
        [*source().items, found(48, split="train", labels=[Label("i048", "ann", "unheard of")])]
    ),
    "labels of images that the cohort does not hold": lambda: Drawn(
        [*source().items, found(48, split="train", labels=[Label("i999", "ann", "sick")])]
    ),
    "no usable image is left": lambda: Drawn([LeftOut("x", "missing-file", "gone")]),
}


@pytest.mark.parametrize("said", FATAL)
def test_what_would_make_figures_untrue_is_refused(said, tmp_path):
    with pytest.raises(CohortRefused, match=said) as told:
        build(FATAL[said](), tmp_path, BuildPlan())
    assert "What to do" in str(told.value)
    assert not (tmp_path / "cohort.json").exists()


def test_a_split_of_one_class_is_refused(tmp_path):
    drawn = source()
    drawn.items = [
        replace(item, labels=(Label(item.image.image, "ann", "sick", value=1.0),))
        if item.image.split == "val"
        else item
        for item in drawn.items
    ]
    with pytest.raises(CohortRefused, match=r"1 splits with one value of 'sick' only \(val\)"):
        build(drawn, tmp_path / "a", BuildPlan("sick"))
    assert len(build(drawn, tmp_path / "b", BuildPlan()).images) == 48


def test_a_target_that_nobody_labelled_is_refused(tmp_path):
    with pytest.raises(CohortRefused, match="splits without a label 'grade'"):
        build(source(), tmp_path, BuildPlan("grade"))


def test_every_fatal_fault_is_told_at_once(tmp_path):
    drawn = source().but(0, patient="p023").but(3, grey_unit="HU")
    with pytest.raises(CohortRefused) as told:
        build(drawn, tmp_path, BuildPlan())
    assert "more than one split" in str(told.value)
    assert "several units" in str(told.value)


def test_an_implausible_age_is_a_remark(tmp_path):
    built = build(source().but(5, age_years=411.0), tmp_path, BuildPlan())
    assert [(fault.code, fault.fatal, fault.examples) for fault in faults(built)] == [
        ("implausible-age", False, ("i005",))
    ]
    assert built.facts["remarks"][0]["code"] == "implausible-age"


BAD_PIXELS = {
    "all-black": np.zeros((48, 40), np.uint8),
    "too-small": picture(0, 8, 40),
    "not-finite": np.full((48, 40), np.nan, np.float32),
}


@pytest.mark.parametrize("code", BAD_PIXELS)
def test_an_image_that_shows_nothing_is_listed_and_the_rest_goes_on(code, tmp_path):
    drawn = source()
    drawn.items[7] = replace(drawn.items[7], pixels=BAD_PIXELS[code])
    built = build(drawn, tmp_path, BuildPlan())
    assert len(built.images) == 47
    assert [(left.what, left.code) for left in built.left_out] == [("drawn#7", code)]
    assert "i007" not in {label.image for label in built.labels}


def test_a_grade_beyond_its_scale_is_listed_and_the_rest_goes_on(tmp_path):
    odd = found(
        48, split="train", labels=[Label("i048", "ann", "grade", "number", 9), Label("i048", "bob", "sick")]
    )
    built = build(Drawn([*source().items, odd]), tmp_path, BuildPlan())
    assert [label.annotator for label in built.labels_of("i048")] == ["bob"]
    assert [(left.what, left.code) for left in built.left_out] == [("i048: grade 9", "value-out-of-range")]
    edited = replace(built, labels=(*built.labels, *odd.labels))
    assert [fault.code for fault in faults(edited) if fault.fatal] == ["value-out-of-range"]


def test_a_black_image_with_a_bright_mark_is_still_black():
    pixels = np.zeros((200, 200), np.uint8)
    pixels[:5, :20] = 255
    assert pixel_fault(pixels)[0] == "all-black"
    pixels[:60, :60] = picture(0, 60, 60)
    assert pixel_fault(pixels) is None


def test_the_book_of_the_drawn_cohorts_holds_what_the_faults_miss():
    assert "sick" in BOOK
    assert "unheard of" not in BOOK
