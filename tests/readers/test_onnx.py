"""The network behind its hash: only what was packed is loaded, only what fits is computed."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest

from coread.errors import BundleRefused, ReaderFailed
from coread.readers.onnx import Session

FLOAT, INT64 = 1, 7


def field(number: int, value: bytes | int) -> bytes:
    """Encode one protobuf field; enough of the format to write a network without the lab's libraries."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def tensor_info(name: str, dims: list[int | str], kind: int = FLOAT) -> bytes:
    sizes = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d.encode())) for d in dims)
    return field(1, name.encode()) + field(2, field(1, field(1, kind) + field(2, sizes)))


def network(operator: str = "Div", opset: int = 13) -> bytes:
    """Give a network ``y = operator(x, w)`` for x float32 [n, 2] and w = (2, 4)."""
    node = field(1, b"x") + field(1, b"w") + field(2, b"y") + field(4, operator.encode())
    weights = field(1, 2) + field(2, FLOAT) + field(8, b"w") + field(9, struct.pack("<2f", 2, 4))
    graph = field(1, node) + field(2, b"g") + field(5, weights)
    graph += field(11, tensor_info("x", ["n", 2])) + field(12, tensor_info("y", ["n", 2]))
    return field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, opset))


@pytest.fixture
def weights(tmp_path):
    def write(content: bytes):
        path = tmp_path / "weights.onnx"
        path.write_bytes(content)
        return path, hashlib.sha256(content).hexdigest()

    return write


@pytest.fixture
def session(weights):
    return Session(*weights(network()), threads=2)


def test_it_computes(session):
    x = np.array([[2, 4], [6, 2]], np.float32)
    outputs = session.run({"x": x})
    assert outputs["y"].tolist() == [[1, 1], [3, 0.5]]
    assert (session.inputs, session.outputs) == ({"x": (None, 2)}, ("y",))


def test_the_same_input_gives_the_same_bits(session):
    x = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    assert session.run({"x": x})["y"].tobytes() == session.run({"x": x.copy()})["y"].tobytes()


def test_other_bytes_are_refused(weights):
    path, digest = weights(network())
    path.write_bytes(network() + b"\x00")
    with pytest.raises(BundleRefused, match=r"weights.onnx") as caught:
        Session(path, digest)
    assert digest[:12] in str(caught.value)


def test_an_upper_case_hash_is_the_same_hash(weights):
    path, digest = weights(network())
    assert Session(path, digest.upper()).outputs == ("y",)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BundleRefused, match="missing"):
        Session(tmp_path / "none.onnx", "00")


@pytest.mark.parametrize(
    "content",
    [b"", b"no network", network("NoSuchOperator"), network(opset=9999)],
    ids=["empty", "text", "op", "opset"],
)
def test_what_is_no_network_is_refused(weights, content):
    with pytest.raises(BundleRefused, match="no network for this runtime"):
        Session(*weights(content))


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ({}, "the inputs none"),
        ({"z": np.zeros((1, 2), np.float32)}, "the inputs z"),
        ({"x": np.zeros((1, 3), np.float32)}, r"float32 of shape \(1, 3\)"),
        ({"x": np.zeros(2, np.float32)}, r"float32 of shape \(2,\)"),
        ({"x": np.zeros((1, 2))}, "float64 of shape"),
    ],
)
def test_an_input_that_does_not_fit_is_a_failure(session, inputs, found):
    with pytest.raises(ReaderFailed, match=found):
        session.run(inputs)


def test_an_output_that_is_not_finite_is_a_failure(session):
    with pytest.raises(ReaderFailed, match="not finite"):
        session.run({"x": np.full((1, 2), np.inf, np.float32)})
