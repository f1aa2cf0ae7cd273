"""Table E.1-1 of PS3.15 Annex E, and which action remains when options are chosen.

The file ``annex_e.csv`` holds the facts of the table: one line for each attribute, its action in the Basic
Profile (edition 2026c) and in the options (edition 2025b; the nine attributes that came since then have
no option). Actions (PS3.15 section E.3, table E.1-1a): D dummy, Z zero length or dummy, X remove, K keep,
C clean, U unique consistent UID. ``Z/D`` and the like leave the choice to the information object.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType


class Option(StrEnum):
    """Options of PS3.15 Annex E that have a column; the value is the column's name in ``annex_e.csv``."""

    UIDS = "uids"
    DEVICE = "device"
    INSTITUTION = "institution"
    PATIENT = "patient"
    FULL_DATES = "full_dates"
    MODIFIED_DATES = "modified_dates"
    DESCRIPTORS = "descriptors"
    STRUCTURED = "structured"
    GRAPHICS = "graphics"


class Action(StrEnum):
    """What is done with an attribute."""

    DUMMY = "D"
    EMPTY = "Z"
    REMOVE = "X"
    KEEP = "K"
    CLEAN = "C"
    UID = "U"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table."""

    tag: str
    """Eight hexadecimal digits, ``x`` for any digit of a repeating group."""
    keyword: str
    """Empty where pydicom's dictionary does not know the attribute yet."""
    basic: str
    """Action in the Basic Profile, as the standard writes it."""
    options: Mapping[Option, Action]


#: Which action is taken where the standard leaves the choice (PS3.15 E.3): the one that keeps the object
#: valid whatever the attribute's type in its information object. ``X`` alone would do for type 3,
#: ``Z`` for type 2, only ``D`` for type 1; nothing of the former value is kept by either.
_CHOSEN = {"Z/D": "D", "X/Z": "Z", "X/D": "D", "X/Z/D": "D", "X/Z/U*": "U"}
#: Removed by the table, but an animal's must be there, if empty (PS3.3 C.7.1.1).
_KEPT_EMPTY = frozenset({"ResponsibleOrganization", "ResponsiblePerson"})


@cache
def annex_e() -> tuple[Rule, ...]:
    """Return the table as the standard has it."""
    text = files(__package__).joinpath("annex_e.csv").read_text(encoding="utf-8")
    return tuple(_rule(row) for row in csv.DictReader(text.splitlines()))


def _rule(row: Mapping[str, str]) -> Rule:
    options = {option: Action(row[option.value]) for option in Option if row[option.value]}
    return Rule(row["tag"], row["keyword"], row["basic"], MappingProxyType(options))


def actions_for(options: Collection[Option]) -> dict[int, Action]:
    """Return the action for each attribute of the table that is no repeating group.

    Where several options speak, keeping wins over cleaning and cleaning over the Basic Profile: each option
    asks for more to be retained (PS3.15 E.1.1).

    Parameters
    ----------
    options
        The chosen options.
    """
    return {int(rule.tag, 16): _action(rule, options) for rule in annex_e() if "x" not in rule.tag}


def _action(rule: Rule, options: Collection[Option]) -> Action:
    asked = {action for option, action in rule.options.items() if option in options}
    if Action.KEEP in asked:
        return Action.KEEP
    if Action.CLEAN in asked:
        return Action.CLEAN
    if rule.keyword in _KEPT_EMPTY:
        return Action.EMPTY
    return Action(_CHOSEN.get(rule.basic, rule.basic))
