"""Between decisions and table rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from coread.domain.consent import Act, Decision, PatientIdentity, Said, Use
from coread.governance.consent.tables import DECISIONS, PEOPLE


def ref_of(connection: Connection, person: PatientIdentity) -> str | None:
    """Return the reference that stands for a person; None of whom nothing is on record."""
    is_person = (PEOPLE.c.issuer == person.issuer) & (PEOPLE.c.patient_id == person.patient_id)
    found: str | None = connection.execute(select(PEOPLE.c.ref).where(is_person)).scalar()
    return found


def decisions_of(connection: Connection, person_ref: str) -> tuple[Decision, ...]:
    """Return all decisions of one person in the order of their places."""
    query = select(DECISIONS).where(DECISIONS.c.person_ref == person_ref).order_by(DECISIONS.c.place)
    return tuple(decision_of(row) for row in connection.execute(query).mappings())


def row_of(said: Said, uid: str, person_ref: str, now: datetime, jurisdiction: str) -> dict[str, Any]:
    """Return the row of a decision that is recorded now.

    When a denial was decided stands as its beginning, for what is compared with it later; it holds at once
    whatever stands there.
    """
    begins = said.valid_from or (said.decided_at or now if said.act is not Act.GIVEN else now)
    return {
        "uid": uid,
        "person_ref": person_ref,
        "use": str(said.use),
        "act": str(said.act),
        "recorded_us": now,
        "from_us": begins,
        "until_us": said.valid_until,
        "actor": said.actor,
        "source": said.source,
        "evidence_sha256": said.evidence_sha256,
        "jurisdiction": jurisdiction,
    }


def decision_of(row: Mapping[Any, Any]) -> Decision:
    """Return the decision that a row holds."""
    return Decision(
        place=row["place"],
        uid=row["uid"],
        person_ref=row["person_ref"],
        use=Use(row["use"]),
        act=Act(row["act"]),
        recorded_at=row["recorded_us"],
        valid_from=row["from_us"],
        valid_until=row["until_us"],
        actor=row["actor"],
        source=row["source"],
        evidence_sha256=row["evidence_sha256"],
        jurisdiction=row["jurisdiction"],
    )
