"""What the desk reads from, gathered once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from coread.archive import Archive, Deliveries, Readings, Studies
from coread.casebook import Casebook
from coread.domain.bundle import Card
from coread.domain.consent import Consenting, EverybodyConsents
from coread.domain.finding import Confidence, Finding
from coread.ledger import Ledger
from coread.review.policy import Policy

Reconsider: TypeAlias = Callable[[Finding], Confidence]


@dataclass(frozen=True, slots=True)
class Sources:
    """The keepers and facts that a review is made of."""

    casebook: Casebook
    archive: Archive
    studies: Studies
    readings: Readings
    deliveries: Deliveries
    cards: Callable[[str], Card | None]
    """Card of a reader by its name; None where it is not installed."""
    evaluations: Callable[[str], Mapping[str, Any] | None]
    """``evaluation.json`` of a reader by its name; None where there is none."""
    ledger: Ledger
    clock: Callable[[], datetime]
    policy: Policy
    names: Callable[[str], str]
    """Display name of a person by id."""
    askable: Callable[[], Sequence[Card]] = tuple
    """Cards of the readers that answer where a doctor points to."""
    reconsider: Callable[[str], Reconsider | None] = lambda name: None
    """How a reader, by its name, answers to a finding whose characteristics a doctor has corrected; None
    where its answer does not follow from them."""
    consents: Consenting = field(default_factory=EverybodyConsents)
    """Who says whether a study may be read by AI readers, or used for teaching."""
