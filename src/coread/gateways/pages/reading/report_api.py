"""The report's interface: draft, signature, addendum, PDF; and the doctor's phrases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from coread.domain.review import SignedReport
from coread.errors import NotFound
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.reading import from_json
from coread.gateways.pages.reading.as_json import plain
from coread.gateways.pages.reading.review_api import NO_STORE, ReviewApi
from coread.review import ReviewDesk

Prove = Callable[[Request, str, str], None]
"""Lets whoever is logged in show again who it is, or raises."""
PrintReport = Callable[[Asked, SignedReport], bytes]
"""Prints a signed report as PDF for whoever asks."""
_STUDY = "study_uid"


class ReportApi:
    """Answers at ``/api/v1/studies/{study_uid}/...`` what concerns the report.

    Parameters
    ----------
    desk
        The doctor's rules.
    reviews
        Writes the state after each act.
    prove
        Called before each signature.
    reports
        Signed reports of a study, the first one first.
    print_report
        Makes the PDF.
    """

    def __init__(
        self,
        desk: ReviewDesk,
        reviews: ReviewApi,
        prove: Prove,
        reports: Callable[[str], tuple[SignedReport, ...]],
        print_report: PrintReport,
    ) -> None:
        self._desk = desk
        self._reviews = reviews
        self._prove = prove
        self._reports = reports
        self._print = print_report

    def draft(self, asked: Asked) -> Response:
        """Give the draft that a template makes of the findings that stand; nothing is saved."""
        template, language = asked.query("template", "generic"), asked.query("language", asked.language)
        draft = self._desk.draft(asked.uid(_STUDY), template, language, asked.person)
        return JSONResponse(plain(draft), headers=NO_STORE)

    def save(self, asked: Asked) -> Response:
        """Save the draft."""
        body = asked.json()
        self._desk.save_draft(
            asked.uid(_STUDY),
            asked.person,
            from_json.text(body, "template", most=64),
            from_json.text(body, "language", most=8),
            dict(from_json.sections(body)),
            revision=from_json.revision(body),
            key=from_json.key(body),
        )
        return self._looked(asked)

    def sign(self, asked: Asked) -> Response:
        """Sign the saved draft, once, after a proof of who signs."""
        body = self._proven(asked)
        revision, key = from_json.revision(body), from_json.key(body)
        self._desk.sign(asked.uid(_STUDY), asked.person, revision=revision, key=key)
        return self._looked(asked)

    def addendum(self, asked: Asked) -> Response:
        """Sign an addendum, after a proof."""
        body = self._proven(asked)
        self._desk.addendum(
            asked.uid(_STUDY),
            asked.person,
            dict(from_json.sections(body)),
            revision=from_json.revision(body),
            key=from_json.key(body),
        )
        return self._looked(asked)

    def pdf(self, asked: Asked) -> Response:
        """Give a signed report as PDF, in its own language."""
        study_uid, number = asked.uid(_STUDY), asked.part("number")
        report = next((r for r in self._reports(study_uid) if str(r.number) == number), None)
        if report is None:
            raise NotFound("a number of no signed report", remedy="open the study again")
        data = self._print(asked, report)
        headers = {
            **NO_STORE,
            "Content-Disposition": f'inline; filename="report-{report.number}.pdf"',
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(data, headers=headers, media_type="application/pdf")

    def phrases(self, asked: Asked) -> Response:
        """Give the doctor's phrases of a language."""
        return self._all_phrases(asked, asked.query("language", asked.language))

    def add_phrase(self, asked: Asked) -> Response:
        """Keep a phrase."""
        body = asked.json()
        language, section = from_json.text(body, "language", most=8), from_json.text(body, "section", "", 64)
        text, key = from_json.text(body, "text").strip(), from_json.key(body)
        self._desk.add_phrase(asked.person, language, text, section, key=key)
        return self._all_phrases(asked, language)

    def remove_phrase(self, asked: Asked) -> Response:
        """Remove a phrase."""
        body = asked.json()
        self._desk.remove_phrase(asked.person, from_json.text(body, "id", most=64))
        return self._all_phrases(asked, from_json.text(body, "language", most=8))

    def _proven(self, asked: Asked) -> dict[str, Any]:
        body = dict(asked.json())
        password, totp = from_json.text(body, "password", "", 1000), from_json.text(body, "totp", "", 16)
        self._prove(asked.request, password, totp)
        return body

    def _looked(self, asked: Asked) -> Response:
        return self._reviews.answer(self._desk.look(asked.uid(_STUDY), asked.person))

    def _all_phrases(self, asked: Asked, language: str) -> Response:
        found = self._desk.phrases(asked.person, language)
        return JSONResponse({"phrases": plain(found)}, headers=NO_STORE)
