"""The arms of a study as rules of the house.

Each case is filed once for each doctor and arm, as a copy with UIDs of its own whose Institution Name
(0008,0080) is that of the arm. Which mode holds then follows from the house's rules, as for any other site:
nothing in the reading room has to know of a study.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coread.domain.review import Mode
from coread.review.policy import ModeRule


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of reading.

    Attributes
    ----------
    treatment
        Name in the plan, such as ``with AI``.
    site
        Institution Name of its copies.
    mode
        When the doctor sees the readers; triage-only: never.
    """

    treatment: str
    site: str
    mode: Mode


def rules_of(arms: Iterable[Arm]) -> tuple[ModeRule, ...]:
    """The rules that stand before the house's own.

    Raises
    ------
    ValueError
        If two arms share a site, or an arm has none: one would be read as the other.
    """
    given = tuple(arms)
    sites = [arm.site.strip() for arm in given]
    if not all(sites) or len(set(sites)) < len(sites):
        raise ValueError(f"each arm needs a site of its own; found {sites}")
    return tuple(ModeRule(arm.mode, site=arm.site) for arm in given)
