"""Findings that only some sites have labelled: who has no label neither trains nor spoils the row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab's tests run in the lab's environment")

from federation_rooms import Rooms  # noqa: E402

from coread.learning.federated.plan.plan import Privacy  # noqa: E402
from coread.learning.federated.simulation.federation import Plan, federate  # noqa: E402
from coread.learning.federated.strategies.averaging import LocalPlan  # noqa: E402
from coread.learning.federated.strategies.catalogue import strategy_of  # noqa: E402
from coread.learning.federated.task import SiteData  # noqa: E402
from coread.learning.federated.tasks.findings import FindingsTask, Labelled  # noqa: E402

FINDINGS = ("cloud", "water", "air")
KNOWN = {"site0": (1.0, 1.0, 0.0), "site1": (1.0, 0.0, 0.0), "site2": (1.0, 0.3, 0.0)}
"""Share of the cases in which each site has labelled each finding; nobody has ever looked for air."""

SITES = {name: SiteData(name, None) for name in KNOWN}


def labelled(site, count=240):
    rng = np.random.default_rng(sum(map(ord, site)))
    truth = rng.integers(0, 2, (count, 3)).astype(np.float32)
    features = rng.normal(0, 1, (count, 10)).astype(np.float32)
    features[:, :3] += 2 * truth
    target = np.where(rng.random((count, 3)) < KNOWN[site], truth, np.nan).astype(np.float32)
    part = np.array(["train", "val", "test"])[np.arange(count) % 3]
    return Labelled(features, target, tuple(f"{site}{k}" for k in range(count)), part)


HELD = {name: labelled(name) for name in KNOWN}


def findings_task(missing="masked"):
    """Factory of the task, as a plan names it."""
    return FindingsTask("findings", lambda data: HELD[data.site], 10, FINDINGS, missing)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def trained(sites, task=None, power=1.0, rounds=4, steps=5):
    local = LocalPlan(rounds=rounds, steps=steps, batch=32, rate=0.05)
    strategy = strategy_of("fedavg", local, {"power": power})
    return federate(sites, Plan(task or findings_task(), strategy, rounds, 0)).parameters


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_row_is_trained_by_those_alone_who_have_the_label(power):
    """The row of the whole federation is that of the two sites with the label; the third changes nothing."""
    whole = trained(SITES, power=power)
    some = trained({name: SITES[name] for name in ("site0", "site2")}, power=power)
    np.testing.assert_allclose(whole["head.weight"][1], some["head.weight"][1], atol=1e-6)
    np.testing.assert_allclose(whole["head.bias"][1], some["head.bias"][1], atol=1e-6)
    assert np.abs(whole["head.weight"][0] - some["head.weight"][0]).max() > 1e-4


def test_a_finding_that_nobody_has_labelled_stays_as_it_began():
    made = trained(SITES)
    assert not made["head.weight"][2].any()
    assert not made["head.bias"][2].any()


def test_a_partly_labelled_site_counts_as_its_labels():
    """One round, power 1: site0 has every label of water, site2 three in ten."""
    task, local = findings_task(), LocalPlan(rounds=1, steps=5, batch=32, rate=0.05)
    strategy = strategy_of("fedavg", local)
    state = strategy.begin(task.initial(0))
    told = strategy.instructions(state, 1)
    updates = {name: task.local(data, state.parameters, told, 3) for name, data in SITES.items()}
    share = {name: float(one.extra["share/head.bias"][1]) for name, one in updates.items()}
    assert share["site1"] == 0.0
    assert 0.15 < share["site2"] < 0.45
    after = strategy.combine(state, updates).parameters["head.bias"][1]
    change = {n: float(updates[n].parameters["head.bias"][1]) for n in ("site0", "site2")}  # share x change
    assert after == pytest.approx(
        (change["site0"] + change["site2"]) / (share["site0"] + share["site2"]), rel=1e-4
    )


def test_masked_labels_beat_taking_them_for_absent():
    areas = {
        missing: findings_task(missing).evaluate(
            SITES["site0"], trained(SITES, findings_task(missing)), "test"
        )["auc water"]
        for missing in ("masked", "absent")
    }
    assert areas["masked"] > areas["absent"] > 0.5


def test_under_secure_aggregation_it_is_the_same_model(tmp_path):
    """The coordinator learns sums of shares only; the rows come out as in the open."""
    rooms = Rooms(tmp_path)
    task = findings_task()
    for desk in rooms.wire.desks.values():
        desk._tasks = lambda place, options: task
    made = {}
    local = {"steps": 5, "batch": 32, "rate": 0.05}
    for hidden in (False, True):
        plan = rooms.planned(
            strategy={"name": "site-balanced", "local": local},
            privacy=Privacy(secure_aggregation=hidden, largest_value=16.0),
        )
        rooms.approve(plan)
        made[hidden] = rooms.rounds(plan).run(lambda: task.initial(0)).parameters
    for name, array in made[False].items():
        np.testing.assert_allclose(made[True][name], array, atol=1e-5)
    assert not made[True]["head.weight"][2].any()


def test_counts_and_figures_speak_of_what_is_known():
    task = findings_task()
    assert task.count(SITES["site1"]).labels["water"] == 0
    assert set(task.evaluate(SITES["site1"], task.initial(0), "test")) == {"cases", "auc cloud"}
    assert replace(task, missing="masked").findings == FINDINGS
