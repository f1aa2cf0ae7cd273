"""What the desk reads from, gathered once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coread.archive import Archive, Deliveries, Readings, Studies
from coread.casebook import Casebook
from coread.domain.bundle import Card
from coread.ledger import Ledger
from coread.review.policy import Policy


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
