"""How values are written for people: names, dates, ages, sizes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_KB: Final = 1024


def person_name(value: str, language: str = "en") -> str:
    """Write a DICOM person name (PS3.5 section 6.2.1) for people.

    The ideographic group comes first in Chinese and second, in brackets, in English. Parts of a name in
    Chinese characters are joined without a space.

    Examples
    --------
    >>> person_name("Wang^XiaoDong=王^小东"), person_name("Wang^XiaoDong=王^小东", "zh")
    ('Wang XiaoDong (王小东)', '王小东 (Wang XiaoDong)')
    >>> person_name("Adams^John Robert^Quincy^Rev.^B.A. M.Div.")
    'Rev. Adams John Robert Quincy B.A. M.Div.'
    >>> person_name("")
    ''
    """
    groups = [_joined(group) for group in value.split("=")[:2]]
    ordered = [name for name in (groups[::-1] if language == "zh" else groups) if name]
    names = list(dict.fromkeys(ordered))
    return f"{names[0]} ({names[1]})" if len(names) > 1 else "".join(names)


def date(value: str) -> str:
    """Write a DICOM date as ISO 8601; anything else as it is.

    Examples
    --------
    >>> date("20260301"), date("2026")
    ('2026-03-01', '2026')
    """
    is_date = len(value) == 8 and value.isascii() and value.isdecimal()
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if is_date else value


def time(value: str) -> str:
    """Write a DICOM time to the minute.

    Examples
    --------
    >>> time("093015.12"), time("")
    ('09:30', '')
    """
    digits = value.replace(":", "")[:4]
    is_time = len(digits) == 4 and digits.isascii() and digits.isdecimal()
    return f"{digits[:2]}:{digits[2:]}" if is_time else value


def age(value: str) -> tuple[int, str] | None:
    """Read a DICOM age (VR AS): number and unit ``Y``, ``M``, ``W`` or ``D``.

    Examples
    --------
    >>> age("045Y"), age("007M"), age("old")
    ((45, 'Y'), (7, 'M'), None)
    """
    text = value.strip()
    if len(text) == 4 and text[:3].isascii() and text[:3].isdecimal() and text[3] in "YMWD":
        return int(text[:3]), text[3]
    return None


def iso(moment: datetime | None) -> str:
    """Write a moment for a ``datetime`` attribute: ISO 8601 in UTC; scripts show it in local time."""
    return (
        "" if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )


def size(count_bytes: int) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> size(512), size(2048), size(5 << 20), size(3 << 30)
    ('512 B', '2.0 kB', '5.0 MB', '3.0 GB')
    """
    number, unit = float(count_bytes), "B"
    for larger in ("kB", "MB", "GB"):
        if number < _KB:
            break
        number, unit = number / _KB, larger
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def percent(share: float, digits: int = 0) -> str:
    """Write a share of one as a percentage.

    Examples
    --------
    >>> percent(0.831), percent(0.831, 1)
    ('83%', '83.1%')
    """
    return f"{share * 100:.{digits}f}%"


def _joined(group: str) -> str:
    parts = [part.strip() for part in group.split("^")]
    family, given, middle, prefix, suffix = [*parts, "", "", "", "", ""][:5]
    if _is_ideographic(family + given):
        return "".join(part for part in (family, given, middle) if part)
    return " ".join(part for part in (prefix, family, given, middle, suffix) if part)


def _is_ideographic(text: str) -> bool:
    """Tell whether a name is written without spaces: Chinese characters, kana or hangul."""
    letters = [c for c in text if not c.isspace()]
    return bool(letters) and all("\u3040" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7a3" for c in letters)
