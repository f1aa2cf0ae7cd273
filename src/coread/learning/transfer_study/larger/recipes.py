"""How each arm is trained at larger images, and what is tried of it on validation images.

Where an arm has more than one setting, they are tried on the validation images of seed 0 at 10 % of the
labels, and the better serves all seeds and shares. The small network from scratch is tried with the most. The
random trunk's step size is the one that validation images liked best at 96 x 96 pixels on the three sets
where it was tried (2e-3 of 2e-3 and 6e-3; 5e-4 too on nodules); it makes twice the steps of the taught one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.backbone.fitting import Fit, Plan
from coread.learning.backbone.probing import Pooled, Probe, fit_probe
from coread.learning.backbone.trunk import HEAD, STEM, Early, pretrained, split, whole
from coread.learning.runs.run import Run
from coread.learning.transfer_study.arms import (
    PARTIAL,
    SCRATCH,
    Pictures,
    SmallNet,
    Trial,
    area,
    from_pictures,
    from_responses,
    kept,
)
from coread.learning.transfer_study.tasks import Task

Float = NDArray[np.floating]
Made = tuple[Float, float]
"""Logits [test image, class], and the area on validation images."""

Setting = Mapping[str, float]

DEPTHS = {4: 40, 7: 80, 10: 112, HEAD: 1280}
"""Blocks whose pooled responses a frozen trunk may be read at, and their channels; one is chosen on
validation images in each trial."""

TUNED = Plan(passes=8, batch=16, rate=5e-4, head_rate=2e-3, least_steps=100, average=0.95)
"""The trunk from ImageNet's weights."""

UNTAUGHT = replace(TUNED, passes=16, least_steps=200)
"""The same trunk from random weights: twice the steps."""

LESSON = replace(SCRATCH, passes=12)
"""The related question, on all its training images; the step size is the one chosen from scratch."""

SLOWER = (1.0, 0.25)
"""What is tried of the step size of a network that has learnt a related question, over that from scratch."""

GRIDS: Mapping[str, Sequence[Setting]] = {
    "frozen": ({},),
    "partial": ({"rate": 5e-4},),
    "tuned": ({"learnt_statistics": 1, "rate": 5e-4}, {"learnt_statistics": 0, "rate": 5e-4}),
    "untaught": ({"rate": 2e-3},),
    "scratch": (
        {"width": 12, "stages": 4, "rate": 1e-3},
        {"width": 24, "stages": 4, "rate": 2e-3},
        {"width": 12, "stages": 5, "rate": 1e-3},
        {"width": 16, "stages": 5, "rate": 2e-3},
    ),
}
"""What is tried of each arm."""


def trained(trial: Trial, arm: str, setting: Setting, source: Callable[[], Task]) -> Made:
    """One trial of one arm; the source is asked for by the arm `related` alone."""
    if arm == "related":
        return _related(trial, setting, source)
    return _ARMS[arm](trial, setting)


def _frozen(trial: Trial, setting: Setting) -> Made:
    """Logistic regression on pooled responses, at the depth and penalty that validation images like best."""
    net = Pooled(Early(pretrained(trial.task.images.shape[1]), HEAD, tuple(d for d in DEPTHS if d != HEAD)))
    held = kept(trial, "depths", net, 1).astype(np.float64)
    edges = np.cumsum([0, *DEPTHS.values()])
    val, test, labels = trial.task.rows("val"), trial.task.rows("test"), trial.task.labels
    made = []
    for start, stop in pairwise(edges):
        features = held[:, start:stop]

        def judge(probe: Probe, features: Float = features) -> float:
            return area(labels[val], probe.logits(features[val]))

        probe, score = fit_probe(features[trial.rows], labels[trial.rows], judge)
        made.append((probe.logits(features[test]), score))
    return max(made, key=lambda pair: pair[1])


def _partial(trial: Trial, setting: Setting) -> Made:
    return from_responses(trial, replace(PARTIAL, batch=16, rate=setting["rate"]))


def _tuned(trial: Trial, setting: Setting) -> Made:
    torch.manual_seed(trial.run.seed)
    channels, classes = trial.task.images.shape[1], trial.task.classes
    learnt = bool(setting["learnt_statistics"])
    net = whole(channels, classes) if learnt else split(channels, STEM, classes)[1]
    return _pictures(trial, net, replace(TUNED, rate=setting["rate"]), "tuned")


def _untaught(trial: Trial, setting: Setting) -> Made:
    torch.manual_seed(trial.run.seed)
    net = whole(trial.task.images.shape[1], trial.task.classes, taught=False)
    plan = replace(UNTAUGHT, rate=setting["rate"], head_rate=setting["rate"])
    return _pictures(trial, net, plan, "untaught")


def _scratch(trial: Trial, setting: Setting) -> Made:
    torch.manual_seed(trial.run.seed)
    net, plan = _small(trial.task, setting), replace(SCRATCH, rate=setting["rate"], head_rate=setting["rate"])
    return _pictures(trial, net, plan, "scratch")


def _related(trial: Trial, setting: Setting, source: Callable[[], Task]) -> Made:
    """The small network, taught a related question first; else as from scratch, step by step."""
    torch.manual_seed(trial.run.seed)
    net = _small(trial.task, setting)
    known = {name: part for name, part in _lesson(trial, setting, source).items() if "classifier" not in name}
    net.load_state_dict(known, strict=False)
    plan = replace(SCRATCH, rate=setting["rate"] * setting["slower"], head_rate=setting["rate"])
    return _pictures(trial, net, plan, "related")


def _lesson(trial: Trial, setting: Setting, source: Callable[[], Task]) -> dict[str, Tensor]:
    """Weights of the small network after the related question; learnt once for each task."""
    run = Run(trial.kept.folder / "lessons" / trial.task.name)
    held = run.load("weights")
    if held is None:
        task = source()
        torch.manual_seed(run.seed)
        net = _small(task, setting).to(memory_format=torch.channels_last)
        plan = replace(LESSON, rate=setting["rate"], head_rate=setting["rate"])
        held = _learnt(net, task, plan, run)
        run.save("weights", held)
    return dict(held)


def _learnt(net: nn.Module, task: Task, plan: Plan, run: Run) -> dict[str, Tensor]:
    pupil = Trial(task, task.rows("train"), run, run)
    val = task.rows("val")

    def judge(now: nn.Module) -> float:
        return area(task.labels[val], pupil.logits(now, task.floats(val)))

    best, score = Fit(net, Pictures(task, pupil.rows), judge, plan).run(run, "lesson")
    run.write_json("lesson", {"val_auc": score, "training_images": len(pupil.rows)})
    return dict(best.state_dict())


def _small(task: Task, setting: Setting) -> SmallNet:
    return SmallNet(task.images.shape[1], task.classes, int(setting["width"]), int(setting["stages"]))


def _pictures(trial: Trial, net: nn.Module, plan: Plan, name: str) -> Made:
    return from_pictures(trial, net.to(memory_format=torch.channels_last), plan, name)


_ARMS = {
    "frozen": _frozen,
    "partial": _partial,
    "tuned": _tuned,
    "untaught": _untaught,
    "scratch": _scratch,
}
