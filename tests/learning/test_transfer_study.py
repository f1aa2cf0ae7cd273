from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("efficientnet_lite_pytorch", reason="the lab is not installed (pip install coread[lab])")

from coread.learning.backbone import Plan  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.learning.transfer_study import arms, study  # noqa: E402
from coread.learning.transfer_study.arms import Trial  # noqa: E402
from coread.learning.transfer_study.study import Work  # noqa: E402
from coread.learning.transfer_study.tasks import TASKS, Task  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def blobs(count=60):
    """Bright blob on the left or on the right: two classes, two images of each patient."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) // 2 % 2
    images = rng.integers(60, 90, (count, 1, 96, 96)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[0, 30:66, 10 + 40 * label : 46 + 40 * label] += np.uint8(120)
        image[0, :20] = 40 + 100 * label
    patients = np.array([f"p{i // 2}" for i in range(count)])
    split = np.where(np.arange(count) < 28, "train", np.where(np.arange(count) < 44, "val", "test"))
    return Task("blobs", images, labels, patients, split, 2, turns=False)


def test_a_smaller_share_lies_within_a_larger_one():
    task = blobs()
    some, more = (set(task.few(share, 3).tolist()) for share in (0.3, 0.7))
    assert some < more < set(task.few(1.0, 3).tolist()) | {-1}
    assert set(task.labels[sorted(some)]) == {0, 1}


def test_a_share_keeps_patients_whole():
    task = blobs()
    few = task.few(0.3, 1)
    inside = set(task.patients[few])
    rest = np.setdiff1d(task.rows("train"), few)
    assert not inside & set(task.patients[rest])


def test_the_area_of_several_classes_is_the_mean_of_each_against_the_rest():
    labels = np.array([0, 1, 2, 0, 1, 2])
    assert arms.area(labels, np.eye(3)[labels] * 5) == 1
    assert arms.area(labels, np.zeros((6, 3))) == 0.5


def test_the_quick_arms_learn_the_blobs(tmp_path, monkeypatch):
    quick = Plan(passes=4, batch=8, rate=4e-4, head_rate=4e-3, least_steps=40, average=0.8)
    for name in ("PARTIAL", "FULL", "SCRATCH"):
        monkeypatch.setattr(arms, name, quick)
    task = blobs()
    for arm in ("frozen", "partial", "scratch"):
        trial = Trial(task, task.rows("train"), Run(tmp_path / arm, 0), Run(tmp_path / "kept"))
        made = arms.scratch(trial, 8, 3e-3)[0] if arm == "scratch" else getattr(arms, arm)(trial)
        assert arms.area(task.labels[task.rows("test")], made) > 0.8, arm


def test_what_is_made_is_not_made_again_and_stands_in_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "TASKS", {"blobs": lambda data: blobs()})
    study._task.cache_clear()
    made = []

    def answer(trial):
        made.append(trial)
        rows = trial.task.rows("test")
        sure = 2.0 * trial.task.labels[rows] - 1
        return np.stack([-sure, sure], 1)

    monkeypatch.setattr(arms, "frozen", answer)
    monkeypatch.setattr(arms, "scratch", lambda trial, width, rate: (answer(trial) * 0, 0.5 + rate))
    monkeypatch.setattr(arms, "untaught", lambda trial, rate: (answer(trial) * 0.5, 0.5 - rate))
    works = [Work("blobs", 0.1, arm, seed) for arm in ("frozen", "scratch", "untaught") for seed in (0, 1)]
    for work in [*works, *works]:
        study.make(tmp_path, tmp_path, work)
    assert len(made) == 6 + len(arms.SCRATCH_GRID) + len(arms.UNTAUGHT_GRID)
    small, same = (study.settings(tmp_path, tmp_path, works[at])[1] for at in (2, 4))
    assert small["rate"] == max(tried["rate"] for tried in arms.SCRATCH_GRID)
    assert same["rate"] == min(tried["rate"] for tried in arms.UNTAUGHT_GRID)
    row = study.table(tmp_path, tmp_path, works)["tasks"]["blobs"]["10%"]
    assert row["frozen"]["value"] == 1
    assert row["scratch"]["value"] == 0.5
    assert row["frozen"]["gain_over_scratch"]["lower"] == pytest.approx(0.5)
    assert row["frozen"]["gain_over_untaught"]["value"] == pytest.approx(0)
    assert not {"gain_over_untaught", "gain_over_scratch"} & (row["scratch"].keys() | row["untaught"].keys())
    study._task.cache_clear()


def test_the_promise_is_worked_on_first():
    works = list(study.all_work(quick=False))
    assert {work.share for work in works[:72]} == {0.1}
    assert {work.arm for work in works[:24]} == {"frozen", "scratch"}
    assert {work.arm for work in works[24:48]} == {"tuned", "untaught"}
    assert {work.arm for work in works[72:]} == {"frozen", "scratch", "tuned", "untaught"}
    assert {work.seed for work in study.all_work(quick=True)} == {0}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["cxr_nih", "lidc_nodules"])
def test_no_patient_of_a_task_lies_in_two_splits(shared_data, name):
    task = TASKS[name](shared_data)
    found = {}
    for patient, split in zip(task.patients, task.split, strict=True):
        found.setdefault(patient, set()).add(split)
    assert all(len(held) == 1 for held in found.values())
    assert task.images.shape[1:] == (1, 96, 96)


def gained(value):
    return {"value": value, "lower": value - 0.01, "upper": value + 0.01, "n": 9}


def test_the_promise_is_kept_by_one_arm_against_each_opponent_by_itself():
    tuned = {
        **gained(0.9),
        "seeds": [0.9],
        "gain_over_untaught": gained(0.06),
        "gain_over_scratch": gained(0.01),
    }
    other = {**tuned, "gain_over_untaught": gained(0.2), "gain_over_scratch": gained(0.2)}
    plain = {**gained(0.8), "seeds": [0.8]}
    shares = {"10%": {"untaught": plain, "scratch": plain, "tuned": tuned, "full": other}}
    rows = study.rows({"tasks": {"first": shares, "second": shares, "third": {}}})
    same, small = rows[:2]
    assert (same["figure"]["value"], same["met"]) == (2, True)
    assert (small["figure"]["value"], small["met"]) == (0, False)
    assert len(rows) == 2 + 2 * 2 * 2


def test_the_untaught_trunk_differs_from_the_tuned_one_by_its_weights_and_its_rate_alone(monkeypatch):
    seen = []

    def made(trial, net, plan, name):
        seen.append((net, plan))
        return np.zeros((1, 2)), 0.5

    monkeypatch.setattr(arms, "from_pictures", made)
    trial = Trial(blobs(), np.arange(4), SimpleNamespace(seed=0), None)
    arms.tuned(trial)
    arms.untaught(trial, 1e-2)
    (taught, plan), (blank, other) = seen
    assert replace(plan, rate=1e-2, head_rate=1e-2) == other
    assert [part.shape for part in taught.parameters()] == [part.shape for part in blank.parameters()]
    assert taught.blocks[0].state_dict().keys() == blank.blocks[0].state_dict().keys()
    assert not torch.equal(taught.stem.weight, blank.stem.weight)


def test_a_gain_is_over_the_seeds_that_both_arms_have():
    areas = {0: np.array([0.9, 0.8]), 1: np.array([0.7, 0.7])}
    gain = study.gain(areas, {1: np.array([0.6, 0.5]), 2: np.array([0.0, 0.0])}, 9)
    assert gain["value"] == pytest.approx(0.1)
    assert gain["lower"] == gain["upper"] == pytest.approx(0.2)
    assert (gain["seeds"], gain["n"]) == (1, 9)
    assert "1 of 3 seeds" in study.told(gain)
