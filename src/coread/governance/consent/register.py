"""The register: decisions in, never changed; and the one place that says whether a use may go on."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from coread.domain.consent import Act, Decision, PatientIdentity, Permit, Said, Standing, Use
from coread.domain.event import Event
from coread.domain.identity import derive_uid
from coread.errors import ConsentChanged, ConsentRefused, NotFound
from coread.governance.consent.rows import decision_of, decisions_of, ref_of, row_of
from coread.governance.consent.rules import ConsentRules
from coread.governance.consent.standing import permit, standing, unknown_person
from coread.governance.consent.tables import DECISIONS, PEOPLE
from coread.ledger import Ledger, Transactions

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 64
"""Patient ID and issuer: VR LO, 64 characters (PS3.5 table 6.2-1)."""


class Consents:
    """What persons agreed to.

    Decisions are only ever added; the present state is a function of them, see `standing`. Each is an event
    of the ledger, in the same transaction, under a random reference in place of the person. Writers take
    turns with the ledger's lock, so that two at once are one after the other.

    Parameters
    ----------
    database
        Migrated.
    ledger
        On the same database.
    clock
        Tells the time, in UTC.
    rules
        What holds where nothing was decided.
    issuer
        The house's own: whom a Patient ID without an issuer belongs to.
    """

    def __init__(
        self,
        database: Transactions,
        ledger: Ledger,
        clock: Callable[[], datetime],
        rules: ConsentRules,
        issuer: str = "",
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self.rules = rules
        """What holds where nothing was decided."""
        self._issuer = issuer
        self.listeners: list[Callable[[PatientIdentity, Decision], None]] = []
        """Told of each new decision once it is on record."""

    def may(self, person: PatientIdentity, use: Use, at: datetime) -> Permit:
        """Say whether what belongs to a person may be put to a use: every door asks here and nowhere else.

        Parameters
        ----------
        person
            Whom images are of.
        use, at
            For what, and when.
        """
        if not person.is_known:
            return unknown_person(use, self.rules.of)
        return permit(self.history(person), use, self.rules.of, at)

    def standings(self, person: PatientIdentity, at: datetime) -> tuple[Standing, ...]:
        """Say how a person stands to every use."""
        held = self.history(person)
        return tuple(standing(held, use, self.rules.of(use), at) for use in Use)

    def record(self, said: Said, seen: int | None = None) -> Decision:
        """Put a decision on record; the same key again is the same decision.

        A withdrawal of what was never given is recorded as a refusal: no denial is ever lost.

        Parameters
        ----------
        said
            The decision.
        seen
            Number of the person's decisions that whoever records it had before him. A consent is refused
            where there are more by now, a refusal or withdrawal never is.

        Raises
        ------
        ConsentRefused
            If the decision is not clear, or is a consent no younger than a denial on record.
        ConsentChanged
            If the person has decided otherwise meanwhile.
        """
        _check(said)
        now = self._clock()
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            ref = _ref(connection, self._housed(said.person))
            held = decisions_of(connection, ref)
            uid = derive_uid("consent", ref, said.key)
            if known := next((decision for decision in held if decision.uid == uid), None):
                return known
            _check_against(said, held, seen)
            row = row_of(said, uid, ref, now, self.rules.jurisdiction) | {"act": _act(said, held)}
            written = insert(DECISIONS).values(row).returning(DECISIONS.c.place)
            decision = decision_of(row | {"place": connection.execute(written).scalar_one()})
            self._ledger.append_in(connection, [_event(decision)])
        for listener in self.listeners:
            listener(said.person, decision)
        return decision

    def history(self, person: PatientIdentity) -> tuple[Decision, ...]:
        """Return a person's decisions in the order of their places."""
        with self._database.read() as connection:
            ref = ref_of(connection, self._housed(person))
            return decisions_of(connection, ref) if ref else ()

    def decision(self, uid: str) -> Decision:
        """Return a decision.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._database.read() as connection:
            row = connection.execute(select(DECISIONS).where(DECISIONS.c.uid == uid)).mappings().first()
        if row is None:
            raise NotFound("no such decision", "one of the register's", "look for the patient's")
        return decision_of(row)

    def reference(self, person: PatientIdentity) -> str:
        """Return what stands for a person in the record; empty for one who is not in it."""
        with self._database.read() as connection:
            return ref_of(connection, self._housed(person)) or ""

    def count(self) -> int:
        """Return the place of the last decision."""
        with self._database.read() as connection:
            return connection.execute(select(func.max(DECISIONS.c.place))).scalar() or 0

    def person_of(self, person_ref: str) -> PatientIdentity | None:
        """Return who stands behind a reference; None for a person who was forgotten."""
        query = select(PEOPLE.c.patient_id, PEOPLE.c.issuer).where(PEOPLE.c.ref == person_ref)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else PatientIdentity(row[0], row[1])

    def list(self, acts: Collection[Act] = (), after: int = 0, limit: int = 100) -> tuple[Decision, ...]:
        """Return decisions by place, of all persons; of some acts only where any are named."""
        query = select(DECISIONS).where(DECISIONS.c.place > after).order_by(DECISIONS.c.place).limit(limit)
        if acts:
            query = query.where(DECISIONS.c.act.in_([str(act) for act in acts]))
        with self._database.read() as connection:
            return tuple(decision_of(row) for row in connection.execute(query).mappings())

    def forget(self, person: PatientIdentity, by: str, basis: str) -> int:
        """Destroy the one link between a person and the reference in register and ledger; for ever.

        What is left are decisions and events about somebody whom nobody can name; every proof holds.

        Parameters
        ----------
        person
            Whom.
        by
            Who does it.
        basis
            Why this is lawful; names no person.

        Returns
        -------
        int
            Events that point to nobody any more.

        Raises
        ------
        NotFound
            If the register has nothing of the person.
        """
        with self._database.read() as connection:
            ref = ref_of(connection, self._housed(person))
        if ref is None:
            raise NotFound("a person of whom the register has nothing", "one who decided something")
        count = self._ledger.forget([ref], by, self._clock(), basis)
        with self._database.write() as connection:  # last, so that a kill in between can be made good
            connection.execute(delete(PEOPLE).where(PEOPLE.c.ref == ref))
        return count

    def _housed(self, person: PatientIdentity) -> PatientIdentity:
        """Put a person under the house's own issuer where none is named."""
        return person if person.issuer else PatientIdentity(person.patient_id, self._issuer)


def _ref(connection: Connection, person: PatientIdentity) -> str:
    found = ref_of(connection, person)
    if found is not None:
        return found
    ref = f"c-{secrets.token_hex(16)}"
    row = {"ref": ref, "issuer": person.issuer, "patient_id": person.patient_id}
    connection.execute(insert(PEOPLE), row)
    return ref


def _check(said: Said) -> None:
    """Refuse what is not clear by itself.

    Raises
    ------
    ConsentRefused
        If it names nobody, has no key or time zone, or ends before it begins.
    """
    texts = (said.person.patient_id, said.person.issuer)
    if not said.person.is_known or any(len(t) > _LONGEST or not t.isprintable() for t in texts):
        raise ConsentRefused(
            "a decision without a Patient ID, or one that is none", "1 to 64 printable characters"
        )
    if not said.key:
        raise ConsentRefused("a decision without a key", "one by which it is known again")
    times = [t for t in (said.valid_from, said.valid_until, said.decided_at) if t is not None]
    if any(t.tzinfo is None for t in times):
        raise ConsentRefused("a time without a time zone", "one with")
    if said.act is not Act.GIVEN and (said.valid_until or said.valid_from):
        raise ConsentRefused(f"a period for what is {said.act}", "none: it holds at once and for good")
    if said.valid_until and said.valid_from and said.valid_until <= said.valid_from:
        raise ConsentRefused("a consent that ends before it begins", "an end after its beginning")
    if said.evidence_sha256 and not _SHA256.fullmatch(said.evidence_sha256):
        raise ConsentRefused("a digest that is none", "SHA-256 as 64 lower-case hexadecimal digits")


def _act(said: Said, held: Sequence[Decision]) -> str:
    is_given = any(d.act is Act.GIVEN for d in held if d.use is said.use)
    return str(Act.REFUSED if said.act is Act.WITHDRAWN and not is_given else said.act)


def _check_against(said: Said, held: Sequence[Decision], seen: int | None) -> None:
    """Refuse a consent that contradicts what is on record; a denial is never refused.

    Raises
    ------
    ConsentRefused
        If it is no younger than a denial on record.
    ConsentChanged
        If it was written by somebody who had not seen all that was decided.
    """
    if said.act is not Act.GIVEN:
        return
    own = [decision for decision in held if decision.use is said.use]
    if seen is not None and seen != len(held):
        raise ConsentChanged(
            f"{len(held)} decisions of this person", f"{seen}, as whoever records had before him",
            "look at the history again, then record",
        )  # fmt: skip
    denied = max((d.valid_from for d in own if d.act is not Act.GIVEN), default=None)
    if said.decided_at and denied and said.decided_at <= denied:
        raise ConsentRefused(
            "a consent that is not younger than a refusal or withdrawal on record",
            "a later decision",
            "ask the person, then record what is said now",
        )


def _event(decision: Decision) -> Event:
    ends = decision.valid_until.isoformat() if decision.valid_until else ""
    facts = {
        "consent": decision.uid,
        "purpose": str(decision.use),
        "consent_status": str(decision.act),
        "from": decision.valid_from.isoformat(),
        "until": ends,
        "source": decision.source,
        "evidence_sha256": decision.evidence_sha256,
        "jurisdiction": decision.jurisdiction,
    }
    kind, key = f"consent.{decision.act}", f"consent:{decision.uid}"
    return Event(kind, decision.person_ref, decision.actor, decision.recorded_at, facts, key)
