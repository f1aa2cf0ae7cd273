"""What the header itself says about the person, searched for in every text that stays."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from itertools import permutations
from typing import Any

from pydicom.datadict import tag_for_keyword

from coread.governance.deidentify.stream import Element, Item
from coread.governance.deidentify.texts.charsets import decoded, encodings_of
from coread.governance.deidentify.texts.patterns import tidy

_CHARACTER_SET = 0x00080005
_PART = re.compile(r"[\^=\\,;\s]+")
_NAME_PIECE = re.compile(r"[\^=\\,;\s\-'.]+")
_CJK = re.compile(r"[\u3400-\u9fff\uac00-\ud7af\u3040-\u30ff]")
_DIGITS = re.compile(r"\d{8}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Shortest name, number and number without borders that are searched for.
_MIN_NAME, _MIN_ID, _MIN_LONG_ID = 2, 3, 6
#: Texts whose result is remembered for each person.
_REMEMBERED = 4096


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("identifying.toml").read_text(encoding="utf-8"))


@cache
def _kinds() -> dict[int, str]:
    return {
        tag: kind
        for kind in ("ids", "places", "dates")
        for keyword in _facts()[kind]
        if (tag := tag_for_keyword(keyword)) is not None
    }


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(_facts()["stop_words"])


@dataclass(frozen=True, slots=True)
class Facts:
    """Raw values that name someone, by kind; hashable, so that a person's are compiled once."""

    names: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()


class Known:
    """Searches texts and bytes for what is known of one person.

    Parameters
    ----------
    facts
        Values as the header has them.
    """

    def __init__(self, facts: Facts) -> None:
        words = _Words()
        for name in facts.names:
            words.add_name(name)
        for number in facts.ids:
            words.add_id(number)
        for place in facts.places:
            words.add_place(place)
        for day in facts.dates:
            words.free |= set(date_forms(day))
        self._regex = words.regex()
        self._words = words
        self._remembered: dict[str, str] = {}

    def remove(self, text: str) -> str:
        """Return a text without what is known; the text itself where nothing of it stands there."""
        if self._regex is None:
            return text
        known = self._remembered.get(text)
        if known is None:
            cleaned = self._regex.sub("", text)
            known = text if cleaned == text else tidy(cleaned)
            if len(self._remembered) < _REMEMBERED:
                self._remembered[text] = known
        return known

    def is_in(self, text: str) -> bool:
        """Tell whether a text holds something known."""
        return self._regex is not None and self._regex.search(text) is not None

    def is_in_bytes(self, value: bytes | memoryview) -> bool:
        """Tell whether bytes hold something known as ASCII, UTF-8, GB 18030 or UTF-16."""
        return self._bytes is not None and self._bytes.search(value) is not None

    @cached_property
    def _bytes(self) -> re.Pattern[bytes] | None:
        return self._words.bytes_regex()


class _Words:
    """Words by how they are bordered."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.ids: set[str] = set()
        self.free: set[str] = set()

    def add_name(self, name: str) -> None:
        for group in name.split("="):
            pieces = [p for p in _NAME_PIECE.split(group) if p]
            if any(_CJK.search(p) for p in pieces):
                self._add_chinese(pieces)
                continue
            telling = [p for p in pieces if _is_telling(p)]
            self.names.update(telling)
            self.names.update("".join(pair) for pair in permutations(telling[:3], 2))
            self.names.update(p for whole in _PART.split(group) if _is_telling(p := whole))
            self.names.update(_plain(p) for p in telling)

    def _add_chinese(self, pieces: Sequence[str]) -> None:
        self.free.add("".join(pieces[:2]))
        self.free.add(" ".join(pieces[:2]))
        self.free.update(p for p in pieces if len(p) >= _MIN_NAME)

    def add_id(self, number: str) -> None:
        number = number.strip()
        if len(number) < _MIN_ID or number.lower() in _stop_words():
            return
        (self.free if len(number) >= _MIN_LONG_ID else self.ids).add(number)
        bare = re.sub(r"[\s()+.-]", "", number)
        if len(bare) >= _MIN_LONG_ID and bare != number:
            self.free.add(bare)
        shorter = bare.lstrip("0")
        if len(shorter) >= 5:
            self.ids.add(shorter)

    def add_place(self, place: str) -> None:
        for part in (place, *re.split(r"[,;\\\r\n]+", place)):
            word = part.strip()
            if len(word) >= _MIN_ID and word.lower() not in _stop_words() and not word.isdecimal():
                (self.free if _CJK.search(word) else self.names).add(word)

    def regex(self) -> re.Pattern[str] | None:
        parts = []
        if self.names:
            parts.append(rf"(?<![^\W\d_])(?:{_any(self.names)})(?![^\W\d_])")
        if self.ids:
            parts.append(rf"(?<![^\W_])(?:{_any(self.ids)})(?![^\W_])")
        if self.free:
            parts.append(_any(self.free))
        return re.compile("|".join(parts), re.IGNORECASE) if parts else None

    def bytes_regex(self) -> re.Pattern[bytes] | None:
        forms: set[bytes] = set()
        for word in self.names | self.ids | self.free:
            for spelled in {word, word.upper(), word.lower(), word.title()}:
                forms |= {
                    spelled.encode(name, "ignore") for name in ("utf-8", "gb18030", "utf-16-le", "utf-16-be")
                }
        telling = sorted((f for f in forms if len(f) >= 4), key=len, reverse=True)
        return re.compile(b"|".join(map(re.escape, telling))) if telling else None


def _is_telling(word: str) -> bool:
    bare = word.strip(".'-()").lower()
    return len(bare) >= _MIN_NAME and bare not in _stop_words() and not bare.isdecimal()


def _plain(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(w) for w in sorted(words, key=lambda w: (-len(w), w)))


def date_forms(value: str) -> Iterator[str]:
    """Give the ways in which a date (``YYYYMMDD...``) is written in texts."""
    if not _DIGITS.match(value):
        return
    try:
        day = date(int(value[:4]), int(value[4:6]), int(value[6:8]))
    except ValueError:
        return
    yield f"{day:%Y%m%d}"
    for mark in "-/.":
        yield f"{day:%Y{mark}%m{mark}%d}"
        yield f"{day:%d{mark}%m{mark}%Y}"
        yield f"{day:%m{mark}%d{mark}%Y}"
    yield f"{day.year}年{day.month}月{day.day}日"
    yield f"{day:%Y}年{day:%m}月{day:%d}日"
    month = _MONTHS[day.month - 1]
    for number in {f"{day.day:02d}", str(day.day)}:
        yield from (
            f"{number} {month} {day.year}",
            f"{number}-{month}-{day.year}",
            f"{month} {number}, {day.year}",
        )


def collect(elements: Item, kept: Collection[int], is_own: Callable[[str], bool]) -> Known:
    """Return what a data set says about persons.

    Parameters
    ----------
    elements
        The data set, sequences and all.
    kept
        Attributes whose values stay and are therefore not searched for.
    is_own
        Tells a pseudonym, which is not searched for either.
    """
    found: dict[str, set[str]] = {"names": set(), "ids": set(), "places": set(), "dates": set()}
    _walk(elements, kept, found, ("ascii",))
    facts = Facts(
        frozenset(v for v in found["names"] if not is_own(v)),
        frozenset(v for v in found["ids"] if not is_own(v)),
        frozenset(found["places"]),
        frozenset(found["dates"]),
    )
    return _compiled(facts)


@lru_cache(maxsize=512)
def _compiled(facts: Facts) -> Known:
    return Known(facts)


def _walk(
    elements: Iterable[Element], kept: Collection[int], found: dict[str, set[str]], encodings: tuple[str, ...]
) -> None:
    kinds = _kinds()
    for element in elements:
        if element.items is not None:
            for item in element.items:
                _walk(item, kept, found, encodings)
            continue
        tag = element.tag
        if tag == _CHARACTER_SET:
            encodings = encodings_of(bytes(element.value))
            continue
        is_name = element.vr == b"PN"
        kind = "names" if is_name else kinds.get(tag)
        if kind is None or not element.value or tag in kept:
            continue
        text = decoded(element.value, encodings, is_name=is_name).strip(" \0")
        found[kind].update(part.strip() for part in text.split("\\") if part.strip() not in {"", "REMOVED"})
