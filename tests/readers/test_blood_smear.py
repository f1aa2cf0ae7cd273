"""Counting without networks: peaks, boxes, intervals, gate; and the shipped reader under the contract."""

from __future__ import annotations

import json
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coread.dicom import open_object
from coread.domain.codes import COUNTS, PERCENT
from coread.readers import Machine, Reader, blood_smear
from coread.readers.blood_smear import __main__ as command_line
from coread.readers.blood_smear import cells as words
from coread.readers.blood_smear import field, gate, peaks
from coread.readers.blood_smear.differential import UNSURE, Naming, count_interval, measurements, shares
from coread.readers.blood_smear.reader import BUNDLE, Counting
from coread.testing import dicom_from_pixels
from coread.testing.readers import ReaderTests, run_one

CLASSES = list(words.CLASSES)


def maps(*drawn):
    """Maps with a peak (kind, row, column, height, width, height of box in map cells)."""
    heat, sides = np.zeros((3, 60, 80)), np.zeros((12, 60, 80))
    for kind, row, column, score, width, height in drawn:
        heat[kind, row, column] = score
        sides[4 * kind : 4 * kind + 4, row, column] = np.log([width / 2, height / 2] * 2)
    return heat, sides


def test_a_peak_becomes_the_box_that_was_drawn():
    found = peaks.cells(*maps((0, 20, 30, 0.9, 10, 8)), 0.5, (480, 640))
    assert found.kind.tolist() == [0]
    # centre (30.5, 20.5) map cells of 4 input pixels, half the image's size
    assert found.boxes[0] == pytest.approx([(30.5 - 5) * 8, (20.5 - 4) * 8, 80, 64])


def test_boxes_stay_inside_the_image():
    found = peaks.cells(*maps((1, 0, 79, 0.8, 30, 30), (1, 59, 0, 0.7, 30, 30)), 0.5, (480, 640))
    corners = found.boxes[:, :2] + found.boxes[:, 2:]
    assert (found.boxes[:, :2] >= 0).all()
    assert (corners <= [640, 480]).all()


def test_of_two_peaks_in_one_place_the_surer_counts():
    close = maps((1, 20, 30, 0.9, 12, 12), (1, 20, 32, 0.8, 12, 12), (2, 20, 31, 0.7, 12, 12))
    found = peaks.cells(*close, 0.5, (480, 640))
    assert sorted(found.kind.tolist()) == [1, 2]
    assert found.of_kind(1).score.tolist() == [0.9]


@given(st.floats(0, 60), st.floats(0, 60), st.floats(1, 50), st.floats(1, 50))
def test_overlap_is_one_with_itself_and_the_same_both_ways(left, top, width, height):
    box, other = np.array([[left, top, width, height]]), np.array([[10.0, 10.0, 20.0, 20.0]])
    assert peaks.overlaps(box, box)[0, 0] == pytest.approx(1)
    assert peaks.overlaps(box, other)[0, 0] == pytest.approx(peaks.overlaps(other, box)[0, 0])


def test_the_whole_field_lies_in_the_input_with_one_scale():
    image = np.full((600, 600, 3), 200, np.uint8)
    ready = field.prepare(image)
    assert ready.tensor.shape == (1, 3, field.ROWS, field.COLUMNS)
    assert ready.scale == pytest.approx(240 / 600)


def test_another_lamp_and_camera_give_the_same_input():
    rng = np.random.default_rng(0)
    image = rng.integers(40, 180, (240, 320, 3)).astype(np.float32)
    image[:80] = 190
    tinted = image * np.array([1.2, 0.9, 1.05])
    first, second = (field.prepare(part.astype(np.uint8)).tensor for part in (image, tinted))
    assert np.abs(first - second).max() < 0.02


def test_a_cell_at_the_edge_is_cut_out_whole():
    image = np.full((480, 640, 3), 220, np.uint8)
    assert field.cut(image, np.array([0.0, 0.0, 60.0, 50.0])).shape == (3, field.CELL_SIDE, field.CELL_SIDE)


def test_a_share_bears_the_interval_of_so_few_cells():
    names = [CLASSES.index("neutrophil")] * 3 + [CLASSES.index("lymphocyte"), UNSURE]
    count, share = shares(names)["neutrophil"]
    assert (count, share.value) == (3, 0.75)
    # Wilson's interval for 3 of 4
    assert (share.lower, share.upper) == pytest.approx((0.3006, 0.9544), abs=1e-3)


def test_what_is_written_down_of_a_field():
    names = np.array(
        [CLASSES.index("monocyte"), CLASSES.index("erythroblast"), CLASSES.index("platelet"), UNSURE]
    )
    held = measurements({0: 4, 1: 20}, np.array([0.5, 1.0, 1.0]), names)
    counts = {m.quantity: m.value for m in held if m.unit == COUNTS}
    percents = {m.quantity: m.value for m in held if m.unit == PERCENT}
    assert counts[words.LEUKOCYTE] == 4
    assert counts[words.PLATELET] == 0
    assert counts[words.ERYTHROBLAST] == 1
    assert counts[words.UNCLASSIFIED] == 2
    assert percents[words.MONOCYTE] == 100
    assert percents[words.BASOPHIL] == 0


def test_nothing_is_said_in_percent_of_no_leukocyte():
    held = measurements({}, np.zeros(3), np.array([], np.int64))
    assert all(m.unit == COUNTS for m in held)


@given(st.integers(0, 300), st.floats(0, 3))
def test_a_count_lies_in_its_interval(found, reach):
    lower, upper = count_interval(found, reach)
    assert 0 <= lower <= found <= upper


def test_an_unsure_cell_bears_no_name():
    naming = Naming(temperature=1.0, least=0.8)
    logits = np.zeros((2, 8))
    logits[0, 3] = 9
    assert naming.names(logits).tolist() == [3, UNSURE]


def counting():
    return Counting(np.array([0.4, 0.4, 0.4]), np.ones(3), np.zeros(3), np.ones(3), Naming(1.0, 0.5))


def test_the_most_doubtful_cell_decides_how_far_a_field_is_trusted():
    clear = peaks.cells(*maps((0, 20, 30, 0.95, 20, 20)), 0.5, (480, 640))
    doubtful = peaks.cells(*maps((0, 20, 30, 0.95, 20, 20), (0, 50, 60, 0.41, 20, 20)), 0.5, (480, 640))
    assert counting().trust(doubtful) < 0.1 < counting().trust(clear)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"Modality": "CT"}, "not-microscopy"),
        ({"Modality": "GM", "PhotometricInterpretation": "MONOCHROME2"}, "not-colour"),
        ({"Modality": "SM", "PhotometricInterpretation": "RGB", "Rows": "90", "Columns": "400"}, "too-small"),
        (
            {"Modality": "OT", "PhotometricInterpretation": "RGB", "Rows": "300", "Columns": "900"},
            "too-narrow",
        ),
        (
            {"Modality": "XC", "PhotometricInterpretation": "YBR_FULL_422", "Rows": "480", "Columns": "640"},
            None,
        ),
    ],
)
def test_the_header_is_asked_first(facts, code):
    reason = gate.refusal_by_header(facts)
    assert (reason.code if reason else None) == code


def test_every_reason_speaks_both_languages():
    assert all(reason.text and reason.text_zh for reason in gate.REASONS.values())


@cache
def shipped() -> Reader:
    return blood_smear.reader(Machine())


VL_MICROSCOPIC = "1.2.840.10008.5.1.4.1.1.77.1.2"


def field_object(path, modality="GM"):
    pixels = np.asarray(Image.open(path).convert("RGB"))
    facts = {"Modality": modality, "SOPClassUID": VL_MICROSCOPIC}
    return open_object(dicom_from_pixels(pixels, modality="OT", facts=facts))


@pytest.mark.shared_data
@pytest.mark.skipif(
    not (BUNDLE / "card.json").is_file(), reason="the blood smear reader's bundle is not here yet"
)
class TestBloodSmear(ReaderTests):
    def reader(self) -> Reader:
        return shipped()

    @pytest.fixture(autouse=True)
    def _images(self, shared_data):
        files = sorted((shared_data / "blood_bccd" / "images").glob("*.jpg"))
        self.images = [field_object(file) for file in files[:2]]

    def fit_images(self):
        return self.images

    def test_a_field_comes_back_with_counts_and_boxes(self):
        (finding,) = run_one(shipped(), self.images[0]).findings
        counted = {m.quantity: m for m in finding.measurements if m.unit == COUNTS}
        assert counted[words.ERYTHROCYTE].value > 5
        assert (
            counted[words.LEUKOCYTE].lower <= counted[words.LEUKOCYTE].value <= counted[words.LEUKOCYTE].upper
        )
        kinds = {box.label for box in finding.boxes}
        assert words.ERYTHROCYTE in kinds
        assert all(0 <= box.probability <= 1 for box in finding.boxes)

    def test_an_image_file_is_counted_as_its_dicom_object(self, shared_data, capsys, tmp_path):
        file = sorted((shared_data / "blood_bccd" / "images").glob("*.jpg"))[0]
        (finding,) = run_one(shipped(), self.images[0]).findings
        counted = {m.quantity.meaning: m.value for m in finding.measurements if m.unit == COUNTS}
        (tmp_path / "text.jpg").write_text("no image")
        assert command_line.main([str(file), str(tmp_path / "text.jpg")]) == 1
        said, refused = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert {c["what"]: c["value"] for c in said["counted"] if c["unit"] == COUNTS.value} == counted
        assert said["countable"]["probability"] == finding.confidence.probability
        assert len(said["cells"]) == len(finding.boxes)
        assert refused["refused"]["code"] == "no-image"

    def test_a_field_takes_less_than_half_a_second(self):
        spent = []
        for _ in range(5):
            began = time.process_time()
            shipped().read(self.images[1])
            spent.append(time.process_time() - began)
        assert min(spent) < 0.5

    def test_a_radiograph_in_a_microscope_s_clothes_is_refused(self, shared_data):
        path = sorted((shared_data / "cxr_nih" / "images").rglob("*.png"))[0]
        assert run_one(shipped(), field_object(path)).reason.code in {"not-a-smear", "out-of-distribution"}
