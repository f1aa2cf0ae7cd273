"""Outlines guessed from points and boxes, arms that see only what they may, attention that finds places."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from drawn_nodules import drawn_cohort  # noqa: E402

from coread.learning.nodule import outlining  # noqa: E402
from coread.learning.nodule.outlining import Lessons, Plan, lessons_of, read_all, shown, train  # noqa: E402
from coread.learning.nodule.prompts import beside, click, drawn_box, either  # noqa: E402
from coread.learning.nodule.scoring import (  # noqa: E402
    agreement,
    between_readers,
    dice,
    examined,
    mean_interval,
    outlined,
    ratio_interval,
)
from coread.learning.runs.checkpoint import Checkpoint  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.learning.weak import arms, instances  # noqa: E402
from coread.learning.weak.growing import grown  # noqa: E402
from coread.readers.ct_nodule.window import CHANNELS, SIDE  # noqa: E402

SMALL = Plan(steps=3, batch=4, width=4)


@pytest.fixture(scope="module")
def cohort():
    return drawn_cohort()


@pytest.fixture(scope="module")
def held(cohort):
    return arms.pupils(cohort, cohort.where("train", 2))


def test_a_point_in_a_bright_ball_grows_to_the_ball(held):
    scores = []
    for at in range(len(held)):
        spot = click(held.consensus(at), np.random.default_rng(at))
        scores.append(dice(grown(held.image(at), spot), held.consensus(at)))
    assert np.mean(scores) > 0.7


def test_a_box_is_never_left(held):
    for at in range(len(held)):
        spot = drawn_box(held.consensus(at), np.random.default_rng(at))
        rows, columns = np.nonzero(grown(held.image(at), spot))
        assert (np.abs(rows - spot.row) <= spot.half_height + 1e-9).all()
        assert (np.abs(columns - spot.column) <= spot.half_width + 1e-9).all()


def test_a_guess_is_never_empty():
    even = np.zeros((96, 96), np.uint8)
    for spot in (arms.Spot(0, 0), arms.Spot(95, 95), arms.Spot(48, 48, 3, 5), arms.Spot(200, -4)):
        assert grown(even, spot).any()


def test_prompts_lie_on_the_nodule_or_beside_it(held):
    rng = np.random.default_rng(0)
    for at in range(len(held)):
        mask = held.consensus(at)
        assert mask[click(mask, rng).centre]
        assert either(mask, rng).centre[0] in range(-5, 101)
        marked = held.of_readers(at).any(0)
        row, column = beside(held.image(at), marked, rng).centre
        assert np.hypot(*(np.argwhere(marked) - [row, column]).T).min() > 8


@pytest.mark.parametrize("arm", ["majority", "mean_of_readers", "one_reader", "stapled", "points", "boxes"])
def test_an_arm_gives_every_slice_an_outline(held, arm):
    lessons = getattr(arms, arm)(held, np.random.default_rng(0))
    assert len(lessons.images) == len(held)
    assert lessons.guessed.all() == (arm in ("points", "boxes"))
    assert (lessons.targets.max((1, 2, 3)) >= 128).all()


def test_one_reader_is_one_reader(held):
    lessons = arms.one_reader(held, np.random.default_rng(1))
    for at in range(len(held)):
        target = lessons.targets[at, 0] > 127
        assert any(np.array_equal(target, mask) for mask in held.of_readers(at))


def test_kinds_of_readers_are_ranked(held):
    targets = arms.ranked_readers(held, np.random.default_rng(0)).targets
    areas = (targets > 127).sum((2, 3))
    assert targets.shape[1] == arms.RANKS
    assert (np.diff(areas, axis=1) >= 0).all()


def test_a_quarter_sees_a_quarter_of_the_patients_and_nobody_else(held):
    seen = arms.outlined_patients(held, np.random.default_rng(3))
    patients = np.array([held.nodules[owner].patient for owner in held.owner])
    assert not set(patients[seen]) & set(patients[~seen])
    assert len(set(patients[seen])) == round(arms.OUTLINED_SHARE * len(set(patients)))
    assert len(arms.quarter(held, np.random.default_rng(3)).images) == seen.sum()


def test_a_teacher_outlines_only_what_was_not_outlined(held, tmp_path):
    net = train(arms.quarter(held, np.random.default_rng(3)), SMALL, Run(tmp_path))
    lessons = arms.taught(held, net, np.random.default_rng(3), np.random.default_rng(4))
    seen = arms.outlined_patients(held, np.random.default_rng(3))
    truth = np.stack([held.consensus(at) for at in np.flatnonzero(seen)])
    assert np.array_equal(lessons.targets[~lessons.guessed, 0] > 127, truth)


def test_slices_without_an_outline_are_not_learned_from():
    image, nothing = np.zeros((96, 96), np.uint8), np.zeros((96, 96))
    marked = nothing.copy()
    marked[40:50, 40:50] = 1
    assert len(lessons_of([(image, nothing, 0, False), (image, marked, 0, False)]).images) == 1
    with pytest.raises(ValueError, match="1 of 1 have none"):
        Lessons(image[None], nothing[None, None].astype(np.uint8), np.zeros(1, int), np.zeros(1, bool))


def test_a_stopped_training_goes_on_to_the_same_weights(held, tmp_path, monkeypatch):
    lessons = arms.majority(held, np.random.default_rng(0))
    whole = train(lessons, SMALL, Run(tmp_path / "whole", 5), "a")
    monkeypatch.setattr(outlining, "Checkpoint", partial(Checkpoint, every_s=0.0))

    def stop(text, share):
        if 0.6 < share < 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(lessons, SMALL, Run(tmp_path / "halved", 5, stop), "a")
    assert Run(tmp_path / "halved", 5).load("a")["step"] == 1
    again = train(lessons, SMALL, Run(tmp_path / "halved", 5), "a")
    for first, second in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(first, second)


def test_training_learns_to_outline(held, tmp_path):
    lessons = arms.majority(held, np.random.default_rng(0))
    net = train(lessons, Plan(steps=60, batch=8, width=8), Run(tmp_path), "a")
    test = examined(held.cohort, held.cohort.where("test", 2))
    inside = read_all(net, test.inputs["click"])[0]
    masks = [outlined(p, spot) for p, spot in zip(inside, test.prompts["click"], strict=True)]
    assert np.mean(agreement(test, masks)["consensus"]) > 0.6


def test_the_consensus_agrees_with_itself_and_readers_less(cohort):
    test = examined(cohort, cohort.where("test", 2))
    masks = [cohort.slices.consensus(test.nodules[o], r) for o, r in zip(test.owner, test.row, strict=True)]
    marks = agreement(test, masks)
    assert marks["consensus"] == [1.0] * len(test.nodules)
    assert 0.6 < np.mean(marks["reader"]) < 1
    assert 0.6 < np.nanmean(between_readers(test)) < np.mean(marks["reader"])


def test_ratios_and_means_hold_their_value():
    values, patients = [0.5, 0.7, 0.9, 0.6], ["a", "a", "b", "c"]
    mean = mean_interval([*values, float("nan")], [*patients, "d"])
    assert mean.value == pytest.approx(np.mean(values))
    assert mean.lower <= mean.value <= mean.upper
    assert ratio_interval(values, values, patients).lower == pytest.approx(1)


def test_pictures_with_and_without_a_nodule_are_told_apart_by_their_labels_only(held):
    pictures, labels = instances.bags(held, np.random.default_rng(0), 12)
    assert pictures.shape == (12, 1, instances.BAG_PX, instances.BAG_PX)
    assert labels.mean() == 0.5


def test_contributions_of_places_add_up_to_the_answer():
    net = instances.BagNet().eval()
    logits, places = instances.read_bags(net, np.random.default_rng(0).random((3, 1, 36, 36), np.float32))
    assert logits == pytest.approx(places.sum((1, 2)) + net.answer.bias.item(), abs=2e-2)


def test_attention_finds_the_bright_ball(held, tmp_path):
    net = instances.train_bags(held, instances.BagPlan(steps=60, batch=32), Run(tmp_path))
    corners = instances.squares_of(len(held), np.random.default_rng(0), instances.SQUARE_PX)
    found = instances.pointed(net, held.cohort.slices.images[held.row], corners, instances.SQUARE_PX)
    hits, chance = instances.hit_rate(held, found)
    assert np.mean(hits) > 4 * np.mean(chance)


def test_what_the_network_is_shown_is_the_window_at_the_spot(held):
    image = held.image(0)
    window = shown(image, arms.Spot(50, 44))
    assert window.shape == (CHANNELS, SIDE, SIDE)
    assert window[0, SIDE // 2, SIDE // 2] == pytest.approx(image[50, 44] / 255)
