"""A federation in one process: it learns, goes on to the same bits, and survives a site that fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")

from coread.evaluation import roc_auc  # noqa: E402
from coread.learning.federated.simulation.comparators import alone, ensemble, pooled  # noqa: E402
from coread.learning.federated.simulation.federation import Plan, federate, taking_part  # noqa: E402
from coread.learning.federated.strategies.averaging import LocalPlan  # noqa: E402
from coread.learning.federated.strategies.catalogue import DEFAULT, strategy_of  # noqa: E402
from coread.learning.federated.studies.arms import Arm, Setting, pooled_head, said_by  # noqa: E402
from coread.learning.federated.task import FederatedTask, SiteData  # noqa: E402
from coread.learning.federated.tasks.calibrating import calibrated, site_calibration  # noqa: E402
from coread.learning.federated.tasks.cases import Cases, Judged, Remembered, joined  # noqa: E402
from coread.learning.federated.tasks.heads import HeadTask, prior_offset  # noqa: E402
from coread.learning.federated.tasks.networks import with_group_norm  # noqa: E402
from coread.learning.nodule.unet import NoduleNet  # noqa: E402

LOCAL = LocalPlan(rounds=6, steps=10, batch=16, rate=0.02)
SITES = {name: SiteData(name, None) for name in ("a", "b", "c")}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def cases(site, count=180, shift=0.0):
    rng = np.random.default_rng(sum(map(ord, site)))
    truth = rng.integers(0, 2, count)
    features = rng.normal(shift, 1, (count, 12)).astype(np.float32)
    features[:, 0] += 2.5 * truth
    part = np.array(["train", "val", "test"])[np.arange(count) % 3]
    return Cases(features, truth.astype(np.float32), truth, [f"{site}{k}" for k in range(count)], list(part))


def task_of(**shifts):
    held = {name: cases(name, shift=shifts.get(name, 0.0)) for name in SITES}
    return HeadTask("toy", Remembered(lambda data: held[data.site]), lambda data: None, 12)


def area(task, parameters, part="test"):
    said = [task.judged(data, parameters, part) for data in SITES.values()]
    return roc_auc(np.concatenate([s.truth for s in said]), np.concatenate([s.score for s in said]))


def test_a_head_is_a_federated_task_and_learns_by_every_kind_of_normalisation():
    task = task_of(b=4.0)
    assert isinstance(task, FederatedTask)
    for norm in ("own", "shared"):
        one = replace(task, norm=norm)
        held = federate(SITES, Plan(one, strategy_of(DEFAULT, LOCAL), LOCAL.rounds, 0))
        assert area(one, held.parameters) > 0.75
        assert task.evaluate(SITES["a"], held.parameters, "val")["cases"] == 60


def test_a_killed_federation_goes_on_to_the_same_bits(tmp_path):
    plan = Plan(task_of(), strategy_of("scaffold", replace(LOCAL, optimiser="sgd"), {"sites": 3}), 6, 3)
    whole = federate(SITES, plan)
    federate(SITES, replace(plan, rounds=2), tmp_path / "k.npz", every=1)
    later = federate(SITES, plan, tmp_path / "k.npz", every=1)
    assert all(whole.parameters[n].tobytes() == later.parameters[n].tobytes() for n in whole.parameters)
    assert whole.metrics == later.metrics


def test_a_site_that_sends_rubbish_or_falls_silent_is_left_out_of_that_round():
    def change(site, round_, update):
        if site == "c" and round_ == 2:
            broken = {n: np.full_like(a, np.nan) for n, a in update.parameters.items()}
            return replace(update, parameters=broken)
        return None if site == "b" and round_ == 3 else update

    task = task_of()
    held = federate(SITES, Plan(task, strategy_of(DEFAULT, LOCAL), LOCAL.rounds, 0, change))
    assert held.left_out[0][:2] == (2, "c")
    assert set(held.metrics[2]) == {"a", "c"}
    assert area(task, held.parameters) > 0.75


def test_a_duplicated_site_trains_the_same_model():
    task = task_of()
    twice = replace(
        task, cases_of=lambda d: task.cases_of(d).only(np.repeat(np.arange(180), 2 if d.site == "a" else 1))
    )
    plan = Plan(replace(task, norm="shared"), strategy_of(DEFAULT, LOCAL), 3, 0)
    first = federate(SITES, plan).parameters["head.weight"]
    second = federate(SITES, replace(plan, task=replace(twice, norm="shared"))).parameters["head.weight"]
    assert np.abs(first - second).max() < 1e-5


def test_a_site_of_positives_only_hardly_moves_the_common_offset():
    sick = cases("c")
    sick = sick.only(np.flatnonzero(sick.truth == 1))
    told = replace(LOCAL, optimiser="sgd").told(1)
    moved = {}
    for flag in (True, False):
        task = replace(task_of(), cases_of=lambda data: sick, prior_free=flag)
        moved[flag] = float(task.local(SITES["c"], task.initial(0), told, 0).parameters["head.bias"][0])
    assert 0 < moved[True] < 0.2 * moved[False]
    assert prior_offset(np.ones(8)) == pytest.approx(np.log(9))


def test_unlabelled_cases_are_in_no_loss_and_copies_count_once():
    held = cases("a")
    target = held.target.copy()
    target[:30] = np.nan
    some = replace(held, target=target)
    rows = some.learned()
    assert rows.min() >= 30
    assert all(held.part[row] == "train" for row in rows)
    assert len(joined([some, some]).learned()) == len(rows)


def test_comparators_are_matched_and_an_ensemble_is_a_mean():
    task = task_of()
    plan = Plan(task, strategy_of("fedavg", LOCAL), LOCAL.rounds, 0)
    lone = alone(SITES, plan, LOCAL)
    whole = pooled(SiteData("pooled", None), 3, replace(plan, task=pooled_head(task, SITES)), LOCAL)
    assert area(task, whole.parameters) > 0.75
    models = [lone[name].parameters for name in SITES]
    joint = ensemble(task, models, SITES["a"], "test").score
    assert joint == pytest.approx(np.mean([task.judged(SITES["a"], m, "test").score for m in models], 0))
    assert taking_part(["b", "a"], {"turn": 2}) == ["b"]


def test_an_arm_is_trained_once_and_then_read_from_disk(tmp_path):
    task = task_of()
    setting = Setting(task, SITES, LOCAL, SiteData("pooled", None), pooled_head(task, SITES))
    first = said_by(setting, Arm("default", DEFAULT), 0, tmp_path)
    broken = replace(setting, local=None)
    again = said_by(broken, Arm("default", DEFAULT), 0, tmp_path)
    assert first["test"]["all", "a"].score.tolist() == again["test"]["all", "a"].score.tolist()
    without = said_by(setting, Arm("without a", DEFAULT, without=("a",)), 0, tmp_path)
    assert without["test"]["all", "a"].score.tolist() != first["test"]["all", "a"].score.tolist()


def test_group_norm_keeps_no_statistics_of_a_site():
    names = with_group_norm(NoduleNet(4)).state_dict()
    assert not [name for name in names if "running" in name]
    assert [name for name in NoduleNet(4).state_dict() if "running" in name]


def test_a_site_with_enough_patients_has_a_calibration_of_its_own_and_a_small_one_does_not():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    said = Judged(2 * truth + rng.normal(0, 1, 200) + 3, truth, [str(k) for k in range(200)])
    common = calibrated(said)
    shifted = site_calibration(replace(said, score=said.score + 4), common)
    assert shifted.own
    assert shifted.line(said.score + 4) == pytest.approx(common.line(said.score), abs=1e-3)
    few = Judged(said.score[:10], said.truth[:10], said.patients[:10])
    assert site_calibration(few, common) == replace(common, own=False)
