"""Accounts: who there is, in which roles. Every change is on record with who made it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from coread.domain.person import Person, Role
from coread.errors import AccountConflict
from coread.governance.attempts import Attempts, Patience, attempt_key
from coread.governance.passwords import Hasher, PasswordPolicy
from coread.governance.register import Register, new_id
from coread.governance.rows import (
    Account,
    account_of,
    checked_login,
    checked_name,
    close_sessions,
    first_row,
    folded,
    person_of,
    roles_text,
    row_of,
    unknown_person,
)
from coread.governance.tables import PEOPLE
from coread.ledger import Ledger, Transactions

LANGUAGES = ("", "en", "zh")


class Accounts:
    """Accounts without their proofs, see `coread.governance.People`.

    Parameters
    ----------
    database, ledger
        The ledger lies in the database.
    policy
        For new passwords.
    hasher, patience
        Cost of a password's hash, and of failed logins.
    """

    def __init__(
        self,
        database: Transactions,
        ledger: Ledger,
        policy: PasswordPolicy | None = None,
        hasher: Hasher | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._register = Register(database, ledger)
        self._policy = policy or PasswordPolicy()
        self._hasher = hasher or Hasher()
        self._attempts = Attempts(patience or Patience())

    def add(  # noqa: PLR0913 - one account
        self,
        login: str,
        display_name: str,
        roles: Iterable[Role],
        password: str = "",
        *,
        by: str,
        at: datetime,
        is_temporary: bool = True,
    ) -> Person:
        """Make an account.

        Parameters
        ----------
        login
            Letters, digits and ``. @ + - _``; large and small letters are the same.
        display_name
            As it stands under a signature.
        roles
            None at all is allowed: nothing may be done then.
        password
            Empty: no login by password (an account of the identity provider, or one that only owns tokens).
        by
            Actor, see `Person.actor`.
        is_temporary
            Whether the password is only good for choosing one's own.

        Raises
        ------
        AccountConflict
            If the login is taken or not usable, or the name is empty.
        WeakPassword
            If the password is one that others would try.
        """
        person = Person(new_id("p"), checked_login(login), checked_name(display_name), frozenset(roles))
        kept = self._hashed(person, password) if password else ""
        with self._register.turn() as connection:
            self._insert(connection, person, kept, by, at, is_temporary=is_temporary and bool(password))
        return person

    def get(self, id: str) -> Person:
        """Return the person of this id, active or not.

        Raises
        ------
        NotFound
            If there is none.
        """
        return self.account(id).person

    def account(self, id: str) -> Account:
        """Return the person of this id with how the account is proven.

        Raises
        ------
        NotFound
            If there is none.
        """
        with self._register.read() as connection:
            return account_of(row_of(connection, PEOPLE.c.id == id))

    def find(self, login: str) -> Person | None:
        """Return the person of this login, active or not."""
        with self._register.read() as connection:
            row = first_row(connection, PEOPLE.c.login == folded(login))
        return person_of(row) if row else None

    def list(self) -> list[Person]:
        """Return everybody, the active first, then by login."""
        statement = select(PEOPLE).order_by(PEOPLE.c.is_active.desc(), PEOPLE.c.login)
        with self._register.read() as connection:
            return [person_of(row) for row in connection.execute(statement).mappings()]

    def change_roles(self, id: str, roles: Iterable[Role], *, by: str, at: datetime) -> Person:
        """Give a person these roles instead; holds from the person's next request on.

        Raises
        ------
        NotFound
            If there is no such person.
        AccountConflict
            If nobody would be left to keep the people.
        """
        with self._register.turn() as connection:
            return self._set_roles(connection, id, frozenset(roles), by, at)

    def rename(self, id: str, display_name: str, *, by: str, at: datetime) -> Person:
        """Give a person another name; what is signed keeps the former one.

        Raises
        ------
        NotFound
            If there is no such person.
        AccountConflict
            If the name is empty or too long.
        """
        name = checked_name(display_name)
        with self._register.turn() as connection:
            return self._change(connection, id, "renamed", by, at, {"display_name": name})

    def deactivate(self, id: str, *, by: str, at: datetime) -> Person:
        """End a person's access at once: sessions are closed, tokens no longer hold. The id stays for ever.

        Raises
        ------
        NotFound
            If there is no such person.
        AccountConflict
            If nobody would be left to keep the people.
        """
        with self._register.turn() as connection:
            before = person_of(row_of(connection, PEOPLE.c.id == id))
            _keep_an_administrator(connection, before, frozenset())
            close_sessions(connection, id)
            return self._change(connection, id, "deactivated", by, at, {"is_active": False})

    def reactivate(self, id: str, *, by: str, at: datetime) -> Person:
        """Give a person access again.

        Raises
        ------
        NotFound
            If there is no such person.
        """
        with self._register.turn() as connection:
            return self._change(connection, id, "reactivated", by, at, {"is_active": True})

    def set_language(self, id: str, language: str) -> Person:
        """Remember a person's language; no act that needs to be on record.

        Raises
        ------
        NotFound
            If there is no such person.
        AccountConflict
            If the language is not spoken here.
        """
        if language not in LANGUAGES:
            raise AccountConflict("a language that is not spoken here", "en, zh or none")
        with self._register.turn() as connection:
            connection.execute(update(PEOPLE).where(PEOPLE.c.id == id).values(language=language))
            return person_of(row_of(connection, PEOPLE.c.id == id))

    def set_password(self, id: str, password: str, *, by: str, at: datetime, keep_session: str = "") -> None:
        """Set a new password; closes the person's sessions and ends all waits.

        One that somebody else sets is only good for choosing one's own: a signature must be the signer's.

        Parameters
        ----------
        id, password
            Whose, and the new one.
        by
            Actor; the person's own if it is the person.
        keep_session
            `Session.id` of the session that stays open.

        Raises
        ------
        NotFound
            If there is no such person.
        WeakPassword
            If the password is one that others would try.
        """
        person = self.get(id)
        values = {
            "password_hash": self._hashed(person, password),
            "is_password_temporary": by != person.actor,
        }
        with self._register.turn() as connection:
            close_sessions(connection, id, keep_session)
            for key in (attempt_key("password", person.login), attempt_key("totp", id)):
                self._attempts.clear(connection, key)
            self._change(connection, id, "password-set", by, at, values)

    def _hashed(self, person: Person, password: str) -> str:
        self._policy.check(password, person.login, person.display_name)
        return self._hasher.hash(password)

    def _insert(
        self, connection: Connection, person: Person, kept: str, by: str, at: datetime, *, is_temporary: bool
    ) -> None:
        if first_row(connection, PEOPLE.c.login == person.login) is not None:
            raise AccountConflict("a login that is taken", "one that is free", "choose another")
        roles = roles_text(person.roles)
        row = {
            "id": person.id,
            "login": person.login,
            "display_name": person.display_name,
            "roles": roles,
            "is_active": True,
            "language": "",
            "added_us": at,
            "password_hash": kept,
            "is_password_temporary": is_temporary,
            "is_totp_confirmed": False,
            "totp_step": 0,
        }
        connection.execute(insert(PEOPLE).values(row))
        self._register.record(connection, "person.added", person.id, by, at, login=person.login, roles=roles)

    def _set_roles(
        self, connection: Connection, id: str, roles: frozenset[Role], by: str, at: datetime
    ) -> Person:
        before = person_of(row_of(connection, PEOPLE.c.id == id))
        if roles == before.roles:
            return before
        _keep_an_administrator(connection, before, roles)
        facts = {"before": roles_text(before.roles), "after": roles_text(roles)}
        return self._change(connection, id, "roles-changed", by, at, {"roles": facts["after"]}, **facts)

    def _change(
        self,
        connection: Connection,
        id: str,
        what: str,
        by: str,
        at: datetime,
        values: dict[str, object],
        **facts: str,
    ) -> Person:
        if not connection.execute(update(PEOPLE).where(PEOPLE.c.id == id).values(values)).rowcount:
            raise unknown_person()
        self._register.record(connection, f"person.{what}", id, by, at, **facts)
        return person_of(row_of(connection, PEOPLE.c.id == id))


def _keep_an_administrator(connection: Connection, person: Person, roles: frozenset[Role]) -> None:
    """Refuse a change after which nobody could make accounts any more."""
    if Role.ADMINISTRATOR in roles or Role.ADMINISTRATOR not in person.roles or not person.is_active:
        return
    others = select(PEOPLE).where(PEOPLE.c.is_active, PEOPLE.c.id != person.id)
    if not any(Role.ADMINISTRATOR in person_of(row).roles for row in connection.execute(others).mappings()):
        raise AccountConflict(
            "the last administrator", "one who stays", "make somebody else administrator first"
        )
