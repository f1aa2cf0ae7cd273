"""Training the outlining network on whatever outlines there are: drawn, fused, guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.nodule.prompts import beside, either
from coread.learning.nodule.unet import NoduleNet, fast_half
from coread.learning.runs.checkpoint import Checkpoint, seed_everything
from coread.learning.runs.run import Run
from coread.readers.ct_nodule.window import CHANNELS, SIDE, Spot, cut, layers

Float32 = NDArray[np.float32]


REMEMBERED = 20
"""Times that the loss is noted for the report."""


@dataclass(frozen=True)
class Plan:
    """Everything that decides the weights beside data, code and seed.

    Attributes
    ----------
    steps, batch
        Optimiser steps, the same for every arm of a study, and windows per step.
    rate, decay
        Peak step size (AdamW, one cycle) and weight decay.
    width
        Channels of the network.
    rating_weight
        Weight of the ratings in the loss; 0 leaves them out.
    elsewhere
        Share of windows prompted away from the nodule, where nothing is to be outlined.
    half
        16-bit arithmetic where the processor has it: more than twice as fast, weights stay 32-bit.
    """

    steps: int = 400
    batch: int = 8
    rate: float = 1e-2
    decay: float = 1e-2
    width: int = 8
    rating_weight: float = 0.0
    elsewhere: float = 0.0
    half: bool = True


@dataclass(frozen=True, eq=False)
class Lessons:
    """Slices with outlines to learn from.

    Attributes
    ----------
    images
        uint8 [slice, 96, 96].
    targets
        uint8 [slice, outline, 96, 96]: probability of lying inside times 255.
    owners
        Nodule of each slice, [slice], counted from 0: nodules are drawn, then one of their slices.
    guessed
        bool [slice]: whether the outline is a guess; unsure pixels of a guess count less.
    ratings
        float32 [nodule, rating] standardised, nan where unknown; None if there are none.
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    owners: NDArray[np.int64]
    guessed: NDArray[np.bool_]
    ratings: Float32 | None = None

    def __post_init__(self) -> None:
        empty = (self.targets.max((1, 2, 3)) < 128).sum() if len(self.targets) else 1
        if empty:
            raise ValueError(
                f"every slice to learn from needs an outline; {empty} of {len(self.targets)} have none"
            )


def train(lessons: Lessons, plan: Plan, run: Run, name: str = "outline") -> NoduleNet:
    """Train, or go on where a killed run left off.

    Parameters
    ----------
    lessons
        What is learned from.
    plan
        What decides the weights.
    run
        Keeps checkpoints under `name`.

    Returns
    -------
    NoduleNet
        In reading mode.
    """
    seed_everything(run.seed)
    net = NoduleNet(plan.width, lessons.targets.shape[1])
    net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), plan.rate, weight_decay=plan.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, plan.steps, pct_start=0.2)
    slices_of = [np.flatnonzero(lessons.owners == nodule) for nodule in range(int(lessons.owners.max()) + 1)]
    present = np.array([nodule for nodule, held in enumerate(slices_of) if len(held)])
    keeper = Checkpoint(run, name, plan, net=net, optimiser=optimiser, schedule=schedule)
    net.train()
    for step in keeper.steps(plan.steps, name):
        rng = run.rng(name, step)
        nodules = rng.choice(present, plan.batch, replace=len(present) < plan.batch)
        batch = _batch(lessons, np.array([rng.choice(slices_of[n]) for n in nodules]), rng, plan.elsewhere)
        keeper.notes["loss"] = _step(net, batch, plan, optimiser)
        schedule.step()
        if (step + 1) % max(1, plan.steps // REMEMBERED) == 0:
            run.remember(step + 1, loss=keeper.notes["loss"])
    net.eval()
    return net


@dataclass(frozen=True, eq=False)
class _Batch:
    shown: Tensor
    target: Tensor
    weight: Tensor
    ratings: Tensor | None


def _step(net: NoduleNet, batch: _Batch, plan: Plan, optimiser: torch.optim.Optimizer) -> float:
    with torch.autocast("cpu", torch.bfloat16, enabled=plan.half and fast_half()):
        logits, features = net(batch.shown)
    loss = outline_loss(logits.float(), batch.target, batch.weight)
    if plan.rating_weight and batch.ratings is not None:
        known = torch.isfinite(batch.ratings)
        apart = torch.where(known, net.rating(features.float()) - batch.ratings.nan_to_num(), 0.0)
        loss = loss + plan.rating_weight * apart.square().sum() / known.sum().clamp(min=1)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def outline_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice, each pixel weighted.

    Parameters
    ----------
    logits, target, weight
        [n, outline, side, side]; target 0..1.

    Notes
    -----
    Dice loss: Milletari et al., 3DV 2016, doi:10.1109/3DV.2016.79.
    """
    each = nn.functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="none")
    inside = torch.sigmoid(logits)
    both = (weight * inside * target).sum((2, 3))
    either_one = (weight * (inside + target)).sum((2, 3))
    return 2 * each.mean() + (1 - (2 * both + 1) / (either_one + 1)).mean()


def _batch(lessons: Lessons, chosen: NDArray[np.int64], rng: Generator, elsewhere: float = 0.0) -> _Batch:
    away = np.array([bool(elsewhere) and rng.random() < elsewhere for _ in chosen])
    parts = [
        _window(lessons.images[i], lessons.targets[i], rng, away=a) for i, a in zip(chosen, away, strict=True)
    ]
    shown, target = (torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True))
    guessed = torch.from_numpy(lessons.guessed[chosen])[:, None, None, None]
    weight = torch.where(guessed, (2 * target - 1).abs(), torch.ones_like(target))
    ratings = None
    if lessons.ratings is not None:
        ratings = torch.from_numpy(lessons.ratings[lessons.owners[chosen]])
        ratings[torch.from_numpy(away)] = torch.nan
    return _Batch(shown.contiguous(memory_format=torch.channels_last), target, weight, ratings)


def _window(
    image: NDArray[np.uint8], targets: NDArray[np.uint8], rng: Generator, *, away: bool = False
) -> tuple[Float32, Float32]:
    """One window with its target, prompted on the nodule or away from it, turned and lit anew."""
    mask = targets.mean(0) >= 127.5
    mask = mask if mask.any() else targets.max(0) >= 128
    prompt = beside(image, targets.max(0) > 0, rng) if away else either(mask, rng)
    targets = np.zeros_like(targets) if away else targets
    grey = cut(image, prompt.centre, SIDE).astype(np.float32) / 255
    grey = np.clip(grey ** rng.uniform(0.75, 1.33) * rng.uniform(0.8, 1.1), 0, 1)
    target = np.stack([cut(one, prompt.centre, SIDE) for one in targets]).astype(np.float32) / 255
    stack = np.concatenate([layers(grey, prompt), target])
    turned = np.rot90(stack, int(rng.integers(4)), (1, 2))
    turned = turned[:, :, ::-1] if rng.random() < 0.5 else turned
    return np.ascontiguousarray(turned[:CHANNELS]), np.ascontiguousarray(turned[CHANNELS:])


def shown(image: NDArray[Any], prompt: Spot) -> Float32:
    """What the network is shown of a published slice, which is stretched already, [channel, side, side]."""
    return layers(cut(image, prompt.centre, SIDE).astype(np.float32) / 255, prompt)


def read_all(
    net: NoduleNet, inputs: Float32, batch: int = 128, *, turns: bool = False
) -> tuple[Float32, Float32]:
    """Probabilities [n, side, side], mean over the outlines, and features [n, d].

    Parameters
    ----------
    net, inputs, batch
        Network, windows [n, 2, side, side], how many at a time.
    turns
        Mean over the four mirror images.
    """
    net.eval()
    half = fast_half()
    probabilities, features = [], []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        for at in range(0, len(inputs), batch):
            part = torch.from_numpy(inputs[at : at + batch]).contiguous(memory_format=torch.channels_last)
            logits, seen = net(part)
            inside = torch.sigmoid(logits.float()).mean(1)
            for axes in ((2,), (3,), (2, 3)) if turns else ():
                mirrored = torch.sigmoid(net(part.flip(axes))[0].float()).mean(1)
                inside = inside + mirrored.flip([axis - 1 for axis in axes])
            probabilities.append(inside.numpy() / (4 if turns else 1))
            features.append(seen.float().numpy())
    return np.concatenate(probabilities), np.concatenate(features)


def load(state: dict[str, Any], width: int, outlines: int = 1) -> NoduleNet:
    """A network with the weights of a checkpoint's ``parts``, ready to read."""
    net = NoduleNet(width, outlines)
    net.load_state_dict(state["parts"]["net"])
    net.eval()
    return net


def lessons_of(
    parts: Sequence[tuple[NDArray[np.uint8], NDArray[Any], int, bool]], ratings: Float32 | None = None
) -> Lessons:
    """Put slices together, each as (image, target 0..1 [96, 96] or [outline, 96, 96], owner, guessed).

    Slices whose target holds no pixel of one half or more are left out.
    """
    kept = []
    for image, target, owner, guessed in parts:
        stack = target[None] if target.ndim == 2 else target
        if stack.mean(0).max() >= 0.5:
            kept.append((image, np.rint(255 * stack.astype(np.float32)).astype(np.uint8), owner, guessed))
    images, targets, owners, guesses = zip(*kept, strict=True)
    return Lessons(np.stack(images), np.stack(targets), np.array(owners), np.array(guesses), ratings)
