"""Strategies: averaged as the papers say, saved and gone on from, and not moved far by a false site."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from coread.learning.federated.strategies import Strategy
from coread.learning.federated.strategies.arrays import flat, length, moved, out_of, under, weighted_mean
from coread.learning.federated.strategies.at_site import personal, private_names, round_seed, take_part
from coread.learning.federated.strategies.averaging import Averaging, LocalPlan, site_weight
from coread.learning.federated.strategies.catalogue import DEFAULT, NAMES, strategy_of
from coread.learning.federated.strategies.checking import faults_of, sound
from coread.learning.federated.strategies.robust import krum, median, trimmed_mean
from coread.learning.federated.task import SiteData, Update

LOCAL = LocalPlan(rounds=4, steps=2, batch=4, rate=0.1, cooled=False, optimiser="sgd")


def update(value, examples=10, **extra):
    return Update({"w": np.full(3, value, np.float32), "b": np.zeros(1, np.float32)}, examples, {}, extra)


def start(value=0.0):
    return update(value).parameters


class Pulled:
    """A task whose site pulls `w` towards its own target by plain gradient steps, without torch."""

    name = "pulled"

    def __init__(self, targets):
        self.targets = targets

    def initial(self, seed):
        return start()

    def local(self, data, parameters, instructions, seed):
        w, target = parameters["w"].copy(), self.targets[data.site]
        correction = instructions.get("arrays", {}).get("correction/w", 0.0)
        pull = instructions.get("proximal", 0.0)
        for _ in range(instructions["steps"]):
            gradient = (w - target) * np.array([1, 2, 3]) * (1 + target) + correction
            w = w - instructions["rate"] * (gradient + pull * (w - parameters["w"]))
        return Update({**parameters, "w": w.astype(np.float32)}, 10)


def run(strategy, targets, rounds):
    task, state, kept = Pulled(targets), strategy.begin(start()), {name: {} for name in targets}
    for round_ in range(1, rounds + 1):
        told = strategy.instructions(state, round_)
        updates = {}
        for name in targets:
            seed = round_seed(0, name, round_)
            data = SiteData(name, None)
            updates[name], kept[name] = take_part(task, data, state.parameters, told, seed, kept[name])
        state = strategy.combine(state, updates)
    return state, kept


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_makes_a_strategy_that_tells_the_steps_and_combines(name):
    options = {"scaffold": {"sites": 1}, "robust": {"by": "median"}}.get(name)
    strategy = strategy_of(name, LOCAL, options)
    assert isinstance(strategy, Strategy)
    state = strategy.begin(start())
    told = strategy.instructions(state, 1)
    assert told["steps"] == 2
    extra = {"control/w": np.zeros(3, np.float32), "control/b": np.zeros(1, np.float32)}
    after = strategy.combine(state, {"a": update(2.0, **extra)})
    assert after.facts["round"] == 1
    assert (after.parameters["w"] > 0).all()


def test_an_unknown_name_and_an_odd_option_are_told():
    with pytest.raises(ValueError, match="expected a strategy among"):
        strategy_of("best", LOCAL)
    with pytest.raises(ValueError, match="do not fit the strategy 'fedavg'"):
        strategy_of("fedavg", LOCAL, {"mood": 1})


@pytest.mark.parametrize(("power", "expected"), [(1.0, 0.9), (0.0, 0.5), (0.5, 0.75)])
def test_sites_count_by_a_power_of_their_examples(power, expected):
    strategy = Averaging(LOCAL, power=power)
    state = strategy.combine(strategy.begin(start()), {"a": update(1.0, 90), "b": update(0.0, 10)})
    assert state.parameters["w"] == pytest.approx(expected, abs=1e-6)
    assert site_weight(0, power) == 1


def test_the_order_in_which_updates_come_changes_no_bit():
    values = {name: update(value, n) for name, value, n in (("a", 0.1, 7), ("b", 0.7, 3), ("c", 1e8, 11))}
    strategy = strategy_of(DEFAULT, LOCAL)
    first = strategy.combine(strategy.begin(start()), values).parameters["w"]
    other = strategy.combine(strategy.begin(start()), dict(reversed(values.items()))).parameters["w"]
    assert first.tobytes() == other.tobytes()


def test_the_tail_is_averaged_in_the_last_round_only():
    strategy = Averaging(LOCAL, tail=2)
    state = strategy.begin(start())
    seen = []
    for value in (1.0, 2.0, 3.0, 5.0):
        state = strategy.combine(state, {"a": update(value)})
        seen.append(float(state.parameters["w"][0]))
    assert seen == [1.0, 2.0, 3.0, 4.0]


def test_a_state_goes_through_a_file_and_on_to_the_same_bits(tmp_path):
    strategy = strategy_of("fedadam", LOCAL)
    state = strategy.combine(strategy.begin(start()), {"a": update(1.0), "b": update(3.0)})
    np.savez(tmp_path / "s.npz", **under("p", state.parameters), **under("a", state.arrays))
    with np.load(tmp_path / "s.npz") as held:
        arrays = dict(held)
    back = type(state)(out_of("p", arrays), out_of("a", arrays), state.facts)
    one, two = (strategy.combine(s, {"a": update(0.5)}) for s in (state, back))
    assert flat(one.parameters).tobytes() == flat(two.parameters).tobytes()


def test_adam_and_yogi_follow_the_paper_by_hand():
    for kind, second in (("fedadam", 0.99e-6 + 0.01 * 4), ("fedyogi", 1e-6 + 0.01 * 4)):
        strategy = strategy_of(kind, LOCAL, {"rate": 0.1})
        state = strategy.combine(strategy.begin(start()), {"a": update(2.0)})
        expected = 0.1 * (0.1 * 2) / (np.sqrt(second) + 1e-3)
        assert state.parameters["w"] == pytest.approx(expected, rel=1e-4)


def test_scaffold_ends_at_the_common_optimum_where_averaging_drifts():
    targets = {"a": 0.2, "b": 3.0}
    curvature = {name: 1 + value for name, value in targets.items()}
    best = sum(curvature[n] * targets[n] for n in targets) / sum(curvature.values())
    plain, _ = run(Averaging(LOCAL), targets, 200)
    corrected, _ = run(strategy_of("scaffold", LOCAL, {"sites": 2}), targets, 200)
    assert np.abs(corrected.parameters["w"] - best).max() < 1e-3
    assert np.abs(plain.parameters["w"] - best).max() > 0.05


def test_scaffold_refuses_an_optimiser_with_a_memory():
    with pytest.raises(ValueError, match="plain steps"):
        strategy_of("scaffold", LocalPlan(optimiser="adam"), {"sites": 2}).begin(start())


def test_fedprox_stays_nearer_to_where_the_round_began():
    targets = {"a": 1.0}
    free, _ = run(Averaging(LOCAL), targets, 1)
    held, _ = run(Averaging(LOCAL, proximal=5.0), targets, 1)
    assert length(held.parameters) < length(free.parameters)


def test_private_layers_never_leave_and_are_read_with_at_home():
    strategy = strategy_of("personal-head", LOCAL, {"private": ("w",)})
    state, kept = run(strategy, {"a": 1.0, "b": 3.0}, 5)
    assert (state.parameters["w"] == 0).all()
    own = [personal(state.parameters, kept[site])["w"][0] for site in ("a", "b")]
    assert 0 < own[0] < own[1]
    assert private_names(["head.w", "norm.1"], ["head*"]) == ["head.w"]


def test_cyclic_names_the_turn_and_takes_one_update():
    strategy = strategy_of("cyclic", LOCAL)
    state = strategy.begin(start())
    assert strategy.instructions(state, 3)["turn"] == 3
    assert strategy.combine(state, {"b": update(7.0)}).parameters["w"][0] == 7


@pytest.mark.parametrize("aggregate", [median, trimmed_mean(0.25), krum(1), krum(1, keep=2)])
def test_one_false_site_of_five_moves_no_robust_aggregate_beyond_the_honest(aggregate):
    honest = {f"s{k}": update(1 + k / 10) for k in range(4)}
    weights = dict.fromkeys([*honest, "false"], 1.0)
    for lie in (1e6, -1e6):
        held = aggregate({**honest, "false": update(lie)}, weights)["w"]
        assert 1.0 <= held[0] <= 1.3 + 1e-6
    naive = weighted_mean([u.parameters for u in (*honest.values(), update(1e6))], [1] * 5)["w"][0]
    assert naive > 1000


def test_robust_aggregates_say_when_there_are_too_few_sites():
    pair = {"a": update(1.0), "b": update(2.0)}
    with pytest.raises(ValueError, match="needs 4 sites"):
        krum(1)(pair, {"a": 1, "b": 1})
    with pytest.raises(ValueError, match="leaves none"):
        trimmed_mean(0.4)(pair, {"a": 1, "b": 1})
    with pytest.raises(ValueError, match=r"0\.\.0\.5"):
        trimmed_mean(0.5)


def test_rubbish_is_left_out_and_named():
    honest = {f"s{k}": update(1 + k / 10) for k in range(3)}
    nan = Update({**start(1.0), "w": np.array([1, np.nan, 1], np.float32)}, 10)
    odd = {
        "nan": nan,
        "shape": Update({**start(), "w": np.zeros(4, np.float32)}, 10),
        "names": Update({"w": np.zeros(3, np.float32)}, 10),
        "empty": update(1.0, 0),
        "giant": update(1000.0),
    }
    good, faults = sound({**honest, **odd}, start())
    assert set(good) == set(honest)
    assert "not finite: w" in faults["nan"][0]
    assert "shapes differ" in faults["shape"][0]
    assert "names differ: b" in faults["names"][0]
    assert "expected at most" in faults["giant"][0]
    assert faults_of(honest["s0"], start()) == ()


def test_two_sites_are_too_few_to_call_one_a_giant():
    good, faults = sound({"a": update(1.0), "b": update(1000.0)}, start())
    assert len(good) == 2
    assert faults == {}


def test_moved_leaves_what_has_no_change():
    assert moved(start(1.0), {"w": np.ones(3, np.float32)}, 2.0)["w"][0] == 3
    assert round_seed(0, "a", 1) != round_seed(0, "b", 1) != round_seed(0, "b", 2)
