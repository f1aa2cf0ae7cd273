"""Words that stand in reports and name nobody, and the names and cues of `names.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class LatinWords:
    """Names and cues of languages written in Latin letters; all in lower case."""

    surnames: frozenset[str]
    given: frozenset[str]
    particles: frozenset[str]
    titles: frozenset[str]
    after: tuple[str, ...]
    kin: frozenset[str]
    deeds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChineseWords:
    """Names and cues of Chinese."""

    surnames: frozenset[str]
    """One character each."""
    more: frozenset[str]
    """Rarer ones, believed only after a cue."""
    compound: frozenset[str]
    kin: tuple[str, ...]
    titles: tuple[str, ...]
    deeds: tuple[str, ...]


@cache
def latin_words() -> LatinWords:
    """Return the Latin names and cues."""
    data = tomllib.loads(_text("names.toml"))["latin"]
    parts = ("surnames", "given", "particles", "titles", "kin")
    sets = {key: frozenset(data[key].split()) for key in parts}
    return LatinWords(after=tuple(data["after"].split()), deeds=tuple(data["deeds"]), **sets)


@cache
def chinese_words() -> ChineseWords:
    """Return the Chinese names and cues."""
    data = tomllib.loads(_text("names.toml"))["chinese"]
    return ChineseWords(
        frozenset(data["surnames"]),
        frozenset(data["more"]),
        frozenset(data["compound"]),
        tuple(data["kin"]),
        tuple(data["titles"]),
        tuple(data["deeds"]),
    )


@cache
def latin_vocabulary() -> frozenset[str]:
    """Return the words of reports in Latin letters, in lower case (``vocabulary_latin.txt``)."""
    return frozenset(_words("vocabulary_latin.txt"))


@cache
def chinese_vocabulary() -> frozenset[str]:
    """Return the words of Chinese reports (``vocabulary_chinese.txt``), cues among them."""
    cues = chinese_words()
    return frozenset((*_words("vocabulary_chinese.txt"), *cues.kin, *cues.titles, *cues.deeds))


@cache
def ordinary_chinese() -> frozenset[str]:
    """Return Chinese words of any text that name nobody (``vocabulary_chinese_wide.txt``).

    For saying what may stay once names are gone; names are not looked for by them: among so many words are
    some that are given names elsewhere.
    """
    return frozenset(_words("vocabulary_chinese_wide.txt"))


def is_word(token: str) -> bool:
    """Tell whether a Latin token is a word of reports and, as it is written, no name.

    A word that is also a frequent name (``brown``, ``long``) is one in lower case only.
    """
    if "-" in token:
        return all(is_word(part) for part in token.split("-") if len(part) > 1)
    lowered = token.lower().removesuffix("'s").removesuffix("’s")
    names = latin_words()
    if token[:1].isupper() and (lowered in names.surnames or lowered in names.given):
        return False
    known = latin_vocabulary()
    return lowered in known or (lowered.endswith("s") and lowered[:-1] in known)


def _words(name: str) -> list[str]:
    lines = (line for line in _text(name).splitlines() if not line.startswith("#"))
    return " ".join(lines).split()


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
