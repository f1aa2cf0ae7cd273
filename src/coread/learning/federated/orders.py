"""What passes between coordinator and sites: signed orders and answers, and the wire that carries them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]
"""Takes signature and data."""

ATTEMPT_UNKNOWN = "attempt-unknown"
"""Code of a refusal: the site was started anew, its keys of this attempt at a hidden round are gone."""


@dataclass(frozen=True)
class Order:
    """What the coordinator asks of a site."""

    kind: str
    """propose, where, train, keys, shares, masked, unmask, evaluate, alone or final."""
    plan: str
    """SHA-256 of the plan under which it is given."""
    number: str
    """Unique; an order that is sent again keeps its number."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON."""
    arrays: Mapping[str, Arrays] = field(default_factory=dict)
    """Groups of named arrays, e.g. ``parameters``."""
    signature: bytes = b""

    def text(self) -> bytes:
        """What the coordinator signs."""
        return _text(["order", self.kind, self.plan, self.number, self.facts], self.arrays)

    def signed(self, sign: Sign) -> Order:
        """Return the same with a signature."""
        return replace(self, signature=sign(self.text()))


@dataclass(frozen=True)
class Answer:
    """What a site says to an order. A refusal is an answer, with code and reason."""

    site: str
    kind: str
    """That of the order, or ``refused``."""
    plan: str
    to: str
    """Number of the order."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Arrays] = field(default_factory=dict)
    signature: bytes = b""

    def text(self) -> bytes:
        """What the site signs."""
        return _text(["answer", self.site, self.kind, self.plan, self.to, self.facts], self.arrays)

    def signed(self, sign: Sign) -> Answer:
        """Return the same with a signature."""
        return replace(self, signature=sign(self.text()))


class Wire(Protocol):
    """Carries orders to sites and answers back; says nothing of what is in them."""

    def online(self) -> frozenset[str]:
        """Sites that are connected now, or were a minute ago."""
        ...

    def send(self, orders: Mapping[str, Order]) -> None:
        """Send each site its order; returns at once."""
        ...

    def answers(self) -> Sequence[Answer]:
        """Answers that came since the last call; never waits for one."""
        ...


def digest_of(arrays: Arrays) -> str:
    """SHA-256 over names, types, shapes and values.

    Examples
    --------
    >>> one, two = {"a": np.zeros(2, np.float32)}, {"a": np.zeros((2, 1), np.float32)}
    >>> digest_of(one) == digest_of(two)
    False
    """
    made = hashlib.sha256()
    for name in sorted(arrays):
        held = np.ascontiguousarray(arrays[name])
        made.update(json.dumps([name, held.dtype.str, list(np.shape(arrays[name]))]).encode())
        made.update(held.data if held.size else b"")
    return made.hexdigest()


def canonical(held: Any) -> bytes:
    """JSON in one form: sorted keys, no spaces; numbers as Python writes them."""
    return json.dumps(
        held, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _text(head: list[Any], arrays: Mapping[str, Arrays]) -> bytes:
    return canonical([*head, {group: digest_of(held) for group, held in arrays.items()}])
