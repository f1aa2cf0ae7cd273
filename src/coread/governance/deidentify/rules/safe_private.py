"""Private attributes that are known to hold no identity, by their creator."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files


@cache
def safe_private() -> frozenset[tuple[str, int, int]]:
    """Return (private creator, group, last byte of the element) of PS3.15 Table E.3.10-1."""
    data = tomllib.loads(files(__package__).joinpath("safe_private.toml").read_text(encoding="utf-8"))
    return frozenset(
        (creator, int(group, 16), element)
        for creator, groups in data["creators"].items()
        for group, spans in groups.items()
        for span in spans
        for element in _elements(span)
    )


def _elements(span: str) -> Iterator[int]:
    first, _, last = span.partition("-")
    yield from range(int(first, 16), int(last or first, 16) + 1)
