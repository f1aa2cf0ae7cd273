"""Tuning the detector on disturbed views of the training fields, whose first responses are computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.backbone.caching import Store, computed
from coread.learning.backbone.fitting import follow
from coread.learning.backbone.trunk import pretrained
from coread.learning.blood.detecting.maps import peak_loss, side_loss, targets
from coread.learning.blood.detecting.networks import Finder, frozen_part
from coread.learning.blood.sets import Field
from coread.learning.blood.staining import Move, disturbed_field
from coread.learning.runs.checkpoint import Checkpoint
from coread.learning.runs.run import Run
from coread.readers.blood_smear.field import COLUMNS, ROWS, prepare

Float = NDArray[np.float32]

Judge = Callable[[Finder], dict[str, float]]
"""Figures of a finder on validation fields; nothing is chosen by them here."""

VIEW_SEED = 19

CLIP = 5.0
"""Largest norm of the gradient of one step."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides the detector, beside data, code and seed.

    Attributes
    ----------
    views
        Views of each training field, computed once: as it is, and disturbed.
    passes, batch
        Passes over all fields, one view of each drawn anew; fields per step.
    rate, trunk_rate, decay
        Peak step size of the neck and of the trunk (AdamW, one cycle), weight decay.
    side_weight
        Weight of boxes against peaks in the loss.
    average
        Decay of the running average of the weights, per step.
    """

    views: int = 6
    passes: int = 24
    batch: int = 8
    rate: float = 2e-3
    trunk_rate: float = 4e-4
    decay: float = 0.02
    side_weight: float = 2.0
    average: float = 0.98


class Lessons:
    """Views of the training fields: the trunk's first responses from disk, and what to find on them.

    Parameters
    ----------
    fields
        Training fields.
    views
        How many of each.
    """

    def __init__(self, fields: Sequence[Field], views: int) -> None:
        self._fields, self._views = fields, views
        self.fields, self.count = len(fields), len(fields) * views

    def responses(self, folder: Path, run: Run | None = None) -> NDArray[np.float16]:
        """The responses [view, c, h, w] at the first tap, computed once."""
        recipe = {"fields": [f.path.name for f in self._fields], "views": self._views, "seed": VIEW_SEED}
        say = (lambda share: run.progress("computing first blocks of fields", share)) if run else None
        return computed(frozen_part(), self.view, self.count, Store(folder, "fields", recipe), say)

    def view(self, number: int) -> Float:
        """Input [3, row, column] of one view; the first view of each field is the field as it is."""
        index, turn = number % len(self._fields), number // len(self._fields)
        image = self._fields[index].image()
        if turn:
            image, _ = disturbed_field(image, self._rng(number))
        return np.asarray(prepare(image).tensor[0])

    def wanted(self, number: int) -> tuple[Float, Float, Float]:
        """What is to be found on one view."""
        field = self._fields[number % len(self._fields)]
        shape_rc = field.shape_rc()
        boxes, kind = field.boxes, field.kind
        if number >= len(self._fields):
            boxes, kept = Move.drawn(shape_rc, self._rng(number)).boxes(boxes)
            kind = kind[kept]
        return targets(boxes, kind, min(ROWS / shape_rc[0], COLUMNS / shape_rc[1]))

    def drawn(self, order: NDArray[np.int64], rng: Generator) -> NDArray[np.int64]:
        """One view of each field of `order`."""
        return order + rng.integers(0, self._views, len(order)) * len(self._fields)

    def _rng(self, number: int) -> Generator:
        return np.random.default_rng([VIEW_SEED, number])


def train(fields: Sequence[Field], plan: Plan, run: Run, judge: Judge | None = None) -> Finder:
    """Tune the detector, or go on tuning it.

    Parameters
    ----------
    fields
        Training fields.
    plan, run
        What decides the weights; where they are kept, and the seed.
    judge
        Asked after every sixth of the training; its figures go into the run's history.

    Returns
    -------
    Finder
        The running average of the weights, in reading mode.
    """
    torch.manual_seed(run.seed)
    lessons = Lessons(fields, plan.views)
    net: Finder = Finder(pretrained(3)).to(memory_format=torch.channels_last)
    averaged: Finder = deepcopy(net)
    optimiser = _optimiser(net, plan)
    each = max(1, lessons.fields // plan.batch)
    total = each * plan.passes
    rates = [group["lr"] for group in optimiser.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total + 1, pct_start=0.1)
    keeper = Checkpoint(
        run, "finder", asdict(plan), net=net, averaged=averaged, optimiser=optimiser, schedule=schedule
    )
    held = lessons.responses(run.path("kept/fields").parent, run) if keeper.step < total else None
    for step in keeper.steps(total, "finding cells"):
        order = run.rng("fields", step // each).permutation(lessons.fields)[step % each * plan.batch :]
        chosen = lessons.drawn(order[: plan.batch], run.rng("views", step))
        torch.manual_seed(int(run.rng("drops", step).integers(2**31)))
        assert held is not None  # noqa: S101 - it was computed because steps are left
        keeper.notes["loss"] = _step(net, held, lessons, chosen, plan, optimiser)
        schedule.step()
        follow(averaged, net, min(plan.average, step / (step + 10)))
        if judge and (step + 1) % max(1, total // 6) == 0:
            run.remember((step + 1) // each, loss=keeper.notes["loss"], **judge(averaged.eval()))
    averaged.eval()
    return averaged


def _optimiser(net: Finder, plan: Plan) -> torch.optim.Optimizer:
    groups = [
        {"params": list(net.blocks.parameters()), "lr": plan.trunk_rate},
        {"params": list(net.neck.parameters()), "lr": plan.rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=plan.decay)


def _step(
    net: Finder,
    held: NDArray[np.float16],
    lessons: Lessons,
    chosen: NDArray[np.int64],
    plan: Plan,
    optimiser: torch.optim.Optimizer,
) -> float:
    net.train()
    shown = torch.from_numpy(np.asarray(held[chosen], dtype=np.float32))
    heat, sides, weight = (
        torch.from_numpy(np.stack(part)) for part in zip(*map(lessons.wanted, chosen.tolist()), strict=True)
    )
    logits, said = net(shown.contiguous(memory_format=torch.channels_last))
    loss: Tensor = peak_loss(logits, heat) + plan.side_weight * side_loss(said, sides, weight)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), CLIP)
    optimiser.step()
    return float(loss.detach())
