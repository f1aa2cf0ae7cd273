"""A plain page for people: which studies came, and what the readers said of them.

The page is built as a tree and written by a serialiser, so that no DICOM string
can become mark-up, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as Tree

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from coread.archive import Archive, Query, Readings, Studies, StudyState
from coread.domain.finding import Finding
from coread.domain.reading import Reading

_PAGE_STUDIES = 25

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem; color: #1b2733; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid #d5dde5; }
img { width: 96px; height: 96px; object-fit: contain; background: #000; }
.findings { font-weight: 600; }
.abstained, .refused { color: #7a5200; }
.failed { color: #a11; }
small { color: #566; display: block; }
"""


class StatusPage:
    """Answers with the page.

    Parameters
    ----------
    archive, studies, readings
        What the page tells of.
    """

    def __init__(self, archive: Archive, studies: Studies, readings: Readings) -> None:
        self._archive = archive
        self._studies = studies
        self._readings = readings

    def show(self, request: Request) -> Response:
        """Show the studies that came last, a page at a time."""
        text = request.query_params.get("from", "0")
        start = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
        states = self._studies.list(limit=_PAGE_STUDIES + 1, offset=start)
        page = _page(self._rows(states[:_PAGE_STUDIES]))
        if len(states) > _PAGE_STUDIES:
            _add(page[1], "a", "Earlier studies", href=f"/?from={start + _PAGE_STUDIES}")
        return HTMLResponse("<!DOCTYPE html>\n" + Tree.tostring(page, encoding="unicode", method="html"))

    def style(self, _request: Request) -> Response:
        """Give the page's style sheet."""
        return Response(_STYLE, media_type="text/css")

    def _rows(self, states: Sequence[StudyState]) -> list[Tree.Element]:
        uids = "\\".join(state.study_instance_uid for state in states)
        found = (
            self._archive.find_studies(Query({"StudyInstanceUID": uids}, limit=_PAGE_STUDIES)) if uids else []
        )
        facts = {row["StudyInstanceUID"]: row for row in found}
        return [self._row(state, facts.get(state.study_instance_uid, {})) for state in states]

    def _row(self, state: StudyState, facts: Mapping[str, str]) -> Tree.Element:
        row = Tree.Element("tr")
        address = f"/dicomweb/studies/{state.study_instance_uid}"
        _add(_add(row, "td"), "img", src=f"{address}/thumbnail", alt="", loading="lazy")
        patient = _add(row, "td", facts.get("PatientName", ""))
        _add(patient, "small", facts.get("PatientID", ""))
        study = _add(row, "td", facts.get("StudyDescription", "") or "Study")
        _add(study, "small", " ".join(facts.get(word, "") for word in ("StudyDate", "ModalitiesInStudy")))
        _add(study, "small", _arrival(state))
        _readings(_add(row, "td"), self._readings.of_study(state.study_instance_uid))
        _links(_add(row, "td"), state.study_instance_uid, address)
        return row


def _page(rows: Sequence[Tree.Element]) -> Tree.Element:
    html = Tree.Element("html", lang="en")
    head = _add(html, "head")
    _add(head, "meta", charset="utf-8")
    _add(head, "title", "CoRead 共读")
    _add(head, "link", rel="stylesheet", href="/style.css")
    body = _add(html, "body")
    _add(body, "h1", "CoRead 共读")
    table = _add(body, "table")
    heading = _add(table, "tr")
    for title in ("", "Patient", "Study", "Readings", "Objects"):
        _add(heading, "th", title)
    table.extend(rows)
    if not rows:
        _add(body, "p", "No study has come yet.")
    return html


def _readings(cell: Tree.Element, readings: Sequence[Reading]) -> None:
    for reading in reversed(readings):
        line = _add(cell, "div", f"{reading.reader}: {reading.outcome}")
        line.set("class", str(reading.outcome))
        for finding in reading.findings:
            _add(line, "small", _finding(finding))
        if reading.reason is not None:
            _add(line, "small", reading.reason.text)
            _add(line, "small", reading.reason.text_zh)


def _finding(finding: Finding) -> str:
    sure = finding.confidence
    return (
        f"{finding.code.meaning} {finding.code.meaning_zh}: {finding.presence}, "
        f"probability {sure.probability:.0%} ({sure.level:.0%} interval {sure.lower:.0%} to {sure.upper:.0%})"
    )


def _arrival(state: StudyState) -> str:
    arrived = f"{state.originals} objects"
    return f"{arrived}, more may come" if state.is_open else f"{arrived}, version {state.version}"


def _links(cell: Tree.Element, study: str, address: str) -> None:
    for name, target in (
        ("DICOM JSON", f"{address}/metadata"),
        ("FHIR report", f"/fhir/DiagnosticReport?study={study}"),
    ):
        _add(_add(cell, "div"), "a", name, href=target)


def _add(parent: Tree.Element, tag: str, text: str = "", **attributes: str) -> Tree.Element:
    child = Tree.SubElement(parent, tag, attributes)
    child.text = text
    return child
