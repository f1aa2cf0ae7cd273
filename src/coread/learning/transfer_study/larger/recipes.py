"""How each arm is trained at larger images, and what is tried of it on validation images.

Every arm but *frozen* is tried with two settings or more on the validation images of seed 0 at 10 % of the
labels, and keeps the better for all seeds and shares. The arms that learn from nothing are tried with as many
or more, and the random trunk makes twice the steps of the taught one: what choice there is favours them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coread.learning.backbone.fitting import Plan
from coread.learning.backbone.probing import Pooled, Probe, fit_probe
from coread.learning.backbone.trunk import HEAD, STEM, Early, pretrained, split, whole
from coread.learning.transfer_study.arms import (
    PARTIAL,
    SCRATCH,
    SmallNet,
    Trial,
    area,
    from_pictures,
    from_responses,
    kept,
)

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

GRIDS: Mapping[str, Sequence[Setting]] = {
    "frozen": ({},),
    "partial": ({"rate": 5e-4}, {"rate": 1.5e-4}),
    "tuned": ({"learnt_statistics": 1, "rate": 5e-4}, {"learnt_statistics": 0, "rate": 5e-4}),
    "untaught": ({"rate": 1e-3}, {"rate": 3e-3}),
    "scratch": (
        {"width": 12, "stages": 4, "rate": 1e-3},
        {"width": 24, "stages": 4, "rate": 2e-3},
        {"width": 12, "stages": 5, "rate": 1e-3},
        {"width": 16, "stages": 5, "rate": 2e-3},
    ),
}
"""What is tried of each arm."""


def trained(trial: Trial, arm: str, setting: Setting) -> Made:
    """One trial of one arm."""
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
    shape = int(setting["width"]), int(setting["stages"])
    net = SmallNet(trial.task.images.shape[1], trial.task.classes, *shape)
    plan = replace(SCRATCH, rate=setting["rate"], head_rate=setting["rate"])
    return _pictures(trial, net, plan, "scratch")


def _pictures(trial: Trial, net: nn.Module, plan: Plan, name: str) -> Made:
    return from_pictures(trial, net.to(memory_format=torch.channels_last), plan, name)


_ARMS = {
    "frozen": _frozen,
    "partial": _partial,
    "tuned": _tuned,
    "untaught": _untaught,
    "scratch": _scratch,
}
