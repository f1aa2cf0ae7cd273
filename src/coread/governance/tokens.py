"""Tokens for programs: a few permissions of one person, until a day, until revoked."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, Select, insert, select, update

from coread.domain.person import Permission, Person
from coread.errors import AccessDenied, AccountConflict, NotFound
from coread.governance.access import Caller, permissions_of
from coread.governance.register import Register, new_id
from coread.governance.rows import checked_name, person_of, row_of
from coread.governance.tables import PEOPLE, TOKENS
from coread.ledger import Ledger, Transactions

#: By which scanners of leaked secrets, and people, know what they have found.
PREFIX = "crt_"

#: How long a token that was replaced stays good.
ROTATION_GRACE = timedelta(hours=24)

_USED_GRAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Token:
    """One token without its secret."""

    id: str
    name: str
    """What it is for."""
    person: Person
    """Who answers for it."""
    scopes: frozenset[Permission]
    issued_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None
    """To the hour."""

    def is_good(self, at: datetime) -> bool:
        """Tell whether it opens anything."""
        return self.revoked_at is None and at < self.expires_at and self.person.is_active

    @property
    def caller(self) -> Caller:
        """The token as the maker of a request: never more than its person may do now."""
        return Caller(self.person, self.scopes & permissions_of(self.person.roles), "token", self.id)


class Tokens:
    """All tokens that were ever issued.

    Parameters
    ----------
    database, ledger
        The ledger lies in the database.
    """

    def __init__(self, database: Transactions, ledger: Ledger) -> None:
        self._register = Register(database, ledger)

    def issue(
        self,
        name: str,
        person_id: str,
        scopes: frozenset[Permission],
        at: datetime,
        expires_at: datetime,
        *,
        by: str,
    ) -> str:
        """Make a token and return its secret, which is never shown again.

        Parameters
        ----------
        name
            What it is for.
        person_id
            Who answers for it.
        scopes
            What it may do; taken away with the person's own permissions.
        at, expires_at
            From when until when.
        by
            Actor who issues it.

        Raises
        ------
        NotFound
            If there is no such person.
        AccessDenied
            If the person may not do what the token should.
        AccountConflict
            If it has no name or scope, or would be over before it begins.
        """
        name = checked_name(name)
        if not scopes or expires_at <= at:
            raise AccountConflict("a token without scopes or time", "at least one scope, and a day to come")
        secret = PREFIX + secrets.token_urlsafe(32)
        row = {"id": new_id("t"), "secret_sha256": _hash(secret), "name": name, "person_id": person_id}
        row |= {"scopes": " ".join(sorted(scopes))}
        with self._register.turn() as connection:
            person = person_of(row_of(connection, PEOPLE.c.id == person_id))
            if beyond := scopes - permissions_of(person.roles):
                raise AccessDenied(
                    f"scopes that its person lacks: {', '.join(sorted(beyond))}", "some of the person's own"
                )
            connection.execute(insert(TOKENS).values(**row, issued_us=at, expires_us=expires_at))
            facts = {"token": row["id"], "scopes": row["scopes"], "expires": expires_at.isoformat()}
            self._register.record(connection, "token.issued", person_id, by, at, **facts)
        return secret

    def rotate(self, id: str, at: datetime, expires_at: datetime, *, by: str) -> str:
        """Issue a token of the same name, person and scopes in place of one, which ends with its grace.

        Parameters
        ----------
        id
            Of the token that is replaced; it stays good for `ROTATION_GRACE`, so that the program can change.
        at, expires_at
            From when until when the new one holds.
        by
            Actor who rotates it.

        Raises
        ------
        NotFound
            If there is none of this id.
        AccountConflict
            If it is over already.
        AccessDenied
            If its person may not do any more what it may.
        """
        old = self.get(id)
        if not old.is_good(at):
            raise AccountConflict("a token that is over", "one that is good", "issue a new one")
        secret = self.issue(old.name, old.person.id, old.scopes, at, expires_at, by=by)
        ends = min(old.expires_at, at + ROTATION_GRACE)
        with self._register.turn() as connection:
            connection.execute(update(TOKENS).where(TOKENS.c.id == id).values(expires_us=ends))
            facts = {"token": id, "ends": ends.isoformat()}
            self._register.record(connection, "token.rotated", old.person.id, by, at, **facts)
        return secret

    def find(self, secret: str, at: datetime) -> Token | None:
        """Return the token of this secret, if it is good now."""
        if not secret.startswith(PREFIX):
            return None
        with self._register.read() as connection:
            row = (
                connection.execute(_token_rows().where(TOKENS.c.secret_sha256 == _hash(secret)))
                .mappings()
                .first()
            )
        token = _token(row) if row else None
        if token is None or not token.is_good(at):
            return None
        if token.used_at is None or at - token.used_at >= _USED_GRAIN:
            with self._register.turn() as connection:
                connection.execute(update(TOKENS).where(TOKENS.c.id == token.id).values(used_us=at))
        return token

    def get(self, id: str) -> Token:
        """Return the token of this id.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._register.read() as connection:
            row = connection.execute(_token_rows().where(TOKENS.c.id == id)).mappings().first()
        if row is None:
            raise _unknown()
        return _token(row)

    def list(self, person_id: str = "") -> list[Token]:
        """Return all tokens, or a person's, the newest first."""
        statement = _token_rows().order_by(TOKENS.c.issued_us.desc(), TOKENS.c.id)
        if person_id:
            statement = statement.where(TOKENS.c.person_id == person_id)
        with self._register.read() as connection:
            return [_token(row) for row in connection.execute(statement).mappings()]

    def revoke(self, id: str, *, by: str, at: datetime) -> None:
        """End a token at once; a second time changes nothing.

        Raises
        ------
        NotFound
            If there is none of this id.
        """
        token = self.get(id)
        is_theirs = (TOKENS.c.id == id) & TOKENS.c.revoked_us.is_(None)
        with self._register.turn() as connection:
            if connection.execute(update(TOKENS).where(is_theirs).values(revoked_us=at)).rowcount:
                self._register.record(connection, "token.revoked", token.person.id, by, at, token=id)


def _token_rows() -> Select[Any]:
    columns = [column.label(f"token_{column.name}") for column in TOKENS.c]
    return select(*columns, *PEOPLE.c).join(PEOPLE, PEOPLE.c.id == TOKENS.c.person_id)


def _token(row: RowMapping) -> Token:
    return Token(
        id=row["token_id"],
        name=row["token_name"],
        person=person_of(row),
        scopes=frozenset(Permission(word) for word in row["token_scopes"].split()),
        issued_at=row["token_issued_us"],
        expires_at=row["token_expires_us"],
        revoked_at=row["token_revoked_us"],
        used_at=row["token_used_us"],
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _unknown() -> NotFound:
    return NotFound("an id of no token", "one that the list of tokens holds", "check the id")
