"""Sessions: who is logged in, until when. Only a hash of what the browser holds is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, Select, delete, insert, select, update

from coread.domain.person import Person
from coread.governance.access import Caller, permissions_of
from coread.governance.register import Register
from coread.governance.rows import person_of
from coread.governance.tables import PEOPLE, SESSIONS
from coread.ledger import Ledger, Transactions

#: `Session.method` while a second factor is still to be shown.
HALF = "half"

#: How stale the time of the last request may be on disk: not every request is a write.
_SEEN_GRAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts; NIST SP 800-63B section 4.2.3 has the same two figures."""

    idle_s: float = 1800.0
    """Seconds without a request."""
    absolute_s: float = 43_200.0
    """Seconds from the login."""
    half_s: float = 300.0
    """Seconds from the password to the second factor."""


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is logged in, with what the person may do now."""

    id: str
    """Names the session in the ledger; of no use for getting in."""
    person: Person
    """As the account is now, not as it was at the login."""
    method: str
    """``password``, ``password+totp`` or ``oidc``."""
    opened_at: datetime
    seen_at: datetime
    proven_at: datetime
    """When the person last showed who it is: at the login, or since."""
    csrf: str
    """What a page of this session must send with each change; a function of the token."""
    must_change_password: bool = False

    @property
    def was_proven_again(self) -> bool:
        """Whether the person showed once more who it is, after the login."""
        return self.proven_at > self.opened_at

    @property
    def caller(self) -> Caller:
        """The session as the maker of a request."""
        allowed = frozenset() if self.must_change_password else permissions_of(self.person.roles)
        return Caller(self.person, allowed, "session", self.id, self.csrf, self.must_change_password)


class Sessions:
    """Opened at a login, closed at a logout, ended by time or with the account.

    Parameters
    ----------
    database, ledger
        The ledger lies in the database.
    limits
        How long a session lasts.
    """

    def __init__(self, database: Transactions, ledger: Ledger, limits: SessionLimits | None = None) -> None:
        self._register = Register(database, ledger)
        self._limits = limits or SessionLimits()

    def open(
        self, person: Person, at: datetime, *, method: str = "password", source: str = "", replacing: str = ""
    ) -> tuple[str, Session]:
        """Log a person in.

        Parameters
        ----------
        person
            Who has shown who it is.
        at
            Now.
        method
            How it was shown.
        source
            Address of the browser, for the record.
        replacing
            Token that the browser had before; it is good for nothing any more.

        Returns
        -------
        tuple[str, Session]
            The new token, to be held by the browser alone, and the session.
        """
        token = secrets.token_urlsafe(32)
        times = dict.fromkeys(("opened_us", "seen_us", "proven_us"), at)
        with self._register.turn() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.token_sha256 == _hash(replacing)))
            connection.execute(
                delete(SESSIONS).where(SESSIONS.c.opened_us < at - timedelta(seconds=self._limits.absolute_s))
            )
            row = {"token_sha256": _hash(token), "person_id": person.id, "method": method}
            connection.execute(insert(SESSIONS).values(**row, **times))
            kept = connection.execute(_session_rows(_hash(token))).mappings().one()
            session = _session(kept, token)
            if method != HALF:
                facts = {"method": method, "session": session.id, "source": source}
                self._register.record(connection, "person.logged-in", person.id, person.actor, at, **facts)
        return token, session

    def find(self, token: str, at: datetime, *, is_activity: bool = True) -> Session | None:
        """Return the open session of this token.

        Parameters
        ----------
        token
            As the browser sent it.
        at
            Now.
        is_activity
            Whether the request is a sign of life: one that a page makes by itself is none.

        Returns
        -------
        Session or None
            None if there is none, its time is over, the person is not active, or a second factor is due.
        """
        session = self._found(token)
        if session is None or session.method == HALF or not self._is_open(session, at):
            return None
        if is_activity and at - session.seen_at >= _SEEN_GRAIN:
            self._touch(token, seen_us=at)
        return session

    def find_half(self, token: str, at: datetime) -> Person | None:
        """Return the person who gave the password, and owes the second factor."""
        session = self._found(token)
        if session is None or session.method != HALF:
            return None
        return session.person if at - session.opened_at < timedelta(seconds=self._limits.half_s) else None

    def prove(self, token: str, at: datetime) -> None:
        """Note that the person showed again who it is."""
        self._touch(token, seen_us=at, proven_us=at)

    def close(self, token: str, at: datetime, source: str = "") -> None:
        """Log out; of a token that is not known, do nothing."""
        session = self._found(token)
        with self._register.turn() as connection:
            gone = connection.execute(
                delete(SESSIONS).where(SESSIONS.c.token_sha256 == _hash(token))
            ).rowcount
            if session and gone and session.method != HALF:
                person, facts = session.person, {"session": session.id, "source": source}
                self._register.record(connection, "person.logged-out", person.id, person.actor, at, **facts)

    def _found(self, token: str) -> Session | None:
        with self._register.read() as connection:
            row = connection.execute(_session_rows(_hash(token))).mappings().first()
        return _session(row, token) if row and row["is_active"] else None

    def _is_open(self, session: Session, at: datetime) -> bool:
        idle, age = (at - session.seen_at).total_seconds(), (at - session.opened_at).total_seconds()
        return idle < self._limits.idle_s and age < self._limits.absolute_s

    def _touch(self, token: str, **values: datetime) -> None:
        with self._register.turn() as connection:
            connection.execute(
                update(SESSIONS).where(SESSIONS.c.token_sha256 == _hash(token)).values(**values)
            )


def _session_rows(token_sha256: str) -> Select[Any]:
    return (
        select(SESSIONS, *PEOPLE.c)
        .join(PEOPLE, PEOPLE.c.id == SESSIONS.c.person_id)
        .where(SESSIONS.c.token_sha256 == token_sha256)
    )


def _session(row: RowMapping, token: str) -> Session:
    return Session(
        id=row["token_sha256"][:16],
        person=person_of(row),
        method=row["method"],
        opened_at=row["opened_us"],
        seen_at=row["seen_us"],
        proven_at=row["proven_us"],
        csrf=derived(token, "csrf"),
        must_change_password=row["is_password_temporary"],
    )


def derived(secret: str, *words: str) -> str:
    """Return a text of 43 characters that only the holder of `secret` can make, another for other `words`."""
    digest = hmac.new(secret.encode("utf-8", "replace"), "\x1f".join(words).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
