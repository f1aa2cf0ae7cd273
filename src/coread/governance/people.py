"""People prove who they are: by password, by a second factor, by an identity provider."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, update

from coread.domain.person import Person, Role
from coread.errors import AccountConflict, LoginFailed
from coread.governance import totp
from coread.governance.accounts import Accounts
from coread.governance.attempts import attempt_key
from coread.governance.register import new_id
from coread.governance.rows import (
    checked_login,
    checked_name,
    first_row,
    folded,
    person_of,
    row_of,
)
from coread.governance.tables import IDENTITIES, PEOPLE

_ANYBODY = "anonymous"


@dataclass(frozen=True, slots=True)
class Claims:
    """What an identity provider says of a person."""

    login: str
    display_name: str
    roles: frozenset[Role] | None = None
    """None: the administrator gives the roles here. Else the provider's word holds, anew at each login."""


class People(Accounts):
    """Accounts that can prove themselves.

    A failure never says what was wrong, takes as long for a login that does not exist, and waits grow for
    both alike.
    """

    def verify_password(self, login: str, password: str, at: datetime, source: str = "") -> Person:
        """Return the active person of this login and password.

        Parameters
        ----------
        login, password
            As typed.
        at
            Now.
        source
            Address of whoever tries, for the record.

        Raises
        ------
        AccountLocked
            If too many attempts failed before; its remedy names the wait.
        LoginFailed
            Else, if it is not right.
        """
        name = folded(login)
        key = attempt_key("password", name)
        with self._register.turn() as connection:
            failures = self._attempts.begin(connection, key, at)
            row = first_row(connection, PEOPLE.c.login == name)
        kept = row["password_hash"] if row else ""
        is_right = self._hasher.verify(kept, password)
        if row is None or not is_right or not row["is_active"]:
            raise self._failed(row, "password", failures, at, source)
        fresh = self._hasher.hash(password) if self._hasher.is_outdated(kept) else kept
        with self._register.turn() as connection:
            self._attempts.clear(connection, key)
            is_same = (PEOPLE.c.id == row["id"]) & (PEOPLE.c.password_hash == kept)
            connection.execute(update(PEOPLE).where(is_same).values(password_hash=fresh))
        return person_of(row)

    def verify_totp(self, id: str, code: str, at: datetime, source: str = "") -> None:
        """Take a one-time code; each is good once.

        Raises
        ------
        AccountLocked
            If too many codes failed before.
        LoginFailed
            If it is wrong, used or too old, or the person has no second factor.
        """
        key = attempt_key("totp", id)
        with self._register.turn() as connection:
            failures = self._attempts.begin(connection, key, at)
            row = row_of(connection, PEOPLE.c.id == id)
            is_right = row["is_totp_confirmed"] and row["is_active"] and _take_code(connection, row, code, at)
            if is_right:
                self._attempts.clear(connection, key)
        if not is_right:
            raise self._failed(row, "totp", failures, at, source)

    def verify_again(self, person_id: str, password: str, totp: str, at: datetime, source: str = "") -> None:
        """Let somebody who is logged in show again who it is, as signing asks.

        Raises
        ------
        NotFound
            If there is no such person.
        AccountLocked
            If too many attempts failed before.
        LoginFailed
            If password or code is not right, or the person has no password here.
        """
        account = self.account(person_id)
        self.verify_password(account.person.login, password, at, source)
        if account.has_totp:
            self.verify_totp(person_id, totp, at, source)
        with self._register.turn() as connection:
            actor = account.person.actor
            self._register.record(connection, "person.reauthenticated", person_id, actor, at, source=source)

    def has_totp(self, id: str) -> bool:
        """Tell whether the person's logins need a second factor.

        Raises
        ------
        NotFound
            If there is no such person.
        """
        return self.account(id).has_totp

    def enrol_totp(self, id: str) -> str:
        """Make a new secret for an authenticator app; it counts once `confirm_totp` saw a code of it.

        Raises
        ------
        NotFound
            If there is no such person.
        AccountConflict
            If a second factor is there already: remove it first.
        """
        secret = totp.new_secret()
        with self._register.turn() as connection:
            row = row_of(connection, PEOPLE.c.id == id)
            if row["is_totp_confirmed"]:
                raise AccountConflict("a second factor that is there already", "none", "remove it first")
            connection.execute(
                update(PEOPLE).where(PEOPLE.c.id == id).values(totp_secret=secret, totp_step=0)
            )
        return secret

    def pending_totp(self, id: str) -> str:
        """Return the secret that `enrol_totp` made and no code confirmed yet; empty if there is none.

        Raises
        ------
        NotFound
            If there is no such person.
        """
        with self._register.read() as connection:
            row = row_of(connection, PEOPLE.c.id == id)
        return "" if row["is_totp_confirmed"] else str(row["totp_secret"])

    def confirm_totp(self, id: str, code: str, *, at: datetime) -> None:
        """Put the second factor to use, if `code` shows that the app has its secret.

        Raises
        ------
        NotFound
            If there is no such person.
        LoginFailed
            If the code is wrong, or no secret was made.
        """
        with self._register.turn() as connection:
            row = row_of(connection, PEOPLE.c.id == id)
            if not row["totp_secret"] or not _take_code(connection, row, code, at):
                raise _failure()
            actor = person_of(row).actor
            self._change(connection, id, "totp-enrolled", actor, at, {"is_totp_confirmed": True})

    def remove_totp(self, id: str, *, by: str, at: datetime) -> None:
        """Go back to the password alone: the app's device is lost, or another takes its place.

        Raises
        ------
        NotFound
            If there is no such person.
        """
        values: dict[str, object] = {"totp_secret": "", "is_totp_confirmed": False, "totp_step": 0}
        with self._register.turn() as connection:
            self._attempts.clear(connection, attempt_key("totp", id))
            self._change(connection, id, "totp-removed", by, at, values)

    def from_oidc(
        self, issuer: str, subject: str, claims: Claims, *, at: datetime, may_add: bool = True
    ) -> Person:
        """Return the person whom an identity provider vouches for.

        A person is known by issuer and subject alone, never by a name or an address that the provider
        could give to another: an account of the same login that is here already is not taken over.

        Parameters
        ----------
        issuer, subject
            The provider, and its word for the person (``iss`` and ``sub``).
        claims
            What else it says.
        may_add
            Whether somebody who is not known yet gets an account.

        Raises
        ------
        LoginFailed
            If the person is not known and may not be added, or is not active.
        """
        with self._register.turn() as connection:
            id = _known(connection, issuer, subject)
            if id is None and not may_add:
                raise _failure("the administrator can add the account")
            id = id or self._link_new(connection, issuer, subject, claims, at)
            person = person_of(row_of(connection, PEOPLE.c.id == id))
            if not person.is_active:
                raise _failure()
            if claims.roles is not None:
                person = self._set_roles(connection, id, claims.roles, _provider(issuer), at)
        return person

    def link_oidc(self, id: str, issuer: str, subject: str, *, by: str, at: datetime) -> None:
        """Let a person who has an account here come by the identity provider too.

        Raises
        ------
        NotFound
            If there is no such person.
        AccountConflict
            If the provider's subject belongs to somebody else.
        """
        with self._register.turn() as connection:
            row_of(connection, PEOPLE.c.id == id)
            if _known(connection, issuer, subject) not in (None, id):
                raise AccountConflict("a subject that belongs to another account", "one that is free")
            if _known(connection, issuer, subject) is None:
                self._link(connection, id, issuer, subject, by, at)

    def _link_new(
        self, connection: Connection, issuer: str, subject: str, claims: Claims, at: datetime
    ) -> str:
        login = checked_login(claims.login)
        if first_row(connection, PEOPLE.c.login == login) is not None:
            digest = hashlib.sha256(f"{issuer}\x1f{subject}".encode()).hexdigest()
            login = checked_login(f"{login[:55]}-{digest[:8]}")
        person = Person(new_id("p"), login, checked_name(claims.display_name), claims.roles or frozenset())
        self._insert(connection, person, "", _provider(issuer), at, is_temporary=False)
        self._link(connection, person.id, issuer, subject, _provider(issuer), at)
        return person.id

    def _link(
        self, connection: Connection, id: str, issuer: str, subject: str, by: str, at: datetime
    ) -> None:
        row = {"issuer": issuer, "subject": subject, "person_id": id}
        connection.execute(insert(IDENTITIES).values(row))
        self._register.record(connection, "person.oidc-linked", id, by, at, issuer=issuer)

    def _failed(
        self, row: RowMapping | None, what: str, failures: int, at: datetime, source: str
    ) -> LoginFailed:
        """Put a failure on record, never what was typed, and return it."""
        facts = {"method": what, "failures": str(failures), "source": source}
        with self._register.turn() as connection:
            subject = row["id"] if row else "unknown"
            self._register.record(connection, "person.login-failed", subject, _ANYBODY, at, **facts)
        return _failure()


def _take_code(connection: Connection, row: RowMapping, code: str, at: datetime) -> bool:
    step = totp.step_of(row["totp_secret"], code, at, after=row["totp_step"])
    if step is None:
        return False
    connection.execute(update(PEOPLE).where(PEOPLE.c.id == row["id"]).values(totp_step=step))
    return True


def _known(connection: Connection, issuer: str, subject: str) -> str | None:
    is_theirs = (IDENTITIES.c.issuer == issuer) & (IDENTITIES.c.subject == subject)
    return connection.execute(select(IDENTITIES.c.person_id).where(is_theirs)).scalar()


def _provider(issuer: str) -> str:
    return f"oidc:{issuer}"


def _failure(remedy: str = "try again, or ask the administrator for a new password") -> LoginFailed:
    return LoginFailed("a login, password or code that is not right", "those of an active account", remedy)
