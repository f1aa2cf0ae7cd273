"""Naming white cells: the trunk's late blocks tuned on disturbed views, its early ones computed once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from torch import Tensor, nn

from coread.learning.backbone.caching import Store, computed
from coread.learning.backbone.fitting import Fit, Plan
from coread.learning.backbone.trunk import Early, Joined, Tail, split
from coread.learning.blood.sets import CellSet
from coread.learning.blood.staining import disturbed_cell
from coread.learning.runs.run import Run
from coread.readers.blood_smear.cells import CLASSES
from coread.readers.blood_smear.field import cell

Float = NDArray[np.floating]

CUT = 2
"""Last block that keeps its ImageNet weights, of stride 4: edges, dots and colours."""

LAST = 15
"""Last block of the classifier, of stride 32; only the head convolution, made for a thousand classes, is left
out."""

VIEWS = 4
"""Disturbed views of each cell, computed once; the first is the cell as it is."""

VIEW_SEED = 17

PLAN = Plan(passes=8, batch=32, rate=8e-4, head_rate=4e-3, decay=0.02, smoothing=0.05, average=0.99)


@dataclass(frozen=True)
class Kept:
    """Training cells as responses of the early blocks; the `Views` of a fit.

    Attributes
    ----------
    held
        [view * cell, c, h, w]: all first views, then all second ones.
    labels
        Class number [cell].
    """

    held: NDArray[np.float16]
    labels: NDArray[np.int64]

    def draw(self, chosen: NDArray[np.int64], rng: Generator) -> Tensor:
        """One view of each chosen cell."""
        views = len(self.held) // len(self.labels)
        at = chosen + rng.integers(0, views, len(chosen)) * len(self.labels)
        drawn = torch.from_numpy(np.asarray(self.held[at], dtype=np.float32))
        return drawn.contiguous(memory_format=torch.channels_last)  # twice as fast on a processor


def view_of(cells: CellSet, number: int) -> NDArray[np.float32]:
    """Input [3, 128, 128] of view number, counted through all cells, then through all again."""
    index, turn = number % len(cells.labels), number // len(cells.labels)
    image = cells.image(index)
    return cell(disturbed_cell(image, np.random.default_rng([VIEW_SEED, number])) if turn else image)


def responses(early: Early, cells: CellSet, views: int, folder: Path, run: Run) -> NDArray[np.float16]:
    """Responses of the early blocks to `views` views of the cells, from disk as far as they are there."""
    recipe = {"cells": list(cells.names), "views": views, "seed": VIEW_SEED, "cut": CUT}
    return computed(
        early, lambda i: view_of(cells, i), len(cells.labels) * views, Store(folder, "cells", recipe),
        lambda share: run.progress("computing early blocks", share),
    )  # fmt: skip


def train(learners: CellSet, judges: CellSet, plan: Plan, run: Run, folder: Path) -> tuple[Joined, float]:
    """Train the classifier, or go on training it.

    Parameters
    ----------
    learners, judges
        Cells of the training and of the validation split.
    plan, run
        What decides the weights; where they are kept, and the seed.
    folder
        Where responses are kept; runs of several seeds may share it.

    Returns
    -------
    (Joined, float)
        The whole network, and its macro F1 on the validation cells.
    """
    torch.manual_seed(run.seed)
    early, tail = split(3, CUT, len(CLASSES), LAST)
    held = responses(early, learners, VIEWS, folder, run)
    judged = responses(early, judges, 1, folder, run)
    kept = Kept(held, learners.labels)

    def judge(now: nn.Module) -> float:
        return macro_f1(judges.labels, logits_of(now, judged))

    best, score = Fit(tail.to(memory_format=torch.channels_last), kept, judge, plan).run(run, "classifier")
    assert isinstance(best, Tail)  # noqa: S101 - a fit gives back what it was given
    return Joined(early, best.to(memory_format=torch.contiguous_format)).eval(), score


def logits_of(net: nn.Module, held: NDArray[np.float16], batch: int = 128) -> Float:
    """Logits [case, class] of kept responses."""
    with torch.no_grad():
        parts = [
            net(torch.from_numpy(np.asarray(held[i : i + batch], dtype=np.float32)))
            for i in range(0, len(held), batch)
        ]
    return np.asarray(torch.cat(parts).numpy())


def heard(net: nn.Module, cells: CellSet, batch: int = 16) -> Float:
    """Logits [cell, class] of the whole network."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(cells.labels), batch):
            chosen = range(start, min(start + batch, len(cells.labels)))
            parts.append(net(torch.from_numpy(np.stack([view_of(cells, i) for i in chosen])))[0])
    return np.asarray(torch.cat(parts).numpy())


def macro_f1(labels: NDArray[np.int64], logits: Float) -> float:
    """Mean F1 of the classes, each of equal weight."""
    present = range(logits.shape[1])
    return float(f1_score(labels, logits.argmax(1), average="macro", labels=present, zero_division=0.0))
