"""Multiple-instance learning: only "a nodule is in this picture" is known, attention says where.

A picture is a bag of places; gated attention weighs them. Ilse, Tomczak & Welling, ICML 2018,
arXiv:1802.04712.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.nodule.unet import fast_half
from coread.learning.runs.checkpoint import Checkpoint, seed_everything
from coread.learning.runs.run import Run
from coread.learning.weak.arms import Pupils
from coread.readers.ct_nodule.window import Spot

Float32 = NDArray[np.float32]

BAG_PX = 36
"""Side of a picture whose label is known: the largest that fits beside a common nodule in a 96-pixel crop."""

STRIDE = 4
"""Pixels between two places of a bag."""


@dataclass(frozen=True)
class BagPlan:
    """What decides the weights beside data and seed: steps, pictures per step, peak step size, 16-bit."""

    steps: int = 400
    batch: int = 64
    rate: float = 3e-3
    half: bool = True


class BagNet(nn.Module):  # type: ignore[misc]
    """Features of each place, gated attention over them, one logit for the bag."""

    def __init__(self, width: int = 16, hidden: int = 32) -> None:
        super().__init__()
        w = width
        plan = ((1, w, 1), (w, 2 * w, 2), (2 * w, 2 * w, 1), (2 * w, 4 * w, 2), (4 * w, 4 * w, 1))
        layers: list[nn.Module] = []
        for inner, outer, stride in plan:
            layers += [nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.turn, self.gate = nn.Conv2d(4 * w, hidden, 1), nn.Conv2d(4 * w, hidden, 1)
        self.weigh = nn.Conv2d(hidden, 1, 1)
        self.answer = nn.Linear(4 * w, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Read pictures [n, 1, side, side].

        Returns
        -------
        (Tensor, Tensor)
            Logit [n]; each place's contribution to it [n, side / 4, side / 4], whose sum and the bias are
            the logit.
        """
        places = self.trunk(pictures).float()
        score = self.weigh(torch.tanh(self.turn(places)) * torch.sigmoid(self.gate(places)))
        attention = torch.softmax(score.flatten(1), 1).view_as(score)
        each = nn.functional.conv2d(places, self.answer.weight[:, :, None, None])
        contribution = (attention * each)[:, 0]
        return contribution.sum((1, 2)) + self.answer.bias, contribution


def bags(held: Pupils, rng: Generator, count: int) -> tuple[Float32, Float32]:
    """Draw pictures with and without a nodule, evenly.

    Returns
    -------
    (float32 [count, 1, BAG_PX, BAG_PX], float32 [count])
        Grey 0..1 and whether any reader marked anything in it. A picture without is cut from beside the
        nodule of the same crop, so that scanner and stretch say nothing about the label.
    """
    pictures: list[NDArray[Any]] = []
    labels: list[float] = []
    while len(pictures) < count:
        at, positive = int(rng.integers(len(held))), len(pictures) % 2 == 0
        corner = _corner(np.asarray(held.of_readers(at).any(0)), held.consensus(at), positive, rng)
        if corner is None:
            continue
        top, left = corner
        piece = held.image(at)[top : top + BAG_PX, left : left + BAG_PX].astype(np.float32) / 255
        pictures.append(np.rot90(piece, int(rng.integers(4))))
        labels.append(float(positive))
    return np.stack(pictures)[:, None].astype(np.float32), np.array(labels, np.float32)


def _corner(
    marked: NDArray[np.bool_], agreed: NDArray[np.bool_], positive: bool, rng: Generator
) -> tuple[int, int] | None:
    """Where a picture with (or without) a nodule may be cut; None if ten draws found none."""
    middle = np.argwhere(agreed).mean(0)
    for _ in range(10):
        top, left = (int(n) for n in rng.integers(0, len(marked) - BAG_PX + 1, 2))
        if positive:
            top, left = (
                int(np.clip(m - rng.integers(4, BAG_PX - 4), 0, len(marked) - BAG_PX)) for m in middle
            )
            return top, left
        if not marked[top : top + BAG_PX, left : left + BAG_PX].any():
            return top, left
    return None


def train_bags(held: Pupils, plan: BagPlan, run: Run, name: str = "bags") -> BagNet:
    """Train on picture labels alone, or go on where a killed run left off."""
    seed_everything(run.seed)
    net = BagNet()
    net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), plan.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, plan.steps, pct_start=0.2)
    keeper = Checkpoint(run, name, plan, net=net, optimiser=optimiser, schedule=schedule)
    net.train()
    for step in keeper.steps(plan.steps, name):
        pictures, labels = (torch.from_numpy(part) for part in bags(held, run.rng(name, step), plan.batch))
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.half and fast_half()):
            logit, _ = net(pictures)
        loss = nn.functional.binary_cross_entropy_with_logits(logit.float(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        keeper.notes["loss"] = float(loss.detach())
    net.eval()
    return net


def read_bags(net: BagNet, pictures: Float32, batch: int = 128) -> tuple[Float32, Float32]:
    """Logits [n] and contributions [n, side / 4, side / 4]."""
    parts = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=fast_half()):
        for at in range(0, len(pictures), batch):
            logit, places = net(torch.from_numpy(pictures[at : at + batch]))
            parts.append((logit.float().numpy(), places.float().numpy()))
    logits, places = zip(*parts, strict=True)
    return np.concatenate(logits), np.concatenate(places)


def pointed(net: BagNet, images: NDArray[np.uint8], corners: NDArray[np.int64], side: int) -> list[Spot]:
    """Where the network sees the nodule in one square of each picture.

    Parameters
    ----------
    net
        Trained on picture labels.
    images
        uint8 [n, 96, 96].
    corners
        First row and column of each square, [n, 2]: drawn, so that the middle of the crop says nothing.
    side
        Of the squares.

    Returns
    -------
    list of Spot
        Point of the greatest contribution, moved to the brightest pixel within its cell.
    """
    squares = np.stack([i[r : r + side, c : c + side] for i, (r, c) in zip(images, corners, strict=True)])
    places = read_bags(net, (squares[:, None] / 255).astype(np.float32))[1]
    found = []
    for square, map_, corner in zip(squares, places, corners, strict=True):
        row, column = np.unravel_index(int(map_.argmax()), map_.shape)
        cell = square[row * STRIDE : row * STRIDE + STRIDE, column * STRIDE : column * STRIDE + STRIDE]
        inner = np.unravel_index(int(cell.argmax()), cell.shape)
        place = corner + np.array([row, column]) * STRIDE + np.array(inner)
        found.append(Spot(float(place[0]), float(place[1])))
    return found


def squares_of(count: int, rng: Generator, side: int) -> NDArray[np.int64]:
    """Corners [count, 2] of squares that hold the middle of a 96-pixel crop, with room for its nodule."""
    room = 96 - side
    return np.asarray(rng.integers(0, room + 1, (count, 2)), dtype=np.int64)


def hit_rate(held: Pupils, found: list[Spot]) -> tuple[list[float], list[float]]:
    """Per slice: whether the point lies in any reader's outline, and the chance that a random one does."""
    hits, chance = [], []
    for at, prompt in enumerate(found):
        marked = np.asarray(held.of_readers(at).any(0))
        hits.append(float(marked[prompt.centre]))
        chance.append(float(marked.sum()) / SQUARE_PX**2)
    return hits, chance


SQUARE_PX = 64
"""Side of the squares in which `pointed` looks."""
