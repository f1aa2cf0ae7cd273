"""Rounds go on when sites die, come back, are slow or send rubbish; and end in the same model."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")

from dataclasses import replace

import numpy as np
from federation_rooms import Numbers, Rooms, write_numbers

from coread.errors import FederationRefused
from coread.learning.federated.orders import Answer

START = Numbers().initial(0)


@pytest.fixture
def rooms(tmp_path):
    made = Rooms(tmp_path)
    made.approve()
    return made


def run(rooms, plan=None, place="coordinator"):
    rounds = rooms.rounds(plan, place)
    state = rounds.run(lambda: dict(START))
    return state.parameters, rounds


def same(one, other, within=0.0):
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=within, rtol=0)


def spoiled(site, change, rounds=(1, 2, 3)):
    def spoil(order, answer):
        if answer.site != site or answer.kind != "train" or answer.facts["round"] not in rounds:
            return answer
        return change(answer)

    return spoil


def resigned(rooms, answer, **parts):
    return replace(answer, **parts).signed(rooms.sites[answer.site].key.sign)


def test_secure_aggregation_gives_the_same_model(rooms):
    plain, _ = run(rooms)
    hidden = rooms.hidden()
    rooms.approve(hidden)
    model, rounds = run(rooms, hidden)
    same(plain, model, 1e-6)
    assert [entry["took_part"] for entry in rounds.kept.history()] == [["site0", "site1", "site2"]] * 3


def test_by_the_root_of_examples_too(rooms):
    balanced = {"name": "site-balanced", "local": rooms.plan.strategy["local"]}
    plan = rooms.planned(strategy=balanced)
    hidden = replace(rooms.hidden(), strategy=balanced)
    rooms.approve(plan)
    rooms.approve(hidden)
    same(run(rooms, plan)[0], run(rooms, hidden)[0], 1e-4)  # the weights are rounded


def test_under_secure_aggregation_no_single_update_weight_or_figure_leaves(rooms):
    hidden = rooms.hidden()
    rooms.approve(hidden)
    seen = []
    rooms.wire.spoil = lambda order, answer: seen.append(answer) or answer
    run(rooms, hidden)
    assert {answer.kind for answer in seen} == {"keys", "shares", "masked", "unmask"}
    values = [answer.arrays["masked"]["values"] for answer in seen if answer.arrays]
    assert all(held.dtype == np.uint64 for held in values)
    # A value as it is would be below 2^(8 + 24 + 20); a masked one is anywhere below 2^64.
    assert all(np.median(held) > 2**60 for held in values)
    facts = {name for answer in seen for name in answer.facts}
    assert facts == {"advert", "notes", "layout", "rounding", "shares"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda held: {**held, "slope": np.full(3, np.nan, np.float32)}, "not finite"),
        (lambda held: {**held, "slope": np.zeros(4, np.float32)}, "of shape"),
        (lambda held: {**held, "slope": held["slope"].astype(np.float64)}, "of type"),
        (lambda held: {"slope": held["slope"]}, "other arrays"),
        (
            lambda held: {name: array * np.float32(1000) for name, array in held.items()},
            "median of the round",
        ),
    ],
)
def test_rubbish_of_one_site_is_turned_away_with_its_reason(rooms, change, reason):
    def rubbish(answer):
        held = change(answer.arrays["parameters"])
        return resigned(rooms, answer, arrays={"parameters": held, "extra": {}})

    without = rooms.planned(sites={s: k for s, k in rooms.plan.sites.items() if s != "site1"})
    rooms.approve(without, ("site0", "site2"))
    expected, _ = run(rooms, without)
    rooms.wire.spoil = spoiled("site1", rubbish)
    model, rounds = run(rooms)
    same(model, expected)
    assert all(reason in entry["refused"]["site1"] for entry in rounds.kept.history())
    noted = [e.event.facts for e in rounds.record.events(rooms.plan.sha256)]
    assert all(reason in facts["refused site1"] for facts in noted)


def test_an_answer_that_the_site_did_not_sign_does_not_count(rooms):
    def forged(answer):
        return replace(answer, facts={**answer.facts, "examples": 10**6})

    rooms.wire.spoil = spoiled("site2", forged)
    _, rounds = run(rooms)
    assert [entry["refused"] for entry in rounds.kept.history()] == [{"site2": "late"}] * 3


def test_a_dead_site_costs_its_absence_once(rooms):
    rooms.wire.away.add("site2")
    _, rounds = run(rooms)
    assert [entry["took_part"] for entry in rounds.kept.history()] == [["site0", "site1"]] * 3
    assert rooms.clock.time < 3 * rooms.plan.patience.absent_s


def test_a_site_that_dies_in_a_round_and_comes_back_answers_in_it(rooms):
    expected, _ = run(rooms, place="calm")
    rooms.sites["site1"].work(rooms.plan)
    lost = []

    def lose(order, answer):
        """The first order of each round is lost with the process that had it."""
        if order.kind == "train" and answer.site == "site1" and order.facts["round"] not in lost:
            lost.append(order.facts["round"])
            rooms.restart("site1")
            return None
        return answer

    rooms.wire.spoil = lose
    model, rounds = run(rooms)
    assert lost == [1, 2, 3]
    same(model, expected)
    assert all(len(entry["took_part"]) == 3 for entry in rounds.kept.history())


@pytest.mark.parametrize("gone", ["with the order", "before it came"])
@pytest.mark.parametrize("step", ["keys", "shares", "masked", "unmask"])
def test_under_secure_aggregation_a_restarted_site_begins_a_new_attempt(rooms, step, gone):
    expected, _ = run(rooms, place="calm")
    hidden = rooms.hidden()
    rooms.approve(hidden)
    lost = []

    def lose(order, answer):
        if order.kind == step and answer.site == "site1" and not lost:
            lost.append(order.facts["attempt"])
            rooms.restart("site1")
            return None if gone == "with the order" else rooms.wire.desks["site1"].answer(order)
        return answer

    rooms.wire.spoil = lose
    model, rounds = run(rooms, hidden)
    assert lost
    same(model, expected, 1e-6)
    assert all(len(entry["took_part"]) == 3 for entry in rounds.kept.history())


def test_under_secure_aggregation_a_lost_site_is_left_out_of_the_sum(rooms):
    without = rooms.planned(sites={s: k for s, k in rooms.plan.sites.items() if s != "site1"})
    rooms.approve(without, ("site0", "site2"))
    expected, _ = run(rooms, without)
    hidden = rooms.hidden()
    rooms.approve(hidden)

    def dies(order, answer):
        if order.kind == "masked" and answer.site == "site1":
            rooms.wire.away.add("site1")
            return None
        return answer

    rooms.wire.spoil = dies
    model, rounds = run(rooms, hidden)
    same(model, expected, 1e-6)
    assert rounds.kept.history()[0]["took_part"] == ["site0", "site2"]


def test_a_coordinator_that_dies_goes_on_with_the_next_round_to_the_same_model(rooms):
    expected, _ = run(rooms, place="calm")
    rounds = rooms.rounds()

    class Killed(Exception):
        pass

    def die(text, share):
        if text.startswith("round 2"):
            raise Killed

    rounds._tell = die
    with pytest.raises(Killed):
        rounds.run(lambda: dict(START))
    asked = len(rooms.wire.sent)
    model, again = run(rooms)
    same(model, expected)
    assert [entry["round"] for entry in again.kept.history()] == [1, 2, 3]
    assert {order.facts["round"] for _, order in rooms.wire.sent[asked:] if order.kind == "train"} == {3}


def test_a_stopped_site_is_out_of_every_later_round(rooms):
    rounds = rooms.rounds()

    def stop(text, share):
        if text.startswith("round 1"):
            rooms.sites["site0"].approvals.stop(rooms.plan, "officer", "enough")

    rounds._tell = stop
    rounds.run(lambda: dict(START))
    took_part = [entry["took_part"] for entry in rounds.kept.history()]
    assert took_part == [["site0", "site1", "site2"], ["site1", "site2"], ["site1", "site2"]]


def test_too_few_sites_end_the_run_with_a_reason(rooms):
    for name in ("site0", "site1"):
        rooms.sites[name].approvals.veto(rooms.plan, "officer", "no")
    with pytest.raises(FederationRefused, match="1 sites left"):
        run(rooms)


def test_too_few_sites_for_now_are_waited_for(rooms):
    rooms.wire.away |= {"site0", "site1"}
    rounds = rooms.rounds()
    rounds._tell = lambda text, share: rooms.wire.away.discard("site0")
    rounds.run(lambda: dict(START))
    assert rounds.kept.history()[0]["took_part"] == ["site0", "site2"]


def test_two_federations_at_once_do_not_mix(rooms, tmp_path):
    other = rooms.planned(name="others", seed=7, rounds=2)
    rooms.approve(other)
    alone, _ = run(rooms, other, "calm")
    expected, _ = run(rooms, place="calm")
    one, two = rooms.rounds(), rooms.rounds(other, "second")
    first, second = one.strategy.begin(dict(START)), two.strategy.begin(dict(START))
    for round_ in (1, 2, 3):
        first = one._round(first, round_)
        second = two._round(second, round_) if round_ < 3 else second
    same(first.parameters, expected)
    same(second.parameters, alone)


def test_one_missing_file_of_a_site_is_that_site_s_matter(rooms):
    (rooms.folder / "data" / "site1" / "numbers.npz").unlink()
    _, rounds = run(rooms)
    assert all("no-cohort" in entry["refused"]["site1"] for entry in rounds.kept.history())
    write_numbers(rooms.folder / "data" / "site1", 1)


def test_each_site_is_told_what_it_has_alone_and_together(rooms):
    state_of, rounds = run(rooms)
    state = rounds.kept.load()[1]
    together, alone = (rounds.evaluate(kind, "test", state) for kind in ("evaluate", "alone"))
    assert set(together) == set(alone) == set(rooms.sites)
    assert all(held["error"] > 0 for held in [*together.values(), *alone.values()])
    same(state_of, state.parameters)
    sent = [answer for answer in rooms.wire.desks["site0"]._answered.values() if answer.kind == "alone"]
    assert isinstance(sent[0], Answer)
    assert not sent[0].arrays  # the site's own model stays here
