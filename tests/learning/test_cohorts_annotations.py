"""Annotations of COCO, VOC and CSV files: exact, annotators apart, what does not fit is listed or refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

from drawn_cohorts import BOOK, Drawn, found

from coread.domain.codes import Code
from coread.errors import AnnotationRefused
from coread.learning.cohorts import BuildPlan, CodeBook, Concept, build
from coread.learning.cohorts.annotations import (
    read_coco,
    read_csv,
    read_voc,
    with_annotations,
)
from coread.learning.cohorts.regions import mask_of

SQUARE = [1, 2, 4, 2, 4, 4, 1, 4]


def coco(**more):
    return {
        "images": [{"id": 7, "file_name": "folder/a.png", "height": 6, "width": 8}],
        "categories": [{"id": 2, "name": "nodule"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 2], "segmentation": [SQUARE]},
            {"id": 2, "image_id": 7, "category_id": 2, "segmentation": {"counts": [40, 8]}, "iscrowd": 1},
            {"id": 3, "image_id": 7, "category_id": 2, "annotator": "bob", "bbox": [0, 0, 1, 1]},
        ],
    } | more  # fmt: skip


def test_coco_boxes_polygons_and_run_lengths(tmp_path):
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(coco()))
    labels = read_coco(path, "ann")
    assert [(label.annotator, label.kind, label.target) for label in labels] == [
        ("ann", "box", "1"), ("ann", "mask", "1"), ("ann", "mask", "2"), ("bob", "box", "3"),
    ]  # fmt: skip
    assert {label.image for label in labels} == {"a.png"}
    assert labels[0].region == (1, 2, 3, 2)
    mask = mask_of(labels[1].region, 6, 8)
    assert mask[2:4, 1:4].all()
    assert mask.sum() == 6
    assert mask_of(labels[2].region, 6, 8)[:, 7].all()


@pytest.mark.parametrize(
    "harm",
    [
        {"annotations": [{"id": 1, "image_id": 8, "category_id": 2, "bbox": [0, 0, 1, 1]}]},
        {"annotations": [{"id": 1, "image_id": 7, "category_id": 2, "segmentation": {"counts": [1, 2]}}]},
        {"categories": None},
    ],
)
def test_a_coco_file_that_contradicts_itself_is_refused(tmp_path, harm):
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(coco(**harm)))
    with pytest.raises(AnnotationRefused, match="COCO"):
        read_coco(path, "ann")


VOC = """<annotation><folder>x</folder><filename>a.png</filename>
<object><name>nodule</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>1</xmax><ymax>3</ymax></bndbox></object>
</annotation>"""


def test_a_voc_box_counts_from_one_and_holds_both_ends(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(VOC)
    [label] = read_voc(path, "ann")
    assert (label.image, label.name, label.region) == ("a.png", "nodule", (0, 0, 1, 3))


@pytest.mark.parametrize(
    "text",
    [
        VOC.replace("<xmax>1</xmax>", "<xmax>0</xmax>"),
        VOC.replace("<name>nodule</name>", ""),
        VOC[:80],
        '<!DOCTYPE a [<!ENTITY b "c">]>' + VOC,
    ],
)
def test_a_voc_file_that_is_broken_or_defines_entities_is_refused(tmp_path, text):
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(AnnotationRefused):
        read_voc(path, "ann")


def test_csv_lines_are_classes_numbers_points_and_boxes(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "image,label,annotator,value,x,y,width,height,target\n"
        "i001,sick,,1,,,,,\ni001,grade,bob,4,,,,,t1\ni002,sick,,1,3,4,,,\ni003,sick,,1,3,4,5,6,\n"
    )
    labels = read_csv(path, "ann")
    assert [(label.kind, label.annotator, label.value, label.region) for label in labels] == [
        ("class", "ann", 1, ()), ("number", "bob", 4, ()),
        ("points", "ann", 1, (3, 4)), ("box", "ann", 1, (3, 4, 5, 6)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\na,b\n", "image and label"),
        ("image,label,value\na,sick,much\n", "line 2"),
        ("image,label,x\na,sick,3\n", "line 2"),
    ],
)
def test_a_csv_file_that_cannot_be_understood_is_refused(tmp_path, text, said):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(AnnotationRefused, match=said):
        read_csv(path, "ann")
    path.write_bytes(b"image,label\n\xff\xfe,x\n")
    with pytest.raises(AnnotationRefused, match="UTF-8"):
        read_csv(path, "ann")


def test_labels_join_images_by_name_and_what_does_not_fit_is_listed(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "image,label,annotator,value\ni001,SICK,bob,0\ni001,mass,bob,1\ni002,grade,bob,9\nnobody,sick,bob,1\n"
    )
    book = CodeBook([*BOOK, Concept("shadow", Code("9", "99TEST", "Shadow"))])
    source = with_annotations(Drawn(), book, read_csv(path, "ann"))
    built = build(source, tmp_path / "cohort", BuildPlan("sick"))
    assert [(label.annotator, label.value) for label in built.labels_of("i001")] == [
        ("ann", 1.0),
        ("bob", 0.0),
    ]
    assert sorted(left.code for left in built.left_out) == [
        "unknown-image", "unknown-label", "value-out-of-range",
    ]  # fmt: skip


def test_an_image_s_file_name_will_do(tmp_path):
    items = [found(seed) for seed in range(20)]
    items += [found(20, source="set/images/chest.png"), found(21, source="set/images/other.jpg")]
    path = tmp_path / "labels.csv"
    path.write_text("image,label,annotator\nchest.png,sick,bob\nother,sick,bob\n")
    built = build(with_annotations(Drawn(items), BOOK, read_csv(path, "")), tmp_path / "c", BuildPlan())
    assert [label.image for label in built.labels if label.annotator == "bob"] == ["i020", "i021"]
    assert np.all([image.split for image in built.images])
