"""What one update shows of one image, before and after noise: the worst case, a step on a single example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from coread.learning.federated.attacks.inversion import input_of_head, searched_image, similarity
from coread.learning.federated.differential_privacy.budget import delta_for, noise_for
from coread.learning.federated.differential_privacy.training import clipped_sums
from coread.learning.federated.strategies.arrays import difference
from coread.learning.federated.task import SiteData
from coread.learning.federated.tasks.heads import HeadTask, standardised
from coread.learning.federated.tasks.lidc import cohort_of
from coread.learning.federated.tasks.networks import with_arrays
from coread.learning.federated.tasks.outlining import learned
from coread.learning.federated.tasks.sites import lidc_sites, nodule_outline
from coread.learning.nodule.outlining import outline_loss
from coread.learning.nodule.prompts import click
from coread.learning.runs.run import Run
from coread.readers.ct_nodule.window import SIDE, cut, layers

EPSILON = 8.0
"""Budget of one released update in these trials: the weaker of the two that are studied."""

CLIP = 1.0
EXAMPLES, IMAGES, SEARCH = 8, 2, 150
"""Cases whose features, and images, are attacked one by one; steps of a search for an image."""


def inversions(
    data: Path, task: HeadTask, sites: Mapping[str, SiteData], run: Run, quick: bool = False
) -> dict[str, Any]:
    """Correlations of what was recovered with what was seen, by network and protection."""
    noise = _noise(len(task.cases_of(sites["nih"]).learned()))
    cases, images, steps = (2, 1, 20) if quick else (EXAMPLES, IMAGES, SEARCH)
    found = {}
    for protection, amount in (("no protection", 0.0), (f"epsilon {EPSILON:g}", noise)):
        heads = [_head(task, sites["nih"], index, amount) for index in range(cases)]
        found[f"head on frozen features, one example, {protection}"] = _over(heads)
        shown = [_image(data, index, amount, steps, run) for index in range(images)]
        found[f"outlining network, one image, {protection}"] = _over(shown)
    return found


def _image(data: Path, index: int, noise: float, steps: int, run: Run) -> float:
    name = f"image-{index}-{'noisy' if noise else 'plain'}"
    held = run.read_json(name)
    if held is None:
        held = {"correlation": _outline(data, index, noise, steps)}
        run.write_json(name, held)
    return float(held["correlation"])


def _noise(examples: int) -> float:
    """Noise of one update on everybody (rate 1) at the budget, in clips."""
    return noise_for(EPSILON, delta_for(examples), 1.0, 1)


def _over(found: Sequence[float]) -> dict[str, Any]:
    return {
        "value": float(np.mean(found)),
        "lower": float(np.min(found)),
        "upper": float(np.max(found)),
        "n": len(found),
    }


def _head(task: HeadTask, data: SiteData, index: int, noise: float) -> float:
    """Correlation of a case's features with what its update shows."""
    held = task.cases_of(data)
    one = held.only(held.learned()[[index * 17]])
    lone = replace(task, cases_of=lambda _: one, prior_free=False)
    start = task.initial(0)
    told: dict[str, Any] = {"steps": 1, "batch": 1, "rate": 0.1, "optimiser": "sgd"}
    if noise:
        told["privacy"] = {"clip": CLIP, "noise": noise}
    change = difference(lone.local(data, start, told, index).parameters, start)
    shown = input_of_head(change["head.weight"][0], float(change["head.bias"][0]))
    return similarity(shown, standardised(one.features, task.statistics(data, start))[0])


def _outline(data: Path, index: int, noise: float, steps: int) -> float:
    """Correlation of a window's grey with what the search finds; the attacker knows prompt and outline."""
    grey, mark, target = _lesson(data, index)
    task = nodule_outline()
    net = with_arrays(task.net(), task.initial(0))
    seen = list(_gradients(net, grey, mark, target, keep=False))
    if noise:
        seen = clipped_sums([one[None] for one in seen], CLIP)
        generator = torch.Generator().manual_seed(index)
        seen = [one + noise * CLIP * torch.randn(one.shape, generator=generator) for one in seen]
    found = searched_image(
        lambda image: _gradients(net, image, mark, target, keep=True), seen, tuple(grey.shape), steps, index
    )
    return similarity(found, grey.numpy())


def _lesson(data: Path, index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Grey [1, 1, side, side], prompt's map and outline of one training window."""
    site = lidc_sites(data)["Siemens"]
    nodule = learned(site)[index * 11]
    slices, row = cohort_of(site.folder).slices, learned(site)[index * 11].rows[0]
    target = slices.agreement(nodule, row)
    prompt = click(target >= 0.5, np.random.default_rng(index))
    stack = layers(cut(slices.images[row], prompt.centre, SIDE).astype(np.float32) / 255, prompt)
    outline = cut(target, prompt.centre, SIDE)
    shown = [torch.from_numpy(np.ascontiguousarray(one))[None, None] for one in (*stack[:2], outline)]
    return shown[0], shown[1], shown[2]


def _gradients(net: nn.Module, grey: Tensor, mark: Tensor, target: Tensor, *, keep: bool) -> Sequence[Tensor]:
    """Gradients of the network's arrays for a window; the relative channel follows from grey and prompt."""
    dark = torch.quantile(grey.detach(), 0.2)
    bright = torch.quantile(grey.detach()[mark > 0], 0.9)
    relative = ((grey - dark) / (bright - dark).clamp(min=0.05)).clamp(0, 1.5)
    logits, _ = net(torch.cat([grey, mark, relative], 1))
    loss = outline_loss(logits, target, torch.ones_like(target))
    parts = [part for part in net.parameters() if part.requires_grad]
    return torch.autograd.grad(loss, parts, create_graph=keep)  # type: ignore[no-any-return]
