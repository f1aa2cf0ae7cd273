"""Frozen values as JSON and back, by their own declarations.

One pair of functions for every noun of `coread.domain.review`: a field that is added there is kept here
without a word, and a field that a kept text lacks takes its default.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Value = TypeVar("Value")
Reader: TypeAlias = Callable[[Any], Any]


def to_json(value: Any) -> str:
    """Write a value as JSON text; the same value always gives the same text."""
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def from_json(kind: type[Value], text: str) -> Value:
    """Read what `to_json` wrote of a value of `kind`."""
    return cast(Value, _read(kind, json.loads(text)))


def plain(value: Any) -> Any:
    """Return a value as dictionaries, lists, texts and numbers."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, (tuple, list, frozenset, set)):
        return [plain(held) for held in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def _read(kind: Any, data: Any) -> Any:
    return _reader(kind)(data)


@cache
def _reader(kind: Any) -> Reader:
    """Make the function that reads values of a kind, once for each kind."""
    if is_dataclass(kind):
        return _of_dataclass(cast(type, kind))
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        read = _reader(next(arg for arg in args if arg is not type(None)))
        return lambda data: None if data is None else read(data)
    if origin is tuple:
        return _of_tuple(args)
    if kind is datetime:
        return datetime.fromisoformat
    is_built = isinstance(kind, type) and issubclass(kind, (Enum, float))
    return cast(Reader, kind) if is_built else lambda data: data


def _of_dataclass(kind: type) -> Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind) if field.init}

    def read(data: Any) -> Any:
        return kind(**{name: readers[name](held) for name, held in data.items() if name in readers})

    return read


def _of_tuple(args: tuple[Any, ...]) -> Reader:
    if args[-1] is Ellipsis:
        read = _reader(args[0])
        return lambda data: tuple(read(item) for item in data)
    readers = [_reader(arg) for arg in args]
    return lambda data: tuple(read(item) for read, item in zip(readers, data, strict=True))
