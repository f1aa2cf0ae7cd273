"""The blend: a tuned trunk and the trunk as it came, under heads that are linear over places.

Readers that err differently are averaged into one network: the tuned trunk behind a low pass, and the trunk
as it came, once behind the low pass and once without it, under heads that know nine fields. The score stays
a mean over places, so the map of where it came from still takes it apart without remainder. A switch, learned
from what the network sees, chooses between the heads and calibration for adults and those for small children.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from coread.learning.chest.sites.heads import Head
from coread.learning.chest.sites.places import STARTS, spread
from coread.learning.chest.transfer import DEEP, FEATURES, ChestNet

CELLS = 28
"""Cells per side of the map: four for each of the trunk's, so that it can be drawn smoothly."""


@dataclass(frozen=True)
class Group:
    """How the parts are put together for one age group: log-odds = tuned_share * tuned score + soft + sharp.

    Attributes
    ----------
    tuned_share
        Of the tuned network's score.
    soft, sharp
        Heads on the nine fields (`coread.learning.chest.sites.places`) of the trunk as it came, behind the
        low pass and without it; None for none. Shares, offset and calibration line are folded in.
    """

    tuned_share: float
    soft: Head | None = None
    sharp: Head | None = None

    @property
    def offset(self) -> float:
        """What is added to every score."""
        return sum(head.bias for head in (self.soft, self.sharp) if head)


@dataclass(frozen=True)
class Mixture:
    """Adults and small children, and the switch between them.

    Attributes
    ----------
    adult, child
        See `Group`.
    switch
        Head on the tuned trunk's features whose sigmoid says that the patient is a small child.
    """

    adult: Group
    child: Group
    switch: Head


class Blend(nn.Module):  # type: ignore[misc]
    """Grey radiograph in, log-odds, features and map out.

    Parameters
    ----------
    tuned
        Network of the training recipe.
    plain
        The backbone as it came; the two share low pass, stem and first blocks, which training leaves alone.
    mixture
        See there.
    """

    def __init__(self, tuned: ChestNet, plain: ChestNet, mixture: Mixture) -> None:
        super().__init__()
        self.tuned, self.plain, self.mixture = tuned, plain, mixture
        groups = (mixture.adult, mixture.child)
        self.register_buffer("soft", _cells([g.soft for g in groups]))
        self.register_buffer("sharp", _cells([g.sharp for g in groups]))
        self.register_buffer("shares", _pair([g.tuned_share for g in groups]))
        self.register_buffer("offsets", _pair([g.offset for g in groups]))
        self.register_buffer("switch", torch.tensor(mixture.switch.weight, dtype=torch.float32))

    def read(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log-odds [n], features [n, d], map [n, 28, 28] whose mean is the log-odds.

        The image and its mirror image are both read and averaged, maps after mirroring back.
        """
        features, maps = self._one_side(image)
        mirrored_features, mirrored_maps = self._one_side(image.flip(3))
        features, maps = (features + mirrored_features) / 2, (maps + mirrored_maps.flip(3)) / 2
        child = torch.sigmoid(features @ self.switch + self.mixture.switch.bias)[:, None, None]
        activation = (1 - child) * maps[:, 0] + child * maps[:, 1]
        return activation.mean((1, 2)), features, activation

    def forward(self, image: Tensor) -> Tensor:
        """Log-odds [n]."""
        return self.read(image)[0]

    def _one_side(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Features [n, d] of the tuned trunk, and the maps [n, 2, 28, 28] of the groups."""
        stem = self.plain.stem(image)
        last, levels = self.tuned.onward(stem)
        head = self.tuned.head
        tuned = nn.functional.conv2d(last, head.weight.view(1, FEATURES, 1, 1)) + head.bias
        maps = self.shares * tuned + self.offsets
        maps = maps + _weighted(self.plain.deep(stem)[0], self.soft)
        maps = maps + _weighted(self.plain.deep(self.plain.sharp_stem(image))[0], self.sharp)
        return torch.cat([m.mean((2, 3)) for m in (last, *levels)], 1), _enlarged(maps)


def _pair(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 2, 1, 1)


def _cells(heads: Sequence[Head | None]) -> Tensor:
    """Weights [1, group, channel, 7, 7] of the cells, zero for a group without a head."""
    each = [spread(head.weight if head else np.zeros(len(STARTS) ** 2 * DEEP)) for head in heads]
    return torch.tensor(np.stack(each), dtype=torch.float32)[None]


def _weighted(deep: Tensor, cells: Tensor) -> Tensor:
    """Maps [n, group, 7, 7]: each cell's channels under its weights."""
    return (deep[:, None] * cells).sum(2)


def _enlarged(coarse: Tensor) -> Tensor:
    """Maps [n, k, h, w] smoothly enlarged to 28 x 28; by whole factors, so that its mean stays."""
    return nn.functional.interpolate(coarse, (CELLS, CELLS), mode="bilinear", align_corners=False)
