from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("efficientnet_lite_pytorch", reason="the lab is not installed (pip install coread[lab])")

from PIL import Image  # noqa: E402
from scipy.stats import norm  # noqa: E402

from coread.learning.blood import counting, detecting, refusing, staining  # noqa: E402
from coread.learning.blood.appraisal import purple_blobs, weighted_macro_f1  # noqa: E402
from coread.learning.blood.detecting import maps  # noqa: E402
from coread.learning.blood.sets import Field, cells, fields  # noqa: E402
from coread.readers.blood_smear import peaks  # noqa: E402
from coread.readers.blood_smear.gate import FeatureGate  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


BOXES = np.array([[100.0, 80.0, 180.0, 160.0], [400.0, 300.0, 100.0, 100.0], [300.0, 60.0, 40.0, 40.0]])
KINDS = np.array([0, 1, 2])


def drawn_field(path):
    image = np.full((480, 640, 3), (225, 205, 215), np.uint8)
    for (left, top, width, height), colour in zip(
        BOXES.astype(int), ((90, 40, 130), (205, 172, 178), (120, 80, 150)), strict=True
    ):
        row, column = np.mgrid[:height, :width]
        disc = ((row - height / 2) / (height / 2)) ** 2 + ((column - width / 2) / (width / 2)) ** 2 < 1
        image[top : top + height, left : left + width][disc] = colour
    Image.fromarray(image).save(path)
    return Field(path, "train", BOXES, KINDS)


@pytest.fixture
def one_field(tmp_path):
    return drawn_field(tmp_path / "field.png")


def test_what_the_maps_should_show_reads_back_as_the_boxes():
    heat, sides, weight = detecting.targets(BOXES, KINDS, 0.5)
    found = peaks.cells(heat, sides, 0.5, (480, 640))
    order = np.argsort(found.kind)
    assert found.kind[order].tolist() == [0, 1, 2]
    assert found.boxes[order] == pytest.approx(BOXES, abs=0.5)
    assert weight.sum((1, 2)) == pytest.approx([1, 1, 1])  # each cell counts alike, however large


def test_the_loss_of_perfect_peaks_is_small_and_a_missed_cell_costs():
    heat = torch.from_numpy(detecting.targets(BOXES, KINDS, 0.5)[0])[None]
    sure = torch.where(heat >= 1, 9.0, -9.0)
    missed = torch.full_like(heat, -9.0)
    assert maps.peak_loss(sure, heat) < 0.2 < maps.peak_loss(missed, heat)


def test_the_loss_of_sides_is_nothing_for_the_true_box_and_grows_with_its_error():
    _, sides, weight = (torch.from_numpy(part)[None] for part in detecting.targets(BOXES, KINDS, 0.5))
    losses = [float(maps.side_loss(sides + shift, sides, weight)) for shift in (0.0, 0.2, 0.8)]
    assert losses[0] == pytest.approx(0, abs=1e-5)
    assert losses[0] < losses[1] < losses[2]
    off = torch.where(weight.repeat_interleave(4, 1) > 0, sides, sides + 3)
    assert float(maps.side_loss(off, sides, weight)) == pytest.approx(0, abs=1e-5)  # elsewhere nothing counts


def test_of_two_cells_in_one_place_each_learns_its_own_box():
    close = np.array([[100.0, 100.0, 160.0, 160.0], [190.0, 100.0, 160.0, 160.0]])
    heat, sides, _ = detecting.targets(close, np.array([0, 0]), 0.5)
    found = peaks.cells(heat, sides, 0.5, (480, 640))
    assert sorted(found.boxes[:, 0].round().tolist()) == pytest.approx([100, 190], abs=1)


@pytest.mark.parametrize("seed", range(8))
def test_boxes_move_with_their_cells(one_field, seed):
    image, move = staining.disturbed_field(one_field.image(), np.random.default_rng(seed))
    boxes, kept = move.boxes(BOXES)
    again = staining.Move.drawn((480, 640), np.random.default_rng(seed))
    assert (again.boxes(BOXES)[0] == boxes).all()
    for left, top, width, height in boxes[KINDS[kept] == 0]:
        middle = image[int(top + height / 2), int(left + width / 2)].astype(int)
        assert middle[1] < 140  # the dark cell lies in its box
    assert image.shape == (480, 640, 3)


def test_disturbing_is_seeded():
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    first, second = (staining.disturbed_cell(image, np.random.default_rng(4)) for _ in "ab")
    assert (first == second).all()


def found_cells(boxes, kind, score):
    return peaks.Cells(np.array(boxes, float).reshape(-1, 4), np.array(kind), np.array(score, float))


def test_each_annotation_is_claimed_once_by_the_surest(one_field):
    twice = found_cells([BOXES[0], BOXES[0] + 2, BOXES[1]], [0, 0, 2], [0.7, 0.9, 0.8])
    assert counting.hits(twice, one_field).tolist() == [False, True, False]
    assert counting.tally([twice], [one_field], 0).tolist() == [[1, 1, 0]]
    assert not counting.white_count_right(twice, one_field)


def test_the_threshold_parts_cells_from_false_alarms(one_field):
    elsewhere = np.array([[5.0, 5.0, 20.0, 20.0]] * 3)
    found = found_cells([*BOXES, *elsewhere], [0, 1, 2, 0, 1, 2], [0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    limits = counting.thresholds([found], [one_field])
    assert limits == pytest.approx([0.6, 0.5, 0.4])


def test_a_count_reaches_at_least_as_far_as_it_was_ever_wrong(one_field):
    nothing = found_cells([], np.zeros(0, np.int64), [])
    assert counting.reaches([nothing] * 30, [one_field] * 30).tolist() == [1, 1, 1]


def test_a_field_is_counted_at_thresholds_that_did_not_see_it(one_field):
    sure, unsure = (found_cells(BOXES, KINDS, [height] * 3) for height in (0.9, 0.2))
    alone = counting._errors_unseen([sure] * 5 + [unsure], [one_field] * 6)
    assert alone[:, :5].tolist() == [[0.0] * 5] * 3  # the others' best cut lies below both heights
    assert alone[:, 5].tolist() == [1.0] * 3  # without the unsure field it lies at 0.45


def test_the_conformal_quantile_has_the_rank_of_lei():
    assert counting.conformal(np.arange(1.0, 40)) == 38  # ceil(40 * 0.95)
    assert counting.conformal(np.array([-3.0, 1, 2])) == 3


def test_a_tolerance_reach_has_the_factor_of_the_tables():
    # Two-sided normal tolerance factors, 95 % content, 95 % confidence: 2.752 for n = 20, 2.445 for n = 40
    # (Howe's approximation is within 0.5 % of the exact tables, e.g. ISO 16269-6:2014).
    for n, factor in ((20, 2.752), (40, 2.445)):
        error = np.tile([-1.0, 1.0], n // 2)
        assert counting.tolerance(error) / error.std(ddof=1) == pytest.approx(factor, rel=0.005)


def test_a_tolerance_reach_covers_what_it_says_with_the_confidence_it_says():
    rng = np.random.default_rng(0)
    covered = [2 * norm.cdf(counting.tolerance(rng.normal(size=37))) - 1 for _ in range(2000)]
    assert np.mean(np.array(covered) >= 0.95) >= 0.95


def test_a_mean_error_widens_the_reach():
    error = np.tile([-1.0, 1.0], 20)
    assert counting.tolerance(error - 0.5) == pytest.approx(counting.tolerance(error) + 0.5)


def test_a_curve_without_a_mistake_is_a_smoothed_share():
    all_right = counting.curve_of(np.ones(8, bool), np.arange(8.0))
    assert all_right(np.array([0.0, 100.0])) == pytest.approx([0.9, 0.9])


def test_temperature_cools_the_overconfident():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    logits = rng.normal(0, 1, (400, 4))
    logits[np.arange(400), labels] += 1.5
    assert counting.temperature(labels, logits * 3) == pytest.approx(
        3 * counting.temperature(labels, logits), rel=0.1
    )


def test_cells_are_named_only_where_nearly_all_names_are_right():
    labels = np.zeros(100, np.int64)
    probability = np.tile([0.95, 0.05], (100, 1))
    probability[:5] = [0.4, 0.6]  # five wrong ones, less sure
    assert counting.least_probability(labels, probability) > 0.6
    probability[:50] = [0.4, 0.6]
    assert counting.least_probability(labels, probability) <= 0.6  # but never at the price of most cells


def test_macro_f1_knows_the_unnamed():
    labels = np.array([0, 0, 1, 1])
    assert weighted_macro_f1(labels, labels, np.ones(4), 2) == 1
    assert weighted_macro_f1(labels, np.array([0, -1, 1, 1]), np.ones(4), 2) == pytest.approx((2 / 3 + 1) / 2)


def test_the_naive_baseline_finds_a_purple_cell(one_field):
    found = purple_blobs(one_field)
    assert counting.hits(found, one_field).tolist() == [True]


def test_the_gate_parts_smears_from_others_and_keeps_to_known_sizes():
    rng = np.random.default_rng(0)
    smears, others = rng.normal(0, 1, (60, 30)), rng.normal(3, 1, (60, 30))
    red = found_cells([[0, 0, 100, 100]] * 5, np.ones(5, np.int64), np.ones(5))
    gate = refusing.teach_gate(smears[:40], others[:40], smears[40:], [(red, 0.5)] * 3)
    gate = FeatureGate.of_arrays(refusing.gate_arrays(gate))
    assert [gate.refusal(row[None]) for row in smears[40:]] == [None] * 20
    assert all(gate.refusal(row[None]) for row in others[40:])
    assert gate.doubt(red, 0.5) is None
    assert gate.doubt(red, 1.0).code == "other-magnification"
    assert gate.doubt(found_cells([], np.zeros(0, np.int64), []), 0.5).code == "no-red-cells"


@pytest.mark.parametrize("how", refusing.SPOILS)
def test_spoiling_keeps_the_shape(one_field, how):
    image = refusing.spoiled(one_field, how, np.random.default_rng(0))
    assert (image.shape, image.dtype) == ((480, 640, 3), np.uint8)
    assert (how == "as it is") == bool((image == one_field.image()).all())


def test_a_tint_gives_a_grey_image_two_colours():
    image = refusing.tinted(np.arange(256, dtype=np.uint8).reshape(16, 16), np.random.default_rng(0))
    assert np.ptp(image.astype(int), axis=2).max() > 20


@pytest.mark.shared_data
def test_the_sets_are_split_as_published(shared_data):
    assert [len(fields(shared_data, split)) for split in ("train", "val", "test")] == [186, 36, 73]
    assert [len(cells(shared_data, split).labels) for split in ("train", "val", "test")] == [2889, 730, 1180]
