"""Paper: pages of A4 on which lines, rows and rules are set from top to bottom."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from coread.results.printed.breaking import broken
from coread.results.printed.fonts import first_font, plain, runs, width_pt

WIDTH_PT, HEIGHT_PT = A4
MARGIN_PT = 18 * mm
TEXT_WIDTH_PT = WIDTH_PT - 2 * MARGIN_PT
_BOTTOM_PT = 24 * mm
_LEADING = 1.45

BLACK = (0.0, 0.0, 0.0)
GREY = (0.35, 0.35, 0.35)
BLUE = (0.05, 0.25, 0.55)
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Style:
    """How a text looks."""

    size_pt: float = 10.5
    bold: bool = False
    colour: Colour = BLACK

    @property
    def leading_pt(self) -> float:
        """Distance of two lines."""
        return self.size_pt * _LEADING


@dataclass(frozen=True, slots=True)
class Cell:
    """One part of a row."""

    text: str
    share: float
    """Of the text's width, 0..1."""
    style: Style = Style()


class Sheet:
    """Pages under way. The same calls give the same bytes.

    Parameters
    ----------
    title, language
        For the file's own description.
    at
        Time of the document; the file bears no other.
    furniture
        Draws what every page has, e.g. its number; called with the sheet and the page's number.
    """

    def __init__(
        self, title: str, language: str, at: datetime, furniture: Callable[[Sheet, int], None]
    ) -> None:
        self._stream = io.BytesIO()
        options = {"invariant": 1, "pageCompression": 1, "lang": language}
        self._canvas = Canvas(self._stream, pagesize=A4, initialFontName=first_font(), **options)
        self._canvas.setTitle(plain(title))
        self._canvas.setCreator("CoRead")
        self._canvas.setProducer("CoRead")
        self._set_time(at)
        self._furniture = furniture
        self.pages = 1
        self.y_pt = HEIGHT_PT - MARGIN_PT

    def _set_time(self, at: datetime) -> None:
        """Let the file say when the document was made, not when it was printed."""
        document = self._canvas._doc
        document.signature = hashlib.md5(usedforsecurity=False)
        stamp = document._timeStamp
        stamp.t, stamp.lt = at.timestamp(), at.utctimetuple()
        stamp.YMDhms, stamp.dhh, stamp.dmm = tuple(stamp.lt)[:6], 0, 0

    def close(self) -> bytes:
        """End the last page and return the file."""
        self._end_page()
        self._canvas.save()
        return self._stream.getvalue()

    def _end_page(self) -> None:
        self._furniture(self, self.pages)
        self._canvas.showPage()

    def keep(self, height_pt: float) -> None:
        """Begin a page unless `height_pt` is left on this one."""
        if self.y_pt - height_pt < _BOTTOM_PT:
            self._end_page()
            self.pages += 1
            self.y_pt = HEIGHT_PT - MARGIN_PT

    def gap(self, height_pt: float) -> None:
        """Leave space."""
        self.y_pt -= height_pt

    def rule(self, colour: Colour = GREY, thickness_pt: float = 0.6) -> None:
        """Draw a line across the text."""
        self.keep(6)
        self.line_at(self.y_pt - 3, colour, thickness_pt)
        self.gap(6)

    def line_at(self, y_pt: float, colour: Colour = GREY, thickness_pt: float = 0.6) -> None:
        """Draw a line across the text at this height."""
        self._canvas.setStrokeColorRGB(*colour)
        self._canvas.setLineWidth(thickness_pt)
        self._canvas.line(MARGIN_PT, y_pt, WIDTH_PT - MARGIN_PT, y_pt)

    def paragraph(self, text: str, style: Style = Style(), *, indent_pt: float = 0, mark: str = "") -> None:
        """Set a text in as many lines as it needs.

        Parameters
        ----------
        text
            Its line breaks are kept.
        mark
            Stands left of the first line, within the indent.
        """
        for line in self._lines(text, style, TEXT_WIDTH_PT - indent_pt):
            self.keep(style.leading_pt)
            self.y_pt -= style.leading_pt
            if mark:
                self.text_at(MARGIN_PT, self.y_pt, mark, Style(style.size_pt * 0.72, True, BLUE))
                mark = ""
            self.text_at(MARGIN_PT + indent_pt, self.y_pt, line, style)

    def centred(self, text: str, style: Style) -> None:
        """Set a text in the middle of the page."""
        for line in self._lines(text, style, TEXT_WIDTH_PT):
            self.keep(style.leading_pt)
            self.y_pt -= style.leading_pt
            self.text_at((WIDTH_PT - width_pt(line, style.size_pt)) / 2, self.y_pt, line, style)

    def row(self, cells: Sequence[Cell]) -> None:
        """Set cells side by side, each in as many lines as it needs; a short row is not divided."""
        columns = [self._lines(c.text, c.style, c.share * TEXT_WIDTH_PT - 6) for c in cells]
        height = max(c.style.leading_pt for c in cells)
        count = max(len(lines) for lines in columns)
        self.keep(min(height * count, HEIGHT_PT / 2))
        for number in range(count):
            self.keep(height)
            self.y_pt -= height
            left = MARGIN_PT
            for cell, lines in zip(cells, columns, strict=True):
                if number < len(lines):
                    self.text_at(left, self.y_pt, lines[number], cell.style)
                left += cell.share * TEXT_WIDTH_PT

    def _lines(self, text: str, style: Style, width: float) -> list[str]:
        return [
            line
            for part in text.replace("\r\n", "\n").split("\n")
            for line in broken(plain(part), width, lambda piece: width_pt(piece, style.size_pt))
        ]

    def text_at(self, x_pt: float, y_pt: float, text: str, style: Style) -> None:
        """Set one line at a place, origin at the page's lower left corner."""
        drawn = self._canvas.beginText(x_pt, y_pt)
        drawn.setFillColorRGB(*style.colour)
        drawn.setStrokeColorRGB(*style.colour)
        # One weight ships for all scripts; bold is the same outline with a thin border.
        drawn.setTextRenderMode(2 if style.bold else 0)
        self._canvas.setLineWidth(style.size_pt * 0.025)
        for run in runs(plain(text)):
            drawn.setFont(run.font, style.size_pt)
            drawn.textOut(run.text)
        drawn.setTextRenderMode(0)
        self._canvas.drawText(drawn)

    def right_at(self, y_pt: float, text: str, style: Style) -> None:
        """Set one line that ends at the right margin."""
        shown = plain(text)
        self.text_at(WIDTH_PT - MARGIN_PT - width_pt(shown, style.size_pt), y_pt, shown, style)
