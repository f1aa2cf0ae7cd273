"""Times as the tables hold them: microseconds since 1970 in UTC (``*_us``)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Return microseconds since 1970.

    Examples
    --------
    >>> to_us(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (at - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """Return the time in UTC."""
    return _EPOCH + timedelta(microseconds=us)


def time_or_none(us: int | None) -> datetime | None:
    """Return the time in UTC; None where there is none."""
    return None if us is None else from_us(us)
