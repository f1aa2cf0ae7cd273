"""One step on record: who did what to which object, when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the ledger. Holds identifiers and hashes, never a patient's name."""

    kind: str
    """Dotted word, e.g. ``instance.filed``, ``study.complete``, ``reading.made``."""
    subject: str
    """UID or identifier of what the event is about; a Study Instance UID where there is one."""
    actor: str
    """Who: ``dimse:<AE>``, ``reader:<name> <version>``, ``person:<id>`` or ``system``."""
    at: datetime
    """Time zone aware, UTC."""
    facts: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    """Idempotency key: a second event of the same non-empty key is not recorded again."""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("An event's time needs a time zone.")
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
