"""Two ways to learn from a few images, tried on validation images; the better one is shipped.

Frozen: a logistic regression on the shared trunk. Partial: the trunk's late blocks tuned on disturbed views
whose early responses are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from coread.evaluation import roc_auc
from coread.learning.backbone.caching import Store, computed
from coread.learning.backbone.fitting import Fit, Plan
from coread.learning.backbone.probing import Pooled, Probe, fit_probe
from coread.learning.backbone.trunk import HEAD, Early, Tail, pretrained, split
from coread.learning.new_reader.examples import Examples
from coread.learning.runs.run import Run
from coread.readers.one_finding.preparing import prepare

Float = NDArray[np.floating]

CUT = 10
"""Last block that keeps its ImageNet weights."""

TEXTURE = 4
"""Block whose responses the gate looks at beside those of `CUT`: texture, before it means disease."""

PLAN = Plan(passes=12, batch=16, rate=4e-4, head_rate=3e-3, least_steps=120, average=0.95)

VIEWS = 5
"""Views of each image; the first is the image as it is, the second its mirror image."""


class Net(nn.Module):  # type: ignore[misc]
    """The shipped network.

    Parameters
    ----------
    channels
        Of the images.
    cut
        `HEAD` where the trunk is frozen, `CUT` where its late blocks were tuned.
    tail
        What comes after the cut.
    """

    def __init__(self, channels: int, cut: int, tail: Tail) -> None:
        super().__init__()
        taps = (TEXTURE, CUT) if cut == HEAD else (TEXTURE,)
        self.early = Early(pretrained(channels), cut, taps).eval().requires_grad_(False)
        self.tail = tail

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logit [n], features [n, d] for the gate, activation [n, h, w] whose mean is the logit.

        The classifier is linear over a global average, so that its weights take the logit apart by place
        without remainder (Zhou et al., CVPR 2016, doi:10.1109/CVPR.2016.319).
        """
        parts = self.early.pyramid(image)
        features = torch.cat([part.mean((2, 3)) for part in parts[:2]], 1)
        last = self.tail.maps(parts[-1])
        weight = (self.tail.classifier.weight[1] - self.tail.classifier.weight[0]).view(1, -1, 1, 1)
        bias = self.tail.classifier.bias[1] - self.tail.classifier.bias[0]
        activation = (last * weight).sum(1) + bias
        return activation.mean((1, 2)), features, activation


@dataclass(frozen=True)
class Learnt:
    """What training gave.

    Attributes
    ----------
    net
        The network, in reading mode.
    way
        frozen or partial.
    tried
        Validation area of each way.
    """

    net: Net
    way: str
    tried: dict[str, float]


@dataclass(frozen=True)
class Kept:
    """Responses of views of training images; the `Views` of a fit."""

    held: NDArray[np.float16]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    count: int

    def draw(self, chosen: NDArray[np.int64], rng: Generator) -> Tensor:
        """One view of each chosen image."""
        at = self.rows[chosen] + rng.integers(0, len(self.held) // self.count, len(chosen)) * self.count
        return torch.from_numpy(np.asarray(self.held[at], dtype=np.float32))


def train(found: Examples, run: Run) -> Learnt:
    """Learn in both ways, or go on; the better on validation images wins, and a tie the frozen one.

    Parameters
    ----------
    found
        The labelled images; those of the test split are not touched.
    run
        Where responses and checkpoints are kept, and the seed.
    """
    frozen, frozen_area = _frozen(found, run)
    partial, partial_area = _partial(found, run)
    tried = {"frozen": frozen_area, "partial": partial_area}
    way = "partial" if partial_area > frozen_area else "frozen"
    net = Net(found.channels, CUT, partial) if way == "partial" else Net(found.channels, HEAD, frozen)
    return Learnt(net.eval(), way, tried)


def view(found: Examples, number: int, seed: int) -> NDArray[np.float32]:
    """Input [channel, row, column] of view number, counted through all images, then through all again."""
    index, turn = number % len(found.labels), number // len(found.labels)
    plain = prepare(found.pixels(index))
    if turn == 0:
        return plain
    mirrored = np.ascontiguousarray(plain[:, :, ::-1])
    return mirrored if turn == 1 else disturbed(plain, np.random.default_rng([seed, number]))


def disturbed(image: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """Turn by up to 8 degrees, zoom, shift, mirror, regrade; [channel, row, column] in 0..1."""
    angle, zoom = np.deg2rad(rng.uniform(-8, 8)), np.exp(rng.uniform(-0.1, 0.12))
    side = image.shape[1]
    cosine, sine = np.cos(angle) * zoom, np.sin(angle) * zoom
    middle = side / 2 + rng.uniform(-0.05, 0.05, 2) * side
    matrix = (cosine, -sine, middle[0] - (cosine - sine) * side / 2,
              sine, cosine, middle[1] - (sine + cosine) * side / 2)  # fmt: skip
    moved = [
        np.asarray(
            Image.fromarray(part).transform(
                (side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
            )
        )
        for part in image
    ]
    now = np.stack(moved)[:, :, :: 1 if rng.random() < 0.5 else -1]
    graded = np.clip(now, 0, 1) ** np.exp(rng.uniform(-0.3, 0.3)) * rng.uniform(0.9, 1.1) + rng.uniform(
        -0.05, 0.05
    )
    return np.ascontiguousarray(np.clip(graded, 0, 1), dtype=np.float32)


def _frozen(found: Examples, run: Run) -> tuple[Tail, float]:
    net = Pooled(Early(pretrained(found.channels), HEAD)).eval().requires_grad_(False)
    features = _responses(found, net, 2, "frozen", run).astype(np.float64)
    count, val = len(found.labels), found.rows("val")
    rows = np.concatenate([found.rows("train"), found.rows("train") + count])
    both = (features[:count] + features[count:]) / 2

    def judge(probe: Probe) -> float:
        return _area(found.labels[val], probe.logits(both[val]))

    probe, area = fit_probe(features[rows], np.tile(found.labels[found.rows("train")], 2), judge)
    _, tail = split(found.channels, HEAD, 2)
    tail.classifier = probe.linear()
    return tail, area


def _partial(found: Examples, run: Run) -> tuple[Tail, float]:
    torch.manual_seed(run.seed)
    early, tail = split(found.channels, CUT, 2)
    held = _responses(found, early, VIEWS, "partial", run)
    rows, val = found.rows("train"), found.rows("val")

    def judge(net: nn.Module) -> float:
        with torch.no_grad():
            logits = net(torch.from_numpy(np.asarray(held[val], dtype=np.float32))).numpy()
        return _area(found.labels[val], logits)

    kept = Kept(held, rows, found.labels[rows], len(found.labels))
    best, area = Fit(tail, kept, judge, PLAN).run(run, "partial")
    assert isinstance(best, Tail)  # noqa: S101 - a fit gives back what it was given
    return best, area


def _responses(found: Examples, net: nn.Module, views: int, name: str, run: Run) -> NDArray[np.float16]:
    recipe: dict[str, Any] = {"files": [path.name for path in found.paths], "views": views, "seed": run.seed}
    store = Store(run.path(f"kept/{name}").parent, name, recipe)
    return computed(
        net, lambda number: view(found, number, run.seed), len(found.labels) * views, store,
        lambda share: run.progress(f"computing responses ({name})", share),
    )  # fmt: skip


def _area(labels: NDArray[np.int64], logits: Float) -> float:
    return roc_auc(labels, logits[:, 1] - logits[:, 0])
