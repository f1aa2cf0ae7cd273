"""What one round gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coread.learning.federated.task import Update


@dataclass(frozen=True)
class Made:
    """What one round gave."""

    updates: Mapping[str, Update]
    refused: Mapping[str, str]
    """By site, why nothing of it was used."""
    notes: Mapping[str, Any]
    """``took_part``: the sites whose updates are in it; and whatever else is worth keeping."""
