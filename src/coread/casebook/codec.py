"""Frozen values as JSON and back, by their own declarations.

One pair of functions for every noun of `coread.domain.review`: a field that is added there is kept here
without a word, and a field that a kept text lacks takes its default.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


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
    if is_dataclass(kind):
        hints = _hints(cast(type, kind))
        known = {name: _read(hint, data[name]) for name, hint in hints.items() if name in data}
        return cast(type, kind)(**known)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        chosen = next(arg for arg in args if arg is not type(None))
        return None if data is None else _read(chosen, data)
    if origin is tuple:
        kinds = [args[0]] * len(data) if args[-1] is Ellipsis else args
        return tuple(_read(held, item) for held, item in zip(kinds, data, strict=True))
    return _atom(kind, data)


def _atom(kind: Any, data: Any) -> Any:
    if kind is datetime:
        return datetime.fromisoformat(data)
    if isinstance(kind, type) and issubclass(kind, (Enum, float)):
        return kind(data)
    return data


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}
