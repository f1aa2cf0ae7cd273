"""Waits that grow with every failed login in a row, the same for logins that exist and that do not.

An attempt is counted as failed before it is looked at, and taken back when it succeeds: guesses
made side by side are counted like guesses made one after the other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from sqlalchemy import Connection, delete, insert, select, update

from coread.errors import AccountLocked
from coread.governance.tables import ATTEMPTS

_FORGET_AFTER = timedelta(days=1)
_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures are borne."""

    free_failures: int = 5
    """In a row, without any wait."""
    first_wait_s: float = 2.0
    """After the next one; each further one doubles it."""
    longest_wait_s: float = 900.0
    most_failures: int = 100
    """After so many in a row only an administrator can help (NIST SP 800-63B section 5.2.2)."""

    def blocked_until(self, failures: int, at: datetime) -> datetime:
        """Return until when nothing more is tried after the last of so many failures in a row."""
        if failures >= self.most_failures:
            return _FOR_EVER
        extra = failures - self.free_failures
        if extra <= 0:
            return at
        wait_s = min(self.longest_wait_s, self.first_wait_s * 2 ** min(extra - 1, 64))
        return at + timedelta(seconds=wait_s)


class Attempts:
    """Counts failures in a row of whatever has a key."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    def begin(self, connection: Connection, key: str, at: datetime) -> int:
        """Count one more attempt as failed, until `clear` says otherwise; return the failures in a row.

        Raises
        ------
        AccountLocked
            If it is too early for another; nothing is counted then.
        """
        row = connection.execute(select(ATTEMPTS).where(ATTEMPTS.c.key == key)).mappings().first()
        if row and row["blocked_until_us"] > at:
            raise _locked((row["blocked_until_us"] - at).total_seconds())
        failures = row["failures"] + 1 if row else 1
        values = {
            "failures": failures,
            "last_us": at,
            "blocked_until_us": self._patience.blocked_until(failures, at),
        }
        known = update(ATTEMPTS).where(ATTEMPTS.c.key == key)
        connection.execute(
            (known if row else insert(ATTEMPTS)).values(values if row else {"key": key, **values})
        )
        self._forget(connection, at)
        return failures

    def clear(self, connection: Connection, key: str) -> None:
        """Forget the failures of a key: an attempt succeeded, or an administrator helped."""
        connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.key == key))

    def _forget(self, connection: Connection, at: datetime) -> None:
        """Drop what nobody came back to, so that invented logins do not fill the table."""
        is_old = ATTEMPTS.c.last_us < at - _FORGET_AFTER
        is_harmless = ATTEMPTS.c.failures <= self._patience.free_failures
        connection.execute(delete(ATTEMPTS).where(is_old, is_harmless))


def attempt_key(kind: str, name: str) -> str:
    """Return the key of what is attempted.

    Parameters
    ----------
    kind
        ``password`` or ``totp``.
    name
        Login or person.
    """
    return hashlib.sha256(f"{kind}\x1f{name}".encode("utf-8", "replace")).hexdigest()


def _locked(wait_s: float) -> AccountLocked:
    longest_s = _FORGET_AFTER.total_seconds()
    remedy = (
        f"try again in {ceil(wait_s)} s" if wait_s < longest_s else "ask the administrator for a new password"
    )
    return AccountLocked(
        "too many failed logins in a row",
        "the right password after the wait",
        remedy,
        wait_s=min(wait_s, longest_s),
    )
