"""From trained weights to the ONNX file that the clinic runs."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from coread.learning.chest.sites.blend import Blend
from coread.learning.chest.sites.halving import halve
from coread.learning.chest.transfer import ChestNet
from coread.readers.chest_radiograph.preprocess import SIDE

INPUT = "image"
OUTPUTS = ("logit", "features", "activation")
OPSET = 17
MOST_BYTES = 15_000_000
"""A bundle is shipped inside the package: more than this is too much."""


class _Reading(nn.Module):  # type: ignore[misc]
    """The network with its reading as the forward pass."""

    def __init__(self, net: ChestNet | Blend) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.net.read(image)


def export_onnx(net: ChestNet | Blend, path: Path) -> str:
    """Write the network as ONNX.

    Parameters
    ----------
    net
        Trained network, or the blend of two, which is written at half its size; left in reading mode.
    path
        File to write. Input `image` float32 [n, 1, 224, 224]; outputs `logit` [n], `features` [n, d] and
        `activation` [n, h, w], whose mean is the logit.

    Returns
    -------
    str
        SHA-256 of the file, hex.

    Raises
    ------
    ValueError
        If the file is larger than `MOST_BYTES`.
    """
    dynamic = {name: {0: "n"} for name in (INPUT, *OUTPUTS)}
    example = torch.zeros(2, 1, SIDE, SIDE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The older exporter is seven times as fast here; it warns of its age, of tracing, of unfolded slices.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Reading(net).eval(), (example,), str(path), input_names=[INPUT], output_names=list(OUTPUTS),
            dynamic_axes=dynamic, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    if isinstance(net, Blend):
        halve(path)
    content = path.read_bytes()
    if len(content) > MOST_BYTES:
        raise ValueError(
            f"{path.name} has {len(content)} bytes, more than the {MOST_BYTES} that a bundle may hold"
        )
    return hashlib.sha256(content).hexdigest()
