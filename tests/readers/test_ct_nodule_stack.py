"""Following a nodule through slices, with a network that knows bright from dark."""

from __future__ import annotations

import numpy as np
import pytest

from coread.domain import codes
from coread.readers.ct_nodule.looks import SHAPE, features_of, largest
from coread.readers.ct_nodule.measuring import axes
from coread.readers.ct_nodule.similar import Casebook
from coread.readers.ct_nodule.stack import followed, middle_of
from coread.readers.ct_nodule.traits import CONCEPTS, Judge, answer_inputs, rounded
from coread.readers.ct_nodule.window import Spot


def bright(windows):
    """A network for tests: inside is what is brighter than half."""
    inside = (windows[:, 0] > 0.5).astype(np.float32)
    pooled = np.stack([inside.mean((1, 2)), windows[:, 0].mean((1, 2))], 1)
    return {"inside": inside, "features": pooled, "scene": pooled}


def ball(radii, middle=(60, 60), side=128):
    y, x = np.mgrid[:side, :side]
    return [np.where(np.hypot(y - middle[0], x - middle[1]) <= r, 40.0, -800.0) for r in radii]


def test_a_ball_is_followed_to_both_ends():
    images = ball([-1, 3, 6, 8, 6, 3, -1])
    cuts = followed(images, 3, Spot(61, 59), bright)
    assert [cut.index for cut in cuts] == [1, 2, 3, 4, 5]
    assert all((cut.mask == (image > 0)).all() for cut, image in zip(cuts, images[1:6], strict=True))
    assert largest(cuts, (0.7, 0.7)).index == 3


def test_it_ends_where_a_vessel_or_wall_takes_over():
    images = ball([6, 6, 6, 20])
    assert [cut.index for cut in followed(images, 0, Spot(60, 60), bright)] == [0, 1, 2]


def test_it_ends_where_the_next_slice_shows_something_elsewhere():
    images = [*ball([6, 6]), *ball([6], (95, 60))]
    assert [cut.index for cut in followed(images, 0, Spot(60, 60), bright)] == [0, 1]


def test_nothing_near_the_point_is_nothing_outlined():
    images = ball([6])
    cuts = followed(images, 0, Spot(30, 30), bright)
    assert cuts[0].area_px == 0
    assert cuts[0].trust == 0


def test_a_nodule_at_the_edge_of_the_image_keeps_its_place():
    images = ball([6], (3, 124))
    cut = followed(images, 0, Spot(3, 124), bright)[0]
    assert (cut.mask == (images[0] > 0)).all()


def test_the_middle_is_always_marked():
    ring = np.zeros((20, 20), bool)
    ring[5:15, 5:15] = True
    ring[7:13, 7:13] = False
    spot = middle_of(ring)
    assert ring[spot.centre]


def test_features_are_the_network_s_and_the_shape_s():
    images = ball([6, 8, 6])
    cuts = followed(images, 1, Spot(60, 60), bright)
    row = features_of(cuts, 1, (0.5, 0.5))
    assert row.shape == (2 + len(SHAPE),)
    long_mm = axes(images[1] > 0, (0.5, 0.5)).long_mm
    assert row[2 + SHAPE.index("log_long")] == pytest.approx(np.log(long_mm))
    assert row[2 + SHAPE.index("contrast")] > 0.9


def judge(features=3, refits=4):
    rng = np.random.default_rng(0)
    weights = {c.value: rng.normal(size=(refits, features + 1, len(v))) for c, v in CONCEPTS.items()}
    inputs = sum(len(v) - 1 for v in CONCEPTS.values()) + 2
    return Judge(np.zeros(features), np.ones(features), weights, rng.normal(size=inputs))


def test_states_are_probabilities_and_survive_the_way_to_the_bundle():
    made = judge()
    again = Judge.of_arrays(made.arrays())
    features = np.array([0.3, -1.0, 2.0])
    for concept, states in made.states(features).items():
        assert states.shape == (4, len(CONCEPTS[concept]))
        assert states.sum(1) == pytest.approx(1)
        assert np.array_equal(states, again.states(features)[concept])


def test_the_shares_of_the_answer_add_up_to_it():
    made = judge()
    stated = {c: rounded(s[0]) for c, s in made.states(np.array([1.0, 0.0, -1.0])).items()}
    assert sum(made.shares(stated, 14.0).values()) == pytest.approx(made.score(stated, 14.0))
    assert made.score(stated, 14.0) == pytest.approx(answer_inputs(stated, 14.0) @ made.answer)


def test_correcting_one_concept_changes_the_answer_by_its_weight_only():
    made = judge()
    stated = {c: np.full(len(v), 1 / len(v)) for c, v in CONCEPTS.items()}
    before = made.shares(stated, 10.0)
    after = made.shares({**stated, codes.CALCIFICATION: np.array([0.0, 1.0])}, 10.0)
    changed = {name for name in before if before[name] != pytest.approx(after[name])}
    assert changed == {codes.CALCIFICATION.value}


def test_nothing_is_stated_for_certain_and_everything_adds_up():
    held = rounded(np.array([1.0, 0.0, 0.0]))
    assert held.max() < 1
    assert rounded(np.array([0.2, 0.5, 0.3])).sum() == pytest.approx(1)


def test_the_nearest_case_comes_first_and_is_most_alike():
    texts = np.array(["a", "b", "c", "d"])
    places = np.array([[0.0], [1.0], [2.0], [9.0]])
    book = Casebook.of_arrays(Casebook(np.ones((1, 1)), places, 1.0, texts, texts, texts).arrays())
    found = book.similar(np.array([1.2]))
    assert [case.identifier for case in found] == ["b", "c", "a"]
    assert all(0 < case.similarity <= 1 for case in found)
    assert found[0].similarity > found[1].similarity
