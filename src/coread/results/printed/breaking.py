"""Where a line of Latin, Chinese, Japanese or Korean text may end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: May not begin a line, may not end one: the usual rules of Chinese and Japanese typesetting.
_NO_BEGIN = frozenset("，。、；：？！）】》」』”’…％‰℃々ー・,.;:?!)]}%")
_NO_END = frozenset("（【《「『“‘([{")
#: Scripts that break between any two characters: from the CJK radicals on, Hangul and wide forms.
_WIDE = "\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_PIECE = re.compile(f"[{_WIDE}]|[^{_WIDE} ]+| +")


def broken(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Break a text of one line into lines no wider than `width`; nothing is dropped but outer spaces.

    Parameters
    ----------
    text
        Without line breaks.
    width
        Of a line, in the unit of `measure`; a single character that is wider still gets a line.
    measure
        Gives the width of a text.

    Examples
    --------
    >>> broken("abc def，ghi", 4, len)
    ['abc', 'def，', 'ghi']
    >>> broken("abcdef", 4, len)
    ['abcd', 'ef']
    """
    lines, line = [], ""
    for piece in _pieces(text, width, measure):
        if line and measure((line + piece).rstrip()) > width:
            lines.append(line.strip())
            line = ""
        line += piece
    return [*lines, line.strip()] if line.strip() or not lines else lines


def _pieces(text: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    """Yield what may not be divided: words, and characters with the signs that stick to them."""
    held = ""
    for piece in _PIECE.findall(text):
        sticks = (piece[0] in _NO_BEGIN and held.strip()) or (held and held[-1] in _NO_END)
        if held and not sticks:
            yield from _fitting(held, width, measure)
            held = ""
        held += piece
    if held:
        yield from _fitting(held, width, measure)


def _fitting(piece: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    """Divide a word that is wider than a line."""
    while len(piece) > 1 and measure(piece.rstrip()) > width:
        count = next((n for n in range(len(piece) - 1, 1, -1) if measure(piece[:n]) <= width), 1)
        yield piece[:count]
        piece = piece[count:]
    yield piece
