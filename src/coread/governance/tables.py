"""Governance's tables. Of what proves a person or a program only one-way hashes are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

if TYPE_CHECKING:
    _Moments = TypeDecorator[datetime]
else:
    _Moments = TypeDecorator

METADATA = MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(_Moments):
    """A time in UTC, kept as microseconds since 1970 as in all tables of the house."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> int | None:
        """Write a time."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: object) -> datetime | None:
        """Read a time."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


def _words() -> TypeEngine[str]:
    return Text().with_variant(Text(collation="C"), "postgresql")


PEOPLE = Table(
    "people",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("login", _words(), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("language", String(8), nullable=False),
    Column("added_us", Moment, nullable=False),
    # Argon2id in PHC form; empty: no login by password.
    Column("password_hash", Text, nullable=False, server_default=""),
    # Set by somebody else: only good for choosing one's own.
    Column("is_password_temporary", Boolean, nullable=False),
    Column("totp_secret", String(64), nullable=False, server_default=""),
    Column("is_totp_confirmed", Boolean, nullable=False),
    # Time step of the last code that was taken; a code is good once (RFC 6238 section 5.2).
    Column("totp_step", BigInteger, nullable=False),
    Index("ux_people_login", "login", unique=True),
)

IDENTITIES = Table(
    "person_identities",
    METADATA,
    Column("issuer", _words(), primary_key=True),
    Column("subject", _words(), primary_key=True),
    Column("person_id", String(32), nullable=False),
    Index("ix_person_identities_person", "person_id"),
)

ATTEMPTS = Table(
    "login_attempts",
    METADATA,
    # A hash of what is attempted, so that a password typed into the wrong field is not kept.
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_us", Moment, nullable=False),
    Column("blocked_until_us", Moment, nullable=False),
    Index("ix_login_attempts_last", "last_us"),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("token_sha256", String(64), primary_key=True),
    Column("person_id", String(32), nullable=False),
    Column("opened_us", Moment, nullable=False),
    Column("seen_us", Moment, nullable=False),
    Column("proven_us", Moment, nullable=False),
    Column("method", String(32), nullable=False),
    Index("ix_sessions_person", "person_id"),
    Index("ix_sessions_opened", "opened_us"),
)

TOKENS = Table(
    "api_tokens",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("person_id", String(32), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("issued_us", Moment, nullable=False),
    Column("expires_us", Moment, nullable=False),
    Column("revoked_us", Moment),
    Column("used_us", Moment),
    Index("ux_api_tokens_secret", "secret_sha256", unique=True),
    Index("ix_api_tokens_person", "person_id"),
)
