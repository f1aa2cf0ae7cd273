"""Finds persons in Chinese: no space stands between words, so what is no word of reports may be a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial

from coread.governance.deidentify.texts.persons.words import (
    chinese_vocabulary,
    chinese_words,
    ordinary_chinese,
)

_RUN = re.compile(r"[\u3400-\u9fff]+(?:[ ·•][\u3400-\u9fff]+)*")
_GAP = re.compile(r"[\s:,()\u3001\uff0c\uff1a\uff08\uff09]*(?:为|是|叫)?[\s:,(\uff0c\uff1a\uff08]*")
#: Characters that join words and stand in no name that is taken for one.
_JOINING = frozenset(
    "的了在于及与和或为是有无未见请由经向对把被将以至从到后前时内外上下左右中并且又也均已可行示述诉称"
)


#: An ordinary word has so many characters; alone stand those that no name has.
_ORDINARY = (4, 3, 2, 1)
#: Compound surname and two characters.
_LONGEST_NAME = 4
_LIKE_A_NAME = (2, 3)


@cache
def _longest() -> int:
    return max(map(len, chinese_vocabulary()))


def word_at(text: str, at: int) -> int:
    """Return the length of the longest word of reports that begins here, 0 where none does."""
    known = chinese_vocabulary()
    for length in range(min(_longest(), len(text) - at), 0, -1):
        if text[at : at + length] in known:
            return length
    return 0


def uncovered(text: str) -> Iterator[tuple[int, int]]:
    """Give the stretches of Chinese characters that are no words of reports, as (start, end)."""
    for run in _RUN.finditer(text):
        yield from _between(run.start(), run.end(), lambda at: word_at(text, at))


def strange(text: str) -> Iterator[tuple[int, int]]:
    """Give the stretches that are neither words of reports nor ordinary ones, as (start, end)."""
    ordinary = ordinary_chinese()
    for start, end in uncovered(text):
        # A word that reaches beyond the stretch is none: what lies there is of another.
        fits = partial(_ordinary_at, text[:end], ordinary)
        yield from _between(start, end, fits)


def _ordinary_at(text: str, known: frozenset[str], at: int) -> int:
    return next((n for n in _ORDINARY if at + n <= len(text) and text[at : at + n] in known), 0)


def _between(start: int, end: int, length_at: Callable[[int], int]) -> Iterator[tuple[int, int]]:
    """Give the stretches between words; `length_at` tells how long the word is that begins at a place."""
    at, begun = start, None
    while at < end:
        length = length_at(at)
        if length and begun is not None:
            yield begun, at
            begun = None
        elif not length and begun is None:
            begun = at
        at += length or 1
    if begun is not None:
        yield begun, end


def names(text: str) -> list[tuple[int, int]]:
    """Return where names stand: beside cues, after a compound surname, and where no word of reports does."""
    found = [span for cue in _cues().finditer(text) if (span := _after(text, cue))]
    found += [span for title in _titles().finditer(text) if (span := _before(text, title.start()))]
    found += [
        span for known in _compound().finditer(text) if (span := _surnamed(text, known.start(), len(text)))
    ]
    for start, end in uncovered(text):
        # A stranger as long as a name is believed with a rarer surname, too.
        like_a_name = end - start in _LIKE_A_NAME
        spans = (_surnamed(text, at, end, is_told=like_a_name and at == start) for at in range(start, end))
        named = next((span for span in spans if span is not None), None)
        if named is not None:
            found.append((start, max(end, named[1])) if end - start <= _LONGEST_NAME else named)
    return found


@cache
def _cues() -> re.Pattern[str]:
    cues = chinese_words()
    kin, others = (
        "|".join(sorted(words, key=len, reverse=True)) for words in (cues.kin, (*cues.titles, *cues.deeds))
    )
    return re.compile(f"(?P<kin>{kin})|{others}")


@cache
def _titles() -> re.Pattern[str]:
    return re.compile("|".join(sorted(chinese_words().titles, key=len, reverse=True)))


@cache
def _compound() -> re.Pattern[str]:
    return re.compile("|".join(chinese_words().compound))


def _before(text: str, end: int) -> tuple[int, int] | None:
    """Return the name that ends where a title begins."""
    for length in (4, 3, 2):
        start = end - length
        if start < 0 or word_at(text, start) > 1:
            continue
        if _surnamed(text, start, end, is_told=True) == (start, end):
            return start, end
    return None


def _after(text: str, cue: re.Match[str]) -> tuple[int, int] | None:
    gap = _GAP.match(text, cue.end())
    start = gap.end() if gap else cue.end()
    limit = min(start + 4, len(text))
    while limit > start and not all("\u3400" <= c <= "\u9fff" for c in text[start:limit]):
        limit -= 1
    if word_at(text, start) > 1:
        return None
    named = _surnamed(text, start, limit, is_told=True)
    if named is not None or cue["kin"] is None:
        return named
    end = start  # a given name alone: up to three characters that belong to no word
    while end < min(limit, start + 3) and not word_at(text, end) and text[end] not in _JOINING:
        end += 1
    return (start, end) if end - start >= 2 else None


def _surnamed(text: str, start: int, end: int, *, is_told: bool = False) -> tuple[int, int] | None:
    """Return a surname with one or two characters after it, None where there is none.

    Parameters
    ----------
    text, start, end
        Where to look.
    is_told
        Whether a word before says that a person follows, so that rarer surnames are believed too.
    """
    cues = chinese_words()
    known = cues.surnames | cues.more if is_told else cues.surnames
    surname = 2 if text[start : start + 2] in cues.compound else int(text[start : start + 1] in known)
    if not surname:
        return None
    given = 0
    while given < 2 and _is_given(text, start + surname + given, end):
        given += 1
    return (start, start + surname + given) if given else None


def _is_given(text: str, at: int, end: int) -> bool:
    """Tell whether a character goes on with a name: no word of two characters or more begins with it."""
    if at >= len(text) or not "\u3400" <= text[at] <= "\u9fff" or text[at] in _JOINING:
        return False
    return word_at(text, at) < 2
