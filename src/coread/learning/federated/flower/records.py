"""Orders and answers as Flower's records: one record of text, one flat array for each group of arrays.

A group of named arrays travels as one array, because Flower moves every array as an object with requests of
its own; a model of a hundred small arrays would cost hundreds of requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from numpy.typing import NDArray

from coread.learning.federated.orders import Answer, Arrays, Order

_HEAD, _ARRAYS = "coread", "coread.arrays"


def order_to_record(order: Order) -> RecordDict:
    """Write an order."""
    head = {"kind": order.kind, "plan": order.plan, "number": order.number, "facts": dict(order.facts)}
    return _record(head, order.arrays, order.signature)


def record_to_order(record: RecordDict) -> Order:
    """Read an order.

    Raises
    ------
    ValueError
        If it is none.
    """
    head, arrays, signature = _read(record)
    try:
        return Order(head["kind"], head["plan"], head["number"], head["facts"], arrays, signature)
    except (KeyError, TypeError) as fault:
        raise ValueError(f"a message that is no order: {fault}") from fault


def answer_to_record(answer: Answer) -> RecordDict:
    """Write an answer."""
    head = {"site": answer.site, "kind": answer.kind, "plan": answer.plan, "to": answer.to}
    return _record({**head, "facts": dict(answer.facts)}, answer.arrays, answer.signature)


def record_to_answer(record: RecordDict) -> Answer:
    """Read an answer.

    Raises
    ------
    ValueError
        If it is none.
    """
    head, arrays, signature = _read(record)
    try:
        said = (head["site"], head["kind"], head["plan"], head["to"], head["facts"])
        return Answer(*said, arrays, signature)
    except (KeyError, TypeError) as fault:
        raise ValueError(f"a message that is no answer: {fault}") from fault


def _record(head: Mapping[str, Any], groups: Mapping[str, Arrays], signature: bytes) -> RecordDict:
    index: dict[str, list[list[Any]]] = {}
    flat: dict[str, Array] = {}
    for group, arrays in groups.items():
        index[group] = [[name, list(np.shape(array))] for name, array in arrays.items()]
        if arrays:
            kinds = {np.asarray(array).dtype for array in arrays.values()}
            (kind,) = kinds  # one type a group: float32 parameters, uint64 masked values
            joined = np.concatenate([np.asarray(array, kind).ravel() for array in arrays.values()])
            flat[group] = Array(joined)
    text = json.dumps({**head, "index": index})
    return RecordDict(
        {_HEAD: ConfigRecord({"head": text, "signature": signature}), _ARRAYS: ArrayRecord(flat)}
    )


def _read(record: RecordDict) -> tuple[dict[str, Any], dict[str, dict[str, NDArray[Any]]], bytes]:
    try:
        config, flat = record[_HEAD], record[_ARRAYS]
        head: dict[str, Any] = json.loads(str(config["head"]))
        index = head.pop("index")
        groups = {
            group: _split(flat[group].numpy() if names else None, names) for group, names in index.items()
        }
        return head, groups, bytes(config["signature"])
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise ValueError(f"a message that is not CoRead's: {fault}") from fault


def _split(flat: NDArray[Any] | None, names: list[list[Any]]) -> dict[str, NDArray[Any]]:
    made: dict[str, NDArray[Any]] = {}
    at = 0
    for name, shape in names:
        size = int(np.prod(shape, dtype=np.int64))
        piece = flat[at : at + size] if flat is not None else np.zeros(0)
        made[str(name)] = piece.reshape(shape)
        at += size
    if flat is not None and at != flat.size:
        raise ValueError(f"{flat.size} values where {at} are named")
    return made
