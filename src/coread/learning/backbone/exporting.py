"""From a trained network to the ONNX file that a clinic runs, half as large where halves will do."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 17

MOST_BYTES = 15_000_000
"""A bundle ships inside a package: a larger file is too much."""

INPUT = "image"

_SMALL = 256
"""Values; a smaller tensor is not worth halving."""


def export(net: nn.Module, example: Tensor, outputs: Sequence[str], path: Path) -> str:
    """Write a network as ONNX with half-precision weights, computed in single precision.

    Parameters
    ----------
    net
        In reading mode; takes one tensor.
    example
        An input; its first axis is free in the file, the others are fixed.
    outputs
        Names of what the network returns.
    path
        File to write; its folder is made.

    Returns
    -------
    str
        SHA-256 of the file, hex.

    Raises
    ------
    ValueError
        If the file is larger than `MOST_BYTES`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    free = {name: {0: "n"} for name in (INPUT, *outputs)}
    with warnings.catch_warnings():
        # The older exporter is seven times as fast here; it warns of its age and of tracing.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), (example,), str(path), input_names=[INPUT], output_names=list(outputs),
            dynamic_axes=free, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    content = halve(onnx.load(str(path))).SerializeToString(deterministic=True)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path.name} has {len(content)} bytes, more than the {MOST_BYTES} of a bundle")
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep large weights in half precision, widened when the network is loaded.

    Parameters
    ----------
    model
        Changed in place.

    Returns
    -------
    onnx.ModelProto
        The same model. A runtime that folds constants widens once, at loading: no cost per image.
    """
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= _SMALL:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
