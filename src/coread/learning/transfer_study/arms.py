"""The ways of learning that are compared: frozen, partly tuned, fully tuned, and from scratch in two senses.

*From scratch* usually means the same network with random weights and the same training (``untaught``): what
it lacks is only ImageNet. A clinic without ImageNet would rather train a small network (``scratch``): what
that has to show is whether the trunk is worth having at all. Both stand beside every pretrained arm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.evaluation import roc_auc
from coread.learning.backbone.caching import Store, computed
from coread.learning.backbone.fitting import Fit, Plan
from coread.learning.backbone.probing import Pooled, Probe, fit_probe
from coread.learning.backbone.trunk import CUTS, HEAD, STEM, Early, pretrained, split, whole
from coread.learning.runs.run import Run
from coread.learning.transfer_study.tasks import Task

Float = NDArray[np.floating]

ARMS = ("untaught", "scratch", "frozen", "partial", "full", "tuned")

BASELINES = ("untaught", "scratch")
"""Arms that know nothing of ImageNet."""

PARTIAL = Plan(passes=10, batch=32, rate=5e-4, head_rate=3e-3, least_steps=100, average=0.95)
FULL = Plan(passes=5, batch=16, rate=4e-4, head_rate=3e-3, least_steps=80, average=0.95)
SCRATCH = Plan(passes=30, batch=32, rate=2e-3, head_rate=2e-3, least_steps=240, average=0.95, decay=0.05)

TUNED = Plan(passes=20, batch=32, rate=5e-4, head_rate=5e-4, least_steps=160, average=0.95)
"""The whole trunk, its batch statistics too, as long as the untaught one learns. Its step size was tried
nowhere: what little choice there is favours the opponent."""

UNTAUGHT_GRID = ({"rate": 2e-3}, {"rate": 6e-3})
"""Step sizes of the untaught trunk that are tried on validation images, like the small network's; all else is
as in `TUNED`. On nodules 5e-4 was tried too, and was far the worst on validation images."""

SCRATCH_GRID = ({"width": 12, "rate": 1e-3}, {"width": 12, "rate": 4e-3}, {"width": 24, "rate": 2e-3})
"""What is tried of the small network, on validation images, at each share of the labels below the whole; the
best of 10 % serves for the whole too."""

VIEWS = 2
"""Kept views of each image for partial tuning: as it is, and mirrored."""


class SmallNet(nn.Module):  # type: ignore[misc]
    """A plain network of a few stages for small images, trained from nothing.

    Parameters
    ----------
    channels, classes
        Of the images; of the logits.
    width
        Channels of the first stage, doubled at each.
    stages
        Convolutions that halve rows and columns.
    """

    def __init__(self, channels: int, classes: int, width: int, stages: int = 4) -> None:
        super().__init__()
        sizes = [channels, *(width * 2**stage for stage in range(stages))]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            convolution = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
        last = sizes[-1]
        layers += [nn.Conv2d(last, last, 3, padding=1, bias=False), nn.BatchNorm2d(last), nn.ReLU()]
        self.stages = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(last, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [n, class] of images [n, channel, row, column] in 0..1."""
        logits: Tensor = self.classifier(self.dropout(self.stages(image * 2 - 1).mean((2, 3))))
        return logits


@dataclass(frozen=True)
class Pictures:
    """Training images, mirrored, shifted and regraded at each draw; the `Views` of a fit."""

    task: Task
    rows: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class number [image]."""
        return self.task.labels[self.rows]

    def draw(self, chosen: NDArray[np.int64], rng: Generator) -> Tensor:
        """Disturbed images [n, channel, row, column] in 0..1."""
        images = self.task.floats(self.rows[chosen])
        return torch.from_numpy(np.stack([_disturbed(image, self.task.turns, rng) for image in images]))


@dataclass(frozen=True)
class Responses:
    """Responses of a frozen half; the `Views` of a fit.

    Attributes
    ----------
    held
        [view * image of the task, c, h, w].
    rows
        Which images are learnt from.
    """

    task: Task
    held: NDArray[np.float16]
    rows: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class number [image]."""
        return self.task.labels[self.rows]

    def draw(self, chosen: NDArray[np.int64], rng: Generator) -> Tensor:
        """One of the kept views of each chosen image."""
        turn = rng.integers(0, VIEWS, len(chosen)) * len(self.task.labels)
        return torch.from_numpy(np.asarray(self.held[self.rows[chosen] + turn], dtype=np.float32))


def _disturbed(image: NDArray[np.float32], turns: bool, rng: Generator) -> NDArray[np.float32]:
    """Mirror, shift by up to a sixteenth, change brightness and contrast; [channel, row, column]."""
    if rng.random() < 0.5:
        image = image[:, :, ::-1]
    if turns:
        image = np.rot90(image, int(rng.integers(4)), (1, 2))
    most = image.shape[1] // 16
    down, right = (int(v) for v in rng.integers(-most, most + 1, 2))
    wide = np.pad(image, ((0, 0), (most, most), (most, most)), mode="edge")
    image = wide[:, most + down :, most + right :][:, : image.shape[1], : image.shape[2]]
    graded = np.clip(image * rng.uniform(0.85, 1.15) + rng.uniform(-0.08, 0.08), 0, 1)
    return np.asarray(graded, dtype=np.float32)


def area(labels: NDArray[np.int64], logits: Float) -> float:
    """Area under the ROC curve; of several classes the mean of each against the rest."""
    probability = softmax(logits)
    if logits.shape[1] == 2:
        return roc_auc(labels, probability[:, 1])
    return float(np.mean([roc_auc(labels == k, probability[:, k]) for k in range(logits.shape[1])]))


def softmax(logits: Float) -> Float:
    """Probabilities [case, class] of logits [case, class]."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Trial:
    """One arm, one share of the labels, one seed: where its checkpoints lie, and what it learns from."""

    task: Task
    rows: NDArray[np.int64]
    run: Run
    kept: Run
    """Holds the responses that all trials of the task share."""

    def logits(self, net: nn.Module, inputs: NDArray[Any]) -> Float:
        """Logits [image, class] of inputs [image, ...]."""
        with torch.no_grad():
            parts = [
                net(torch.from_numpy(np.asarray(inputs[i : i + 128], dtype=np.float32)))
                for i in range(0, len(inputs), 128)
            ]
        return np.asarray(torch.cat(parts).numpy())


def frozen(trial: Trial) -> Float:
    """Logistic regression on the pooled features of the trunk as it came; logits of the test images."""
    features = _features(trial).astype(np.float64)
    val, labels = trial.task.rows("val"), trial.task.labels

    def judge(probe: Probe) -> float:
        return area(labels[val], probe.logits(features[val]))

    probe, _ = fit_probe(features[trial.rows], labels[trial.rows], judge)
    return probe.logits(features[trial.task.rows("test")])


def partial(trial: Trial) -> Float:
    """Blocks after `CUTS["partial"]` tuned on kept responses; logits of the test images."""
    return from_responses(trial, PARTIAL)[0]


def from_responses(trial: Trial, plan: Plan) -> tuple[Float, float]:
    """The same by another plan; logits of the test images, and the validation area."""
    torch.manual_seed(trial.run.seed)
    _, tail = split(trial.task.images.shape[1], CUTS["partial"], trial.task.classes)
    held = _partial_responses(trial)
    val, test = trial.task.rows("val"), trial.task.rows("test")

    def judge(net: nn.Module) -> float:
        return area(trial.task.labels[val], trial.logits(net, held[val]))

    best, score = Fit(tail, Responses(trial.task, held, trial.rows), judge, plan).run(trial.run, "partial")
    return trial.logits(best, held[test]), score


def full(trial: Trial) -> Float:
    """Every block tuned; logits of the test images."""
    torch.manual_seed(trial.run.seed)
    _, tail = split(trial.task.images.shape[1], STEM, trial.task.classes)
    return from_pictures(trial, tail, FULL, "full")[0]


def tuned(trial: Trial) -> Float:
    """The whole trunk from ImageNet's weights; logits of the test images."""
    return _whole(trial, TUNED, "tuned")[0]


def untaught(trial: Trial, rate: float) -> tuple[Float, float]:
    """The whole trunk from random weights; logits of the test images, and its validation area."""
    return _whole(trial, replace(TUNED, rate=rate, head_rate=rate), "untaught")


def _whole(trial: Trial, plan: Plan, name: str) -> tuple[Float, float]:
    torch.manual_seed(trial.run.seed)
    net = whole(trial.task.images.shape[1], trial.task.classes, taught=name == "tuned")
    return from_pictures(trial, net.to(memory_format=torch.channels_last), plan, name)


def scratch(trial: Trial, width: int, rate: float) -> tuple[Float, float]:
    """A small network from nothing; logits of the test images, and its validation area."""
    torch.manual_seed(trial.run.seed)
    net = SmallNet(trial.task.images.shape[1], trial.task.classes, width)
    return from_pictures(trial, net, replace(SCRATCH, rate=rate, head_rate=rate), "scratch")


def from_pictures(trial: Trial, net: nn.Module, plan: Plan, name: str) -> tuple[Float, float]:
    """Train a network on disturbed images; logits of the test images, and the validation area."""
    task = trial.task
    val, test = task.rows("val"), task.rows("test")

    def judge(now: nn.Module) -> float:
        return area(task.labels[val], trial.logits(now, task.floats(val)))

    best, score = Fit(net, Pictures(task, trial.rows), judge, plan).run(trial.run, name)
    return trial.logits(best, task.floats(test)), score


def _features(trial: Trial) -> NDArray[np.float16]:
    """Pooled features of all images of the task, kept."""
    make: Callable[[], nn.Module] = lambda: Pooled(Early(pretrained(trial.task.images.shape[1]), HEAD))  # noqa: E731
    return kept(trial, "frozen", make(), 1)


def _partial_responses(trial: Trial) -> NDArray[np.float16]:
    """Responses of the early blocks to both views of all images of the task, kept."""
    early = Early(pretrained(trial.task.images.shape[1]), CUTS["partial"])
    return kept(trial, "partial", early, VIEWS)


def kept(trial: Trial, name: str, net: nn.Module, views: int) -> NDArray[np.float16]:
    """Responses of a frozen network to so many views (plain, mirrored) of all images, computed once."""
    task, count = trial.task, len(trial.task.labels)

    def image(number: int) -> NDArray[np.float32]:
        plain = task.floats(np.array([number % count]))[0]
        return plain if number < count else np.ascontiguousarray(plain[:, :, ::-1])

    store = Store(
        trial.kept.path(f"{name}/store").parent, task.name, {"arm": name, "views": views, "n": count}
    )
    return computed(
        net.requires_grad_(False), image, count * views, store,
        lambda share: trial.kept.progress(f"{task.name}: {name} responses", share),
    )  # fmt: skip
