"""Outlining nodules from a prompt: the network of `coread.learning.nodule`, trained by several sites."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.federated.task import Count, Parameters, SiteData, Update
from coread.learning.federated.tasks.cases import Judged
from coread.learning.federated.tasks.lidc import cohort_of, count_of, nodules_of
from coread.learning.federated.tasks.networks import arrays_of, update_locally, with_arrays, with_group_norm
from coread.learning.nodule.cohort import Nodule, patients_of
from coread.learning.nodule.outlining import outline_loss, read_all
from coread.learning.nodule.prompts import either
from coread.learning.nodule.scoring import Examined, agreement, examined, outlined
from coread.learning.nodule.unet import NoduleNet, fast_half
from coread.readers.ct_nodule.window import CHANNELS, SIDE, cut, layers

Float32 = NDArray[np.float32]

GAMMA, GAIN = (0.75, 1.33), (0.8, 1.1)
"""Grey values of a training window are bent and scaled by chance between these, as in the shipped reader."""


@dataclass(eq=False)
class OutlineTask:
    """An outlining network that sites train together.

    Attributes
    ----------
    name
        Of the task.
    width
        Channels at full resolution.
    norm
        ``group`` knows nothing of a site; ``batch`` keeps running statistics, which FedBN leaves at the site.
    """

    name: str = "nodule-outline"
    width: int = 8
    norm: Literal["group", "batch"] = "group"

    def net(self) -> NoduleNet:
        """A network drawn anew; the head for ratings, which nothing here trains, is left out."""
        net = NoduleNet(self.width)
        net.rating = nn.Identity()
        if self.norm == "group":
            with_group_norm(net)
        return net

    def initial(self, seed: int) -> Parameters:
        """Weights drawn by a seed."""
        torch.manual_seed(seed)
        return arrays_of(self.net())

    def count(self, data: SiteData) -> Count:
        """Count the nodules of a site."""
        return count_of(data)

    def local(
        self, data: SiteData, parameters: Parameters, instructions: Mapping[str, Any], seed: int
    ) -> Update:
        """Train on windows of the site's training nodules, prompted as a doctor would."""
        nodules = learned(data)
        net, rng = with_arrays(self.net(), parameters), np.random.default_rng(seed)
        drawn = self._loss(data, nodules, int(instructions["batch"]))
        loss, stays = update_locally(net, drawn, instructions, rng)
        return Update(arrays_of(net), max(len(nodules), 1), {"loss": loss}, stays)

    def _loss(
        self, data: SiteData, nodules: list[Nodule], batch: int
    ) -> Callable[[nn.Module, Generator], Tensor]:
        slices = cohort_of(data.folder).slices

        def loss(net: nn.Module, rng: Generator) -> Tensor:
            chosen = [nodules[int(k)] for k in rng.integers(0, len(nodules), batch)]
            rows = [int(rng.choice(nodule.rows)) for nodule in chosen]
            parts = [
                window(slices.images[row], slices.agreement(nodule, row), rng)
                for nodule, row in zip(chosen, rows, strict=True)
            ]
            shown, target = (torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True))
            with torch.autocast("cpu", torch.bfloat16, enabled=fast_half()):
                logits, _ = net(shown)
            return outline_loss(logits.float(), target, torch.ones_like(target))

        return loss

    def judged(self, data: SiteData, parameters: Parameters, part: str) -> Judged:
        """Dice of each nodule against its readers' consensus, by a click, where they mark most."""
        held = _examined(data.site, data.folder, tuple(sorted(data.query.items())), part)
        net = self.net()
        with_arrays(net, parameters)
        probability = read_all(net, held.inputs["click"])[0]
        masks = [outlined(p, spot) for p, spot in zip(probability, held.prompts["click"], strict=True)]
        score = np.array(agreement(held, masks)["consensus"])
        return Judged(score, np.full(len(score), -1), patients_of(held.nodules))

    def evaluate(self, data: SiteData, parameters: Parameters, part: str) -> Mapping[str, float]:
        """Mean Dice over nodules."""
        score = self.judged(data, parameters, part).score
        return {"cases": float(len(score)), **({"dice": float(score.mean())} if len(score) else {})}


def learned(data: SiteData) -> list[Nodule]:
    """Training nodules of a site with a slice on which half of the readers agree, with these slices only."""
    return _learned(data.site, data.folder, tuple(sorted(data.query.items())))


@lru_cache(maxsize=64)
def _learned(site: str, folder: Path, query: tuple[tuple[str, Any], ...]) -> list[Nodule]:
    data, slices = SiteData(site, folder, dict(query)), cohort_of(folder).slices
    kept: list[tuple[Nodule, tuple[int, ...]]] = []
    for nodule in nodules_of(data):
        rows = tuple(
            row for row in nodule.rows if nodule.split == "train" and slices.consensus(nodule, row).any()
        )
        kept += [(nodule, rows)] if rows else []
    return [replace(nodule, rows=rows) for nodule, rows in kept]


@lru_cache(maxsize=64)
def _examined(site: str, folder: Path, query: tuple[tuple[str, Any], ...], part: str) -> Examined:
    data = SiteData(site, folder, dict(query))
    held = examined(cohort_of(folder), [nodule for nodule in nodules_of(data) if nodule.split == part])
    first = np.unique(held.owner, return_index=True)[1]  # slices of a nodule stand in the order of their area
    return Examined(
        held.cohort,
        held.nodules,
        held.owner[first],
        held.row[first],
        {how: [spots[k] for k in first] for how, spots in held.prompts.items()},
        {how: inputs[first] for how, inputs in held.inputs.items()},
    )


def window(image: NDArray[np.uint8], target: Float32, rng: Generator) -> tuple[Float32, Float32]:
    """One window with its target, prompted by chance, turned and lit anew.

    Parameters
    ----------
    image
        [96, 96].
    target
        Share of readers, [96, 96]; one half somewhere.
    rng
        All chance.

    Returns
    -------
    (float32 [CHANNELS, SIDE, SIDE], float32 [1, SIDE, SIDE])
        What the network is shown, and what it should say.
    """
    prompt = either(target >= 0.5, rng)
    grey = cut(image, prompt.centre, SIDE).astype(np.float32) / np.float32(255)
    grey = np.clip(grey ** rng.uniform(*GAMMA) * rng.uniform(*GAIN), 0, 1).astype(np.float32)
    stack = np.concatenate([layers(grey, prompt), cut(target, prompt.centre, SIDE)[None]])
    turned = np.rot90(stack, int(rng.integers(4)), (1, 2))
    turned = turned[:, :, ::-1] if rng.random() < 0.5 else turned
    return np.ascontiguousarray(turned[:CHANNELS]), np.ascontiguousarray(turned[CHANNELS:])
