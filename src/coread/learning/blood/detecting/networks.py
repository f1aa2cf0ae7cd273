"""The detector's parts: first blocks of the trunk (frozen), the next ones and a neck (tuned)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.backbone.trunk import BLOCKS, CHANNELS, DROP, Early, pretrained
from coread.learning.blood.sets import KIND_NAMES
from coread.readers.blood_smear.field import COLUMNS, ROWS, prepare
from coread.readers.blood_smear.peaks import Cells, cells

TAPS = (2, 4, 10)
"""Blocks at strides 4, 8 and 16. What comes before the first tap is frozen: edges, dots, colours."""

SHAPES = tuple(
    (CHANNELS[tap], ROWS // stride, COLUMNS // stride) for tap, stride in zip(TAPS, (4, 8, 16), strict=True)
)
"""Channels, rows and columns of each."""

KINDS = len(KIND_NAMES)

FEW = -4.0
"""Logit of a peak before training: few places hold a cell."""

SIDE = 1.5
"""Logarithm of the distance to a side before training, places of the map: half a red cell."""


def frozen_part(trunk: nn.Module | None = None) -> Early:
    """The trunk up to the first tap, as it came."""
    early = Early(trunk or pretrained(3), TAPS[0])
    early.eval().requires_grad_(False)
    return early


class Neck(nn.Module):  # type: ignore[misc]
    """From the trunk's responses, coarse ones added to fine ones, to maps of peaks and sides.

    Lin et al., CVPR 2017, arXiv:1612.03144.

    Parameters
    ----------
    width
        Channels of the neck.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.lateral = nn.ModuleList([nn.Conv2d(shape[0], width, 1) for shape in SHAPES])
        self.mixed = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in SHAPES])
        self.out = nn.Conv2d(width, 5 * KINDS, 1)
        nn.init.constant_(self.out.bias[:KINDS], FEW)
        nn.init.constant_(self.out.bias[KINDS:], SIDE)

    def forward(self, responses: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of the peaks [n, kind, h, w]; logarithms of the sides [n, 4 * kind, h, w]."""
        now: Tensor | None = None
        for part, lateral, mixed in reversed(list(zip(responses, self.lateral, self.mixed, strict=True))):
            here = lateral(part)
            if now is not None:
                here = here + nn.functional.interpolate(now, scale_factor=2.0, mode="nearest")
            now = nn.functional.relu(mixed(nn.functional.relu(here)))
        maps = self.out(now)
        return maps[:, :KINDS], maps[:, KINDS:]


class Finder(nn.Module):  # type: ignore[misc]
    """What is tuned: the trunk's blocks after the first tap, and the neck.

    Parameters
    ----------
    trunk
        From `pretrained`.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        blocks = list(cast(nn.ModuleList, trunk._blocks))
        self.blocks = nn.ModuleList(blocks[TAPS[0] + 1 : TAPS[-1] + 1])
        self.neck = Neck()

    def pyramid(self, response: Tensor) -> list[Tensor]:
        """Responses at `TAPS`, of responses [n, c, h, w] at the first of them."""
        kept, now = [response], response
        for index, block in enumerate(self.blocks, TAPS[0] + 1):
            now = block(now, drop_connect_rate=DROP * index / BLOCKS if self.training else 0.0)
            if index in TAPS:
                kept.append(now)
        return kept

    def forward(self, response: Tensor) -> tuple[Tensor, Tensor]:
        """See `Neck.forward`."""
        maps: tuple[Tensor, Tensor] = self.neck(self.pyramid(response))
        return maps

    def train(self, mode: bool = True) -> Finder:
        """Training mode with the batch statistics kept: a handful of fields are too few for new ones."""
        super().train(mode)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        return self


class Detector(nn.Module):  # type: ignore[misc]
    """All of it as one network for the clinic."""

    def __init__(self, early: Early, finder: Finder) -> None:
        super().__init__()
        self.early, self.finder = early, finder

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Peaks in 0..1, sides, and pooled features [n, c] for the gate."""
        parts = self.finder.pyramid(self.early(image))
        logits, sides = self.finder.neck(parts)
        return torch.sigmoid(logits), sides, torch.cat([part.mean((2, 3)) for part in parts], 1)


@cache
def _first() -> Early:
    return frozen_part()


def joined(finder: Finder) -> Detector:
    """The whole detector of a tuned part."""
    detector = Detector(_first(), finder)
    detector.eval()
    return detector


def found(finder: Finder, image: NDArray[np.uint8]) -> Cells:
    """All peaks of a field, uint8 [row, column, 3], as the clinic will find them."""
    ready = prepare(image)
    with torch.no_grad():
        heat, sides, _ = joined(finder)(torch.from_numpy(ready.tensor))
    return cells(heat[0].numpy(), sides[0].numpy(), ready.scale, ready.shape_rc)
