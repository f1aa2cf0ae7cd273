"""Naming white cells: late blocks tuned on disturbed views, early ones computed once; several seeds vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from torch import Tensor, nn

from coread.learning.backbone.caching import Store, computed
from coread.learning.backbone.fitting import Fit, Judge, Plan
from coread.learning.backbone.trunk import Early, Tail, split
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

MEMBERS = 3
"""Networks of a council: on validation cells three together had the best macro F1 and likelihood."""

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


class Council(nn.Module):  # type: ignore[misc]
    """Several late halves on one early half: the logit is the mean of theirs.

    Deep ensembles: Lakshminarayanan et al., NeurIPS 2017, arXiv:1612.01474. Members differ by their seed.

    Parameters
    ----------
    early
        The frozen half that all share.
    members
        The tuned halves.
    """

    def __init__(self, early: Early, members: Sequence[Tail]) -> None:
        super().__init__()
        self.early, self.members = early, nn.ModuleList(members)

    def forward(self, image: Tensor) -> Tensor:
        """Logits [n, class] of images [n, 3, 128, 128] in 0..1."""
        return self.late(self.early(image))

    def late(self, response: Tensor) -> Tensor:
        """Logits [n, class] of responses of the early half."""
        return torch.stack([member(response) for member in self.members]).mean(0)

    def only(self, number: int) -> Council:
        """One member by itself."""
        return Council(self.early, [self.members[number]])


def train(
    learners: CellSet, judges: CellSet, plan: Plan, runs: Sequence[Run], folder: Path
) -> tuple[Council, list[float]]:
    """Train the classifier, or go on training it.

    Parameters
    ----------
    learners, judges
        Cells of the training and of the validation split.
    plan
        What decides the weights.
    runs
        Of each member: where its weights are kept, and its seed.
    folder
        Where responses are kept; runs of several seeds may share it.

    Returns
    -------
    (Council, list of float)
        The whole network, and the macro F1 of each member on the validation cells.
    """
    early, _ = split(3, CUT, len(CLASSES), LAST)
    held = responses(early, learners, VIEWS, folder, runs[0])
    judged = responses(early, judges, 1, folder, runs[0])
    kept = Kept(held, learners.labels)

    def judge(now: nn.Module) -> float:
        return macro_f1(judges.labels, logits_of(now, judged))

    made = [_member(kept, judge, plan, run) for run in runs]
    return Council(early, [tail for tail, _ in made]).eval(), [score for _, score in made]


def _member(kept: Kept, judge: Judge, plan: Plan, run: Run) -> tuple[Tail, float]:
    torch.manual_seed(run.seed)
    _, tail = split(3, CUT, len(CLASSES), LAST)
    best, score = Fit(tail.to(memory_format=torch.channels_last), kept, judge, plan).run(run, "classifier")
    assert isinstance(best, Tail)  # noqa: S101 - a fit gives back what it was given
    return best.to(memory_format=torch.contiguous_format), score


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
            parts.append(net(torch.from_numpy(np.stack([view_of(cells, i) for i in chosen]))))
    return np.asarray(torch.cat(parts).numpy())


def macro_f1(labels: NDArray[np.int64], logits: Float) -> float:
    """Mean F1 of the classes, each of equal weight."""
    present = range(logits.shape[1])
    return float(f1_score(labels, logits.argmax(1), average="macro", labels=present, zero_division=0.0))
