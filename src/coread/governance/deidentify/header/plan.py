"""A profile made ready to be applied: one look-up for each attribute."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from coread.governance.deidentify.rules import Action, Option, Profile, actions_for, safe_private
from coread.governance.deidentify.rules.profile import SAFE_PRIVATE

#: UI attributes outside the table that name a code, a context or a program, never a patient.
NO_IDENTITY_UIDS = frozenset((
    0x0008010C,  # Coding Scheme UID
    0x0008010D,  # Context Group Extension Creator UID
    0x00080117,  # Context UID
    0x00080118,  # Mapping Resource UID
    0x00020012,  # Implementation Class UID
    0x0040DB0D,  # Template Extension Creator UID
))  # fmt: skip

#: Attributes that say what stands around them: never searched by patterns, a code looks like a number.
CODE_WORDS = frozenset((
    0x00080100,  # Code Value
    0x00080102,  # Coding Scheme Designator
    0x00080103,  # Coding Scheme Version
    0x00080119,  # Long Code Value
    0x00080120,  # URN Code Value
    0x0008010F,  # Context Identifier
    0x00080105,  # Mapping Resource
    0x0040DB00,  # Template Identifier
))  # fmt: skip

UNFORMATTED_TEXT_VALUE = 0x00700006


@dataclass(frozen=True)
class Plan:
    """What to do with each attribute under one profile."""

    profile: Profile
    actions: dict[int, Action]
    kept: frozenset[int]
    """Attributes whose values stay as they are."""
    safe_private: frozenset[tuple[str, int, int]]
    dates: Action
    """What happens to dates that the table does not list."""
    keeps_uids: bool
    cleans_graphics: bool


def plan_for(profile: Profile) -> Plan:
    """Return the plan of a profile."""
    options = profile.table_options
    actions = actions_for(options) | dict(profile.overrides)
    if Option.GRAPHICS in options:
        # PS3.15 E.3.3: the graphics stay, their texts are cleaned.
        actions[UNFORMATTED_TEXT_VALUE] = Action.CLEAN
    dates = Action.DUMMY
    if Option.FULL_DATES in options:
        dates = Action.KEEP
    elif Option.MODIFIED_DATES in options:
        dates = Action.CLEAN
    return Plan(
        profile=profile,
        actions=actions,
        kept=frozenset(tag for tag, action in actions.items() if action is Action.KEEP),
        safe_private=safe_private() if SAFE_PRIVATE in profile.options else frozenset(),
        dates=dates,
        keeps_uids=Option.UIDS in options,
        cleans_graphics=Option.GRAPHICS in options,
    )


@cache
def is_standard_scheme(designator: str) -> bool:
    """Tell whether a coding scheme is one of PS3.16 table 8-1 and no private one (``99...``, ``L``)."""
    return bool(designator) and not designator.startswith("99") and designator != "L"
