from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the lab is not installed (pip install coread[lab])")
pytest.importorskip("efficientnet_lite_pytorch", reason="the lab is not installed (pip install coread[lab])")

from coread.learning.backbone import fitting  # noqa: E402
from coread.learning.runs.run import Run  # noqa: E402
from coread.learning.transfer_study.arms import Trial, area  # noqa: E402
from coread.learning.transfer_study.larger import (  # noqa: E402
    equal,
    figures,
    intermediate,
    recipes,
    related,
    study,
    trials,
)
from coread.learning.transfer_study.larger.figures import Work  # noqa: E402
from coread.learning.transfer_study.larger.tasks import CROP_SIDE, LARGER, NODULE_PIXELS, middle  # noqa: E402
from coread.learning.transfer_study.tasks import Task  # noqa: E402

SETTING = {"width": 4, "stages": 4, "rate": 4e-3}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def bars(count=60, swapped=False, name="bars"):
    """A bright bar that stands or lies; which of the two is the first class is left open."""
    rng = np.random.default_rng(1)
    labels = np.arange(count) % 2
    images = rng.integers(0, 120, (count, 1, 64, 64)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        where = (slice(28, 36), slice(8, 56)) if label else (slice(8, 56), slice(28, 36))
        image[0][where] += np.uint8(130)
    patients = np.array([f"p{i}" for i in range(count)])
    split = np.where(np.arange(count) < 28, "train", np.where(np.arange(count) < 44, "val", "test"))
    return Task(name, images, 1 - labels if swapped else labels, patients, split, 2, turns=False)


def trial(folder, task, name):
    return Trial(task, task.rows("train")[:4], Run(folder / name, 0), Run(folder / "kept"))


def test_a_lesson_is_learnt_once_and_carried_over(tmp_path, monkeypatch):
    lesson = replace(recipes.SCRATCH, passes=1, batch=8, least_steps=20, average=0.9)
    monkeypatch.setattr(recipes, "LESSON", lesson)
    began, asked = [], []

    def begun(trial, net, plan, name):
        began.append(({key: part.clone() for key, part in net.state_dict().items()}, plan))
        return np.zeros((16, 2)), 0.5

    monkeypatch.setattr(recipes, "from_pictures", begun)

    def source():
        asked.append(1)
        return bars(swapped=True)

    recipes.trained(trial(tmp_path, bars(), "plain"), "scratch", SETTING, source)
    assert not asked
    for name, slower in (("one", 1.0), ("two", 0.25)):
        setting = {**SETTING, "slower": slower}
        recipes.trained(trial(tmp_path, bars(), name), "related", setting, source)
    assert len(asked) == 1
    learnt = Run(tmp_path / "kept" / "lessons" / "bars").load("weights")
    (plain, plan), (one, same), (_, slow) = began
    for key, part in one.items():
        assert torch.equal(part, (plain if "classifier" in key else learnt)[key]), key
    assert not torch.equal(one["stages.0.weight"], plain["stages.0.weight"])
    assert same == plan
    assert slow == replace(plan, rate=plan.rate / 4)


def test_a_frozen_trunk_is_read_at_the_depth_that_validation_likes(tmp_path):
    task = bars()
    one = Trial(task, task.rows("train"), Run(tmp_path / "run", 0), Run(tmp_path / "kept"))
    logits, score = recipes.trained(one, "frozen", {}, lambda: task)
    assert score > 0.9
    assert area(task.labels[task.rows("test")], logits) > 0.9


def test_a_setting_is_chosen_on_validation_images_once_for_all_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "LARGER", {"bars": lambda data: bars()})
    monkeypatch.setattr(trials, "RELATED", {"bars": lambda data: bars()})
    trials.task_of.cache_clear()
    made = []

    def trained(trial, arm, setting, source):
        made.append((arm, trial.run.seed, setting))
        return np.zeros((16, 2)), 0.5 + setting.get("width", 0) / 100 + setting.get("slower", 0) / 100

    monkeypatch.setattr(trials, "trained", trained)
    for seed in (0, 1):
        for _ in "12":
            trials.make(tmp_path, tmp_path, Work("bars", 0.1, "scratch", seed))
            trials.make(tmp_path, tmp_path, Work("bars", 0.1, "related", seed))
    widest = max(recipes.GRIDS["scratch"], key=lambda setting: setting["width"])
    assert trials.chosen(tmp_path, tmp_path, Work("bars", 1.0, "scratch", 2))[1] == widest
    assert made[-1] == ("related", 1, {**widest, "slower": 1.0})
    assert len(made) == len(recipes.GRIDS["scratch"]) + 2 + len(recipes.SLOWER) + 2
    trials.task_of.cache_clear()


def scored(task, right, val, seeds=(0, 1, 2)):
    sure = np.stack([-right * (2.0 * task.labels[task.rows("test")] - 1)] * 2, 1) * [1, -1]
    return dict.fromkeys(seeds, sure), dict.fromkeys(seeds, val)


def test_each_side_names_its_arm_by_validation_images_alone():
    task = bars()
    arms = {
        "frozen": scored(task, 1.0, 0.7),
        "tuned": scored(task, 0.0, 0.8),
        "related": scored(task, 1.0, 0.99, seeds=(0, 1)),
        "untaught": scored(task, 0.0, 0.5),
        "scratch": scored(task, -1.0, 0.6),
    }
    found = figures._chosen(task, arms)
    assert found["arms"] == {"transfer": "tuned", "imagenet": "tuned", "from_scratch": "scratch"}
    assert found["gains"]["imagenet"]["value"] == pytest.approx(0.5)
    assert figures._chosen(task, {"frozen": arms["frozen"]})["gains"] == {}


def test_the_promise_is_kept_on_two_sets_or_not_at_all():
    gain = {"value": 0.06, "lower": 0.01, "upper": 0.1, "n": 9}
    first = figures.verdict("transfer", "another", {"one": gain, "two": {**gain, "value": 0.049}})
    assert (first["figure"]["value"], first["met"]) == (1, False)
    assert figures.verdict("transfer", "another", {"one": gain, "two": gain})["met"]


def test_the_named_arm_meets_each_opponent_that_was_trained():
    gain = {"value": 0.06, "lower": 0.01, "upper": 0.1, "n": 9}
    ten = {"one": {"tuned": {"gain_over_untaught": gain}, "untaught": {}}, "two": {"scratch": {}}}
    assert figures._named_arm(ten, "untaught") == {"one": gain}
    assert figures._named_arm(ten, "scratch") == {}


def test_the_middle_of_a_nodule_is_enlarged():
    image = np.zeros((96, 96), np.uint8)
    image[24:72, 24:72] = 200
    assert (middle(image) == 200).all()
    assert middle(image).shape == (CROP_SIDE, CROP_SIDE)
    assert NODULE_PIXELS == 48


def test_on_equal_terms_the_last_step_counts_and_nobody_asks_validation_images(tmp_path, monkeypatch):
    few = {"passes": 1, "batch": 4, "least_steps": 4}
    monkeypatch.setattr(fitting, "JUDGED_EVERY", 2)
    monkeypatch.setattr(recipes, "UNTAUGHT", replace(recipes.UNTAUGHT, **few))
    monkeypatch.setattr(equal, "PLAN", replace(equal.PLAN, **few))
    task = replace(bars(), images=bars().images[:, :, ::2, ::2])
    monkeypatch.setattr(trials, "LARGER", {"bars": lambda data: task})
    trials.task_of.cache_clear()
    for arm in ("untaught", "tuned"):
        equal.make_last(tmp_path, tmp_path, Work("bars", 0.1, arm, 1))
    trials.task_of.cache_clear()
    held = {arm: Run(tmp_path / place, 1).load(arm) for arm, place in (
        ("untaught", "trials/bars-0.1-untaught-1"), ("tuned", "equal/bars-0.1-tuned-1"),
    )}  # fmt: skip
    assert held["untaught"]["step"] == held["tuned"]["step"] > 0
    for arm, state in held.items():
        net = equal._empty(Trial(task, task.rows("train")[:4], Run(tmp_path), Run(tmp_path)), arm, {})
        net.load_state_dict(state["parts"]["averaged"])
        with torch.no_grad():
            logits = net.eval()(torch.from_numpy(task.floats(task.rows("test"))))
        kept = np.load(tmp_path / "equal" / f"bars-0.1-{arm}-1.npy")
        assert np.allclose(kept, logits.numpy(), atol=1e-4)
    assert held["tuned"]["notes"]["best"] == 0.0
    assert held["untaught"]["notes"]["best"] > 0.0


def test_the_trunk_begins_the_tenth_where_the_related_question_left_it(tmp_path, monkeypatch):
    few = {"passes": 1, "batch": 4, "least_steps": 4}
    monkeypatch.setattr(fitting, "JUDGED_EVERY", 2)
    monkeypatch.setattr(intermediate, "LESSON", replace(intermediate.LESSON, **few))
    task = replace(bars(), images=bars().images[:, :, ::2, ::2])
    asked, began = [], []

    def source(data):
        asked.append(data)
        return replace(task, labels=1 - task.labels)

    class Watched(fitting.Fit):
        def __init__(self, net, views, judge, plan):
            began.append({name: part.clone() for name, part in net.state_dict().items()})
            super().__init__(net, views, judge, replace(plan, **few))

    monkeypatch.setattr(equal, "Fit", Watched)
    monkeypatch.setattr(equal, "RELATED", {"bars": source})
    monkeypatch.setattr(trials, "LARGER", {"bars": lambda data: task})
    trials.task_of.cache_clear()
    for arm, seed in (("intermediate", 0), ("intermediate", 1), ("tuned", 0)):
        equal.make_last(tmp_path, tmp_path, Work("bars", 0.1, arm, seed))
    trials.task_of.cache_clear()
    assert asked == [tmp_path]
    learnt = Run(tmp_path / "intermediate" / "source").load("weights")
    for begun in began[:2]:
        assert {name for name in begun if name not in learnt} == {"classifier.weight", "classifier.bias"}
        assert all(torch.equal(begun[name], part) for name, part in learnt.items())
    assert torch.equal(began[0]["classifier.weight"], began[2]["classifier.weight"])
    assert not torch.equal(began[0]["stem.weight"], began[2]["stem.weight"])


def test_both_trunks_have_the_same_terms_but_for_the_size_of_a_step():
    one, other = asdict(equal.PLAN), asdict(recipes.UNTAUGHT)
    assert {name for name, value in one.items() if value != other[name]} <= {"rate", "head_rate"}
    for arm in equal.TAUGHT:
        assert {(work.task, work.seed) for work in equal.works() if work.arm == arm} == {
            (task, seed) for task in LARGER for seed in study.SEEDS
        }


def test_at_every_share_the_trunks_meet_after_the_same_steps(tmp_path, monkeypatch):
    few = {"passes": 1, "batch": 4, "least_steps": 4}
    monkeypatch.setattr(fitting, "JUDGED_EVERY", 2)
    monkeypatch.setattr(equal, "PLAN", replace(equal.PLAN, **few))
    task = replace(bars(), images=bars().images[:, :, ::2, ::2])
    for held in (trials, equal):
        monkeypatch.setattr(held, "LARGER", {"bars": lambda data: task})
    trials.task_of.cache_clear()
    seeds = {work.seed for work in equal.works_of_other_shares()}
    for work in equal.works_of_other_shares():
        if work.seed == 0:
            equal.make_last(tmp_path, tmp_path, work)
    made = equal.report(tmp_path, tmp_path)["bars"]
    trials.task_of.cache_clear()
    assert seeds == set(study.SEEDS)
    assert list(made) == ["1%", "100%"]
    assert made["1%"]["training_images"] < made["100%"]["training_images"]
    for share, held in made.items():
        assert held["tuned"]["gain_over_untaught"]["seeds"] == 1
        steps = {
            arm: Run(tmp_path / "equal" / f"bars-{int(share[:-1]) / 100:g}-{arm}-0").load(arm)["step"]
            for arm in equal.PAIR
        }
        assert steps["tuned"] == steps["untaught"] > 0


def test_the_promise_is_worked_on_before_other_shares():
    shares = [work.share for work in study.all_work(quick=False)]
    assert shares == sorted(shares, key=lambda share: share != 0.1)
    assert {work.arm for work in study.all_work(quick=True)} <= set(study.CHEAP)


def test_a_lesson_holds_no_test_image():
    task = bars()
    lesson = related._learnt_from(task)
    held_out = set(task.patients[task.rows("test")].tolist())
    assert held_out
    assert not held_out & set(lesson.patients.tolist())
    assert set(lesson.split.tolist()) == {"train", "val"}


@pytest.mark.shared_data
def test_band_and_segmented_neutrophils_are_told_by_their_names(shared_data):
    task = LARGER["blood_pbc"](shared_data)
    assert task.images.shape == (597, 3, CROP_SIDE, CROP_SIDE)
    assert np.bincount(task.labels).tolist() == [307, 290]
    assert all((name[:3] == "BNE") == label for name, label in zip(task.patients, task.labels, strict=True))
