"""The strictest way: nothing stays in a text but words of reports."""

from __future__ import annotations

import re
from functools import lru_cache

from coread.governance.deidentify.texts.persons import chinese
from coread.governance.deidentify.texts.persons.finding import without
from coread.governance.deidentify.texts.persons.words import is_word

_LATIN = re.compile(r"[^\W\d_\u3400-\u9fff]{2,}(?:['’][^\W\d_]+)?")


@lru_cache(maxsize=65536)
def only_allowed(text: str) -> str:
    """Return a text without each word that is not on the list of words of reports; numbers and marks stay.

    Examples
    --------
    >>> only_allowed("small nodule, told Amara Oyelaran by telephone 5 mm")
    'small nodule, told by telephone 5 mm'
    """
    spans = [match.span() for match in _LATIN.finditer(text) if not is_word(match[0])]
    spans += chinese.strange(text)
    return without(text, spans) if spans else text
