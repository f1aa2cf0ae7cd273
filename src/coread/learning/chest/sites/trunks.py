"""The trunks that a chest head may stand on: as ImageNet left it, or as a shipped chest bundle holds it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from coread.learning.chest.transfer import FEATURES, ChestNet

Array = NDArray[np.float32]

SHIPPED = Path(__file__).resolve().parents[3] / "readers" / "chest_radiograph" / "bundle" / "weights.onnx"
"""The network of the bundle that ships with the clinic."""


def imagenet_net() -> ChestNet:
    """The backbone as it came, its head drawn anew; ready to read."""
    torch.manual_seed(0)
    net = ChestNet()
    net.eval()
    return net


def net_of_onnx(weights: Path) -> ChestNet:
    """Recover the tuned network from the ONNX file of a chest bundle, of one trunk or of the blend of two.

    Parameters
    ----------
    weights
        ``weights.onnx`` as written by :func:`coread.learning.chest.export.export_onnx`.

    Returns
    -------
    ChestNet
        Ready to read; the auxiliary head, dropped at export, is drawn anew.

    Raises
    ------
    ValueError
        If the file holds another network.

    Notes
    -----
    The exporter folds each batch normalisation into the convolution before it. Here the convolution takes
    the folded weights and the normalisation becomes a plain addition of the folded bias, which is the same
    function. In a blend the convolutions of the tuned trunk come before those of the plain one.
    """
    graph = onnx.load(str(weights)).graph
    held = _constants(graph)
    alias = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    convolutions = [n.input for n in graph.node if n.op_type == "Conv" and len(n.input) == 3]
    pairs = list(dict.fromkeys((alias.get(n[1], n[1]), alias.get(n[2], n[2])) for n in convolutions))
    net = imagenet_net()
    places = _convolutions(net)
    if len(pairs) < len(places):
        raise ValueError(f"expected {len(places)} convolutions in {weights.name}, found {len(pairs)}")
    for (kernel, bias), (convolution, normal) in zip(pairs, places, strict=False):
        _fold(convolution, normal, held[kernel], held[bias])
    _head(net, graph, held)
    _low_pass(net, graph, held)
    return net


def _constants(graph: onnx.GraphProto) -> dict[str, Array]:
    """Weights by name, those kept in 16 bits under the name that they are widened to."""
    held = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in held:
            held[node.output[0]] = held[node.input[0]].astype(np.float32)
    return held


def _convolutions(net: ChestNet) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions and their normalisations in the order in which an image meets them."""
    trunk = net.trunk
    found = [(trunk._conv_stem, trunk._bn0)]
    for block in cast(nn.ModuleList, trunk._blocks):
        if hasattr(block, "_expand_conv"):
            found.append((block._expand_conv, block._bn0))
        found += [(block._depthwise_conv, block._bn1), (block._project_conv, block._bn2)]
    return cast("list[tuple[nn.Conv2d, nn.BatchNorm2d]]", [*found, (trunk._conv_head, trunk._bn1)])


@torch.no_grad()  # type: ignore[untyped-decorator]
def _fold(convolution: nn.Conv2d, normal: nn.BatchNorm2d, kernel: Array, bias: Array) -> None:
    if tuple(kernel.shape) != tuple(convolution.weight.shape):
        raise ValueError(
            f"expected a kernel of shape {tuple(convolution.weight.shape)}, found {kernel.shape}"
        )
    convolution.weight.copy_(torch.from_numpy(kernel.copy()))
    normal.running_mean.zero_()
    normal.running_var.fill_(1 - normal.eps)
    normal.weight.fill_(1)
    normal.bias.copy_(torch.from_numpy(bias.copy()))


@torch.no_grad()  # type: ignore[untyped-decorator]
def _head(net: ChestNet, graph: onnx.GraphProto, held: dict[str, Array]) -> None:
    """Take the head: the product with one weight per channel, and the single number that is added to it."""
    weight = _operand(graph, held, ("Mul", "Conv"), FEATURES)
    net.head.weight.copy_(torch.from_numpy(weight.reshape(1, FEATURES).copy()))
    net.head.bias.copy_(torch.from_numpy(_operand(graph, held, ("Add",), 1).reshape(1).copy()))


def _low_pass(net: ChestNet, graph: onnx.GraphProto, held: dict[str, Array]) -> None:
    """Take the low pass, if there is one: the only convolution of one channel with a row of weights."""
    fixed = {
        n.output[0]: numpy_helper.to_array(n.attribute[0].t) for n in graph.node if n.op_type == "Constant"
    }
    for node in graph.node:
        weights = {**fixed, **held}.get(node.input[1]) if node.op_type == "Conv" else None
        if weights is not None and weights.shape[:3] == (1, 1, 1):
            net.kernel = torch.from_numpy(weights.reshape(-1).copy())


def _operand(graph: onnx.GraphProto, held: dict[str, Array], kinds: tuple[str, ...], size: int) -> Array:
    """The first constant of a size that enters a node of two inputs."""
    for node in graph.node:
        for name in node.input:
            fits = node.op_type in kinds and len(node.input) == 2
            if fits and name in held and held[name].size == size:
                return held[name]
    raise ValueError(f"expected a {kinds[0]} with {size} constants in the network, found none")
