"""The fonts that ship with CoRead: every character of a text gets a glyph, or is shown by its number.

Three cuts of Noto Sans (SIL Open Font License) cover Latin, Greek, Cyrillic, Chinese, Japanese and
Korean. They are unpacked when the first report is printed.
"""

from __future__ import annotations

import io
import lzma
import threading
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

#: Asked in this order; the first that holds a character shows it.
_FACES = {
    "CoReadLatin": "NotoSans-Regular.ttf.xz",
    "CoReadHan": "NotoSansSC-Regular.ttf.xz",
    "CoReadHangul": "NotoSansKR-Hangul.ttf.xz",
}
_LOADING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Run:
    """Characters that one font shows."""

    font: str
    text: str


def plain(text: str) -> str:
    r"""Return `text` in one line of characters that can be seen.

    Composed where Unicode composes; characters that are invisible by design (joiners, variation
    selectors, marks of writing direction) are left out, control characters become spaces. What has no
    glyph in any font is written as ``[U+1F600]``: it may be a part of a name and must not vanish.

    Examples
    --------
    >>> plain("Li\tWei \u202e\U0001f600")
    'Li Wei [U+1F600]'
    """
    return "".join(_shown(c) for c in unicodedata.normalize("NFC", text))


def first_font() -> str:
    """Return the font that a page begins with; all are then known to the library."""
    return next(iter(_loaded()))


def runs(text: str) -> tuple[Run, ...]:
    """Divide a plain text by font."""
    return tuple(Run(font, "".join(part)) for font, part in groupby(text, key=_font_of))


def width_pt(text: str, size_pt: float) -> float:
    """Return how wide a plain text is."""
    return float(sum(pdfmetrics.stringWidth(run.text, run.font, size_pt) for run in runs(text)))


@cache
def _font_of(character: str) -> str:
    # A space or a digit looks like what stands around it in Latin; Han spaces are wide of themselves.
    return next((name for name in _FACES if ord(character) in _glyphs(name)), "CoReadHan")


@cache
def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if character in "\t\n\r\f\v" or category in ("Cc", "Zl", "Zp"):
        return " "
    if category == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF:
        return ""
    if any(ord(character) in _glyphs(name) for name in _FACES):
        return character
    return f"[U+{ord(character):04X}]"


def _glyphs(name: str) -> dict[int, int]:
    known: dict[int, int] = _loaded()[name].face.charToGlyph
    return known


def _loaded() -> dict[str, TTFont]:
    with _LOADING:
        return _load()


@cache
def _load() -> dict[str, TTFont]:
    folder = files("coread.results") / "fonts"
    fonts = {}
    for name, file in _FACES.items():
        fonts[name] = TTFont(name, io.BytesIO(lzma.decompress((folder / file).read_bytes())))
        pdfmetrics.registerFont(fonts[name])
    return fonts
