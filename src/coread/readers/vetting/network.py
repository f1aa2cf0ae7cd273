"""Looks into an ONNX file before the runtime opens it: what a network of strangers may not hold.

A network is data, but the runtime does what it says: it reads files named as external data, and runs
operators of libraries that were added to it. Both are refused. The file is walked by the wire format of
Protocol Buffers; the numbers of fields are those of ``onnx.proto3`` (ONNX 1.17, Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from coread.errors import BundleRefused

#: Operator sets of the ONNX standard.
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
#: A network beyond this does not fit into what a clinic's computer lends a reader.
MOST_BYTES = 1 << 30

_MAX_DEPTH = 24
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}

#: Messages that may hold what is looked for: field number to the message in it.
_INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_NODE_DOMAIN, _TENSOR_EXTERNAL, _TENSOR_LOCATION, _FUNCTIONS = 7, 13, 14, 25


def check_network(data: bytes, name: str) -> None:
    """Refuse a network that reaches outside its own bytes.

    Parameters
    ----------
    data
        The file.
    name
        Of the file, for the error.

    Raises
    ------
    BundleRefused
        If it is larger than `MOST_BYTES`, no Protocol Buffers, nested too deep, keeps tensors in other files,
        or uses operators that the ONNX standard does not have.
    """
    if len(data) > MOST_BYTES:
        raise _refused(f"a network of {len(data) >> 20} MiB", f"at most {MOST_BYTES >> 20} MiB", name)
    try:
        for found in _faults(memoryview(data), "model", 0):
            raise _refused(found, "a network of standard operators in one file", name)
    except (IndexError, ValueError) as error:
        raise _refused("a file that is no network for this runtime", "an ONNX network", name) from error


def _faults(data: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        yield "graphs nested too deep"
        return
    inside = _INSIDE.get(kind, {})
    for number, value in _fields(data):
        if isinstance(value, memoryview):
            yield from _fault_of(kind, number, value)
            if number in inside:
                yield from _faults(value, inside[number], depth + 1)
        elif kind == "tensor" and number == _TENSOR_LOCATION and value != 0:
            yield "tensors that lie in another file"


def _fault_of(kind: str, number: int, value: memoryview) -> Iterator[str]:
    if kind == "tensor" and number == _TENSOR_EXTERNAL:
        yield "tensors that lie in another file"
    names_domain = kind == "node" and number == _NODE_DOMAIN
    if names_domain and bytes(value).decode("utf-8", "replace") not in DOMAINS:
        yield "operators that are not of the ONNX standard"
    if kind == "model" and number == _FUNCTIONS:
        yield "functions of its own"


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Give each field's number with its bytes, or its number where it is one."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        size, at = (_FIXED[wire], at) if wire in _FIXED else _length(data, at, wire)
        if size > len(data) - at:
            raise ValueError("a field beyond the end")
        if wire == _BYTES:
            yield number, data[at : at + size]
        at += size


def _length(data: memoryview, at: int, wire: int) -> tuple[int, int]:
    if wire != _BYTES:
        raise ValueError(f"wire type {wire}")
    return _varint(data, at)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number of more than ten bytes")


def _refused(found: str, expected: str, where: str) -> BundleRefused:
    return BundleRefused(found, expected, "ask the reader's maker for another one", where)
