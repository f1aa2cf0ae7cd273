"""The blend: a tuned trunk and the trunk as it came, on one stem, under heads that are linear over places.

Two readers that err differently are averaged into one network. The score stays a mean over places, so the map
of where it came from still takes it apart without remainder. A switch, learned from what the network sees,
chooses between the heads and calibration for adults and those for small children.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from coread.learning.chest.sites.heads import Head
from coread.learning.chest.transfer import FEATURES, MIDDLE_BLOCKS, ChestNet

CELLS = 28
"""Cells per side of the map: those of the finest level that a head reads."""


@dataclass(frozen=True)
class Group:
    """How the parts are put together for one age group: log-odds = tuned_share * tuned score + plain score.

    Attributes
    ----------
    tuned_share
        Of the tuned network's score.
    plain
        Head on the pooled responses of the trunk as it came: 1280 of the last layer, then the middle levels'.
        Shares, offset and calibration line are folded in.
    """

    tuned_share: float
    plain: Head


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
        parts = [_split(group.plain.weight, _channels(plain)) for group in groups]
        for name, pair in zip(("last", "fine", "middle"), zip(*parts, strict=True), strict=True):
            self.register_buffer(name, torch.stack(pair).view(2, -1, 1, 1))
        self.register_buffer("shares", _pair([g.tuned_share for g in groups]))
        self.register_buffer("offsets", _pair([g.plain.bias for g in groups]))
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
        tuned_last, tuned_levels = self.tuned.onward(stem)
        plain_last, (fine, middle) = self.plain.onward(stem)
        head, convolved = self.tuned.head, nn.functional.conv2d
        tuned = convolved(tuned_last, head.weight.view(1, FEATURES, 1, 1)) + head.bias
        maps = _enlarged(self.shares * tuned + convolved(plain_last, self.last)) + self.offsets
        maps = maps + convolved(fine, self.fine) + _enlarged(convolved(middle, self.middle))
        return torch.cat([m.mean((2, 3)) for m in (tuned_last, *tuned_levels)], 1), maps


def _pair(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 2, 1, 1)


def _enlarged(coarse: Tensor) -> Tensor:
    """Maps [n, k, h, w] smoothly enlarged to 28 x 28; by whole factors, so that its mean stays."""
    return nn.functional.interpolate(coarse, (CELLS, CELLS), mode="bilinear", align_corners=False)


def _channels(net: ChestNet) -> list[int]:
    blocks = cast(nn.ModuleList, net.trunk._blocks)
    return [FEATURES, *(cast(nn.BatchNorm2d, blocks[index]._bn2).num_features for index in MIDDLE_BLOCKS)]


def _split(weight: object, sizes: list[int]) -> tuple[Tensor, ...]:
    whole = torch.tensor(weight, dtype=torch.float32)
    if len(whole) != sum(sizes):
        raise ValueError(f"expected a head of {sum(sizes)} weights, found {len(whole)}")
    return tuple(torch.split(whole, sizes))
