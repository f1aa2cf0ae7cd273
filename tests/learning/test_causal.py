from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("sklearn", reason="the lab is not installed (pip install coread[lab])")

from pathlib import Path

from coread.learning.causal.chest import EXPOSURES, GRAPH, observed
from coread.learning.causal.effects import MIN_CELL, Observed, cells, effects, gaps
from coread.learning.causal.graph import Graph
from coread.learning.causal.planting import mark_mask, plant, planted_where
from coread.learning.causal.study import verdict
from coread.learning.chest.cohort import Radiograph

FORK = Graph(frozenset({("age", "view"), ("age", "score"), ("view", "score")}))
COLLIDER = Graph(frozenset({("view", "referred"), ("disease", "referred")}))
CHAIN = Graph(frozenset({("view", "image"), ("image", "score")}))
M_SHAPE = Graph(
    frozenset({("a", "z"), ("b", "z"), ("a", "view"), ("b", "score"), ("view", "score")}),
    frozenset({"a", "b"}),
)


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="without a circle"):
        Graph(frozenset({("a", "b"), ("b", "c"), ("c", "a")}))


@pytest.mark.parametrize(
    ("graph", "pair", "given", "apart"),
    [
        (CHAIN, ("view", "score"), (), False),
        (CHAIN, ("view", "score"), ("image",), True),
        (COLLIDER, ("view", "disease"), (), True),
        (COLLIDER, ("view", "disease"), ("referred",), False),
        (M_SHAPE, ("a", "b"), (), True),
        (M_SHAPE, ("a", "b"), ("z",), False),
    ],
)
def test_separation_by_the_three_patterns(graph, pair, given, apart):
    assert graph.separated(*pair, given) is apart


def test_the_common_cause_must_be_held_and_a_collider_must_not():
    assert FORK.adjustment_sets("view", "score") == [frozenset({"age"})]
    assert M_SHAPE.adjustment_sets("view", "score") == [frozenset()]
    assert not M_SHAPE.closes_back_doors("view", "score", {"z"})


def test_an_effect_of_the_exposure_may_not_be_held():
    assert not CHAIN.closes_back_doors("view", "score", {"image"})


def test_an_unseen_common_cause_leaves_no_way():
    hidden = Graph(FORK.arrows, frozenset({"age"}))
    assert hidden.adjustment_sets("view", "score") == []


def test_the_picture_of_the_graph_names_every_arrow():
    assert '"age" -> "view";' in FORK.to_dot()


def _observed(effect, count=600, seed=0):
    """A confounder moves exposure and score; the exposure moves the score by `effect`."""
    rng = np.random.default_rng(seed)
    confounder = rng.integers(0, 2, count)
    exposed = rng.random(count) < np.where(confounder == 1, 0.8, 0.3)
    score = 2.0 * confounder + effect * exposed + rng.normal(0, 0.5, count)
    held = confounder[:, None].astype(float)
    return Observed(exposed, score, held, cells(confounder), tuple(str(i // 2) for i in range(count)))


def test_adjusting_takes_away_what_the_confounder_lent():
    found = effects(_observed(0.0), draws=80)
    assert found["unadjusted"].lower > 0.5
    for name in ("stratified", "standardised", "inverse_probability"):
        assert found[name].lower < 0 < found[name].upper
        assert abs(found[name].value) < 0.15


def test_adjusting_keeps_what_is_the_exposures_own():
    found = effects(_observed(0.7), draws=80)
    for name in ("stratified", "standardised", "inverse_probability"):
        assert found[name].lower < 0.7 < found[name].upper
        assert found[name].lower > 0.4


def test_a_stratum_with_nothing_to_compare_is_named():
    seen = _observed(0.0)
    alone = Observed(
        seen.exposed | (np.asarray(seen.stratum) == "1"), seen.score, seen.held, seen.stratum, seen.patients
    )
    assert gaps(seen) == []
    assert gaps(alone) == ["1"]
    assert MIN_CELL == 5


def test_the_mark_is_small_bright_and_in_its_corner():
    image = np.full((200, 160), 90, dtype=np.uint8)
    marked = plant(image)
    changed = marked != image
    assert (changed == mark_mask(image.shape)).all()
    assert 0.001 < changed.mean() < 0.01
    assert changed[:60, 100:].sum() == changed.sum()


def test_the_mark_follows_the_label_as_told():
    label = np.repeat([0, 1], 2000)
    where = planted_where(label, 0.9, 0.1, np.random.default_rng(0))
    assert where[label == 1].mean() == pytest.approx(0.9, abs=0.03)
    assert where[label == 0].mean() == pytest.approx(0.1, abs=0.03)


def test_severity_is_unseen_and_so_the_views_effect_is_not_identified():
    assert GRAPH.adjustment_sets("view", "score") == []
    assert frozenset() in GRAPH.adjustment_sets("sex", "score")


def _radiograph(number, view, sex="F", age=50.0, site="nih"):
    return Radiograph(
        Path("x.png"), site, f"{site}-{number}", "test", number % 2, "x", view, sex if view else None,
        age if view else None,
    )  # fmt: skip


def test_only_cases_with_everything_known_are_observed():
    items = [_radiograph(1, "AP"), _radiograph(2, "PA", age=None), _radiograph(3, "PA"), _radiograph(4, None)]
    seen = observed(items, np.arange(4.0), EXPOSURES["view"])
    assert seen.exposed.tolist() == [False, True]
    assert seen.score.tolist() == [0.0, 2.0]
    assert seen.stratum == ("sick / 40-59 / F", "sick / 40-59 / F")
    late = observed([_radiograph(2999, "AP"), _radiograph(3000, "AP")], np.zeros(2), EXPOSURES["period"])
    assert late.exposed.tolist() == [False, True]
    both = observed(
        [_radiograph(1, "AP"), _radiograph(2, None, site="paediatric")], np.zeros(2), EXPOSURES["site"]
    )
    assert both.exposed.tolist() == [False, True]


def _estimates(*pairs):
    names = ("unadjusted", "stratified", "standardised", "inverse_probability")
    return {n: {"value": 0, "lower": low, "upper": high} for n, (low, high) in zip(names, pairs, strict=True)}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (((0.1, 0.2),) * 4, "moves the score"),
        (((0.1, 0.2), (-0.1, 0.1), (-0.1, 0.1), (-0.1, 0.1)), "no effect shown"),
        (((0.1, 0.2), (0.1, 0.2), (-0.1, 0.1), (0.1, 0.2)), "estimates disagree"),
    ],
)
def test_the_adjusted_estimates_decide(pairs, said):
    assert verdict(_estimates(*pairs), [], _observed(0.0)) == said


def test_an_effect_that_no_stratum_can_show_is_not_identified():
    seen = _observed(0.0)
    assert verdict(_estimates(*(((0.1, 0.2),) * 4)), ["0", "1"], seen).startswith("not identified")
