"""The signed report as a PDF that a hospital prints and files."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from coread.domain.finding import Finding
from coread.domain.reading import Outcome, Reading
from coread.domain.review import Line, Origin, Section, SignedReport
from coread.results.printed.patient import person, shown_facts
from coread.results.printed.sheet import BLUE, GREY, MARGIN_PT, Cell, Sheet, Style
from coread.results.signed.facts import Assessed, ReportFacts, assess, undecided
from coread.results.signed.words import is_chinese, judged, probable, say, stated

_HEAD = Style(15, True)
_SMALL = Style(8, False, GREY)
_LABEL = Style(8.5, False, GREY)
_FACT = Style(9.5)
_TITLE = Style(11.5, True)
_TABLE = Style(8.5)
_TABLE_HEAD = Style(8.5, True)
_INDENT_PT = 34.0
#: The fonts' files remember where they were read last: one report at a time.
_PRESS = threading.Lock()


def pdf(report: SignedReport, facts: ReportFacts, language: str = "") -> bytes:
    """Print a signed report.

    Patient's facts, the signed sections, which lines rest on which finding of an AI reader, each
    finding with the doctor's verdict, a notice on the evidence, the signature; an addendum says what
    it follows, and the earlier reports are printed below it.

    Parameters
    ----------
    report
        As it was signed; its words are printed in the language in which they were written.
    facts
        What is shown beside them.
    language
        ``en`` or ``zh``, of the words around; that of the report if left out.

    Returns
    -------
    bytes
        PDF 1.4 with embedded fonts; the same for the same arguments.

    Raises
    ------
    ResultFault
        If a decision names a finding that no given reading holds.
    """
    page = _Page(report, facts, language or report.draft.language)
    with _PRESS:
        pages = page.printed(0).pages
        return page.printed(pages).data


@dataclass(frozen=True, slots=True)
class _Print:
    data: bytes
    pages: int


class _Page:
    """The content of one report, from top to bottom."""

    def __init__(self, report: SignedReport, facts: ReportFacts, language: str) -> None:
        self.report = report
        self.facts = facts
        self.language = language
        self.assessed = assess(report, facts.readings)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Give each finding of a reader its number on paper."""
        uids = [a.decision.finding_uid for a in self.assessed if not a.is_own]
        return {uid: number for number, uid in enumerate(uids, start=1)}

    def say(self, key: str, **values: object) -> str:
        return say(key, self.language, **values)

    def time(self, moment: datetime) -> str:
        local = moment.astimezone(self.facts.zone)
        return f"{local:%Y-%m-%d %H:%M} (UTC{local:%z})".replace("(UTC+0000)", "(UTC)")

    def printed(self, pages: int) -> _Print:
        """Print, naming `pages` as the number of pages."""
        language = "zh-CN" if is_chinese(self.language) else "en"
        sheet = Sheet(
            self.say("title"), language, self.report.signed_at, lambda s, page: self.footer(s, page, pages)
        )
        self.heading(sheet)
        self.patient(sheet)
        for section in self.report.draft.sections:
            self.section(sheet, section)
        self.table(sheet)
        self.signature(sheet, self.report)
        for earlier in reversed(self.facts.earlier):
            self.earlier(sheet, earlier)
        return _Print(sheet.close(), sheet.pages)

    def heading(self, sheet: Sheet) -> None:
        organization = self.facts.signer.organization or self.facts.patient.get("InstitutionName", "")
        if organization:
            sheet.centred(organization, Style(13))
        sheet.centred(self.say("title"), _HEAD)
        if self.report.is_addendum:
            sheet.centred(self.say("addendum"), Style(12, True, BLUE))
        sheet.gap(4)
        sheet.rule()

    def patient(self, sheet: Sheet) -> None:
        """Set the facts in two columns of label and text."""
        facts = shown_facts(self.facts.patient, self.language)
        for number in range(0, len(facts), 2):
            pair = facts[number : number + 2]
            sheet.row(
                [c for label, text in pair for c in (Cell(label, 0.15, _LABEL), Cell(text, 0.35, _FACT))]
            )
        sheet.rule()
        if self.report.is_addendum:
            self.addendum(sheet)

    def addendum(self, sheet: Sheet) -> None:
        number = self.report.number - 1
        first = self.facts.earlier[0] if self.facts.earlier else None
        if first is not None:
            values = {"number": number, "name": first.person_name, "time": self.time(first.signed_at)}
            sheet.paragraph(self.say("addendum_to", **values), Style(10, True, BLUE))
            sheet.paragraph(self.say("addendum_note"), _SMALL)
        else:
            sheet.paragraph(f"{self.say('addendum')} {number}", Style(10, True, BLUE))

    def section(self, sheet: Sheet, section: Section, *, marked: bool = True) -> None:
        if not section.lines:
            return
        sheet.keep(3.2 * _TITLE.leading_pt)
        sheet.gap(5)
        sheet.paragraph(self.say(section.name), _TITLE)
        for line in section.lines:
            sheet.paragraph(line.text, indent_pt=_INDENT_PT, mark=self.mark(line) if marked else "")

    def mark(self, line: Line) -> str:
        number = self.numbers.get(line.finding_uid) if line.origin is Origin.FINDING else None
        return f"AI {number}" if number else ""

    def table(self, sheet: Sheet) -> None:
        """Show what the readers found, and what the doctor said to each of it."""
        sheet.keep(70)
        sheet.gap(8)
        sheet.rule()
        sheet.paragraph(self.say("ai"), Style(10, True))
        rows = [self.cells(a) for a in self.assessed if not a.is_own]
        rows += [self.open_cells(*one) for one in undecided(self.report, self.facts.readings)]
        if rows:
            heads = ("number", "finding", "reader", "probability", "verdict")
            self.row(sheet, [self.say(head) for head in heads], _TABLE_HEAD)
            for row in rows:
                self.row(sheet, row, _TABLE)
        else:
            sheet.paragraph(self.say("ai_none"), _TABLE)
        for reading in self.facts.readings:
            if reading.outcome is not Outcome.FINDINGS:
                sheet.paragraph(self.silence(reading), _TABLE)
        if any(self.mark(line) for s in self.report.draft.sections for line in s.lines):
            sheet.paragraph(self.say("mark_note"), _SMALL)
        if self.facts.readings:
            sheet.paragraph(self.say("research", evidence=self.evidence()), _SMALL)

    def row(self, sheet: Sheet, texts: list[str], style: Style) -> None:
        shares = (0.07, 0.27, 0.23, 0.19, 0.24)
        sheet.row([Cell(text, share, style) for text, share in zip(texts, shares, strict=True)])

    def cells(self, assessed: Assessed) -> list[str]:
        finding, reading = assessed.finding, assessed.reading
        if finding is None or reading is None:
            return [""] * 5
        number = f"AI {self.numbers[finding.tracking_uid]}"
        said = stated(finding.code, finding.presence, self.language)
        return [
            number,
            said,
            str(reading.reader),
            probable(finding.confidence),
            judged(assessed, self.language),
        ]

    def open_cells(self, reading: Reading, finding: Finding) -> list[str]:
        """Return the row of a finding without a verdict."""
        said = stated(finding.code, finding.presence, self.language)
        return ["–", said, str(reading.reader), probable(finding.confidence), self.say("undecided")]

    def silence(self, reading: Reading) -> str:
        """Say which reader gave no answer, and why."""
        reason = reading.reason
        text = (reason.text_zh if is_chinese(self.language) else "") or reason.text if reason else ""
        return f"{reading.reader}: {self.say(reading.outcome.value)}. {text}"

    def evidence(self) -> str:
        graded = {}
        for reading in self.facts.readings:
            card = self.facts.cards.get(reading.reader.name)
            is_own = card is not None and card.identity == reading.reader
            graded[str(reading.reader)] = self.say(card.evidence_grade if card and is_own else "unknown")
        return "; ".join(f"{reader}: {grade}" for reader, grade in graded.items())

    def signature(self, sheet: Sheet, report: SignedReport) -> None:
        """Set name and time of the signature, and what binds this paper to the record."""
        sheet.keep(90)
        sheet.gap(10)
        sheet.rule()
        organization = self.facts.signer.organization
        lines = [("signed", report.person_name), ("signed_at", self.time(report.signed_at))]
        lines += [("organization", organization)] if organization else []
        for key, text in lines:
            sheet.row([Cell(self.say(key), 0.3, _LABEL), Cell(text, 0.7, Style(11, key == "signed"))])
        for key, text in (("report_id", report.uid), ("digest", report.text_sha256)):
            sheet.row([Cell(self.say(key), 0.3, _SMALL), Cell(text, 0.7, _SMALL)])

    def earlier(self, sheet: Sheet, report: SignedReport) -> None:
        """Print the words of an earlier report."""
        sheet.keep(80)
        sheet.gap(14)
        sheet.rule(BLUE, 1)
        values = {"name": report.person_name, "time": self.time(report.signed_at)}
        sheet.paragraph(self.say("earlier", **values), Style(10, True, BLUE))
        for section in report.draft.sections:
            self.section(sheet, section, marked=False)
        sheet.gap(4)
        sheet.paragraph(f"{self.say('report_id')}: {report.uid}", _SMALL)

    def footer(self, sheet: Sheet, page: int, pages: int) -> None:
        """Say on each page whose it is."""
        facts = self.facts.patient
        y = MARGIN_PT * 0.75
        sheet.line_at(y + 11)
        name = person(facts.get("PatientName", ""), self.language)[:40]
        who = "  ".join(
            text for text in (name, facts.get("PatientID", ""), facts.get("AccessionNumber", "")) if text
        )
        sheet.text_at(MARGIN_PT, y, who, _SMALL)
        sheet.right_at(y, self.say("page", page=page, pages=pages), _SMALL)
