"""From a trained network to the ONNX file that the clinic runs, and the network as the clinic runs it."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coread.learning.nodule.unet import NoduleNet
from coread.readers.ct_nodule.stack import Look
from coread.readers.ct_nodule.window import CHANNELS, SIDE
from coread.readers.onnx import Session

OUTPUTS = ("inside", "features", "scene", "ratings")
OPSET = 17


class _Reading(nn.Module):  # type: ignore[misc]
    """The network with its reading as the forward pass."""

    def __init__(self, net: NoduleNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, window: Tensor) -> tuple[Tensor, ...]:
        return self.net.read(window)


def export_onnx(net: NoduleNet, path: Path) -> str:
    """Write the network as ONNX and return the file's SHA-256.

    Input ``window`` float32 [n, CHANNELS, SIDE, SIDE]; outputs as `NoduleNet.read`, named by `OUTPUTS`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The older exporter is several times as fast here; it warns of its age.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Reading(net.to(memory_format=torch.contiguous_format)).eval(),
            (torch.zeros(2, CHANNELS, SIDE, SIDE),), str(path), input_names=["window"],
            output_names=list(OUTPUTS), dynamic_axes={name: {0: "n"} for name in ("window", *OUTPUTS)},
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    return hashlib.sha256(path.read_bytes()).hexdigest()


def clinic_look(path: Path, threads: int = 1) -> Look:
    """The exported network as `coread.readers.ct_nodule.stack` asks for it."""
    session = Session(path, hashlib.sha256(path.read_bytes()).hexdigest(), threads)

    def look(windows: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return session.run({"window": windows})

    return look
