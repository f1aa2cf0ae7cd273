"""An ONNX file at half its size: large weights are kept in 16 bits and widened when the file is loaded.

onnxruntime folds the widening once, at start; every computation stays in 32 bits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LARGE = 512
"""Numbers in a weight from which halving is worth a node."""


def halve(path: Path) -> None:
    """Rewrite an ONNX file with its large float32 weights in 16 bits.

    Raises
    ------
    ValueError
        If a weight is too large for 16 bits.
    """
    model = onnx.load(str(path))
    graph = model.graph
    widened = []
    for item in graph.initializer:
        values = numpy_helper.to_array(item)
        if item.data_type != TensorProto.FLOAT or values.size < LARGE:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ValueError(
                f"expected weights within 16 bits, found {np.abs(values).max():.3g} in {item.name}"
            )
        name = item.name
        item.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        widened.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*widened, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(path))
