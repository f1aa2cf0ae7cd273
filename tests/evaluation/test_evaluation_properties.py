"""What must hold for any data."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from coread.evaluation.certainty import selective_risk, weighted_quantile
from coread.evaluation.lesions import box_iou, dice, found_by_boxes, froc, hausdorff95_mm, pooled
from coread.evaluation.lesions.matching import MISS
from coread.evaluation.subgroup_tests import benjamini_hochberg, holm

shares = st.floats(0, 1, allow_nan=False)


@given(st.lists(shares, min_size=1, max_size=30))
def test_adjusting_never_makes_a_claim_surer(p):
    by_holm, by_bh = holm(p), benjamini_hochberg(p)
    assert (by_holm >= np.array(p) - 1e-12).all()
    assert (by_bh >= np.array(p) - 1e-12).all()
    assert (by_holm >= by_bh - 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(by_holm[order]) >= -1e-12).all()


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.floats(0.05, 0.99))
def test_the_conformal_quantile_is_the_textbook_s(values, level):
    scores = np.array(values, dtype=float)
    rank = math.ceil((len(scores) + 1) * level - 1e-9)
    expected = np.sort(scores)[rank - 1] if rank <= len(scores) else np.inf
    assert weighted_quantile(scores, np.ones(len(scores)), level) == expected


masks = arrays(bool, (7, 8))


@given(masks, masks)
def test_overlap_is_symmetric_and_bounded(a, b):
    one, other = dice(a, b), dice(b, a)
    assert (np.isnan(one) and np.isnan(other)) or (one == other and 0 <= one <= 1)
    there, back = hausdorff95_mm(a, b, (1, 2)), hausdorff95_mm(b, a, (1, 2))
    assert (np.isnan(there) and np.isnan(back)) or there == back
    if a.any():
        assert hausdorff95_mm(a, a, (1, 2)) == 0
        assert dice(a, a) == 1


boxes = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9), st.integers(1, 9)).map(
        lambda t: (t[0], t[1], t[0] + t[2], t[1] + t[3])
    ),
    min_size=1,
    max_size=8,
)


@given(boxes, boxes, st.randoms(use_true_random=False))
def test_each_lesion_is_hit_once_at_most(found, truth, random):
    scores = [random.random() for _ in found]
    hits = found_by_boxes(found, scores, truth, 0.3)
    taken = hits[hits != MISS]
    assert len(set(taken.tolist())) == len(taken)
    overlap = box_iou(found, truth)
    assert all(overlap[mark, lesion] >= 0.3 for mark, lesion in enumerate(hits) if lesion != MISS)
    assert ((overlap >= 0) & (overlap <= 1)).all()
    curve = froc(pooled([scores], [hits], [len(truth)]))
    assert (np.diff(curve.sensitivity) >= 0).all()
    assert (np.diff(curve.false_alarms_per_image) >= 0).all()
    assert curve.sensitivity[-1] <= 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_risk_ends_at_the_share_of_errors(cases):
    wrong, sure = zip(*cases, strict=True)
    found = selective_risk(wrong, sure, [str(i) for i in range(len(cases))], repeats=2)
    assert found.risk[-1] == np.mean(wrong) or abs(found.risk[-1] - np.mean(wrong)) < 1e-12
    assert found.excess >= -1e-12
