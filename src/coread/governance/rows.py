"""Between people and table rows, and the words that may stand in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, select

from coread.domain.person import Person, Role
from coread.errors import AccountConflict, NotFound
from coread.governance.tables import PEOPLE, SESSIONS

_LOGIN = re.compile(r"[\w][\w.@+-]{0,63}")
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Account:
    """A person with how the account is proven."""

    person: Person
    has_password: bool
    has_totp: bool
    is_password_temporary: bool
    """Set by somebody else: only good for choosing one's own."""
    added_at: datetime


def folded(login: str) -> str:
    """Return the form in which a login is kept and compared."""
    return unicodedata.normalize("NFKC", login.strip()).casefold()


def checked_login(login: str) -> str:
    """Return a login as it is kept.

    Raises
    ------
    AccountConflict
        If it holds other signs, or is empty or longer than 64.
    """
    kept = folded(login)
    if not _LOGIN.fullmatch(kept):
        raise AccountConflict(
            "a login that is not usable", "1 to 64 letters, digits and . @ + - _", "choose another"
        )
    return kept


def checked_name(name: str) -> str:
    """Return a display name without odd blanks.

    Raises
    ------
    AccountConflict
        If it is empty, longer than 64, or holds what cannot be printed.
    """
    kept = " ".join(unicodedata.normalize("NFC", name).split())
    if not 0 < len(kept) <= _MAX_NAME or not kept.isprintable():
        raise AccountConflict("a name that cannot stand under a signature", "1 to 64 printable characters")
    return kept


def close_sessions(connection: Connection, person_id: str, but: str = "") -> None:
    """Close a person's sessions, but for one."""
    conditions = [SESSIONS.c.person_id == person_id]
    if but:
        conditions.append(SESSIONS.c.token_sha256.not_like(f"{but}%"))
    connection.execute(delete(SESSIONS).where(*conditions))


def first_row(connection: Connection, condition: ColumnElement[bool]) -> RowMapping | None:
    """Return the row of a person, if there is one."""
    return connection.execute(select(PEOPLE).where(condition)).mappings().first()


def row_of(connection: Connection, condition: ColumnElement[bool]) -> RowMapping:
    """Return the row of a person.

    Raises
    ------
    NotFound
        If there is none.
    """
    row = first_row(connection, condition)
    if row is None:
        raise unknown_person()
    return row


def person_of(row: RowMapping) -> Person:
    """Return the person that a row of `people` holds."""
    return Person(
        id=row["id"],
        login=row["login"],
        display_name=row["display_name"],
        roles=frozenset(Role(word) for word in row["roles"].split()),
        is_active=row["is_active"],
        language=row["language"],
    )


def account_of(row: RowMapping) -> Account:
    """Return the account that a row of `people` holds."""
    return Account(
        person=person_of(row),
        has_password=bool(row["password_hash"]),
        has_totp=row["is_totp_confirmed"],
        is_password_temporary=row["is_password_temporary"],
        added_at=row["added_us"],
    )


def roles_text(roles: Iterable[Role]) -> str:
    """Write roles as they are kept."""
    return " ".join(sorted(roles))


def unknown_person() -> NotFound:
    """Say that there is no such person."""
    return NotFound("an id of no person", "one that the list of people holds", "check the id")
