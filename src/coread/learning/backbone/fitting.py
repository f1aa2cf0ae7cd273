"""Tuning what comes after the cut: short, resumable, the best moment by validation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.runs.checkpoint import Checkpoint
from coread.learning.runs.run import Run

Judge = Callable[[nn.Module], float]
"""Score of a network on validation images: higher is better."""

JUDGED_EVERY = 20
"""Fewest steps between two looks at the validation images."""

CLIP = 2.0
"""Largest norm of the gradient of one step."""


class Views(Protocol):
    """Training images as the tuned half is given them."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class number [image]."""
        ...

    def draw(self, chosen: NDArray[np.int64], rng: Generator) -> Tensor:
        """Inputs [n, ...] of the chosen images, disturbed by `rng`."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides the weights, beside data, code and seed.

    Attributes
    ----------
    passes, batch
        Passes over the training images; images per step.
    rate, head_rate, decay
        Peak step size of the trunk and of the classifier (AdamW, one cycle), weight decay.
    smoothing
        Label smoothing (Szegedy et al., CVPR 2016, arXiv:1512.00567).
    average
        Decay of the running average of the weights, per step; 0 takes the weights as they are.
    least_steps
        So many steps are made at least, however few the images are.
    """

    passes: int = 10
    batch: int = 32
    rate: float = 5e-4
    head_rate: float = 3e-3
    decay: float = 0.02
    smoothing: float = 0.05
    average: float = 0.98
    least_steps: int = 60

    def steps_per_pass(self, images: int) -> int:
        """Steps of one pass over so many images."""
        return max(1, images // self.batch)

    def period(self, images: int) -> int:
        """Steps between two judgements: whole passes, at least `JUDGED_EVERY` steps."""
        each = self.steps_per_pass(images)
        return each * -(-JUDGED_EVERY // each)

    def steps(self, images: int) -> int:
        """Steps of the whole training, in whole periods."""
        wanted, each = max(self.passes * self.steps_per_pass(images), self.least_steps), self.period(images)
        return each * -(-wanted // each)


class Fit:
    """One training of a network whose last layer is called `classifier`.

    Parameters
    ----------
    net
        To be tuned; every parameter that asks for a gradient is.
    views
        Training images.
    judge
        Asked now and then; the weights of the best moment are given back.
    plan
        What decides the weights.
    """

    def __init__(self, net: nn.Module, views: Views, judge: Judge, plan: Plan) -> None:
        self._views, self._judge, self._plan = views, judge, plan
        self._net, self._averaged, self._best = net, copy.deepcopy(net), copy.deepcopy(net)
        self._optimiser = _optimiser(net, plan)
        self._steps = plan.steps(len(views.labels))
        rates = [group["lr"] for group in self._optimiser.param_groups]
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, rates, self._steps + 1, pct_start=0.15
        )
        self._labels = torch.from_numpy(np.asarray(views.labels, dtype=np.int64))

    def run(self, run: Run, name: str) -> tuple[nn.Module, float]:
        """Train, or go on training; returns the best network in reading mode and its validation score.

        Parameters
        ----------
        run, name
            Where the checkpoint lies; the seed is the run's.
        """
        parts = {"net": self._net, "averaged": self._averaged, "best": self._best}
        keeper = Checkpoint(
            run, name, asdict(self._plan), **parts, optimiser=self._optimiser, schedule=self._schedule
        )
        keeper.notes.setdefault("best", float("-inf"))
        each = self._plan.steps_per_pass(len(self._labels))
        for step in keeper.steps(self._steps, f"training {name}"):
            self._step(self._chosen(run, step, each), run.rng(f"{name} views", step), step)
            if (step + 1) % self._plan.period(len(self._labels)) == 0:
                score = self._judged(keeper.notes["best"])
                keeper.notes["best"] = max(keeper.notes["best"], score)
                run.remember(step + 1, validation=score)
        return self._best.eval(), float(keeper.notes["best"])

    def _chosen(self, run: Run, step: int, each: int) -> NDArray[np.int64]:
        """Images of one step: every pass takes them in a new order."""
        order = run.rng("order", step // each).permutation(len(self._labels))
        at = step % each * self._plan.batch
        return np.asarray(order[at : at + self._plan.batch], dtype=np.int64)

    def _step(self, chosen: NDArray[np.int64], rng: Generator, step: int) -> None:
        torch.manual_seed(int(rng.integers(2**31)))
        self._net.train()
        logits = self._net(self._views.draw(chosen, rng))
        loss = nn.functional.cross_entropy(logits, self._labels[chosen], label_smoothing=self._plan.smoothing)
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._net.parameters(), CLIP)
        self._optimiser.step()
        self._schedule.step()
        follow(self._averaged, self._net, min(self._plan.average, step / (step + 10)))

    def _judged(self, best: float) -> float:
        score = self._judge(self._averaged.eval())
        if score > best:
            self._best.load_state_dict(self._averaged.state_dict())
        return score


@torch.no_grad()  # type: ignore[untyped-decorator]
def follow(mean: nn.Module, now: nn.Module, keep: float) -> None:
    """Move a running average of weights towards the weights as they are.

    Parameters
    ----------
    mean, now
        The average, changed in place; the network in training.
    keep
        Share of the average that stays; small at first, when there are no weights worth averaging.
    """
    pairs = zip(mean.state_dict().values(), now.state_dict().values(), strict=True)
    for average, weight in pairs:
        if average.is_floating_point():
            average.lerp_(weight, 1 - keep)
        else:
            average.copy_(weight)


def _optimiser(net: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    named = [(name, part) for name, part in net.named_parameters() if part.requires_grad]
    trunk = [part for name, part in named if not name.startswith("classifier.")]
    head = [part for name, part in named if name.startswith("classifier.")]
    groups = [{"params": trunk, "lr": plan.rate}, {"params": head, "lr": plan.head_rate}]
    return torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=plan.decay)
