"""Entries in, sealed; out only by two custodians together, and never without an event in the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from coread.domain.event import Event
from coread.errors import AccessDenied, NotFound
from coread.governance.vault.sealing import Sealed, open_sealed, public_key_of, seal
from coread.governance.vault.shares import Share, joined
from coread.governance.vault.tables import ENTRIES
from coread.ledger import Ledger, Transactions

_REASON_LETTERS = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """Who stands behind a pseudonym."""

    domain: str
    pseudonym: str
    facts: Mapping[str, Any] = field(repr=False)
    """Patient ID, name and what else is needed to find the person again; sealed before it is written."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Why an entry is opened, and by whom."""

    shares: tuple[Share, Share] = field(repr=False)
    """Of two different custodians."""
    reason: str
    """In words, at least eight letters; stays on record."""
    lawful_basis: str
    """The law's clause that allows it, e.g. ``GDPR Art. 6(1)(d)``; stays on record."""


class Vault:
    """The vault of one institution.

    Parameters
    ----------
    database
        Where entries lie; a database of their own is best.
    ledger
        On the same database: an opening and its event are one transaction.
    public_key
        32 bytes; enough to put in.
    """

    def __init__(self, database: Transactions, ledger: Ledger, public_key: bytes) -> None:
        self._database = database
        self._ledger = ledger
        self._public_key = public_key

    def keep(self, entries: Sequence[Entry], actor: str, at: datetime) -> int:
        """Seal entries and return how many were new; what is there already stays.

        Parameters
        ----------
        entries
            Whom to keep.
        actor
            ``person:<id>``, for the ledger.
        at
            Time zone aware.
        """
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            new = [e for e in entries if _row(connection, e.domain, e.pseudonym) is None]
            for entry in new:
                connection.execute(ENTRIES.insert(), self._sealed(entry, at))
            if new:
                domains = ", ".join(sorted({entry.domain for entry in new}))
                facts = {"domain": domains, "entries": str(len(new))}
                self._ledger.append_in(connection, [Event("vault.kept", domains, actor, at, facts)])
        return len(new)

    def _sealed(self, entry: Entry, at: datetime) -> dict[str, object]:
        text = json.dumps(dict(entry.facts), ensure_ascii=False, sort_keys=True).encode()
        sealed = seal(self._public_key, text, _bound(entry.domain, entry.pseudonym))
        return {
            "domain": entry.domain,
            "pseudonym": entry.pseudonym,
            "sealed": sealed.to_bytes(),
            "at": at.isoformat(),
        }

    def reidentify(self, domain: str, pseudonym: str, opening: Opening, at: datetime) -> Entry:
        """Return who stands behind a pseudonym. What fails is on record as well.

        Raises
        ------
        AccessDenied
            If the shares are one person's or of another vault, or no reason or lawful basis is given.
        NotFound
            If the vault holds no such pseudonym.
        """
        try:
            key = self._key(opening)
            with self._database.write() as connection:
                sealed = _found(connection, domain, pseudonym)
                text = open_sealed(key, Sealed.from_bytes(sealed), _bound(domain, pseudonym))
                event = _event("vault.opened", domain, pseudonym, opening, at)
                self._ledger.append_in(connection, [event])
        except (AccessDenied, NotFound):
            with self._database.write() as connection:
                event = _event("vault.refused", domain, pseudonym, opening, at)
                self._ledger.append_in(connection, [event])
            raise
        return Entry(domain, pseudonym, json.loads(text))

    def forget(self, domain: str, pseudonym: str, by: str, at: datetime, basis: str) -> int:
        """Destroy an entry for ever, and with it the one way from a pseudonym to a person.

        The entry's own key was never kept: without its ephemeral public key nothing is left to open, whoever
        holds the shares. Whom openings in the ledger were about is deleted as well; every proof holds.

        Parameters
        ----------
        domain, pseudonym
            Which entry.
        by, at
            Who, when.
        basis
            Why this is lawful; names no person.

        Returns
        -------
        int
            Events that point to nobody any more.

        Raises
        ------
        NotFound
            If the vault holds no such pseudonym.
        """
        with self._database.write() as connection:
            self._ledger.lock_in(connection)
            _found(connection, domain, pseudonym)
            is_entry = (ENTRIES.c.domain == domain) & (ENTRIES.c.pseudonym == pseudonym)
            connection.execute(delete(ENTRIES).where(is_entry))
            facts = {"domain": domain, "entries": "1"}
            self._ledger.append_in(connection, [Event("vault.entry-destroyed", domain, by, at, facts)])
        return self._ledger.forget([pseudonym], by, at, basis)

    def _key(self, opening: Opening) -> bytes:
        if len(opening.reason.strip()) < _REASON_LETTERS or not opening.lawful_basis.strip():
            raise AccessDenied("no reason or no lawful basis", "both, in words", "state why it is opened")
        key = joined(*opening.shares)
        if public_key_of(key) != self._public_key:
            raise AccessDenied("shares of another vault", "two shares of this vault")
        return key


def _row(connection: Connection, domain: str, pseudonym: str) -> bytes | None:
    query = select(ENTRIES.c.sealed).where(ENTRIES.c.domain == domain, ENTRIES.c.pseudonym == pseudonym)
    found = connection.execute(query).scalar()
    return None if found is None else bytes(found)


def _found(connection: Connection, domain: str, pseudonym: str) -> bytes:
    sealed = _row(connection, domain, pseudonym)
    if sealed is None:
        raise NotFound("no such pseudonym", "one of this vault's", where=domain)
    return sealed


def _bound(domain: str, pseudonym: str) -> bytes:
    return f"{domain}\0{pseudonym}".encode()


def _event(kind: str, domain: str, pseudonym: str, opening: Opening, at: datetime) -> Event:
    first, second = (share.custodian for share in opening.shares)
    facts = {
        "domain": domain,
        "second": f"person:{second}",
        "reason": opening.reason,
        "lawful_basis": opening.lawful_basis,
    }
    return Event(kind, pseudonym, f"person:{first}", at, facts)
