"""Removes persons from a text by the words around them, in Latin letters and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from coread.governance.deidentify.texts.patterns import tidy
from coread.governance.deidentify.texts.persons import chinese
from coread.governance.deidentify.texts.persons.words import is_word, latin_words

_TOKEN = re.compile(r"[^\W\d_](?:[^\W\d_]|['’-](?=[^\W\d_]))*\.?")
_LETTERS = re.compile(r"[a-z]+")
_CJK = re.compile(r"[\u3400-\u9fff]")
#: A name has at most so many parts; more capitals in a row are a heading.
_MOST_PARTS = 4
#: A text is prose from so many words on, of which such a share is in lower case.
_PROSE_WORDS, _PROSE_SHARE = 5, 0.5
#: A stranger has at least so many letters; capitals of fewer letters are short for something.
_SHORTEST, _LONG = 3, 4
#: What may stand between a cue and a name, between the parts of a name, and before who somebody is.
_AFTER_CUE = re.compile(r"[\s:,(]*(?:(?:is|was|named|called|the|her|his|their|our)\s+)?[\s:,(]*")
_BETWEEN = re.compile(r"[ ^]|, ?")
_BEFORE_KIN = re.compile(r"\s*[,(]\s*(?:(?:the|her|his|their)\s+)?(?:patient's\s+)?")


@lru_cache(maxsize=65536)
def remove_persons(text: str) -> str:
    """Return a text without the persons that its words point to; the text itself where there are none.

    Found are names after or before a title, after a kinship word or a deed (``discussed with``), in prose
    what is capitalised and no word of reports, elsewhere a frequent name beside such a one, and in Chinese
    what `chinese.names` finds.

    Examples
    --------
    >>> remove_persons("Discussed with Dr Amara Oyelaran at 10:15, nodule stable")
    'Discussed with Dr at 10:15, nodule stable'
    >>> remove_persons("Her brother Bartholomew noticed it, 其兄柏舟发现")
    'Her brother noticed it, 其兄发现'
    """
    spans = list(_latin(text))
    if _CJK.search(text):
        spans += chinese.names(text)
    return without(text, spans) if spans else text


def without(text: str, spans: list[tuple[int, int]]) -> str:
    """Return a text without these parts of it."""
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(text[at : max(start, at)])
        at = max(at, end)
    return tidy("".join((*kept, text[at:])))


def _latin(text: str) -> Iterator[tuple[int, int]]:
    said = set(_LETTERS.findall(text.lower()))
    for match in _cues().finditer(text) if said & _cue_heads() else ():
        start = _AFTER_CUE.match(text, match.end())
        found = _name_at(text, start.end() if start else match.end(), is_sure=bool(match["title"]))
        if found:
            yield found
    if said & _afterwards_heads():
        yield from _before(text)
    yield from _strangers(text)


@cache
def _cue_heads() -> frozenset[str]:
    """Return the first letters of every cue: most texts hold none, and need no longer look."""
    words = latin_words()
    return frozenset(_LETTERS.findall(cue)[0] for cue in (*words.titles, *words.kin, *words.deeds))


@cache
def _afterwards_heads() -> frozenset[str]:
    words = latin_words()
    return frozenset(_LETTERS.findall(word)[0] for word in (*words.after, *words.kin))


@cache
def _cues() -> re.Pattern[str]:
    words = latin_words()
    titles = "|".join(sorted(map(re.escape, words.titles), key=len, reverse=True))
    others = "|".join(sorted(map(re.escape, (*words.kin, *words.deeds)), key=len, reverse=True))
    # MR is magnetic resonance: in capitals it is a title only where a point follows.
    title = rf"(?P<title>(?<!\w)(?!(?-i:MR|MS)\b(?!\.))(?:{titles})\b\.?)"
    return re.compile(rf"(?i:{title}|(?<![\w-])(?:{others})\b)")


def _name_at(text: str, at: int, *, is_sure: bool) -> tuple[int, int] | None:
    """Return the name that begins here; after a title also one in lower case."""
    end, parts, here = at, 0, at
    while parts < _MOST_PARTS:
        token = _TOKEN.match(text, here)
        if token is None or not _may_be_part(token[0], is_sure=is_sure, parts=parts):
            break
        here = token.end()
        if token[0].rstrip(".").lower() not in latin_words().particles:
            parts, end = parts + 1, here
        gap = _BETWEEN.match(text, here)
        if gap is None or (token[0].endswith(".") and len(token[0]) > 3):
            break
        here = gap.end()
    stripped = text[at:end].rstrip(".")
    return (at, at + len(stripped)) if parts and len(stripped) > 1 else None


def _may_be_part(token: str, *, is_sure: bool, parts: int) -> bool:
    bare = token.rstrip(".")
    if bare.lower() in latin_words().titles:
        return False
    if bare.lower() in latin_words().particles:
        return True
    if len(bare) == 1:
        return bare.isupper() and (token.endswith(".") or parts > 0 or is_sure)
    if is_word(bare):
        return False
    return bare[0].isupper() or is_sure


def _before(text: str) -> Iterator[tuple[int, int]]:
    """Give names before letters (``MD``) or before who they are (``, her mother``)."""
    for match in _afterwards().finditer(text):
        end = match.start()
        start, parts = end, 0
        for token in reversed(list(_TOKEN.finditer(text, max(end - 60, 0), end))):
            gap = text[token.end() : start]
            if parts >= _MOST_PARTS or not (gap == "" or _BETWEEN.fullmatch(gap)):
                break
            if not _may_be_part(token[0], is_sure=False, parts=1):
                break
            start, parts = token.start(), parts + 1
        if parts:
            yield start, end


@cache
def _afterwards() -> re.Pattern[str]:
    words = latin_words()
    letters = "|".join(re.escape(w) for w in sorted(words.after, key=len, reverse=True))
    kin = "|".join(re.escape(w) for w in sorted(words.kin, key=len, reverse=True))
    return re.compile(rf",? ?(?<=[ ,])(?i:{letters})(?!\w)|{_BEFORE_KIN.pattern}(?i:{kin})\b")


def _strangers(text: str) -> Iterator[tuple[int, int]]:
    """Give what stands in capitals in prose and is no word of reports, or a frequent name.

    Descriptions of series are no prose: their capitals are abbreviations. There a frequent name beside
    another capitalised stranger is needed.
    """
    tokens = list(_TOKEN.finditer(text))
    strange = [token for token in tokens if _is_strange(token[0].rstrip("."))]
    if not strange:
        return
    prose = len(tokens) >= _PROSE_WORDS and sum(t[0].islower() for t in tokens) >= _PROSE_SHARE * len(tokens)
    for token in strange:
        bare = token[0].rstrip(".")
        beside = [o for o in strange if o is not token and _is_beside(text, o, token)]
        is_frequent = _is_frequent(bare)
        alone = prose and (is_frequent or not bare.isupper() or any(len(o[0]) >= _LONG for o in beside))
        if alone or any(is_frequent or _is_frequent(o[0].rstrip(".")) for o in beside):
            yield token.start(), token.start() + len(bare)


def _is_strange(bare: str) -> bool:
    return len(bare) >= _SHORTEST and bare[0].isupper() and not is_word(bare)


def _is_frequent(bare: str) -> bool:
    words = latin_words()
    return bare.lower() in words.surnames or bare.lower() in words.given


def _is_beside(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    first, second = sorted((one, other), key=lambda token: token.start())
    return text[first.end() : second.start()] in {" ", "^", ", ", ","}
