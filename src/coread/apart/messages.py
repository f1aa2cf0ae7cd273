"""Messages between a process and its child: facts as JSON, then arrays as they lie in memory.

A message is the length of its text (`HEAD`), the text, and the arrays' bytes one after another. The text is
an object of JSON; its member ``arrays`` holds ``[kind, shape]`` of each array. What comes from a child is not
to be trusted: every length is checked before room is made for it, and arrays are of plain numbers.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

HEAD = struct.Struct("<I")
#: No text is longer, and no message holds more bytes of arrays: those of one 16-bit CT of 1,000 slices twice.
MOST_TEXT_BYTES, MOST_BYTES = 1 << 20, 1 << 30

#: Kinds of arrays that are sent, little endian.
KINDS = frozenset(("<f2", "<f4", "<f8", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "|b1"))
_MOST_AXES = 32
#: Parts that are written by one call at most: IOV_MAX of writev(2).
MOST_PARTS = 1024
_ARRAYS = "arrays"

Buffer = bytes | bytearray | memoryview
Facts = dict[str, Any]
Arrays = Sequence[npt.NDArray[Any]]


def packed(facts: Mapping[str, Any], arrays: Arrays = ()) -> list[bytes | memoryview]:
    """Return the parts of a message in their order; arrays are not copied where they lie in one piece.

    Raises
    ------
    ValueError
        If an array is of no kind that is sent.

    Examples
    --------
    >>> text, values = packed({"a": 1}, [np.array([[7, 8]], np.uint8)])
    >>> bytes(text[HEAD.size :]), list(values)
    (b'{"a": 1, "arrays": [["|u1", [1, 2]]]}', [7, 8])
    """
    for array in arrays:
        if array.dtype.str not in KINDS:
            raise ValueError(f"an array of {array.dtype}")
    told = {**facts, _ARRAYS: [[array.dtype.str, list(array.shape)] for array in arrays]}
    text = json.dumps(told).encode()
    return [HEAD.pack(len(text)) + text, *(_bytes(array) for array in arrays if array.size)]


def unpacked(take: Callable[[int], bytearray]) -> tuple[Facts, list[npt.NDArray[Any]]]:
    """Read one message.

    Parameters
    ----------
    take
        Gives exactly so many bytes.

    Raises
    ------
    ValueError
        If it is none, or larger than a message may be.
    """
    (length,) = HEAD.unpack(take(HEAD.size))
    if length > MOST_TEXT_BYTES:
        raise ValueError(f"a text of {length} bytes")
    try:
        facts = json.loads(take(length))
        kinds = [_kind(*told) for told in facts.pop(_ARRAYS)]
    except (TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise ValueError("a text that tells of no arrays") from fault
    if sum(size for *_, size in kinds) > MOST_BYTES:
        raise ValueError("arrays beyond all measure")
    return facts, [np.frombuffer(take(size), kind).reshape(shape) for kind, shape, size in kinds]


def rest(parts: Sequence[Buffer], written: int = 0) -> list[memoryview]:
    """Return what is left of the parts of a message when so many bytes have been written.

    They are written by one call together: the other side is then woken once, not for each.

    Examples
    --------
    >>> [bytes(part) for part in rest([b"ab", b"cde", b""], 3)]
    [b'de']
    """
    left = []
    for part in parts:
        if written < len(part):
            left.append(memoryview(part)[written:])
        written = max(0, written - len(part))
    return left


def _bytes(array: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _kind(kind: object, shape: object) -> tuple[str, list[int], int]:
    """Return kind, shape and size in bytes of an array that is told of."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError("an array of another kind")
    if not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise ValueError("no shape")
    if not all(type(size) is int and 0 <= size <= MOST_BYTES for size in shape):
        raise ValueError("a shape that is none")
    return kind, shape, math.prod(shape) * int(kind[2])
