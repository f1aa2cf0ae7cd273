"""Contribution: values that add up, statements that two sites make alike, shares that cannot be talked up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from hypothesis import given, settings
from hypothesis import strategies as st

from coread.learning.federated.contribution.quality import fingerprints, signals
from coread.learning.federated.contribution.rules import Rules, read_rules, shares
from coread.learning.federated.contribution.statement import Account, digest, name_of, statements
from coread.learning.federated.contribution.values import (
    Value,
    coalitions,
    estimated_shapley,
    exact_shapley,
    leave_one_out,
    seats,
)
from coread.learning.federated.tasks.cases import Cases

PLAYERS = ("a", "b", "c")


def glove(some):
    """The glove game: a and b hold left gloves, c a right one; a pair is worth 1 (Shapley 1/6, 1/6, 4/6)."""
    return float("c" in some and bool(some & {"a", "b"}))


def account(worth=None, **more):
    held = worth or {some: 0.5 + 0.1 * len(some) for some in coalitions(PLAYERS)}
    facts = {
        "federation": "f",
        "score": "AUC",
        "worth": {name_of(some): value for some, value in held.items()},
        "seat": {name: name for name in PLAYERS},
        "estimated": {},
        "signals": {name: {"agreement": 0.8} for name in PLAYERS},
        "compute_s": dict.fromkeys(PLAYERS, 10.0),
        "before": dict.fromkeys(PLAYERS, 0.7),
        "after": {"a": 0.8, "b": 0.6, "c": None},
    }
    return Account(**{**facts, **more})


def test_exact_values_are_those_of_the_glove_game():
    values = exact_shapley(PLAYERS, {some: glove(some) for some in coalitions(PLAYERS)})
    assert [values[p].value for p in PLAYERS] == pytest.approx([1 / 6, 1 / 6, 4 / 6])
    left = leave_one_out(PLAYERS, {some: glove(some) for some in coalitions(PLAYERS)})
    assert left == {"a": 0, "b": 0, "c": 1}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=16, max_size=16))
def test_values_add_up_to_what_all_are_worth_together(worths):
    players = ("a", "b", "c", "d")
    worth = dict(zip(coalitions(players), worths, strict=True))
    total = sum(v.value for v in exact_shapley(players, worth).values())
    assert total == pytest.approx(worth[frozenset(players)] - worth[frozenset()], abs=1e-9)


def test_the_estimate_comes_near_the_exact_values_within_the_error_it_tells():
    rng = np.random.default_rng(0)
    players = tuple("abcdef")
    worth = {some: float(len(some) ** 0.5 + rng.normal(0, 0.1)) for some in coalitions(players)}
    exact = exact_shapley(players, worth)
    guess = estimated_shapley(players, worth.__getitem__, 60, 1)
    apart = [abs(guess[p].value - exact[p].value) / guess[p].error for p in players]
    assert np.mean(apart) < 1.5
    assert max(apart) < 4
    with pytest.raises(ValueError, match="2 pairs"):
        estimated_shapley(players, worth.__getitem__, 1, 0)


def test_two_sites_make_the_same_statement_whatever_the_order_of_their_figures():
    first = account()
    shuffled = account(
        worth={some: 0.5 + 0.1 * len(some) for some in reversed(coalitions(PLAYERS))},
        seat={name: name for name in reversed(PLAYERS)},
    )
    assert digest(statements(first)) == digest(statements(shuffled))
    changed = account(compute_s={**dict.fromkeys(PLAYERS, 10.0), "a": 11.0})
    assert digest(statements(first)) != digest(statements(changed))


def test_a_statement_tells_gain_and_loss_and_what_cannot_be_measured():
    held = statements(account())
    assert held["a"].gained == pytest.approx(0.1)
    assert not held["a"].loses
    assert held["b"].loses
    assert held["c"].gained is None
    assert held["a"].missed == pytest.approx(0.1)


def test_an_account_with_a_hole_is_refused():
    worth = {some: 0.5 for some in coalitions(PLAYERS) if some != frozenset({"a", "b"})}
    with pytest.raises(ValueError, match=r"lacks the worth of a\+b"):
        statements(account(worth))


def test_beyond_six_seats_values_must_be_estimated():
    many = {f"s{k}": f"s{k}" for k in range(7)}
    with pytest.raises(ValueError, match="7 seats"):
        statements(account(seat=many))
    guessed = {name: Value(0.1, 0.02) for name in many}
    assert statements(account(seat=many, estimated=guessed))["s3"].error == 0.02


def test_coming_twice_under_two_names_raises_no_share():
    prints = {"a": {"1", "2", "3"}, "b": {"4"}, "c": {"5", "6"}, "c again": {"5", "6"}}
    seat = seats(prints, 0.5)
    assert seat["c again"] == "c"
    once = shares(statements(account()), Rules())
    signal = {name: {"agreement": 0.8} for name in seat}
    twice = shares(
        statements(account(seat=seat, signals=signal, compute_s=dict.fromkeys(seat, 10.0))), Rules()
    )
    assert twice["c"] + twice["c again"] <= once["c"] + 1e-9
    assert sum(twice.values()) == pytest.approx(1)


def test_a_worthless_or_contradicted_site_gets_nothing():
    worth = {some: 0.5 + 0.1 * len(some - {"b"}) - 0.2 * ("b" in some) for some in coalitions(PLAYERS)}
    held = statements(account(worth))
    assert shares(held, Rules())["b"] == 0
    contradicted = {**held, "a": replace(held["a"], signals={"agreement": 0.4})}
    assert shares(contradicted, Rules(floor_agreement=0.5))["a"] == 0
    assert set(shares(held, Rules(floor_value=9.0)).values()) == {0.0}


def test_a_rule_file_is_read_and_a_wrong_one_refused(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[parts]\nvalue = 0.5\nequal = 0.5\n[floor]\nagreement = 0.55\n")
    assert read_rules(path) == Rules({"value": 0.5, "equal": 0.5}, 0.0, 0.55)
    for text, match in (("[parts]\nvalue = 0.5\n", "add up"), ("[parts]\nfame = 1.0\n", "parts are")):
        path.write_text(text)
        with pytest.raises(ValueError, match=match):
            read_rules(path)
    path.write_text("[prizes]\n")
    with pytest.raises(ValueError, match="prizes"):
        read_rules(path)


def test_signals_show_copies_gaps_and_labels_that_are_none():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    features = rng.normal(0, 1, (60, 3)).astype(np.float32)
    target = truth.astype(np.float32)
    target[:12] = np.nan
    held = Cases(features, target, truth, [str(k // 2) for k in range(60)], ["train"] * 60)
    told = signals(held, truth + rng.normal(0, 0.3, 60))
    assert (told.images, told.patients, told.distinct, told.labelled) == (60, 30, 1.0, 0.8)
    assert told.agreement is not None
    assert told.agreement > 0.9
    wrong = signals(held.relabelled(np.arange(12, 60), rng.permutation(target[12:])), truth.astype(float))
    assert wrong.agreement is not None
    assert wrong.agreement < 0.75
    twice = held.only(np.repeat(np.arange(60), 2))
    assert signals(twice).distinct == pytest.approx(0.5)
    assert fingerprints(twice, b"k") == fingerprints(held, b"k") != fingerprints(held, b"other")
