"""What the pages of oversight stand on."""

from __future__ import annotations

from dataclasses import dataclass

from coread.governance import Approvals, Emergencies, Restrictions


@dataclass(frozen=True, slots=True)
class Oversight:
    """The keepers of acts under watch."""

    restrictions: Restrictions
    emergencies: Emergencies
    approvals: Approvals
