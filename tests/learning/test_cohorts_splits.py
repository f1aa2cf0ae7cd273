"""Splits keep patients and near-duplicates together in any order; copies are found, strangers are not."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

from drawn_cohorts import Drawn, found, picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coread.errors import CohortRefused
from coread.learning.cohorts import BuildPlan, build
from coread.learning.cohorts.selecting.duplicates import (
    fingerprint,
    near_duplicates,
    together,
)
from coread.learning.cohorts.selecting.splitting import SHARES, grouped, split_groups


def pairs_of(pictures):
    return near_duplicates([fingerprint(np.ascontiguousarray(p)) for p in pictures])


def jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


ALTERED = {
    "same": lambda p: p,
    "compressed": lambda p: jpeg(p, 40),
    "half the size": lambda p: np.asarray(Image.fromarray(p).resize((p.shape[1] // 2, p.shape[0] // 2))),
    "darker": lambda p: (p * 0.7).astype(np.uint8),
    "more contrast": lambda p: np.clip(p * 1.2 - 10, 0, 255).astype(np.uint8),
    "in colour": lambda p: np.dstack([p, p, p]),
    "cut by 1 %": lambda p: p[1:-1, 1:-1],
    "mirrored": lambda p: p[:, ::-1],
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_copy_is_found_however_it_was_altered(how):
    pictures = [picture(seed, 96, 96) for seed in range(30)]
    found_pairs = pairs_of([*pictures, ALTERED[how](pictures[4])])
    assert [(p.first, p.second, p.mirrored) for p in found_pairs] == [(4, 30, how == "mirrored")]


def test_strangers_are_no_copies():
    assert pairs_of([picture(seed, 64, 64) for seed in range(300)]) == []


def test_an_even_image_is_like_no_other():
    assert pairs_of([np.full((20, 20), 7, np.uint8), np.full((20, 20), 90, np.uint8)]) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_what_is_joined_is_together_and_nothing_else(pairs):
    tops = together(10, pairs)
    assert all(tops[a] == tops[b] for a, b in pairs)
    reached = {n: {n} for n in range(10)}
    for _ in range(10):
        for a, b in pairs:
            union = reached[a] | reached[b]
            reached[a], reached[b] = union, union
    assert all((tops[a] == tops[b]) == (b in reached[a] or a in reached[b]) or a == b for a, b in pairs)
    assert len(set(tops)) == len({min(closure(n, pairs)) for n in range(10)})


def closure(start, pairs):
    held = {start}
    while True:
        more = {b for a, b in pairs if a in held} | {a for a, b in pairs if b in held}
        if more <= held:
            return held
        held |= more


@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ab")), min_size=1, max_size=60),
    st.randoms(use_true_random=False),
)
def test_a_group_is_never_torn_and_the_order_does_not_matter(rows, random):
    groups, strata = [f"g{group}" for group, _ in rows], [stratum for _, stratum in rows]
    splits = split_groups(groups, strata, SHARES, "salt")
    assert all(len({s for g, s in zip(groups, splits, strict=True) if g == group}) == 1 for group in groups)
    order = list(range(len(rows)))
    random.shuffle(order)
    again = split_groups([groups[i] for i in order], [strata[i] for i in order], SHARES, "salt")
    first = dict(zip(groups, splits, strict=True))
    assert {groups[i]: split for i, split in zip(order, again, strict=True)} == first


def test_shares_are_met_within_each_stratum():
    groups = [f"g{n // 2}" for n in range(2000)]
    strata = [n // 2 % 3 for n in range(2000)]
    splits = split_groups(groups, strata, SHARES, "x")
    for stratum in range(3):
        counts = Counter(s for s, of in zip(splits, strata, strict=True) if of == stratum)
        assert all(abs(counts[s] / counts.total() - share) < 0.01 for s, share in SHARES.items())
    assert splits != split_groups(groups, strata, SHARES, "y")


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        split_groups(["a"], ["x"], {"train": 0.5}, "x")


def test_patients_with_a_copy_between_them_are_one_group(tmp_path):
    items = [found(seed) for seed in range(40)]
    items.append(found(40, patient="somebody else", pixels=picture(10)))
    built = build(Drawn(items), tmp_path, BuildPlan("sick"))
    by_name = {image.image: image for image in built.images}
    assert by_name["i040"].group == by_name["i010"].group == by_name["i011"].group == "p005"
    assert by_name["i040"].split == by_name["i010"].split
    assert built.facts["near_duplicates"][0]["same_patient"] is False


def published(*, leak):
    """Splits of the source itself, with one copy over two of them where `leak`."""
    names = ("train", "val", "test")
    items = [found(seed, split=names[seed // 4 % 3]) for seed in range(48)]
    if leak:
        items.append(found(48, patient="other", pixels=picture(8), split="train"))
    return Drawn(items)


def test_published_splits_stay(tmp_path):
    built = build(published(leak=False), tmp_path, BuildPlan("sick"))
    assert [image.split for image in built.images[:9]] == ["train"] * 4 + ["val"] * 4 + ["test"]


def test_published_splits_with_a_copy_on_both_sides_are_refused_redrawn_or_thinned(tmp_path):
    with pytest.raises(CohortRefused, match="near-duplicate pairs in different splits") as told:
        build(published(leak=True), tmp_path / "a", BuildPlan("sick"))
    assert "i008 = i048" in str(told.value)
    redrawn = build(published(leak=True), tmp_path / "b", BuildPlan("sick", redraw=True))
    assert len(redrawn.images) == 49
    thinned = build(published(leak=True), tmp_path / "c", BuildPlan("sick", drop_leaks=True))
    assert len(thinned.images) == 48
    assert "i048" not in {image.image for image in thinned.images}
    assert [(left.what, left.code) for left in thinned.left_out] == [("i048", "near-duplicate")]


def test_groups_are_named_by_the_least_patient():
    images = [found(seed, patient=p).image for seed, p in enumerate(["z", "b", "z", "a"])]
    assert grouped(images, []) == ["z", "b", "z", "a"]
