"""A site's word on a plan: approved, vetoed or stopped, on record in the site's ledger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coread.errors import FederationRefused
from coread.learning.federated.plan.plan import Plan
from coread.learning.federated.record import Record

CONSENT = "consent"
"""Subject of events about what the site has consented to."""


class Stand(StrEnum):
    """Where a site stands towards a plan."""

    PENDING = "pending"
    APPROVED = "approved"
    VETOED = "vetoed"
    STOPPED = "stopped"


_WORDS = {f"federation.plan.{stand}": stand for stand in Stand}


@dataclass(frozen=True)
class Word:
    """One word of an officer on a plan."""

    stand: Stand
    by: str
    reason: str


class Approvals:
    """What officers of the site said, read from and written to its ledger only."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def stand(self, plan_sha256: str) -> Stand:
        """Where the site stands: the last word counts; a plan that nobody spoke on is pending."""
        words = self.words(plan_sha256)
        return words[-1].stand if words else Stand.PENDING

    def words(self, plan_sha256: str) -> list[Word]:
        """All words on a plan, oldest first."""
        return [
            Word(_WORDS[e.event.kind], e.event.actor, e.event.facts.get("reason", ""))
            for e in self._record.events(plan_sha256)
            if e.event.kind in _WORDS
        ]

    def consented(self) -> frozenset[str]:
        """Which data the site lends to federations, e.g. ``label:pneumonia``."""
        held: set[str] = set()
        for recorded in self._record.events(CONSENT):
            what = recorded.event.facts["needed"]
            (held.add if recorded.event.kind == "federation.consent.given" else held.discard)(what)
        return frozenset(held)

    def consent(self, what: str, by: str, *, given: bool = True) -> None:
        """Put on record that the site lends data of a kind, or no longer does."""
        kind = "consent.given" if given else "consent.withdrawn"
        self._record.note(kind, CONSENT, f"person:{by}", {"needed": what})

    def approve(self, plan: Plan, by: str) -> None:
        """Approve a plan.

        Raises
        ------
        FederationRefused
            If it asks for data to which the site has not consented.
        """
        missing = self.missing(plan)
        if missing:
            found = f"a plan that needs {', '.join(missing)}"
            remedy = "consent to these data first (coread-lab site consent), or veto the plan"
            raise FederationRefused(found, "only data to which the site has consented", remedy, plan.name)
        self._say(plan, Stand.APPROVED, by, "")

    def veto(self, plan: Plan, by: str, reason: str) -> None:
        """Say no to a plan."""
        self._say(plan, Stand.VETOED, by, reason)

    def stop(self, plan: Plan, by: str, reason: str) -> None:
        """Leave at once: no later order of the plan is followed, no answer in the making is sent."""
        self._say(plan, Stand.STOPPED, by, reason)

    def missing(self, plan: Plan) -> tuple[str, ...]:
        """What the plan needs and the site has not consented to."""
        return tuple(sorted(set(plan.needs) - self.consented()))

    def _say(self, plan: Plan, stand: Stand, by: str, reason: str) -> None:
        facts = {"plan": plan.name, "plan_sha256": plan.sha256, "reason": reason}
        self._record.note(f"plan.{stand}", plan.sha256, f"person:{by}", facts)
