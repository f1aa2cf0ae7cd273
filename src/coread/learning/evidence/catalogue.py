"""Which evidence items the lab can make, of what parts, and where each part is found (``catalogue.toml``).

The numbering is that of the project's list of evidence items; what they are for stands in
``docs/evaluation.md``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

Source = Literal[
    "evaluation", "card", "calibration", "data_card", "run", "predictions", "reader_study", "studies", "human"
]
Producer = Literal["auto", "semi"]


@dataclass(frozen=True)
class Place:
    """Where a part may be found.

    Attributes
    ----------
    source
        Which file.
    keys
        Names of members, wherever in the file they stand; the first that is there is taken.
    """

    source: Source
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One thing that an item has to say.

    Attributes
    ----------
    name, name_zh
        In words.
    places
        All that are found are shown.
    """

    name: str
    name_zh: str
    places: tuple[Place, ...]

    @property
    def by_people(self) -> bool:
        """Whether only a person can supply it."""
        return all(place.source == "human" for place in self.places)


@dataclass(frozen=True)
class Item:
    """One evidence item.

    Attributes
    ----------
    identifier
        Such as ``E11``.
    slug, title, title_zh
        Names.
    producer
        ``auto``: from files alone; ``semi``: people must add to it.
    parts
        What it has to say.
    silent, silent_zh
        What it does not show, whatever its grade.
    """

    identifier: str
    slug: str
    title: str
    title_zh: str
    producer: Producer
    parts: tuple[Part, ...]
    silent: str
    silent_zh: str


@cache
def items() -> tuple[Item, ...]:
    """The items that the lab makes, in order."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return tuple(_item(held) for held in tomllib.loads(text)["item"])


def _item(held: Mapping[str, Any]) -> Item:
    parts = tuple(
        Part(part["name"], part["name_zh"], tuple(_place(text) for text in part["places"]))
        for part in held["parts"]
    )
    return Item(**{**held, "parts": parts})


def _place(text: str) -> Place:
    name, _, keys = text.partition(":")
    for source in get_args(Source):
        if source == name:
            return Place(source, tuple(keys.split("|")) if keys else ())
    raise ValueError(f"a place begins with one of {', '.join(get_args(Source))}; found {text!r}")
