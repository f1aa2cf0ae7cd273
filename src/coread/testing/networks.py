"""A tiny ONNX network, written byte by byte: for tests of bundles, without the lab's libraries."""

from __future__ import annotations

import struct

#: TensorProto.DataType FLOAT of ONNX.
_FLOAT = 1


def dividing_network(operator: str = "Div", opset: int = 13) -> bytes:
    """Give a network ``y = operator(x, w)`` for x float32 [n, 2] and w = (2, 4)."""
    node = _field(1, b"x") + _field(1, b"w") + _field(2, b"y") + _field(4, operator.encode())
    weights = _field(1, 2) + _field(2, _FLOAT) + _field(8, b"w") + _field(9, struct.pack("<2f", 2, 4))
    graph = _field(1, node) + _field(2, b"g") + _field(5, weights)
    graph += _field(11, _tensor("x", ["n", 2])) + _field(12, _tensor("y", ["n", 2]))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, opset))


def _tensor(name: str, sizes: list[int | str]) -> bytes:
    shape = b"".join(_field(1, _field(1, n) if isinstance(n, int) else _field(2, n.encode())) for n in sizes)
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, _FLOAT) + _field(2, shape)))


def _field(number: int, value: bytes | int) -> bytes:
    """Encode one protobuf field."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])
