"""What an event is in the words of audit standards; the table lies in ``kinds.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from coread.domain.event import Event

_PERSON = "person:"


@dataclass(frozen=True, slots=True)
class AuditKind:
    """One line of the table."""

    action: str
    """C, R, U, D or E."""
    id: str
    """EventID: a code of DICOM CID 400."""
    type: str = ""
    """EventTypeCode: a code of DICOM CID 401; empty for none."""
    outcome: str = "0"
    """0 success, 4 minor, 8 serious, 12 major failure."""


@dataclass(frozen=True, slots=True)
class AuditSource:
    """Who says it: this installation."""

    id: str = "coread"
    """AuditSourceID, e.g. the host's name."""
    site: str = ""
    """Enterprise or hospital."""
    address: str = "http://127.0.0.1"
    """URI of the service."""
    version: str = ""
    """Of CoRead."""


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("kinds.toml").read_text(encoding="utf-8"))


def audit_kind(kind: str) -> AuditKind:
    """Return what a kind of event is; the longest entry that begins it counts.

    Examples
    --------
    >>> audit_kind("report.signed").id, audit_kind("person.logged-in").type, audit_kind("never.heard").id
    ('110111', '110122', '110100')
    """
    table = _table()["kinds"]
    name = max((name for name in table if kind.startswith(name)), key=len)
    return AuditKind(**table[name])


def meaning(code: str) -> str:
    """Return the code meaning of a code of CID 400 or 401."""
    return str(_table()["meanings"][code])


def is_by_a_person(event: Event) -> bool:
    """Tell whether a person did it; else a program or another system."""
    return event.actor.startswith(_PERSON)


def is_of_a_study(event: Event) -> bool:
    """Tell whether the subject is a Study Instance UID: digits and dots."""
    return "." in event.subject and event.subject.replace(".", "").isdigit()
