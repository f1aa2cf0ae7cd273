"""The one way in which an event is written as bytes, so that its hash means something.

Two forms of a leaf exist. In *form 1*, of CoRead 0.1, the leaf is the event itself (`canonical_json`).
In *form 2* the leaf holds what happened in the open, and what points to a person only as a salted
commitment::

    {"actor":…, "at":…, "facts":{open facts}, "form":"2", "kind":…,
     "private":"<HMAC-SHA-256 of the private part under the salt>", "sequence":"<place>"}

The private part is ``{"facts":{other facts},"key":…,"subject":…}``. Its text and its salt lie beside the
leaf. Once both are deleted nobody can tell whom the event was about, not even by trying all identifiers, for
32 random bytes are missing; the leaf, and with it every proof, stays as it was.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from coread.domain.event import Event
from coread.domain.review import RejectReason

encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode

#: Facts that say what happened and point to nobody: they stay when a person is forgotten. Any other fact
#: is private, so that a fact of a new name can never be open by accident.
OPEN_FACTS = frozenset(
    """
    abstained action active_s before bundle_sha256 card_sha256 confidence config_sha256 consent_status count
    decisions destination draft_version error faults form instances is_abnormal kinds language mode new_key
    number old_key opinion originals outcome presence probability purpose reader reader_version reason role
    root shown signed_by size size_bytes software template thresholds_sha256 verdict verdicts version
    weights_sha256 what witness
    """.split()  # noqa: SIM905 - a list of one word a line is no better to read
)
#: Open facts that CoRead itself makes of several words.
_OF_WORDS = frozenset({"kinds", "reader", "shown", "software", "verdicts"})
#: What an open fact may look like: a word, number or digest; no free text and no UID.
_WORD = r"(?![0-9.]{24})[A-Za-z0-9][A-Za-z0-9._:+/-]{0,127}"
_PLAIN = re.compile(_WORD)
_PLAIN_WORDS = re.compile(rf"{_WORD}(?: {_WORD}){{0,15}}")
#: A reason may be typed: it is open if it is one of a rejection's codes, or a reader's, e.g. too-dark.
_CODED = re.compile("|".join([*RejectReason, "[a-z]+(?:-[a-z]+)+"]))


def canonical(value: Mapping[str, object]) -> str:
    """Write text values as JSON: keys sorted, no spaces, nothing escaped that need not be.

    Values are text only, so that the sorting and spacing rules of RFC 8785 are all that is needed.
    """
    return encode(value)


def to_bytes(text: str) -> bytes:
    """Encode text for hashing; half a surrogate pair, which no UTF-8 can hold, included."""
    return text.encode("utf-8", "surrogatepass")


def canonical_json(event: Event) -> bytes:
    """Write `event` as a leaf of form 1: JSON, keys sorted, no spaces, UTF-8, UTC with microseconds."""
    return to_bytes(
        encode(
            {
                "actor": event.actor,
                "at": utc_text(event.at),
                "facts": dict(event.facts),
                "key": event.key,
                "kind": event.kind,
                "subject": event.subject,
            }
        )
    )


def is_open(name: str, value: str) -> bool:
    """Tell whether a fact stays when a person is forgotten.

    Examples
    --------
    >>> is_open("verdict", "rejected"), is_open("finding", "1.2.3")
    (True, False)
    >>> is_open("reason", "artefact"), is_open("reason", "Miller"), is_open("reason", "asked by Mrs Miller")
    (True, False, False)
    """
    form = _CODED if name == "reason" else _PLAIN_WORDS if name in _OF_WORDS else _PLAIN
    return name in OPEN_FACTS and (not value or form.fullmatch(value) is not None)


def divided(facts: Mapping[str, str]) -> tuple[str, str]:
    """Write the open facts and the private ones, each as canonical JSON."""
    mine = {name for name, value in facts.items() if not is_open(name, value)}
    return (
        encode({name: value for name, value in facts.items() if name not in mine}),
        encode({name: facts[name] for name in mine}),
    )


def commitment_of(salt: bytes, private_facts: str, key: str, subject: str) -> bytes:
    """Return the commitment to an event's private part: HMAC-SHA-256 (RFC 2104), 32 bytes.

    Parameters
    ----------
    salt
        32 random bytes of this event alone.
    private_facts
        As `divided` wrote them.
    key, subject
        Of the event.
    """
    text = f'{{"facts":{private_facts},"key":{encode(key)},"subject":{encode(subject)}}}'
    return hmac.digest(salt, to_bytes(text), "sha256")


def leaf_of(sequence: int, head: tuple[str, str, str], open_facts: str, commitment: bytes) -> bytes:
    """Write a leaf of form 2.

    Parameters
    ----------
    sequence
        Place of the event, from 1.
    head
        Actor, time as `utc_text` writes it, kind.
    open_facts
        As `divided` wrote them.
    commitment
        To the private part.
    """
    actor, at, kind = head
    return to_bytes(
        f'{{"actor":{encode(actor)},"at":{encode(at)},"facts":{open_facts},"form":"2",'
        f'"kind":{encode(kind)},"private":"{commitment.hex()}","sequence":"{sequence}"}}'
    )


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
