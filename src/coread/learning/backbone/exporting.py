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

LARGE = 30_000
"""Weights of a convolution from which eight bits serve. Rounding the smaller ones too changed the likeliest
class of 3 of 730 validation cells of the blood smear reader; rounding only these, of none."""

_SMALL = 256
"""Values; a smaller tensor is not worth halving."""


def export(net: nn.Module, example: Tensor, outputs: Sequence[str], path: Path, octets: bool = False) -> str:
    """Write a network as ONNX with small weights, computed in single precision.

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
    octets
        Keep the weights of large dense convolutions in eight bits, all else in half precision.

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
    model = quarter(onnx.load(str(path))) if octets else onnx.load(str(path))
    content = halve(model).SerializeToString(deterministic=True)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path.name} has {len(content)} bytes, more than the {MOST_BYTES} of a bundle")
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def quarter(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep weights of large dense convolutions as whole numbers of eight bits, one scale for each channel.

    Weights only, rounded to the nearest, symmetric about zero (Krishnamoorthi 2018, arXiv:1806.08342, section
    2.4): responses stay in single precision.

    Parameters
    ----------
    model
        Changed in place.

    Returns
    -------
    onnx.ModelProto
        The same model. The weights are made whole when the network is loaded: no cost per image.
    """
    dense = {node.input[1] for node in model.graph.node if node.op_type == "Conv" and _is_dense(node)}
    widening, scales = [], []
    for tensor in model.graph.initializer:
        if tensor.name in dense and np.prod(tensor.dims) >= LARGE:
            name, values = tensor.name, numpy_helper.to_array(tensor)
            largest = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / np.float32(127)
            scale = np.maximum(largest, np.finfo(np.float32).tiny)
            whole = np.rint(values / scale).astype(np.int8)
            tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}_octets"))
            scales.append(numpy_helper.from_array(scale, f"{name}_scale"))
            cast = helper.make_node("Cast", [f"{name}_octets"], [f"{name}_wide"], to=TensorProto.FLOAT)
            widening += [cast, helper.make_node("Mul", [f"{name}_wide", f"{name}_scale"], [name])]
    model.graph.initializer.extend(scales)
    return _before_all(model, widening)


def _is_dense(node: onnx.NodeProto) -> bool:
    return all(attribute.i == 1 for attribute in node.attribute if attribute.name == "group")


def _before_all(model: onnx.ModelProto, first: Sequence[onnx.NodeProto]) -> onnx.ModelProto:
    nodes = [*first, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


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
    return _before_all(model, casts)
