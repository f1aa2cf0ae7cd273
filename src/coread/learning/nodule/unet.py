"""The outlining network: a small U-Net that is shown a window and the prompt, and pools what it saw inside.

Ronneberger, Fischer & Brox, MICCAI 2015, doi:10.1007/978-3-319-24574-4_28; the prompt as an input channel
as in interactive segmentation (Xu et al., CVPR 2016, doi:10.1109/CVPR.2016.47).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coread.learning.nodule.cohort import TRAITS
from coread.readers.ct_nodule.window import CHANNELS

RATED = (*TRAITS, "malignancy")
"""What the second head is taught: the readers' mean ratings."""


PRIOR = -3.0
"""Log-odds with which every pixel begins: about as many lie inside a nodule."""

GAIN = 4.0
"""Logits grow so much faster than the last layer's weights: Adam moves a weight by no more than its rate."""


class NoduleNet(nn.Module):  # type: ignore[misc]
    """Outline logits, and features pooled inside the outline.

    Parameters
    ----------
    width
        Channels at full resolution; doubled at each of two halvings.
    outlines
        How many outlines are drawn: one, or one per kind of reader.
    """

    def __init__(self, width: int = 16, outlines: int = 1) -> None:
        super().__init__()
        w = width
        self.down1, self.down2, self.down3 = _block(CHANNELS, w), _block(w, 2 * w), _block(2 * w, 4 * w)
        self.deep = _block(4 * w, 4 * w)
        self.up3, self.up2, self.up1 = _block(8 * w, 2 * w), _block(4 * w, w), _block(2 * w, w)
        self.outline = nn.Conv2d(w, outlines, 1)
        nn.init.constant_(self.outline.bias, PRIOR / GAIN)
        self.rating = nn.Linear(12 * w, len(RATED))

    def forward(self, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Read windows.

        Parameters
        ----------
        shown
            float32 [n, CHANNELS, side, side]: see `coread.readers.ct_nodule.window.layers`.

        Returns
        -------
        (Tensor, Tensor)
            Outline logits [n, outlines, side, side] and features [n, 12 * width].
        """
        logits, levels = self._levels(shown)
        return logits, _all_pooled(levels, _inside(logits))

    def read(self, shown: Tensor) -> tuple[Tensor, ...]:
        """Read windows as the clinic does.

        Returns
        -------
        tuple of Tensor
            Probability of lying inside [n, side, side], mean over the outlines; features pooled inside
            [n, 12 * width]; scene, the same pooled over the whole window; ratings [n, len(RATED)].
        """
        logits, levels = self._levels(shown)
        inside = _inside(logits)
        features = _all_pooled(levels, inside)
        scene = torch.cat([level.float().mean((2, 3)) for level in levels], 1)
        return inside[:, 0], features, scene, self.rating(features)

    def _levels(self, shown: Tensor) -> tuple[Tensor, list[Tensor]]:
        first = self.down1(shown)
        second = self.down2(_halved(first))
        third = self.down3(_halved(second))
        deep = self.deep(_halved(third))
        up3 = self.up3(torch.cat([_doubled(deep), third], 1))
        up2 = self.up2(torch.cat([_doubled(up3), second], 1))
        up1 = self.up1(torch.cat([_doubled(up2), first], 1))
        return GAIN * self.outline(up1), [third, deep, up3, up2, up1]


def _inside(logits: Tensor) -> Tensor:
    """Probability of lying inside [n, 1, side, side], mean over the outlines."""
    return torch.sigmoid(logits.float()).mean(1, keepdim=True).detach()


def _all_pooled(levels: list[Tensor], inside: Tensor) -> Tensor:
    return torch.cat([_pooled(level, inside) for level in levels], 1)


def _block(inner: int, outer: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inner, outer):
        layers += [nn.Conv2d(channels, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(*layers)


def _halved(level: Tensor) -> Tensor:
    return nn.functional.max_pool2d(level, 2)


def _doubled(level: Tensor) -> Tensor:
    return nn.functional.interpolate(level, scale_factor=2.0, mode="nearest")


def _pooled(level: Tensor, inside: Tensor) -> Tensor:
    """Mean of each channel, weighted by the probability of lying inside."""
    factor = inside.shape[-1] // level.shape[-1]
    weight = nn.functional.avg_pool2d(inside, factor) if factor > 1 else inside
    return (level.float() * weight).sum((2, 3)) / weight.sum((2, 3)).clamp(min=0.25)


def fast_half() -> bool:
    """Whether this processor multiplies 16-bit numbers faster than 32-bit ones."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
