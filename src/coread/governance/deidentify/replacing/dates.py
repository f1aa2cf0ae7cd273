"""Dates moved by days: DA and DT of PS3.5 table 6.2-1, their precision kept, times untouched."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

_DATE = re.compile(r"(\d{4})\.?(\d\d)?\.?(\d\d)?")


def shift_date(value: str, days: int) -> str | None:
    """Return a DA value (or several, parted by a backslash) moved by `days`; None where it is no date.

    Examples
    --------
    >>> shift_date("20240102", -7)
    '20231226'
    >>> shift_date("2024.01.02", -7)
    '20231226'
    """
    return _each(value, days, has_time=False)


def shift_datetime(value: str, days: int) -> str | None:
    """Return a DT value moved by `days`, its time and zone untouched; None where it is none.

    Examples
    --------
    >>> shift_datetime("20240102093000.5+0100", -7)
    '20231226093000.5+0100'
    >>> shift_datetime("202401", -366)
    '202301'
    """
    return _each(value, days, has_time=True)


@lru_cache(maxsize=4096)  # the objects of a study bear the same dates
def _each(value: str, days: int, *, has_time: bool) -> str | None:
    moved = [_one(part.strip(" \0"), days, has_time) for part in value.split("\\")]
    return None if None in moved else "\\".join(str(part) for part in moved)


def _one(value: str, days: int, has_time: bool) -> str | None:
    if not value:
        return ""
    match = _DATE.match(value)
    if match is None or (match.end() != len(value) and not has_time):
        return None
    year, month, day = match.groups()
    try:
        moved = date(int(year), int(month or 7), int(day or 15)) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    text = f"{moved.year:04}{moved.month:02}{moved.day:02}"
    return text[: 8 if day else 6 if month else 4] + value[match.end() :]
