"""The one way in which an event is written as bytes, so that its hash means something."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from coread.domain.event import Event

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def canonical_json(event: Event) -> bytes:
    """Write `event` as JSON: keys sorted, no spaces, UTF-8, time in UTC with microseconds.

    Values are text only, so that the sorting and spacing rules of RFC 8785 are all that is needed.
    """
    return _encode(
        {
            "actor": event.actor,
            "at": utc_text(event.at),
            "facts": dict(event.facts),
            "key": event.key,
            "kind": event.kind,
            "subject": event.subject,
        }
    ).encode("utf-8", "surrogatepass")


def facts_json(event: Event) -> str:
    """Write an event's facts alone, in the same manner."""
    return _encode(dict(event.facts))


def utc_text(at: datetime) -> str:
    """Write a time as ``2026-01-31T23:59:59.000000Z``.

    Examples
    --------
    >>> utc_text(datetime(2026, 1, 31, 12, tzinfo=UTC))
    '2026-01-31T12:00:00.000000Z'
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_utc_text(text: str) -> datetime:
    """Read what `utc_text` wrote."""
    return datetime.fromisoformat(text)
