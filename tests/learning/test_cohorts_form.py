"""The form of a cohort: what is written comes back, regions are exact, words of the code book are apart."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

from drawn_cohorts import BOOK, Drawn, found, picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from coread.domain.codes import Code
from coread.errors import CohortRefused
from coread.learning.cohorts import BuildPlan, CodeBook, Concept, build, open_cohort
from coread.learning.cohorts.form import Label
from coread.learning.cohorts.regions import filled, mask_of, moved, runs_of, uncompressed


def test_what_is_built_comes_back(tmp_path):
    items = [found(seed, spacing_mm=(0.5, 0.25), age_years=40.0, sex="F") for seed in range(39)]
    mask = np.zeros((48, 40), bool)
    mask[3:9, 5:8] = True
    labels = (
        Label("i039", "ann", "sick"),
        Label("i039", "bob", "sick", value=0.0),
        Label("i039", "ann", "sick", "mask", 1.0, runs_of(mask), "lesion 1"),
    )
    items.append(found(39, labels=labels))
    built = build(Drawn(items), tmp_path, BuildPlan("sick"))
    again = open_cohort(tmp_path)
    assert again.images == built.images
    assert again.labels == built.labels
    assert again.book.concepts == BOOK.concepts
    assert (again.stored(again.images[7]) == picture(7)).all()
    assert [label.value for label in again.labels_of("i039", "bob")] == [0.0]
    assert again.annotators() == ("ann", "bob")


def test_progress_grows_to_the_end(tmp_path):
    told = []
    build(Drawn(), tmp_path, BuildPlan("sick"), lambda text, share: told.append(share))
    assert told == sorted(told)
    assert told[0] == pytest.approx(0.475)
    assert told[-1] == 1


def test_building_twice_gives_the_same_bytes(tmp_path):
    for name in "ab":
        build(Drawn(), tmp_path / name, BuildPlan("sick"))
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


@pytest.mark.parametrize("harm", ["no facts", "format", "half a table", "no table"])
def test_a_broken_cohort_is_refused(tmp_path, harm):
    build(Drawn(), tmp_path, BuildPlan())
    if harm == "no facts":
        (tmp_path / "cohort.json").write_text("{")
    elif harm == "format":
        facts = json.loads((tmp_path / "cohort.json").read_text())
        (tmp_path / "cohort.json").write_text(json.dumps({**facts, "format": 99}))
    elif harm == "half a table":
        data = (tmp_path / "labels.parquet").read_bytes()
        (tmp_path / "labels.parquet").write_bytes(data[: len(data) // 2])
    else:
        (tmp_path / "manifest.parquet").unlink()
    with pytest.raises(CohortRefused, match="2301"):
        open_cohort(tmp_path)


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_run_lengths_are_exact(mask):
    assert (mask_of(runs_of(mask), *mask.shape) == mask).all()


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=12))
def test_compressed_run_lengths_come_back(runs):
    assert uncompressed(compressed(runs)) == tuple(runs)


def compressed(runs):
    """COCO's compression, written by its description (pycocotools rleToString)."""
    text = ""
    for at, run in enumerate(runs):
        value = run - runs[at - 2] if at > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text += chr((bits | 0x20 if more else bits) + 48)
    return text


@pytest.mark.parametrize("runs", [(3, 2), (-1, 10), (), (0, 0, 9)])
def test_run_lengths_that_do_not_fill_the_image_are_refused(runs):
    with pytest.raises(ValueError, match="run lengths"):
        mask_of(runs, 2, 2)


def test_an_outline_fills_the_pixels_whose_centres_it_holds():
    mask = filled((1, 1, 4, 1, 4, 3, 1, 3), 5, 6)
    assert mask[1:3, 1:4].all()
    assert mask.sum() == 6
    ring = filled((0, 0, 6, 0, 6, 6, 0, 6, 0, 0, 2, 2, 2, 4, 4, 4, 4, 2, 2, 2), 6, 6)
    assert ring.sum() == 32
    y, x = np.mgrid[0:40, 0:40] + 0.5
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    round_one = np.column_stack((20 + 12.3 * np.cos(angle), 21 + 12.3 * np.sin(angle)))
    disc = (x - 20) ** 2 + (y - 21) ** 2 < 12.3**2
    assert (filled(round_one.ravel(), 40, 40) != disc).mean() < 0.003
    assert not filled((-9, -9, -2, -9, -2, -2), 6, 6).any()


def test_regions_move_with_their_image():
    placed, sizes = (0.5, 2.0, 3.0, 1.0), ((4, 4), (8, 12))
    assert moved("box", (1, 2, 2, 2), placed, sizes) == (3.0, 4.0, 4.0, 1.0)
    assert moved("points", (1, 2, 3, 4), placed, sizes) == (3.0, 4.0, 7.0, 5.0)
    mask = np.zeros((4, 4), bool)
    mask[2:, 1:3] = True
    there = mask_of(moved("mask", runs_of(mask), placed, sizes), 8, 12)
    assert there[4, 3:7].all()
    assert there.sum() == 4


def test_the_code_book_finds_names_codes_and_aliases():
    book = CodeBook([Concept("nodule", Code("27925004", "SCT", "Nodule"), aliases=("Lung_Nodule",))])
    assert {book.find(word).name for word in ("NODULE", "27925004", "lung nodule")} == {"nodule"}
    assert book.find("mass") is None
    assert CodeBook.from_json(book.to_json()) == book


def test_two_concepts_do_not_share_a_word():
    code = Code("1", "99TEST", "One")
    with pytest.raises(ValueError, match="two concepts"):
        CodeBook([Concept("a", code), Concept("b", Code("2", "99TEST", "Two"), aliases=("A",))])
    with pytest.raises(ValueError, match="not below"):
        Concept("a", code, low=1, high=1)
