"""Finding cells: a frozen trunk of three scales, a small neck, one peak for each cell.

Objects as points: Zhou, Wang & Krähenbühl 2019, arXiv:1904.07850; focal loss of the maps after Law & Deng,
ECCV 2018, arXiv:1808.01244.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.backbone.caching import Store, computed
from coread.learning.backbone.trunk import CHANNELS, Early, pretrained
from coread.learning.blood.sets import KIND_NAMES, Field
from coread.learning.blood.staining import Move, disturbed_field
from coread.learning.runs.checkpoint import Checkpoint
from coread.learning.runs.run import Run
from coread.readers.blood_smear.field import COLUMNS, ROWS, prepare
from coread.readers.blood_smear.peaks import STRIDE

Float = NDArray[np.float32]

TAPS = (2, 4, 10)
"""Blocks at strides 4, 8 and 16."""

SHAPES = tuple(
    (CHANNELS[tap], ROWS // stride, COLUMNS // stride) for tap, stride in zip(TAPS, (4, 8, 16), strict=True)
)
"""Channels, rows and columns of each."""

KINDS = len(KIND_NAMES)

SPREAD = 0.1
"""Width of the peak of a cell, in cell sizes; at least `LEAST_SPREAD` places of the map."""

LEAST_SPREAD = 0.8

ROUNDS = ("neck", "neck-2")
"""Cycles of the step size (warm restarts: Loshchilov & Hutter, ICLR 2017, arXiv:1608.03983)."""

NEAR = 0.6
"""Places where a peak is at least this high learn the shape of the cell."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides the neck, beside data, code and seed.

    Attributes
    ----------
    views
        Disturbed views of each training field, computed once.
    passes, batch
        Passes over all views; views per step.
    rate, decay
        Peak step size (AdamW, one cycle), weight decay.
    shape_weight
        Weight of boxes against peaks in the loss.
    """

    views: int = 3
    passes: int = 7
    batch: int = 16
    rate: float = 2e-3
    decay: float = 0.01
    shape_weight: float = 0.3


class Flat(nn.Module):  # type: ignore[misc]
    """The trunk's responses at `TAPS` as one row for each image, to be kept on disk."""

    def __init__(self) -> None:
        super().__init__()
        self.early = Early(pretrained(3), TAPS[-1], TAPS[:-1]).eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        """Responses [n, c * h * w of all scales] of images [n, 3, row, column] in 0..1."""
        return torch.cat([part.flatten(1) for part in self.early.pyramid(image)], 1)


class Neck(nn.Module):  # type: ignore[misc]
    """From the trunk's responses to maps of peaks and boxes.

    Parameters
    ----------
    width
        Channels of the neck.
    """

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.lateral = nn.ModuleList([nn.Conv2d(shape[0], width, 1) for shape in SHAPES])
        self.mixed = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        self.out = nn.Conv2d(width, KINDS + 2 + 2 * KINDS, 1)
        nn.init.constant_(self.out.bias[:KINDS], -4.0)  # few places hold a cell

    def forward(self, responses: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of the peaks [n, kind, h, w] and the shapes [n, 2 + 2 * kind, h, w]."""
        size = SHAPES[0][1:]
        parts = [
            nn.functional.interpolate(one(part), size=size, mode="nearest")
            for one, part in zip(self.lateral, responses, strict=True)
        ]
        maps = self.out(self.mixed(parts[0] + parts[1] + parts[2]))
        return maps[:, :KINDS], maps[:, KINDS:]


class Detector(nn.Module):  # type: ignore[misc]
    """Trunk and neck as one network for the clinic."""

    def __init__(self, early: Early, neck: Neck) -> None:
        super().__init__()
        self.early, self.neck = early, neck

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Peaks in 0..1, shapes, and pooled features [n, c] for the gate."""
        parts = self.early.pyramid(image)
        logits, shapes = self.neck(parts)
        return torch.sigmoid(logits), shapes, torch.cat([part.mean((2, 3)) for part in parts], 1)


def unflattened(rows: Tensor) -> list[Tensor]:
    """The responses at each scale, of rows of `Flat`."""
    sizes = [int(np.prod(shape)) for shape in SHAPES]
    parts = rows.split(sizes, dim=1)
    return [part.reshape(-1, *shape) for part, shape in zip(parts, SHAPES, strict=True)]


def targets(boxes: NDArray[np.float64], kind: NDArray[np.int64], scale: float) -> tuple[Float, Float, Float]:
    """What the maps of one field should show.

    Parameters
    ----------
    boxes, kind
        Cells in pixels of the image; index into `KIND_NAMES`.
    scale
        Pixels of the input per pixel of the image.

    Returns
    -------
    (Float, Float, Float)
        Peaks [kind, h, w]; shapes [2 + 2 * kind, h, w]; weight of each shape, same shape.
    """
    rows, columns = SHAPES[0][1:]
    heat = np.zeros((KINDS, rows, columns), np.float32)
    shapes, weights = (np.zeros((2 + 2 * KINDS, rows, columns), np.float32) for _ in "ab")
    row, column = np.mgrid[:rows, :columns]
    large_first = np.argsort(-np.prod(boxes[:, 2:], axis=1), kind="stable")
    for (left, top, width, height), k in zip(
        boxes[large_first] * (scale / STRIDE), kind[large_first], strict=True
    ):
        x, y = left + width / 2, top + height / 2
        spread = max(SPREAD * np.sqrt(width * height), LEAST_SPREAD)
        centre = int(np.clip(y, 0, rows - 1)), int(np.clip(x, 0, columns - 1))
        peak = np.exp(-((row - centre[0]) ** 2 + (column - centre[1]) ** 2) / (2 * spread**2))
        heat[k] = np.maximum(heat[k], peak)
        near = peak >= NEAR
        values = (x - column, y - row, np.full(row.shape, np.log(width)), np.full(row.shape, np.log(height)))
        for channel, value in zip((0, 1, 2 + 2 * k, 3 + 2 * k), values, strict=True):
            shapes[channel][near] = value[near]
            weights[channel][near] = 1
    return heat, shapes, weights


def peak_loss(logits: Tensor, heat: Tensor) -> Tensor:
    """Focal loss of peaks, per cell: places near a cell count little as mistakes (Law & Deng 2018, eq. 1)."""
    chance = torch.sigmoid(logits).clamp(1e-5, 1 - 1e-5)
    at = heat >= 1
    missed = -torch.log(chance) * (1 - chance) ** 2
    invented = -torch.log(1 - chance) * chance**2 * (1 - heat) ** 4
    total: Tensor = torch.where(at, missed, invented).sum() / at.sum().clamp(min=1)
    return total


class Lessons:
    """Disturbed views of the training fields: the trunk's responses from disk, and what to find on them.

    Parameters
    ----------
    fields
        Training fields.
    plan
        How many views.
    seed
        Of the disturbances.
    """

    def __init__(self, fields: Sequence[Field], plan: Plan, seed: int) -> None:
        self._fields, self._plan, self._seed = fields, plan, seed
        self.count = len(fields) * plan.views

    def responses(self, folder: Path) -> NDArray[np.float16]:
        """The trunk's responses [view, ...], computed once."""
        recipe = {
            "fields": [f.path.name for f in self._fields],
            "views": self._plan.views,
            "seed": self._seed,
        }
        return computed(Flat(), self.view, self.count, Store(folder, "fields", recipe))

    def view(self, number: int) -> Float:
        """Input [3, row, column] of one view; the first view of each field is the field as it is."""
        index, turn = number % len(self._fields), number // len(self._fields)
        image = self._fields[index].image()
        if turn:
            image, _ = disturbed_field(image, self._rng(number))
        return np.asarray(prepare(image).tensor[0])

    def wanted(self) -> list[tuple[Float, Float, Float]]:
        """What is to be found on each view."""
        return [self._wanted(number) for number in range(self.count)]

    def _wanted(self, number: int) -> tuple[Float, Float, Float]:
        field = self._fields[number % len(self._fields)]
        shape_rc = field.shape_rc()
        boxes, kind = field.boxes, field.kind
        if number >= len(self._fields):
            boxes, kept = Move.drawn(shape_rc, self._rng(number)).boxes(boxes)
            kind = kind[kept]
        return targets(boxes, kind, min(ROWS / shape_rc[0], COLUMNS / shape_rc[1]))

    def _rng(self, number: int) -> Generator:
        return np.random.default_rng([self._seed, number])


def train(fields: Sequence[Field], plan: Plan, run: Run) -> Neck:
    """Train the neck, or go on training it.

    Parameters
    ----------
    fields
        Training fields.
    plan, run
        What decides the weights; where they are kept, and the seed.
    """
    torch.manual_seed(run.seed)
    neck, lessons = Neck(), Lessons(fields, plan, run.seed)
    for name in ROUNDS:
        _cycle(neck, lessons, plan, run, name)
    neck.eval()
    return neck


def _cycle(neck: Neck, lessons: Lessons, plan: Plan, run: Run, name: str) -> None:
    """One cycle of the step size, from the weights as they are."""
    optimiser = torch.optim.AdamW(neck.parameters(), plan.rate, weight_decay=plan.decay)
    each = max(1, lessons.count // plan.batch)
    total = each * plan.passes
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total + 1, pct_start=0.1)
    keeper = Checkpoint(run, name, asdict(plan), neck=neck, optimiser=optimiser, schedule=schedule)
    if keeper.step < total:
        held, wanted = lessons.responses(run.path("kept/fields").parent), lessons.wanted()
    for step in keeper.steps(total, "finding cells"):
        order = run.rng("neck order", step // each).permutation(lessons.count)
        chosen = np.sort(order[step % each * plan.batch :][: plan.batch])
        rows = torch.from_numpy(np.asarray(held[chosen], dtype=np.float32))
        loss = _loss(neck, rows, [wanted[i] for i in chosen], plan.shape_weight)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(neck.parameters(), 5.0)
        optimiser.step()
        schedule.step()


def _loss(
    neck: Neck, rows: Tensor, wanted: Sequence[tuple[Float, Float, Float]], shape_weight: float
) -> Tensor:
    heat, shapes, weights = (torch.from_numpy(np.stack(part)) for part in zip(*wanted, strict=True))
    logits, said = neck(unflattened(rows))
    apart = (nn.functional.smooth_l1_loss(said, shapes, reduction="none", beta=0.2) * weights).sum()
    return peak_loss(logits, heat) + shape_weight * apart / weights.sum().clamp(min=1) * 4
