"""Every published set becomes a cohort in the one form."""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

from itertools import islice

from coread.errors import CohortRefused
from coread.learning.cohorts import BuildPlan, build, open_cohort
from coread.learning.cohorts.describing.card import possible_shortcuts
from coread.learning.cohorts.regions import mask_of
from coread.learning.cohorts.sources import PUBLISHED, published
from coread.learning.cohorts.sources.tables import number
from coread.learning.cohorts.taking import Found


class First:
    """The first images of a source."""

    def __init__(self, source, count):
        self.source, self.count = source, count
        self.name, self.book, self.traps = source.name, source.book, source.traps

    def __len__(self):
        return self.count

    def __iter__(self):
        return islice(iter(self.source), self.count)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", PUBLISHED)
def test_each_set_gives_images_with_labels_in_its_code_book(shared_data, name, tmp_path):
    source = published(name, shared_data)
    held = list(First(source, 12))
    assert all(isinstance(item, Found) for item in held)
    assert all(item.image.patient and item.image.licence and item.image.split for item in held)
    assert {label.name for item in held for label in item.labels} <= {concept.name for concept in source.book}
    built = build(First(source, 12), tmp_path, BuildPlan())
    assert len(built.images) == 12
    assert all(built.stored(image).shape[:2] == (image.rows, image.columns) for image in built.images)
    assert open_cohort(tmp_path).images == built.images
    assert len(source.traps) >= 1


@pytest.mark.parametrize(("cell", "value"), [("", None), ("nan", None), ("2.5", 2.5), ("inf", None)])
def test_a_cell_that_is_no_number_is_unknown(cell, value):
    assert number(cell) == value


@pytest.mark.shared_data
def test_the_known_pair_is_found_and_the_known_trap_is_named(shared_data, tmp_path):
    built = build(published("cxr_nih", shared_data), tmp_path, BuildPlan("pneumonia"))
    assert len(built.images) == 783
    pairs = built.facts["near_duplicates"]
    assert [pair["images"] for pair in pairs] == [["00002658_001", "00002658_002"]]
    first = possible_shortcuts(built)[0]
    assert (first["label"], first["attribute"]) == ("pneumonia", "view")
    boxes = [label for label in built.labels if label.kind == "box"]
    assert (len(boxes), {label.annotator for label in boxes}) == (35, {"nih-radiologist"})


@pytest.mark.shared_data
def test_readers_of_a_nodule_stay_apart(shared_data):
    source = published("lidc_nodules", shared_data)
    item = next(i for i in source if isinstance(i, Found) and i.image.fact("n_readers") == 4)
    outlines = [label for label in item.labels if label.kind == "mask"]
    assert len({label.annotator for label in outlines}) == 4
    assert [mask_of(label.region, 96, 96).any() for label in outlines] == [bool(o.value) for o in outlines]


def test_a_set_that_is_none_is_refused(tmp_path):
    with pytest.raises(CohortRefused, match="cxr_nih"):
        published("nothing", tmp_path)
    with pytest.raises(CohortRefused, match=r"cases\.csv"):
        published("cxr_nih", tmp_path)
