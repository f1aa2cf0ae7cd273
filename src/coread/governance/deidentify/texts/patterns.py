"""Texts freed of what looks like an identifier: dates, numbers, addresses, labelled names."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

#: A text in which none of this stands matches no pattern but those of names.
_MAY_MATTER = re.compile(r"\d\d|@|://|www\.|年")
_GAPS = re.compile(r"\s{2,}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of identifier."""

    name: str
    is_strong: bool
    """Searched in every text; weak ones only in descriptions and free texts."""
    regex: re.Pattern[str]


@cache
def patterns() -> tuple[Pattern, ...]:
    """Return the patterns of ``patterns.toml``."""
    data = tomllib.loads(files(__package__).joinpath("patterns.toml").read_text(encoding="utf-8"))
    return tuple(
        Pattern(row["name"], row["strength"] == "strong", re.compile(row["regex"]))
        for row in data["patterns"]
    )


@lru_cache(maxsize=65536)
def remove_patterns(text: str, *, weak: bool) -> str:
    """Return a text without what looks like an identifier; the text itself where nothing does.

    Parameters
    ----------
    text
        Any text.
    weak
        Whether the weak patterns are searched too.

    Examples
    --------
    >>> remove_patterns("CHEST PA 2024-01-02", weak=False)
    'CHEST PA'
    >>> remove_patterns("compared with Dr. Smith, MRN 445566", weak=True)
    'compared with Dr. , MRN'
    """
    if not weak and not _MAY_MATTER.search(text):
        return text
    cleaned = text
    for pattern in patterns():
        if weak or pattern.is_strong:
            cleaned = pattern.regex.sub(_kept, cleaned)
    return text if cleaned == text else tidy(cleaned)


def tidy(text: str) -> str:
    """Close the gaps that removed words leave; line breaks stay."""
    lines = (_GAPS.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(lines).strip()


def _kept(match: re.Match[str]) -> str:
    return match.groupdict().get("keep") or ""
